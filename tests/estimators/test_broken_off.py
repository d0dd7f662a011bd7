"""Fits that end before their time: by Ctrl-C, by a loss that is no number, for lack of memory."""

import gc
import pickle
import weakref

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

import skblood
from skblood import NonFiniteLossError, TrainingInterrupted
from skblood.training import TrainingNet


class Press(Callback):
    """Press Ctrl-C in an epoch: behind its first batch, or at its end."""

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


class TestCtrlC:
    @pytest.mark.parametrize("at_end", [False, True])
    def test_a_fitted_copy_is_handed_out(self, make, small, at_end):
        X, y = small
        clf = make(max_epochs=4, callbacks=[Press(3, at_end)])
        error = interrupted(clf, X, y)
        assert vars(clf).keys() == clf.get_params().keys()
        estimator = error.estimator
        assert type(estimator) is type(clf)
        assert estimator.get_params().keys() == clf.get_params().keys()
        assert estimator.n_iter_ == estimator.best_epoch_ == len(estimator.history_) == 2 + at_end
        assert_array_equal(estimator.classes_, np.unique(y))
        assert estimator.training_data_["n_images"] == len(X)
        expected = make(max_epochs=4).fit(X, y)
        losses = expected.history_[: 2 + at_end, "train_loss"]
        assert estimator.history_[:, "train_loss"] == losses
        copied = pickle.loads(pickle.dumps(estimator))
        assert_array_equal(copied.predict_proba(X), estimator.predict_proba(X))

    def test_it_has_learnt(self, make_mlp, small):
        """The weights are those of the moment: here, of the end of the fourth epoch."""
        X, y = small
        options = {"lr_schedule": None, "max_epochs": 9}
        estimator = interrupted(
            make_mlp(callbacks=[Press(4, at_end=True)], **options), X, y
        ).estimator
        expected = make_mlp(**{**options, "max_epochs": 4}).fit(X, y)
        assert_array_equal(estimator.predict_proba(X), expected.predict_proba(X))

    @pytest.mark.parametrize("epoch", [2, 3, 4])
    def test_with_early_stopping_the_best_epoch(self, make_mlp, small, epoch):
        X, y = small
        scores = iter([0.1, 0.9, 0.5, 0.2])
        options = {"lr_schedule": None, "scoring": lambda *args: next(scores, 0.3)}
        valid = {"X_val": X[24:], "y_val": y[24:]}
        clf = make_mlp(early_stopping=True, max_epochs=9, callbacks=[Press(epoch)], **options)
        estimator = interrupted(clf, X[:24], y[:24], **valid).estimator
        assert estimator.n_iter_ == epoch - 1
        assert estimator.best_epoch_ == min(2, epoch - 1)
        short = make_mlp(max_epochs=estimator.best_epoch_, **options).fit(X[:24], y[:24])
        assert_array_equal(estimator.predict_proba(X), short.predict_proba(X))

    def test_in_the_second_phase(self, make_hybrid, small):
        clf = make_hybrid(refine_epochs=3, callbacks=[Press(4)])
        error = interrupted(clf, *small)
        assert error.estimator.n_iter_ == len(error.estimator.history_) == 3
        assert "after 3 of 5 epochs" in str(error)

    def test_scores_that_were_not_taken_leave_no_row(self, make_mlp, small):
        """Ctrl-C while the validation images are scored: the epoch is not complete."""

        def scoring(estimator, X, y):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return 0.5

        calls, (X, y) = [], small
        error = interrupted(make_mlp(max_epochs=5, scoring=scoring), X, y, X_val=255 - X, y_val=y)
        assert error.estimator.history_[:, "valid_score"] == [0.5, 0.5]
        assert error.estimator.n_iter_ == 2

    def test_first_epoch_leaves_nothing(self, make_mlp, small):
        with pytest.raises(KeyboardInterrupt) as raised:
            make_mlp(callbacks=[Press(1)]).fit(*small)
        assert raised.type is KeyboardInterrupt

    def test_fitted_estimator_stays_as_it_was(self, make_mlp, small):
        X, y = small
        clf = make_mlp(max_epochs=3).fit(X, y)
        before, probabilities = dict(vars(clf)), clf.predict_proba(X)
        clf.set_params(callbacks=[Press(3)], random_state=5)
        before |= {"callbacks": clf.callbacks, "random_state": 5}
        estimator = interrupted(clf, X, y).estimator
        assert vars(clf) == before
        assert_array_equal(clf.predict_proba(X), probabilities)
        assert not np.allclose(estimator.predict_proba(X), probabilities)

    def test_the_copy_is_free_of_the_original(self, make_mlp, small):
        clf = make_mlp(warm_start=True, random_state=np.random.RandomState(0)).fit(*small)
        before = clf.predict_proba(small[0])
        clf.set_params(callbacks=[Press(2)])
        estimator = interrupted(clf, *small).estimator
        assert estimator.random_state is not clf.random_state
        assert estimator.callbacks[0] is not clf.callbacks[0]
        estimator.set_params(callbacks=None).fit(*small)
        assert_array_equal(clf.predict_proba(small[0]), before)

    def test_message(self, make_mlp, small, tmp_path, monkeypatch):
        message = str(interrupted(make_mlp(max_epochs=7, callbacks=[Press(3)]), *small))
        assert "after 2 of 7 epochs" in message
        assert "set checkpoint= to a folder" in message
        evaluate = TrainingNet.validation_step
        calls = []

        def press(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == 6:
                raise KeyboardInterrupt
            return evaluate(self, *args, **kwargs)

        monkeypatch.setattr(TrainingNet, "validation_step", press)
        clf = make_mlp(checkpoint=tmp_path, max_epochs=7)
        error = interrupted(clf, *small, X_val=255 - small[0], y_val=small[1])
        assert "after 1 of 7 epochs" in str(error)
        assert f"from the checkpoint in {str(tmp_path)!r}" in str(error)

    def test_exception_survives_a_process(self, make_mlp, small):
        """joblib sends exceptions from process to process."""
        error = interrupted(make_mlp(callbacks=[Press(2)]), *small)
        copied = pickle.loads(pickle.dumps(error))
        assert str(copied) == str(error)
        assert copied.estimator.n_iter_ == 1
        assert isinstance(error.__cause__, KeyboardInterrupt)

    def test_the_copy_can_be_saved(self, make_mlp, small, tmp_path):
        estimator = interrupted(make_mlp(augment=None, callbacks=[Press(2)]), *small).estimator
        skblood.save(estimator.set_params(callbacks=None), tmp_path / "so_far.skblood")
        loaded = skblood.load(tmp_path / "so_far.skblood", device="cpu")
        assert loaded.n_iter_ == 1
        assert_array_equal(loaded.predict_proba(small[0]), estimator.predict_proba(small[0]))

    def test_ends_a_search(self, make_mlp, small):
        search = GridSearchCV(make_mlp(callbacks=[Press(2)]), {"lr": [0.1, 0.2]}, cv=2)
        with pytest.raises(KeyboardInterrupt):
            search.fit(*small)

    def test_partial_fit_knows_no_half_epoch(self, make_mlp, small):
        clf = make_mlp().partial_fit(*small, classes=np.unique(small[1]))
        with pytest.raises(KeyboardInterrupt) as raised:
            clf.set_params(callbacks=[Press(2)]).fit(*small)
        assert raised.type is TrainingInterrupted
        clf.set_params(callbacks=[Press(1)]).partial_fit(*small)  # its epoch is the second one


def huge(images):
    """Make pixels of the third batch too large for any number."""
    huge.n_batches += 1
    return images * torch.inf if huge.n_batches == 3 else images


class TestNonFiniteLoss:
    def test_training(self, make_transfer, small):
        X, y = small
        huge.n_batches = 0
        clf = make_transfer(augment=huge, shuffle=False, lr_schedule=None, lr=0.02)
        with pytest.raises(NonFiniteLossError, match="batch 3 of 3") as raised:
            clf.fit(X, y)
        assert str(raised.value).startswith("The training loss is nan in epoch 1, batch 3 of 3")
        assert "learning rate of 0.02. Set a lower lr (now 0.02)" in str(raised.value)
        assert raised.value.positions == list(range(32, 48))
        assert vars(clf).keys() == clf.get_params().keys()

    def test_positions_are_those_of_x(self, make_transfer, small):
        """Whatever the order of the visits, and images that are visited twice or never."""
        X, y = small
        weight = np.where(np.arange(48) < 24, 0, 2)
        huge.n_batches = 0
        with pytest.raises(NonFiniteLossError) as raised:
            make_transfer(augment=huge).fit(X, y, weight)
        assert set(raised.value.positions) <= set(range(24, 48))
        assert len(raised.value.positions) == 16

    def test_rate_is_that_of_the_batch(self, make_transfer, small):
        huge.n_batches = 0
        rates = make_transfer(lr=0.02).fit(*small).history_[0, "batches", :, "lr"]
        with pytest.raises(NonFiniteLossError, match=f"learning rate of {rates[2]:.3g}[.] "):
            make_transfer(lr=0.02, augment=huge).fit(*small)

    def test_validation(self, make_mlp, rng):
        X, y = 1e-3 * rng.normal(size=(30, 6)).astype(np.float32), np.arange(30) % 2
        X_val = X.copy()
        X_val[4] = 1e38  # too large once it is standardised
        clf = make_mlp(image_shape=(1, -1))
        message = r"The validation loss is (nan|inf) in epoch 1, batch 1 of 2.*`positions`"
        with pytest.raises(NonFiniteLossError, match=message) as raised:
            clf.fit(X, y, X_val=X_val, y_val=y)
        assert 4 in raised.value.positions

    def test_a_rate_that_is_too_high(self, make, small):
        clf = make(lr=1e30, lr_schedule=None, max_epochs=3, early_stopping=True)
        clf.set_params(validation_fraction=0.25)
        with pytest.raises(ValueError, match=r"loss is (nan|inf) in epoch [12].*lower lr \(now 1e"):
            clf.fit(*small)

    def test_network_that_the_last_batch_breaks(self, make_mlp, small):
        """No loss is computed of it, so the prediction finds it; the label would be the first."""
        options = {"lr_schedule": None, "optimizer": "sgd", "max_epochs": 1, "batch_size": 48}
        clf = make_mlp(lr=3e38, **options).fit(*small)
        for method in (clf.predict, clf.predict_proba, clf.decision_function):
            with pytest.raises(ValueError, match=r"no finite number for 48 of 48.*lower lr"):
                method(small[0])

    def test_row_that_is_far_from_all_others(self, make_mlp, rng):
        X, y = 1e-3 * rng.normal(size=(30, 6)).astype(np.float32), np.arange(30) % 2
        clf = make_mlp(image_shape=(1, -1)).fit(X, y)
        X[4] = 1e38
        with pytest.raises(ValueError, match=r"no finite number for 1 of 30.*X\[4\]"):
            clf.predict(X)

    @pytest.mark.parametrize("precision", ["bfloat16", "float32"])
    def test_advice_on_precision(self, make_transfer, small, precision):
        huge.n_batches = 0
        clf = make_transfer(augment=huge, precision=precision, image_size=64)
        with pytest.raises(NonFiniteLossError) as raised:
            clf.fit(*small)
        assert ("precision='float32'" in str(raised.value)) == (precision == "bfloat16")

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

    def test_error_survives_a_process(self):
        error = pickle.loads(pickle.dumps(NonFiniteLossError("no number", [1, 2])))
        assert (str(error), error.positions) == ("no number", [1, 2])


def greedy(images):
    """Ask the allocator of the host for more than any machine has."""
    return torch.empty(2**60, dtype=torch.uint8)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)."),
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)),
]


