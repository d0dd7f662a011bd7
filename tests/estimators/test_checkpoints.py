"""A fit that was broken off goes on from its checkpoint, to the result of one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GridSearchCV

from skblood import MLPCellClassifier
from skblood.augment import CellAugment
from skblood.datasets import make_blood_cells
from skblood.training import _checkpoint

BALANCED = {"early_stopping": True, "validation_fraction": 0.25}
CASES = {
    "onecycle": {},
    "cosine": {"lr_schedule": "cosine", "optimizer": "sgd"},
    "constant": {"lr_schedule": None, "optimizer": "rmsprop"},
    "early stopping": {**BALANCED, "lr": 0.01},
    "stops early": {**BALANCED, "n_iter_no_change": 1, "scoring": "accuracy", "tol": 1.0},
    "class weight": {"class_weight": "balanced", "loss": "focal", "optimizer": "adam"},
    "in order": {"shuffle": False, "augment": CellAugment(rotation=20.0)},
}


class Killed(BaseException):
    """What ends a process at once, as far as one that goes on to run the tests can be ended."""


class Kill:
    """Kill a fit once `after` checkpoints are written; count those written since, and by it."""

    def __init__(self, write):
        self.write = write
        self.after = None
        self.n_written = 0

    def __call__(self, file, state):
        self.write(file, state)
        self.n_written += 1
        if self.n_written == self.after:
            raise Killed

    def fit(self, clf, *args, after, **kwargs):
        """Kill a fit; say whether it had not ended before."""
        self.n_written, self.after = 0, after
        try:
            clf.fit(*args, **kwargs)
        except Killed:
            return True
        finally:
            self.n_ever, self.n_written, self.after = self.n_written, 0, None
        return False


@pytest.fixture
def kill(monkeypatch):
    kill = Kill(_checkpoint._write)
    monkeypatch.setattr(_checkpoint, "_write", kill)
    return kill


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def assert_same(clf, expected):
    weights, wanted = (each.net_.module_.state_dict() for each in (clf, expected))
    assert weights.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(weights[name], wanted[name])] == []
    rows, wanted = (
        [{name: value for name, value in row.items() if name != "dur"} for row in each.history_]
        for each in (clf, expected)
    )
    assert rows == wanted
    assert (clf.n_iter_, clf.best_epoch_) == (expected.n_iter_, expected.best_epoch_)
    assert clf.training_data_ == expected.training_data_


def n_epochs(clf):
    return sum(clf._epochs())


class TestGoesOn:
    @pytest.mark.parametrize("case", CASES)
    def test_after_each_epoch(self, make, small, kill, folder, case):
        two_phases = "refine_epochs" in make().get_params()
        params = {"max_epochs": 2, "refine_epochs": 2} if two_phases else {"max_epochs": 3}
        params |= CASES[case]
        expected = make(**params).fit(*small)
        kill.fit(make(checkpoint=folder, **params), *small, after=None)
        # The epoch that stops a phase early has none.
        n_checkpoints = kill.n_ever
        assert (n_checkpoints == n_epochs(expected)) == (case != "stops early")
        for n in range(1, n_checkpoints + 1):
            clf = make(checkpoint=folder, **params)
            assert kill.fit(clf, *small, after=n)
            assert len(list(folder.iterdir())) == 1
            assert not hasattr(clf, "net_")
            assert_same(make(checkpoint=folder, **params).fit(*small), expected)
            assert kill.n_written == n_checkpoints - n
            assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("params", [{}, {"n_views": 3, **BALANCED}], ids=["one", "views"])
    def test_frozen_backbone(self, make_transfer, small, kill, folder, params):
        params = {"trainable": "head", "max_epochs": 3, **params}
        expected = make_transfer(**params).fit(*small)
        for epoch in (1, 2, 3):
            clf = make_transfer(checkpoint=folder, **params)
            assert kill.fit(clf, *small, after=epoch)
            assert_same(clf.fit(*small), expected)
            assert kill.n_written == 3 - epoch

    def test_broken_off_twice(self, make, small, kill, folder):
        expected = make(max_epochs=4).fit(*small)
        clf = make(max_epochs=4, checkpoint=folder)
        assert kill.fit(clf, *small, after=1)
        assert kill.fit(clf, *small, after=2)
        assert_same(clf.fit(*small), expected)

    def test_images_and_weights_of_the_user(self, make_mlp, small, kill, folder):
        X, y = small
        given = {"X_val": X[36:], "y_val": y[36:], "sample_weight": np.arange(36) % 3 + 0.5}
        expected = make_mlp().fit(X[:36], y[:36], **given)
        clf = make_mlp(checkpoint=folder)
        assert kill.fit(clf, X[:36], y[:36], after=1, **given)
        assert_same(clf.fit(X[:36], y[:36], **given), expected)
        assert kill.n_written == 1

    def test_warm_start(self, make_mlp, small, kill, folder):
        former, expected = (make_mlp(warm_start=True).fit(*small) for _ in range(2))
        expected.fit(*small)
        former.set_params(checkpoint=folder)
        assert kill.fit(former, *small, after=1)
        assert_same(former.fit(*small), expected)
        assert kill.n_written == 1

    def test_after_ctrl_c(self, make_mlp, small, folder, monkeypatch):
        expected = make_mlp(max_epochs=3).fit(*small)
        write, clf = _checkpoint._write, make_mlp(max_epochs=3, checkpoint=folder)

        def interrupted(file, state):
            write(file, state)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="1 of 3"):
            patch.setattr(_checkpoint, "_write", interrupted)
            clf.fit(*small)
        assert_same(clf.fit(*small), expected)

    def test_bar_goes_on(self, make_mlp, small, kill, folder, capsys):
        clf = make_mlp(verbose=1, max_epochs=4, checkpoint=folder)
        assert kill.fit(clf, *small, after=3)
        capsys.readouterr()
        clf.fit(*small)
        shown = capsys.readouterr().err
        assert "epoch 4/4" in shown
        assert "epoch 1/4" not in shown
        assert "12/12" in shown

    def test_another_process_without_a_seed(self, make_mlp, small, kill, folder):
        """It takes the seed, too, from the file."""
        clf = make_mlp(random_state=None, max_epochs=3, checkpoint=folder)
        assert kill.fit(clf, *small, after=2)
        state = _checkpoint._read(*folder.iterdir())
        clf = make_mlp(random_state=None, max_epochs=3, checkpoint=folder).fit(*small)
        assert kill.n_written == 1
        losses = [row["train_loss"] for row in _checkpoint.json.loads(state["history"])]
        assert clf.history_[:2, "train_loss"] == losses
        another = make_mlp(random_state=None, max_epochs=3, checkpoint=folder).fit(*small)
        assert another.history_[0, "train_loss"] != losses[0]

    def test_random_state_instance(self, make_mlp, small, kill, folder):
        expected = make_mlp(random_state=np.random.RandomState(3)).fit(*small)
        generator = np.random.RandomState(3)
        clf = make_mlp(random_state=generator, checkpoint=folder)
        assert kill.fit(clf, *small, after=1)
        clf.fit(*small)  # the generator has moved on, so this is another fit
        assert kill.n_written == 2
        assert len(list(folder.iterdir())) == 1
        clf = make_mlp(random_state=np.random.RandomState(3), checkpoint=folder).fit(*small)
        assert_same(clf, expected)

    def test_grid_search(self, make_mlp, small, kill, folder):
        def search():
            mlp = make_mlp(max_epochs=2, checkpoint=folder)
            return GridSearchCV(mlp, {"lr": [1e-3, 1e-2]}, cv=2, error_score="raise")

        expected = GridSearchCV(make_mlp(max_epochs=2), {"lr": [1e-3, 1e-2]}, cv=2).fit(*small)
        assert kill.fit(search(), *small, after=5)
        found = search().fit(*small)
        assert kill.n_written == 2 * 5 - 1  # the third of five fits had one epoch
        for name in ("split0_test_score", "split1_test_score"):
            assert found.cv_results_[name].tolist() == expected.cv_results_[name].tolist()
        assert_same(found.best_estimator_, expected.best_estimator_)
        assert list(folder.iterdir()) == []


CHILD = """
import os, signal, sys
from skblood import MLPCellClassifier
from skblood.augment import CellAugment
from skblood.datasets import make_blood_cells
from skblood.training import _checkpoint

