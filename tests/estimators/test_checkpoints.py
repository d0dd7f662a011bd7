"""An interrupted fit resumes from its checkpoint, to the model of one that was not."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from skblood import TrainingCheckpoint
from skblood.training import _checkpoint

SPLIT = {"early_stopping": True, "validation_fraction": 0.25}


def flat(estimator, X, y):
    return 0.5


CASES = {
    "cosine": {"lr_schedule": "cosine", "optimizer": "sgd", "max_epochs": 5},
    "constant": {"lr_schedule": None, "optimizer": partial(torch.optim.SGD, momentum=0.5)},
    "early stopping": {**SPLIT, "lr": 0.01},
    "stops early": {**SPLIT, "early_stopping": 1, "scoring": flat},
    "frozen": {"trainable": "head", **SPLIT},
}


class Killed(BaseException):
    """Ends a fit at once, as far as a process that goes on to run the tests can be ended."""


class Kill:
    """End a fit once `after` checkpoints are written; count those written by each fit."""

    def __init__(self, write):
        self.write, self.after, self.n_written = write, None, 0

    def __call__(self, file, state):
        self.write(file, state)
        self.n_written += 1
        if self.n_written == self.after:
            raise Killed

    def fit(self, clf, *args, after=None, **kwargs):
        """Fit, and return whether it was ended."""
        self.n_written, self.after = 0, after
        try:
            clf.fit(*args, **kwargs)
        except Killed:
            self.n_written = 0
            return True
        finally:
            self.after = None
        return False


@pytest.fixture
def kill(monkeypatch):
    kill = Kill(_checkpoint._write)
    monkeypatch.setattr(_checkpoint, "_write", kill)
    return kill


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def saved(folder):
    """Return the parameter that writes checkpoints."""
    return {"callbacks": [TrainingCheckpoint(folder)]}


def assert_same(clf, expected):
    weights, wanted = (each.net_.module_.state_dict() for each in (clf, expected))
    assert weights.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(weights[name], wanted[name])] == []
    rows, wanted = (
        [{k: v for k, v in row.items() if k != "dur" and "best" not in k} for row in each.history_]
        for each in (clf, expected)
    )
    assert rows == wanted
    assert (clf.n_iter_, clf.best_epoch_) == (expected.n_iter_, expected.best_epoch_)
    assert clf.training_data_ == expected.training_data_
    assert clf.spec_ == expected.spec_


class TestResumes:
    @pytest.mark.parametrize("case", CASES)
    def test_after_each_epoch(self, make_transfer, small, kill, folder, saved, case):
        params = {"max_epochs": 3, **CASES[case]}
        expected = make_transfer(**params).fit(*small)
        kill.fit(make_transfer(**params, **saved), *small)
        # The epoch that stops a training early has no checkpoint.
        n_checkpoints = kill.n_written
        assert (n_checkpoints == expected.n_iter_) == (case != "stops early")
        for n in range(1, n_checkpoints + 1):
            clf = make_transfer(**params, **saved)
            assert kill.fit(clf, *small, after=n)
            assert len(list(folder.iterdir())) == 1
            assert not hasattr(clf, "net_")
            assert_same(make_transfer(**params, **saved).fit(*small), expected)
            assert kill.n_written == n_checkpoints - n
            assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("kind", ["hybrid", "contrastive"])
    def test_in_each_phase(self, request, small, kill, saved, kind):
        make = request.getfixturevalue(f"make_{kind}")
        params = {"max_epochs": 2, **({"refine_epochs": 2} if kind == "hybrid" else {})}
        expected = make(**params).fit(*small)
        for n in range(1, expected.n_iter_ + 1):
            clf = make(**params, **saved)
            assert kill.fit(clf, *small, after=n)
            assert_same(clf.fit(*small), expected)
            assert kill.n_written == expected.n_iter_ - n

    def test_after_ctrl_c(self, make_mlp, small, folder, saved, monkeypatch):
        expected = make_mlp(max_epochs=3).fit(*small)
        write, clf = _checkpoint._write, make_mlp(max_epochs=3, **saved)

        def interrupted(file, state):
            write(file, state)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as raised:
            patch.setattr(_checkpoint, "_write", interrupted)
            clf.fit(*small)
        assert f"resumes from the checkpoint in {str(folder)!r}" in str(raised.value)
        assert_same(clf.fit(*small), expected)

    def test_without_a_seed(self, make_mlp, small, kill, folder, saved):
        """Another process takes the seed, too, from the file."""
        options = {"random_state": None, "max_epochs": 3, **saved}
        assert kill.fit(make_mlp(**options), *small, after=2)
        state = _checkpoint._read(*folder.iterdir())
        clf = make_mlp(**options).fit(*small)
        assert kill.n_written == 1
        losses = [row["train_loss"] for row in _checkpoint.json.loads(state["history"])]
        assert clf.history_[:2, "train_loss"] == losses
        assert make_mlp(**options).fit(*small).history_[0, "train_loss"] != losses[0]

    def test_grid_search(self, make_mlp, small, kill, folder, saved):
        grid = {"lr": [1e-3, 1e-2]}
        expected = GridSearchCV(make_mlp(), grid, cv=2).fit(*small)
        search = GridSearchCV(make_mlp(**saved), grid, cv=2, error_score="raise")
        assert kill.fit(search, *small, after=5)
        found = search.fit(*small)
        assert kill.n_written == 2 * 5 - 1  # the third of five fits had one epoch
        for name in ("split0_test_score", "split1_test_score"):
            assert found.cv_results_[name].tolist() == expected.cv_results_[name].tolist()
        assert_same(found.best_estimator_, expected.best_estimator_)
        assert list(folder.iterdir()) == []


class TestIdentity:
    def test_other_data_do_not_find_it_and_another_order_does(self, make_mlp, small, kill, saved):
        X, y = small
        changed = X.copy()
        changed[5, 3, 3] ^= 1
        assert kill.fit(make_mlp(**saved), X, y, after=1)
        for args, kwargs in [
            ((changed, y), {}),
            ((X, np.roll(y, 1)), {}),
            ((X[:-1], y[:-1]), {}),
            ((X, y, np.linspace(0.5, 1, 48)), {}),
            ((X, np.char.add("a ", y)), {}),
            ((X, y), {"X_val": 255 - X, "y_val": y}),
        ]:
            kill.n_written = 0
            make_mlp(**saved).fit(*args, **kwargs)
            assert kill.n_written == 2
        kill.n_written = 0
        make_mlp(verbose=0, device="cpu", **saved).fit(X[::-1], y[::-1])
        assert kill.n_written == 1

    def test_file_of_weights_that_has_changed(self, make_transfer, small, kill, saved, tmp_path):
        file, bodies = tmp_path / "cellnet_t.pth", []
        for seed in (1, 2):
            clf = make_transfer(random_state=seed, max_epochs=1).fit(*small)
            bodies.append(clf.net_.module_.backbones[0].body.state_dict())
        for trainable in ("all", "head"):
            torch.save(bodies[0], file)
            clf = make_transfer(weights=file, trainable=trainable, **saved)
            assert kill.fit(clf, *small, after=1)
            torch.save(bodies[1], file)
            expected = make_transfer(weights=file, trainable=trainable).fit(*small)
            assert_same(clf.fit(*small), expected)
            assert kill.n_written == 2


class TestErrors:
    def test_file_that_cannot_be_written(self, make_mlp, small, folder, saved, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(_checkpoint, "replace_file", full)
        with pytest.warns(UserWarning, match=r"cannot be written.*No space left"):
            clf = make_mlp(**saved).fit(*small)
        assert_same(clf, make_mlp().fit(*small))
