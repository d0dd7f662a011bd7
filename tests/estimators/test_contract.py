"""Our own contract of classifiers: what scikit-learn's checks do not ask."""

import copy
import pickle
import random
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from skorch.callbacks import Callback

LABELS = {
    "object": np.array(["ig", "monocyte", "platelet"], dtype=object),
    "int32": np.array([0, 1, 2], np.int32),
    "int64 with gaps": np.array([10, 20, 30]),
    "negative": np.array([-7, 0, 3], np.int8),
    "whole floats": np.array([1.0, 2.0, 4.0]),
    "bool": np.array([False, True]),
}
SPLIT = {"early_stopping": True, "validation_fraction": 0.25}


class Touch(Callback):
    """Write into itself, as skorch's callbacks do."""

    def __init__(self):
        self.epochs = []

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(len(net.history))


class TestLabels:
    @pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
    def test_come_out_as_they_went_in(self, make_mlp, small, labels):
        X, y = small
        codes = np.unique(y, return_inverse=True)[1] % len(labels)
        clf = make_mlp().fit(X, labels[codes])
        assert_array_equal(clf.classes_, labels)
        assert clf.predict(X).dtype == clf.classes_.dtype == labels.dtype
        same = make_mlp().fit(X, np.array(["a", "b", "c"])[codes])
        assert_array_equal(clf.predict_proba(X), same.predict_proba(X))
        assert_array_equal(clf.predict(X), labels[np.searchsorted(same.classes_, same.predict(X))])


class TestRefit:
    def test_second_fit_forgets_the_first(self, make, small, large):
        X, y = small
        other = (large[0] / 255, (large[1] == "platelet").astype(int))
        clf = make(**SPLIT).fit(X, y).set_params(early_stopping=False).fit(*other)
        fresh = make().set_params(**clf.get_params()).fit(*other)
        assert_array_equal(clf.predict_proba(other[0]), fresh.predict_proba(other[0]))
        assert vars(clf).keys() == vars(fresh).keys()
        assert (clf.n_iter_, clf.best_epoch_) == (fresh.n_iter_, fresh.best_epoch_)
        assert clf.image_shape_ == (24, 24, 3)
        assert_array_equal(clf.classes_, [0, 1])
        assert "valid_loss" not in clf.history_[-1]

    def test_feature_names_are_set_and_removed(self, make_mlp, small):
        X, y = small
        names = [f"pixel_{i}" for i in range(768)]
        table = pd.DataFrame(X.reshape(48, -1), columns=names)
        clf = make_mlp().fit(table, y)
        assert_array_equal(clf.feature_names_in_, names)
        with pytest.raises(ValueError, match="feature names"):
            clf.predict(table[names[::-1]])
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            clf.predict(X.reshape(48, -1))
        assert not hasattr(clf.fit(X, y), "feature_names_in_")
        assert hasattr(clf.fit(table, y), "feature_names_in_")
        assert not hasattr(clf.fit(X.reshape(48, -1), y), "feature_names_in_")

    def test_attributes(self, fitted_any, small):
        model = fitted_any
        assert (model.image_shape_, model.device_) == ((16, 16, 3), "cpu")
        if not hasattr(model, "net_"):
            return
        assert model.n_iter_ == model.best_epoch_ == len(model.history_) == sum(model._n_epochs())
        assert model.net_.history is model.history_
        assert [row["epoch"] for row in model.history_] == list(range(1, model.n_iter_ + 1))
        assert all(row["dur"] > 0 and np.isfinite(row["train_loss"]) for row in model.history_)
        assert model.training_data_["n_images"] == 48
        assert model.fit_settings_["batch_size"] == "16"