folder, when = sys.argv[1:]
written, write, replace = [], _checkpoint._write, os.replace

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def write_and_count(file, state):
    if when == "while writing" and written:
        os.replace = lambda *args: kill()
    write(file, state)
    written.append(file)
    if when == "between" and len(written) == 2:
        kill()

_checkpoint._write = write_and_count
X, y = make_blood_cells(48, image_size=16, random_state=0)
options = {"augment": CellAugment(), "max_epochs": 4, "random_state": 0, "device": "cpu"}
MLPCellClassifier((16,), checkpoint=folder, **options).fit(X, y)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize(("when", "n_left"), [("between", 2), ("while writing", 3)])
def test_kill_9(folder, kill, when, n_left):
    """Another process, with another hash seed, finds the file; what was half written goes."""
    child = subprocess.run([sys.executable, "-c", CHILD, folder, when], check=False)
    assert child.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == (1 if when == "between" else 2)
    X, y = make_blood_cells(48, image_size=16, random_state=0)
    options = {"augment": CellAugment(), "max_epochs": 4, "random_state": 0, "device": "cpu"}
    clf = MLPCellClassifier((16,), checkpoint=folder, **options).fit(X, y)
    assert kill.n_written == n_left
    assert_same(clf, MLPCellClassifier((16,), **options).fit(X, y))
    assert list(folder.iterdir()) == []


