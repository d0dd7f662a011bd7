"""Callbacks of skorch, in trainings of one phase and of two."""

import numpy as np
import pytest
from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
    ProgressBar,
)
from torch.optim.lr_scheduler import ReduceLROnPlateau

import skblood

KINDS = ["mlp", "transfer", "hybrid", "contrastive"]
VALIDATED = {"early_stopping": True, "validation_fraction": 0.25}


def accuracy(net, X, y):
    return float((net.predict(X) == y).mean())


def quiet(text):
    pass


@pytest.fixture(params=KINDS)
def make_each(request):
    return request.getfixturevalue(f"make_{request.param}")


def of_the_head(clf, name):
    """Return a column of the history, of the epochs in which the network classifies."""
    rows = [row for row in clf.history_ if row.get("phase") != "contrastive"]
    return [row[name] for row in rows]


class TestScores:
    def test_of_validation_images(self, make_each, small, tmp_path):
        scores = [
            EpochScoring("accuracy", lower_is_better=False),
            EpochScoring("neg_log_loss", use_caching=False),
            EpochScoring(accuracy, name="own"),
            EpochScoring("roc_auc_ovr", name="train_auc", on_train=True),
            BatchScoring("accuracy", name="of_batches"),
        ]
        clf = make_each(callbacks=scores, scoring="accuracy", **VALIDATED).fit(*small)
        plain = make_each(scoring="accuracy", **VALIDATED).fit(*small)
        assert np.array_equal(clf.predict_proba(small[0]), plain.predict_proba(small[0]))
        expected = of_the_head(clf, "valid_accuracy")
        for name in ("accuracy", "own", "of_batches"):
            assert of_the_head(clf, name) == pytest.approx(expected)
        losses = np.array(of_the_head(clf, "valid_loss"))
        assert of_the_head(clf, "neg_log_loss") == pytest.approx(-losses, rel=1e-4)
        assert all(0 <= score <= 1 for score in of_the_head(clf, "train_auc"))
        clf.set_params(callbacks=None)  # they cannot be saved, but what they recorded can
        loaded = skblood.load(skblood.save(clf, tmp_path / "m.skblood"))
        assert loaded.history_[:, "train_loss"] == clf.history_[:, "train_loss"]

    def test_of_training_batches(self, make_each, small):
        scores = [
            BatchScoring(accuracy, name="acc", on_train=True),
            PassthroughScoring("lr", on_train=True),
        ]
        clf = make_each(callbacks=[("first", scores[0]), scores[1]]).fit(*small)
        assert all(0 <= score <= 1 for score in of_the_head(clf, "acc"))
        assert all(rate > 0 for rate in clf.history_[:, "lr"])


class TestEnds:
    @pytest.mark.parametrize("load_best", [False, True])
    def test_early_stopping(self, make_each, small, load_best):
        never = {"threshold": 100, "threshold_mode": "abs", "load_best": load_best, "sink": quiet}
        stop = EarlyStopping(monitor="valid_loss", patience=2, **never)
        clf = make_each(max_epochs=6, callbacks=[stop], **VALIDATED).fit(*small)
        assert len(of_the_head(clf, "train_loss")) - (clf.get_params().get("refine_epochs", 0)) == 3

    def test_checkpoint_and_progress(self, make_each, small, tmp_path, capsys):
        callbacks = [Checkpoint(dirname=tmp_path, load_best=True), ProgressBar()]
        clf = make_each(callbacks=callbacks, **VALIDATED).fit(*small)
        assert any(of_the_head(clf, "event_cp"))
        assert (tmp_path / "params.pt").exists()
        assert "%" in capsys.readouterr().err


class TestRates:
    def test_each_phase_begins_anew(self, make_each, small):
        schedule = LRScheduler("StepLR", step_size=1, gamma=0.5)
        clf = make_each(callbacks=[schedule], lr_schedule=None, lr=0.01, max_epochs=3).fit(*small)
        rates = [row["batches"][0]["lr"] for row in clf.history_]
        second = clf.get_params().get("refine_epochs", 0)
        first = clf.get_params().get("pretrain_epochs", 0)
        expected = [0.01, 0.005, 0.0025] + [0.01] * second
        assert rates[first:] == pytest.approx(expected)

    def test_plateau(self, make_each, small):
        schedule = LRScheduler(ReduceLROnPlateau, monitor="valid_loss", patience=0, threshold=9)
        clf = make_each(callbacks=[schedule], lr_schedule=None, max_epochs=4, **VALIDATED)
        rates = of_the_head(clf.fit(*small), "event_lr")
        assert rates[3] < rates[0]

    def test_two_schedules(self, make_each, small):
        with pytest.raises(ValueError, match=r"lr_schedule='onecycle'.*Set lr_schedule=None"):
            make_each(callbacks=[LRScheduler("StepLR", step_size=1)]).fit(*small)


PLATEAU = LRScheduler(ReduceLROnPlateau, monitor="valid_loss")


@pytest.mark.parametrize("callback", [EarlyStopping(), Checkpoint(), PLATEAU])
def test_without_validation_images(make_each, small, callback):
    clf = make_each(callbacks=[callback], lr_schedule=None)
    with pytest.raises(ValueError, match=r"monitor='valid_loss.*no validation images.*X_val"):
        clf.fit(*small)