class TestTheCallersWorld:
    @pytest.mark.parametrize("random_state", [0, None])
    def test_global_generators_are_untouched_and_have_no_say(self, make_any, small, random_state):
        X, y = small
        np.random.seed(3)
        torch.manual_seed(3)
        random.seed(3)
        before = np.random.get_state(), torch.get_rng_state(), random.getstate()
        model = make_any(random_state=random_state)
        if "early_stopping" in model.get_params():
            model.set_params(**SPLIT).fit(X, y).predict(X)
        else:
            model.fit(X).transform(X)
        if hasattr(model, "partial_fit"):
            model.partial_fit(X, y)
        assert_array_equal(np.random.get_state()[1], before[0][1])
        assert np.random.get_state()[2] == before[0][2]
        assert torch.equal(torch.get_rng_state(), before[1])
        assert random.getstate() == before[2]

    @pytest.mark.parametrize("form", ["images", "rows", "float rows", "memory map"])
    @pytest.mark.parametrize("writeable", [True, False])
    def test_arrays_are_untouched(self, make, small, tmp_path, form, writeable):
        X, y = small[0].copy(), small[1].copy()
        X = X if form in ("images", "memory map") else X.reshape(48, -1)
        X = X / 255 if form == "float rows" else X
        if form == "memory map":
            np.save(tmp_path / "X.npy", X)
            X = np.load(tmp_path / "X.npy", mmap_mode="r+" if writeable else "r")
        arrays = [X, y, np.linspace(0.5, 2, 48)]
        for array in arrays[form == "memory map" :]:
            array.setflags(write=writeable)
        before = [array.copy() for array in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="48 of the 48 images of X_val")
            make(augment="cells").fit(*arrays, X_val=X, y_val=y).predict(X)
        for array, was in zip(arrays, before, strict=True):
            assert_array_equal(array, was)
            assert array.flags.writeable == writeable

    def test_callbacks_are_copied(self, make, small):
        callback = Touch()
        callbacks = [callback, ("named", Touch())]
        clf = make(callbacks=callbacks).fit(*small)
        assert clf.callbacks is callbacks
        assert len(callbacks) == 2
        assert callbacks[0] is callback
        assert vars(callback) == vars(callbacks[1][1]) == {"epochs": []}
        copied = [c for _, c in clf.net_.callbacks_ if isinstance(c, Touch)]
        assert [each.epochs[-1] for each in copied] == [clf.n_iter_] * 2

    def test_callbacks_may_hold_what_cannot_be_copied(self, make, small):
        callback = Touch()
        callback.lock = threading.Lock()  # as the writer of skorch's TensorBoard
        clf = make(callbacks=[callback]).fit(*small)
        (copied,) = (c for _, c in clf.net_.callbacks_ if isinstance(c, Touch))
        assert copied is not callback and copied.lock is callback.lock


class TestRandomState:
    def test_seeds(self, make, fitted, small):
        X, expected = small[0], fitted.predict_proba(small[0])
        np.random.seed(99)
        torch.manual_seed(99)
        assert_array_equal(make().fit(*small).predict_proba(X), expected)
        others = [make(random_state=seed).fit(*small).predict_proba(X) for seed in (1, None, None)]
        for i, other in enumerate(others):
            assert not any(np.allclose(other, each) for each in [expected, *others[:i]])

    def test_instance_is_drawn_from(self, make, fitted, small):
        X, y = small
        generator = np.random.RandomState(0)
        clf = make(random_state=generator).fit(X, y)
        first = clf.predict_proba(X)
        assert clf.random_state is generator
        assert_array_equal(first, fitted.predict_proba(X))  # that of the int 0
        assert not np.allclose(clf.fit(X, y).predict_proba(X), first)
        copies = [clone(clf).fit(X, y).predict_proba(X) for _ in range(2)]
        assert_array_equal(*copies)

    @pytest.mark.parametrize(
        "params",
        [{}, SPLIT, {"class_weight": "balanced"}, {"trainable": "head"}],
        ids=lambda params: next(iter(params), "plain"),
    )
    def test_order_of_the_images_does_not_matter(self, make_transfer, small, rng, params):
        X, y = small
        weight, order = rng.uniform(0.2, 2.5, len(X)), rng.permutation(len(X))
        first = make_transfer(**params).fit(X, y, weight)
        second = make_transfer(**params).fit(X[order], y[order], weight[order])
        assert_array_equal(second.predict_proba(X), first.predict_proba(X))