class TestIdentity:
    @pytest.mark.parametrize(
        "other",
        [
            {"random_state": 1},
            {"lr": 0.01},
            {"max_epochs": 4},
            {"hidden_layer_sizes": (12,)},
            {"augment": None},
            {"augment": CellAugment(shift=0.2)},
            {"class_weight": {"platelet": 2.0}},
            {"precision": "bfloat16", "image_size": 64},
            BALANCED,
        ],
        ids=str,
    )
    def test_other_parameters_do_not_find_it(self, make_mlp, small, kill, folder, other):
        params = {"max_epochs": 3, "precision": "float32", "image_size": other.get("image_size")}
        assert kill.fit(make_mlp(checkpoint=folder, **params), *small, after=2)
        (file,) = folder.iterdir()
        content = file.read_bytes()
        clf = make_mlp(checkpoint=folder, **{**params, **other}).fit(*small)
        assert kill.n_written == n_epochs(clf)
        assert_same(clf, make_mlp(**{**params, **other}).fit(*small))
        assert file.read_bytes() == content

    def test_other_data_do_not_find_it(self, make_mlp, small, kill, folder):
        X, y = small
        changed = X.copy()
        changed[5, 3, 3] ^= 1
        swapped = y.copy()
        swapped[:2] = y[1::-1] if y[0] != y[1] else np.setdiff1d(y, y[0])[0]
        assert kill.fit(make_mlp(checkpoint=folder), X, y, after=1)
        for args, kwargs in [
            ((changed, y), {}),
            ((X, swapped), {}),
            ((X[:-1], y[:-1]), {}),
            ((X, y, np.linspace(0.5, 1, 48)), {}),
            ((X, np.char.add("a ", y)), {}),
            ((X, y), {"X_val": 255 - X, "y_val": y}),
        ]:
            kill.n_written = 0
            make_mlp(checkpoint=folder).fit(*args, **kwargs)
            assert kill.n_written == 2
        kill.n_written = 0
        make_mlp(checkpoint=folder).fit(X, y)
        assert kill.n_written == 1

    def test_other_order_finds_it_unless_the_order_counts(self, make_mlp, small, kill, folder):
        X, y = small
        for shuffle, n_left in [(True, 1), (False, 2)]:
            clf = make_mlp(shuffle=shuffle, checkpoint=folder)
            assert kill.fit(clf, X, y, after=1)
            clf.fit(X[::-1], y[::-1])
            assert kill.n_written == n_left

    @pytest.mark.parametrize("same", [{"verbose": 1}, {"memory": "memory"}, {"device": "auto"}])
    def test_what_does_not_matter(self, make_mlp, small, kill, folder, same, monkeypatch):
        monkeypatch.chdir(folder.parent)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        assert kill.fit(make_mlp(checkpoint=folder), *small, after=1)
        make_mlp(checkpoint=str(folder), **same).fit(*small)
        assert kill.n_written == 1

    def test_file_of_weights_that_has_changed(self, make_transfer, small, kill, folder, tmp_path):
        file = tmp_path / "cellnet_t.pth"
        bodies = [
            make_transfer(random_state=seed).fit(*small).net_.module_.backbones[0].body
            for seed in (1, 2)
        ]
        for trainable in ("all", "head"):
            torch.save(bodies[0].state_dict(), file)
            clf = make_transfer(weights=file, trainable=trainable, checkpoint=folder)
            assert kill.fit(clf, *small, after=1)
            torch.save(bodies[1].state_dict(), file)
            assert_same(
                clf.fit(*small), make_transfer(weights=file, trainable=trainable).fit(*small)
            )
            assert kill.n_written == 2

    def test_two_fits_at_once(self, make_mlp, small, kill, folder):
        """The second is whole while the first has got half way; the first loses its file."""
        expected = make_mlp().fit(*small)
        fits = []

        def write(file, state):
            kill.write(file, state)
            if not fits:
                fits.append(None)
                fits[0] = make_mlp(checkpoint=folder).fit(*small)

        _checkpoint._write = write  # the fixture puts the original back
        assert_same(make_mlp(checkpoint=folder).fit(*small), expected)
        assert_same(fits[0], expected)
        assert list(folder.iterdir()) == []

    def test_named_functions_are_known_again(self, make_mlp, small, kill, folder):
        params = {
            **BALANCED,
            "augment": double,
            "scoring": make_scorer(recall_score, average="macro"),
        }
        assert kill.fit(make_mlp(checkpoint=folder, **params), *small, after=1)
        assert_same(
            make_mlp(checkpoint=folder, **params).fit(*small), make_mlp(**params).fit(*small)
        )
        assert kill.n_written == 1