class TestMemory:
    @pytest.fixture
    def fails(self, monkeypatch):
        """Return a function that sets what the next training steps raise."""

        def fail(error):
            def train_step_single(self, *args, **kwargs):
                raise error

            monkeypatch.setattr(TrainingNet, "train_step_single", train_step_single)

        return fail

    @pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_says_what_to_lower(self, make_mlp, small, fails, error, method):
        fails(error)
        clf = make_mlp()
        options = {"classes": np.unique(small[1])} if method == "partial_fit" else {}
        with pytest.raises(MemoryError, match=r"Device cpu has no memory left to train") as raised:
            getattr(clf, method)(*small, **options)
        message = str(raised.value)
        assert "batches of 16 images of shape (16, 16, 3)" in message
        for advice in ("batch_size (now 16)", "image_size", "precision='bfloat16'", "backbone"):
            assert advice in message
        assert "trainable='head'" in message
        assert "device='cpu'" not in message  # it is there already
        assert raised.value.__cause__ is error
        assert vars(clf).keys() == clf.get_params().keys()

    def test_the_hosts_own_allocator(self, make_transfer, small):
        with pytest.raises(MemoryError, match="no memory left to train") as raised:
            make_transfer(augment=greedy).fit(*small)
        assert "DefaultCPUAllocator" in str(raised.value.__cause__)

    def test_another_error_is_left_as_it_is(self, make_mlp, small, fails):
        fails(RuntimeError("a kernel is not there"))
        with pytest.raises(RuntimeError, match=r"^a kernel is not there$"):
            make_mlp().fit(*small)

    def test_advice_on_the_passes_of_a_frozen_backbone_is_left(
        self, make_transfer, small, monkeypatch
    ):
        """Its batches are made smaller by themselves; batch_size would not help."""

        def full(*args, **kwargs):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr("skblood.inference._predict._forward", full)
        with pytest.raises(MemoryError, match="no memory left for the network and one image"):
            make_transfer(trainable="head").fit(*small)

    def test_network_is_let_go(self, make_transfer, small, monkeypatch):
        """Even while the error is looked at: a notebook keeps the last one."""
        seen = []

        def train_step_single(self, *args, **kwargs):
            seen.append(weakref.ref(self.module_))
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr(TrainingNet, "train_step_single", train_step_single)
        with pytest.raises(MemoryError) as raised:
            make_transfer().fit(*small)
        gc.collect()
        assert raised.value.__cause__ is not None
        assert seen[0]() is None

    def test_message_names_the_cpu_to_those_who_have_a_gpu(self):
        from skblood.training import MemoryAdvice

        with pytest.raises(MemoryError, match=r"Device mps .*set device='cpu'"):
            with MemoryAdvice(8, (4, 4, 3), torch.device("mps")):
                raise RuntimeError("MPS backend out of memory")


def test_interrupts_are_interrupts():
    """Whoever catches Exception, as a search does, does not catch it."""
    assert issubclass(TrainingInterrupted, KeyboardInterrupt)
    assert not issubclass(TrainingInterrupted, Exception)