def with_joblib(estimator, folder):
    joblib.dump(estimator, folder / "model.joblib", compress=3)
    return joblib.load(folder / "model.joblib")


COPIES = {
    "pickle": lambda estimator, folder: pickle.loads(pickle.dumps(estimator)),
    "joblib": with_joblib,
    "deepcopy": lambda estimator, folder: copy.deepcopy(estimator),
}


class TestCopies:
    @pytest.mark.parametrize("how", COPIES)
    def test_are_models_of_their_own(self, make_any, fitted_any, small, tmp_path, output, how):
        X, y = small
        again, expected = COPIES[how](fitted_any, tmp_path), output(fitted_any, X)
        assert again.get_params() == fitted_any.get_params()
        assert again.spec_ == fitted_any.spec_
        assert_array_equal(output(again, X), expected)
        if hasattr(again, "net_"):
            assert again.predictor_.network is again.net_.module_ is not fitted_any.net_.module_
            assert again.history_ == fitted_any.history_
        if hasattr(again, "partial_fit"):
            again.partial_fit(X, y)
            assert not np.allclose(output(again, X), expected)
        assert_array_equal(output(fitted_any, X), expected)
        assert_array_equal(output(again.fit(X, y), X), expected)

    def test_shallow(self, fitted_any, small, output):
        """The network is shared, and neither estimator loses it."""
        again, expected = copy.copy(fitted_any), output(fitted_any, small[0])
        assert vars(again) == vars(fitted_any)
        assert_array_equal(output(again, small[0]), expected)
        assert_array_equal(output(fitted_any, small[0]), expected)

    @pytest.mark.parametrize("how", [*COPIES, "shallow"])
    def test_without_a_network(self, make_any, fitted_any, small, tmp_path, output, how):
        """Before the fit, and after the net was taken away to free its memory."""
        emptied = copy.copy(fitted_any)
        for name in {"net_", "network_"} & vars(emptied).keys():
            delattr(emptied, name)
        for model in (make_any(), emptied):
            again = {**COPIES, "shallow": lambda model, _: copy.copy(model)}[how](model, tmp_path)
            assert vars(again).keys() == vars(model).keys()
            assert_array_equal(output(again.fit(*small), small[0]), output(fitted_any, small[0]))

    def test_in_the_midst_of_partial_fit(self, make, small):
        """The optimizer of the copy trains the network of the copy."""
        X, y = small
        clf = make().partial_fit(X, y, classes=np.unique(y))
        again = pickle.loads(pickle.dumps(clf)).partial_fit(X, y)
        assert_array_equal(again.predict_proba(X), clf.partial_fit(X, y).predict_proba(X))

    def test_size_of_a_pickle(self, make_mlp, small):
        """It holds the network once and no image."""
        clf = make_mlp(hidden_layer_sizes=(512,)).fit(*small)
        n_bytes = sum(tensor.nbytes for tensor in clf.net_.module_.state_dict().values())
        assert n_bytes < len(pickle.dumps(clf)) < 1.02 * n_bytes + 20_000


def test_rows_of_numbers(make, rng):
    """Their values are free; what scale they come in is of no importance."""
    rows, y = rng.normal(size=(30, 20)), np.arange(30) % 3
    shape = {"image_shape": (1, -1, 1)}
    clf = make(**shape).fit(rows, y)
    assert clf.image_shape_ == (1, 20, 1)
    assert_array_equal(
        make(augment=None, **shape).fit(rows, y).predict_proba(rows), clf.predict_proba(rows)
    )
    if type(clf).__name__ == "MLPCellClassifier":
        scaled = make(**shape).fit(1000 * rows, y).predict_proba(1000 * rows)
        assert_allclose(scaled, clf.predict_proba(rows), atol=0.05)
    with pytest.raises(ValueError, match="rows of float features"):
        clf.predict(np.zeros((2, 20), np.uint8))