def double(images):
    return (2 * images).clamp(0, 1)


class TestErrors:
    def test_callbacks(self, make_mlp, small, folder):
        from skorch.callbacks import EarlyStopping

        with pytest.raises(ValueError, match=r"cannot be used with callbacks.*checkpoint=None"):
            make_mlp(checkpoint=folder, callbacks=[EarlyStopping()]).fit(*small)
        assert make_mlp(checkpoint=folder, callbacks=[]).fit(*small).n_iter_ == 2

    @pytest.mark.parametrize("name", ["augment", "scoring"])
    def test_what_cannot_be_known_again(self, make_mlp, small, folder, name):
        with pytest.raises(ValueError, match=rf"{name}=<.*cannot be known again.*top of a module"):
            make_mlp(checkpoint=folder, **{name: lambda *args: args[0]}).fit(*small)

    def test_no_folder(self, make_mlp, small, tmp_path):
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(OSError, match=r"checkpoint='.*file' must be a folder"):
            make_mlp(checkpoint=file).fit(*small)

    def test_damaged_file(self, make_mlp, small, kill, folder):
        clf = make_mlp(checkpoint=folder)
        assert kill.fit(clf, *small, after=1)
        (file,) = folder.iterdir()
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        for damaged in (content, content[:50], b""):
            file.write_bytes(damaged)
            with pytest.warns(UserWarning, match=r"checkpoint.* is damaged.*from the start"):
                clf.fit(*small)
            assert_same(clf, make_mlp().fit(*small))
            assert list(folder.iterdir()) == []

    def test_file_that_cannot_be_written(self, make_mlp, small, folder, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.warns(UserWarning, match=r"cannot be written.*No space left.*goes on"):
            clf = make_mlp(checkpoint=folder).fit(*small)
        assert_same(clf, make_mlp().fit(*small))
        assert list(folder.iterdir()) == []

    def test_partial_fit_writes_none(self, make_mlp, small, folder):
        X, y = small
        make_mlp(checkpoint=folder).partial_fit(X, y, classes=np.unique(y))
        assert not Path(folder).exists()
