"""Fits that end early: by Ctrl-C, by a loss that is no number, by any other error."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import Callback

from skblood import NonFiniteLossError, TrainingInterrupted
from skblood.training import TrainingNet


class Press(Callback):
    """Press Ctrl-C in an epoch: after its first batch, or at its end."""

    def __init__(self, epoch, at_end=False):
        self.epoch = epoch
        self.at_end = at_end

    def on_batch_end(self, net, training=None, **kwargs):
        if not self.at_end and training and len(net.history) == self.epoch:
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        if self.at_end and len(net.history) == self.epoch:
            raise KeyboardInterrupt


def interrupted(clf, *args, **kwargs):
    with pytest.raises(TrainingInterrupted) as raised:
        clf.fit(*args, **kwargs)
    return raised.value


def state_of(clf):
    return {k: v.clone() for k, v in clf.net_.module_.state_dict().items()}


class TestCtrlC:
    @pytest.mark.parametrize("at_end", [False, True])
    @pytest.mark.parametrize("kind", ["mlp", "transfer", "hybrid", "contrastive"])
    def test_a_fitted_copy_is_given(self, request, small, kind, at_end):
        make, (X, y) = request.getfixturevalue(f"make_{kind}"), small
        clf = make(max_epochs=4, callbacks=[Press(3, at_end)])
        error = interrupted(clf, X, y)
        assert vars(clf).keys() == clf.get_params().keys()
        estimator = error.estimator
        assert type(estimator) is type(clf)
        assert estimator.get_params().keys() == clf.get_params().keys()
        assert estimator.n_iter_ == estimator.best_epoch_ == len(estimator.history_) == 2 + at_end
        assert estimator.training_data_["n_images"] == len(X)
        losses = make(max_epochs=4).fit(X, y).history_[: 2 + at_end, "train_loss"]
        assert estimator.history_[:, "train_loss"] == losses
        assert f"after {2 + at_end} of {sum(clf._n_epochs())} epochs" in str(error)
        copied = pickle.loads(pickle.dumps(error)).estimator  # as joblib sends it
        assert_array_equal(copied.predict_proba(X), estimator.predict_proba(X))

    @pytest.mark.parametrize("at_end", [False, True])
    def test_of_a_head(self, make_transfer, small, at_end):
        options = {"trainable": "head", "lr_schedule": None}
        clf = make_transfer(max_epochs=4, callbacks=[Press(3, at_end)], **options)
        estimator = interrupted(clf, *small).estimator
        assert estimator.n_iter_ == len(estimator.history_) == 2 + at_end
        if at_end:
            expected = make_transfer(max_epochs=3, **options).fit(*small)
            assert_array_equal(estimator.predict_proba(small[0]), expected.predict_proba(small[0]))

    def test_weights_are_those_of_the_moment(self, make_mlp, small):
        X, y = small
        options = {"lr_schedule": None, "max_epochs": 9}
        estimator = interrupted(
            make_mlp(callbacks=[Press(4, at_end=True)], **options), X, y
        ).estimator
        expected = make_mlp(**{**options, "max_epochs": 4}).fit(X, y)
        assert_array_equal(estimator.predict_proba(X), expected.predict_proba(X))

    @pytest.mark.parametrize("epoch", [2, 4])
    def test_or_of_the_best_epoch(self, make_mlp, small, epoch):
        X, y = small
        scores = iter([0.1, 0.9, 0.5, 0.2])
        options = {"lr_schedule": None, "scoring": lambda *args: next(scores, 0.3)}
        clf = make_mlp(early_stopping=True, max_epochs=9, callbacks=[Press(epoch)], **options)
        estimator = interrupted(clf, X[:24], y[:24], X_val=X[24:], y_val=y[24:]).estimator
        assert estimator.n_iter_ == epoch - 1
        assert estimator.best_epoch_ == min(2, epoch - 1)
        short = make_mlp(max_epochs=estimator.best_epoch_, **options).fit(X[:24], y[:24])
        assert_array_equal(estimator.predict_proba(X), short.predict_proba(X))

    @pytest.mark.parametrize("kind", ["mlp", "contrastive"])
    def test_before_there_is_a_model(self, request, small, kind):
        """In the first epoch, or in the phase before there is a head."""
        make = request.getfixturevalue(f"make_{kind}")
        clf = make(callbacks=[Press(1, at_end=kind == "contrastive")])
        with pytest.raises(KeyboardInterrupt) as raised:
            clf.fit(*small)
        assert raised.type is KeyboardInterrupt
        assert vars(clf).keys() == clf.get_params().keys()

    def test_partial_fit(self, make_mlp, small):
        X, y = small
        clf = make_mlp(callbacks=[Press(2)]).partial_fit(X, y, classes=np.unique(y))
        before = clf.predict_proba(X)
        with pytest.raises(KeyboardInterrupt) as raised:
            clf.partial_fit(X, y)
        assert raised.type is KeyboardInterrupt
        assert len(clf.history_) == clf.n_iter_ == 1
        assert_array_equal(clf.predict_proba(X), before)


def broken(images):
    raise ZeroDivisionError


class TestFailingRefit:
    @pytest.mark.parametrize("warm_start", [True, False])
    @pytest.mark.parametrize("why", ["labels", "weight", "images", "augment", "interrupt"])
    def test_leaves_the_model_as_it_was(self, make_transfer, small, why, warm_start):
        X, y = small
        clf = make_transfer(warm_start=warm_start).fit(X, y)
        before, attributes, state = clf.predict_proba(X), dict(vars(clf)), state_of(clf)
        params = {"augment": {"augment": broken}, "interrupt": {"callbacks": [Press(2)]}}
        clf.set_params(**params.get(why, {}))
        attributes |= params.get(why, {})
        data = {
            "labels": (X, y[:-1]),
            "weight": (X, y, -np.ones(48)),
            "images": (X.astype(float), y),
        }
        errors = {"augment": ZeroDivisionError, "interrupt": KeyboardInterrupt}
        with pytest.raises(errors.get(why, ValueError)):
            clf.fit(*data.get(why, (X, y)))
        assert vars(clf) == attributes
        assert_array_equal(clf.predict_proba(X), before)
        assert all(torch.equal(state[name], now) for name, now in state_of(clf).items())

    def test_first_fit(self, make_any, small):
        model = make_any(image_size=(2, 2, 2))
        with pytest.raises(ValueError):
            model.fit(*small)
        assert vars(model).keys() == model.get_params().keys()


def huge(images):
    """Make pixels of the third batch too large for any number."""
    huge.n_batches += 1
    return images * torch.inf if huge.n_batches == 3 else images


class TestNonFiniteLoss:
    def test_positions_are_those_of_x(self, make_transfer, small):
        """Whatever the order of the samples, and images drawn twice or never."""
        weight = np.where(np.arange(48) < 24, 0, np.where(np.arange(48) < 36, 1, 3))
        huge.n_batches = 0
        clf = make_transfer(augment=huge, lr=0.02, lr_schedule=None)
        with pytest.raises(NonFiniteLossError, match="nan in epoch 1, batch 3 of") as raised:
            clf.fit(*small, weight)
        assert set(raised.value.positions) <= set(range(24, 48))
        assert "lower lr (now 0.02)" in str(raised.value)
        assert vars(clf).keys() == clf.get_params().keys()

    def test_validation(self, make_mlp, rng):
        X, y = 1e-3 * rng.normal(size=(30, 6)).astype(np.float32), np.arange(30) % 2
        X_val = X.copy()
        X_val[4] = 1e38  # too large once it is standardized
        clf = make_mlp(image_shape=(1, -1))
        with pytest.raises(NonFiniteLossError, match="validation loss is") as raised:
            clf.fit(X, y, X_val=X_val, y_val=y)
        assert 4 in raised.value.positions

    def test_prediction_of_a_broken_network(self, make_mlp, small, rng):
        """After the last batch no loss is computed, so a warning and the prediction say so."""
        options = {"lr_schedule": None, "optimizer": "sgd", "max_epochs": 1, "batch_size": 48}
        with pytest.warns(UserWarning, match="too large to predict with"):
            clf = make_mlp(lr=3e38, **options).fit(*small)
        for method in (clf.predict, clf.predict_proba, clf.decision_function):
            with pytest.raises(ValueError, match=r"no finite number for 48 of 48.*lower lr"):
                method(small[0])
        X = 1e-3 * rng.normal(size=(30, 6)).astype(np.float32)
        clf = make_mlp(image_shape=(1, -1)).fit(X, np.arange(30) % 2)
        X[4] = 1e38
        with pytest.raises(ValueError, match=r"no finite number for 1 of 30.*X\[4\]"):
            clf.predict(X)

    @pytest.mark.parametrize(("trainable", "lr"), [("all", 1e39), ("head", 1e39), ("all", 1e30)])
    def test_weights_of_the_last_step(self, make_transfer, small, trainable, lr):
        options = {"lr_schedule": None, "optimizer": "sgd", "max_epochs": 1, "batch_size": 48}
        clf = make_transfer(trainable=trainable, lr=lr, **options)
        for train, more in ((clf.fit, {}), (clf.partial_fit, {"classes": np.unique(small[1])})):
            with pytest.warns(UserWarning, match=r"not finite.*lower lr \(now 1e") as caught:
                train(*small, **more)
            assert caught[0].filename == __file__
            vars(clf).pop("net_")

    def test_fitted_estimator_stays_as_it_was(self, make_transfer, small):
        clf = make_transfer().fit(*small)
        before = clf.predict_proba(small[0])
        for train in (clf.fit, clf.partial_fit):
            huge.n_batches = 0
            clf.set_params(augment=huge)
            with pytest.raises(NonFiniteLossError):
                train(*small)
            assert_array_equal(clf.predict_proba(small[0]), before)
            assert clf.n_iter_ == len(clf.history_) == 2


class TestMemory:
    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_says_what_to_lower(self, make_mlp, small, monkeypatch, method):
        error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        def train_step_single(self, *args, **kwargs):
            raise error

        monkeypatch.setattr(TrainingNet, "train_step_single", train_step_single)
        clf = make_mlp()
        options = {"classes": np.unique(small[1])} if method == "partial_fit" else {}
        with pytest.raises(MemoryError, match=r"batches of 16 images.*Lower batch_size") as raised:
            getattr(clf, method)(*small, **options)
        assert raised.value.__cause__ is error
        assert vars(clf).keys() == clf.get_params().keys()
