"""Our own contract, for every classifier: what scikit-learn's checks do not ask."""

import copy
import pickle
import random
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from skorch.callbacks import Callback

from skblood import CellEmbedder

LABELS = {
    "str": np.array(["ig", "monocyte", "platelet"]),
    "object": np.array(["ig", "monocyte", "platelet"], dtype=object),
    "int32": np.array([0, 1, 2], np.int32),
    "int64 with gaps": np.array([10, 20, 30]),
    "negative": np.array([-7, 0, 3], np.int8),
    "whole floats": np.array([1.0, 2.0, 4.0]),
    "bool": np.array([False, True]),
}
# What a user may have in place of an array of shape (n, h, w, c).
FORMS = {
    "float64": lambda X, paths: X / 255,
    "float32": lambda X, paths: (X / 255).astype(np.float32),
    "rows": lambda X, paths: X.reshape(len(X), -1),
    "float rows": lambda X, paths: X.reshape(len(X), -1) / 255,
    "frame of pixels": lambda X, paths: pd.DataFrame(X.reshape(len(X), -1)),
    "paths": lambda X, paths: paths,
    "array of paths": lambda X, paths: np.array(paths),
    "Path objects": lambda X, paths: [Path(path) for path in paths],
    "column of paths": lambda X, paths: pd.DataFrame({"file": paths}, index=range(7, 7 + len(X))),
    "Series of paths": lambda X, paths: pd.Series(paths, index=range(7, 7 + len(X))),
    "PIL images": lambda X, paths: [Image.fromarray(x) for x in X],
    "list of arrays": lambda X, paths: list(X),
    "tensor": lambda X, paths: torch.tensor(X),
    "Fortran order": lambda X, paths: np.asfortranarray(X),
    "flipped twice": lambda X, paths: np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    "RGBA": lambda X, paths: np.concatenate([X, np.full_like(X[..., :1], 255)], axis=3),
}


def codes_of(y):
    return np.unique(y, return_inverse=True)[1]


class TestProbabilitiesAndLabels:
    def test_rows_sum_to_one(self, fitted, small):
        probabilities = fitted.predict_proba(small[0])
        assert probabilities.shape == (48, 3)
        assert probabilities.dtype == np.float64
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        assert probabilities.min() >= 0

    def test_columns_are_in_the_order_of_classes(self, fitted, small):
        X, y = small
        assert_array_equal(fitted.classes_, ["lymphocyte", "neutrophil", "platelet"])
        best = fitted.predict_proba(X).argmax(axis=1)
        assert_array_equal(fitted.predict(X), fitted.classes_[best])
        assert fitted.score(X, y) == np.mean(fitted.predict(X) == y)

    def test_decision_function_holds_logits(self, fitted, small):
        logits = fitted.decision_function(small[0])
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        assert_allclose(e / e.sum(axis=1, keepdims=True), fitted.predict_proba(small[0]))

    def test_decision_function_of_two_classes(self, make, small):
        X, y = small
        clf = make().fit(X, y == "platelet")
        values = clf.decision_function(X)
        assert values.shape == (48,)
        assert_allclose(1 / (1 + np.exp(-values)), clf.predict_proba(X)[:, 1])
        assert_array_equal(values > 0, clf.predict(X))

    @pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
    def test_labels_come_out_as_they_went_in(self, make, small, labels):
        X, y = small
        codes = codes_of(y) % len(labels)
        clf = make().fit(X, labels[codes])
        assert_array_equal(clf.classes_, labels)
        assert clf.classes_.dtype == labels.dtype
        assert clf.predict(X).dtype == labels.dtype
        same = make().fit(X, np.array(["a", "b", "c"])[codes])
        assert_array_equal(clf.predict_proba(X), same.predict_proba(X))
        assert_array_equal(clf.predict(X), labels[np.searchsorted(same.classes_, same.predict(X))])

    def test_column_of_labels_warns(self, make, fitted, small):
        X, y = small
        with pytest.warns(DataConversionWarning, match="column-vector"):
            clf = make().fit(X, y[:, None])
        assert_array_equal(clf.predict_proba(X), fitted.predict_proba(X))

    @pytest.mark.parametrize(
        "container", [list, pd.Series, pd.Categorical], ids=lambda c: c.__name__
    )
    def test_containers_of_labels(self, make, fitted, small, container):
        X, y = small
        clf = make().fit(X, container(y))
        assert_array_equal(clf.classes_, fitted.classes_)
        assert_array_equal(clf.predict_proba(X), fitted.predict_proba(X))


class TestForms:
    """One set of cells in many forms is one set of cells."""

    @pytest.mark.parametrize("form", FORMS)
    def test_predict(self, fitted, small, png_paths, form):
        X = FORMS[form](small[0], png_paths)
        assert_array_equal(fitted.predict_proba(X), fitted.predict_proba(small[0]))

    @pytest.mark.parametrize("form", FORMS)
    def test_fit(self, make, fitted, small, png_paths, form):
        clf = make().fit(FORMS[form](small[0], png_paths), small[1])
        assert clf.n_features_in_ == 768
        assert clf.image_shape_ == (16, 16, 3)
        assert_array_equal(clf.predict_proba(small[0]), fitted.predict_proba(small[0]))

    @pytest.mark.parametrize("form", ["stack", "channel axis", "rows", "folded rows"])
    def test_gray(self, make, small, form):
        X, y = small
        gray = X[..., 1].copy()
        params = {"image_shape": (-1, 16)} if form == "folded rows" else {}
        forms = {
            "stack": gray,
            "channel axis": gray[..., None],
            "rows": gray.reshape(48, -1),
            "folded rows": gray.reshape(48, -1),
        }
        clf = make(**params).fit(forms[form], y)
        assert clf.image_shape_ == (16, 16, 1)
        expected = make().fit(gray, y).predict_proba(gray)
        for X_new in forms.values():
            assert_array_equal(clf.predict_proba(X_new), expected)

    def test_colour_files_for_a_gray_model(self, make, small, png_paths):
        """A camera's files are RGB whatever they show; their luma is what the model sees."""
        gray = np.stack([np.asarray(Image.open(path).convert("L")) for path in png_paths])
        clf = make().fit(gray, small[1])
        assert_array_equal(clf.predict_proba(png_paths), clf.predict_proba(gray))

    @pytest.mark.parametrize("size", [16, (16, 12)])
    def test_images_of_mixed_sizes(self, make, small, large, size):
        X = [*small[0][:24], *large[0][24:]]
        clf = make(image_size=size).fit(X, small[1])
        assert clf.image_shape_ == (*((size, size) if size == 16 else size), 3)
        one_by_one = np.concatenate([clf.predict_proba([x]) for x in X])
        assert_array_equal(clf.predict_proba(X), one_by_one)
        if size == 16:  # the small ones were not touched
            assert_array_equal(clf.predict_proba(small[0][:24]), one_by_one[:24])

    def test_enlarging_gives_the_shape_of_the_network(self, make, small):
        clf = make(image_size=20).fit(*small)
        assert clf.image_shape_ == (20, 20, 3)
        assert clf.n_features_in_ == 768  # as given to fit
        assert clf.predict(small[0].reshape(48, -1)).shape == (48,)

    def test_shrinking_keeps_the_width_given_to_fit(self, make, large):
        X, y = large
        clf = make(image_size=16).fit(X, y)
        assert clf.n_features_in_ == 24 * 24 * 3
        assert_array_equal(clf.predict_proba(X.reshape(48, -1)), clf.predict_proba(X))

    def test_rows_larger_than_image_size(self, make, large):
        X, y = large
        clf = make(image_size=16).fit(X.reshape(48, -1), y)
        assert clf.image_shape_ == (16, 16, 3)
        assert clf.n_features_in_ == 24 * 24 * 3
        assert_array_equal(clf.predict_proba(X), clf.predict_proba(X.reshape(48, -1)))
        same = make(image_size=16).fit(X, y)
        assert_array_equal(same.predict_proba(X), clf.predict_proba(X))


class TestPredictionsAreOfEachImage:
    @pytest.mark.parametrize("n", [1, 5, 16, 17, 47])
    def test_company_does_not_change_a_prediction(self, fitted, small, n):
        X = small[0]
        parts = [fitted.predict_proba(X[i : i + n]) for i in range(0, len(X), n)]
        assert_array_equal(np.concatenate(parts), fitted.predict_proba(X))

    def test_order_does_not_change_a_prediction(self, fitted, small, rng):
        X = small[0]
        order = rng.permutation(len(X))
        assert_array_equal(fitted.predict_proba(X[order]), fitted.predict_proba(X)[order])

    @pytest.mark.parametrize("batch_size", [2, 7, 1000])
    def test_batch_size_has_no_part_in_prediction(self, fitted, small, batch_size):
        other = copy.deepcopy(fitted).set_params(batch_size=batch_size)
        assert_array_equal(other.predict_proba(small[0]), fitted.predict_proba(small[0]))

    def test_predicting_does_not_change_the_model(self, make, small):
        X, y = small
        clf = make().fit(X, y)
        before = {k: v.clone() for k, v in clf.net_.module_.state_dict().items()}
        first = clf.predict_proba(X)
        assert_array_equal(clf.predict_proba(X), first)
        after = clf.net_.module_.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)

    def test_network_is_ready_for_inference_after_fit(self, make, small):
        assert not make().fit(*small).net_.module_.training


class TestRefit:
    def test_second_fit_forgets_the_first(self, make, small, large):
        X, y = small
        other = (large[0] / 255, codes_of(large[1]) % 2)
        clf = make(early_stopping=True, validation_fraction=0.25).fit(X, y)
        clf.set_params(early_stopping=False).fit(*other)
        fresh = make().set_params(**clf.get_params()).fit(*other)
        assert_array_equal(clf.predict_proba(other[0]), fresh.predict_proba(other[0]))
        assert vars(clf).keys() == vars(fresh).keys()
        assert (clf.n_iter_, clf.best_epoch_) == (fresh.n_iter_, fresh.best_epoch_)
        assert (clf.image_shape_, clf.n_features_in_) == ((24, 24, 3), 1728)
        assert_array_equal(clf.classes_, [0, 1])
        assert len(clf.history_) == clf.n_iter_
        assert "valid_loss" not in clf.history_[-1]

    def test_feature_names_are_set_and_removed(self, make, small):
        X, y = small
        names = [f"pixel_{i}" for i in range(768)]
        frame = pd.DataFrame(X.reshape(48, -1), columns=names)
        clf = make().fit(frame, y)
        assert_array_equal(clf.feature_names_in_, names)
        with pytest.raises(ValueError, match="feature names"):
            clf.predict(frame[names[::-1]])
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            clf.predict(X.reshape(48, -1))
        assert not hasattr(clf.fit(X, y), "feature_names_in_")
        assert hasattr(clf.fit(frame, y), "feature_names_in_")
        assert not hasattr(clf.fit(X.reshape(48, -1), y), "feature_names_in_")

    def test_attributes(self, fitted, make):
        n_epochs = 2 + make().get_params().get("refine_epochs", 0)
        assert fitted.n_iter_ == fitted.best_epoch_ == len(fitted.history_) == n_epochs
        assert fitted.n_features_in_ == 768
        assert fitted.image_shape_ == (16, 16, 3)
        assert fitted.device_ == "cpu"
        assert fitted.net_.history is fitted.history_
        assert all(np.isfinite(fitted.history_[:, "train_loss"]))
        assert all(duration > 0 for duration in fitted.history_[:, "dur"])
        assert [epoch["epoch"] for epoch in fitted.history_] == list(range(1, n_epochs + 1))


class Touch(Callback):
    """Write into itself, as skorch's callbacks do."""

    def __init__(self):
        self.epochs = []

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(len(net.history))


class TestTheCallersWorld:
    @pytest.mark.parametrize("random_state", [0, None])
    def test_global_generators_are_untouched(self, make, small, random_state):
        X, y = small
        np.random.seed(3)
        torch.manual_seed(3)
        random.seed(3)
        before = np.random.get_state(), torch.get_rng_state(), random.getstate()
        clf = make(random_state=random_state, early_stopping=True, validation_fraction=0.25)
        clf.fit(X, y).predict(X)
        clf.partial_fit(X, y)
        assert_array_equal(np.random.get_state()[1], before[0][1])
        assert np.random.get_state()[2] == before[0][2]
        assert torch.equal(torch.get_rng_state(), before[1])
        assert random.getstate() == before[2]

    def test_global_generators_have_no_say(self, make, fitted, small):
        np.random.seed(99)
        torch.manual_seed(99)
        again = make().fit(*small)
        assert_array_equal(again.predict_proba(small[0]), fitted.predict_proba(small[0]))

    def test_torchs_settings_are_untouched(self, make, small):
        def settings():
            return (
                torch.is_grad_enabled(),
                torch.get_default_dtype(),
                torch.get_num_threads(),
                torch.are_deterministic_algorithms_enabled(),
                torch.is_autocast_enabled("cpu"),
            )

        before = settings()
        make(precision="bfloat16").fit(*small).predict(small[0])
        assert settings() == before

    def test_no_grad_of_the_caller_has_no_say_in_prediction(self, fitted, small):
        with torch.inference_mode():
            inside = fitted.predict_proba(small[0])
        assert_array_equal(inside, fitted.predict_proba(small[0]))

    @pytest.mark.parametrize("form", ["images", "rows", "float rows"])
    @pytest.mark.parametrize("writeable", [True, False])
    def test_arrays_are_untouched(self, make, small, form, writeable):
        X, y = small[0].copy(), small[1].copy()
        X = X if form == "images" else X.reshape(48, -1)
        X = X / 255 if form == "float rows" else X
        weight = np.linspace(0.5, 2, 48)
        arrays = [X, y, weight]
        for array in arrays:
            array.setflags(write=writeable)
        before = [array.copy() for array in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="48 of the 48 images of X_val")
            make(augment="cells").fit(X, y, weight, X_val=X, y_val=y).predict(X)
        for array, was in zip(arrays, before, strict=True):
            assert_array_equal(array, was)
            assert array.flags.writeable == writeable

    def test_callbacks_are_untouched(self, make, small):
        callback = Touch()
        callbacks = [callback, ("named", Touch())]
        clf = make(callbacks=callbacks).fit(*small)
        assert clf.callbacks is callbacks
        assert len(callbacks) == 2
        assert callbacks[0] is callback
        assert vars(callback) == {"epochs": []}
        assert vars(callbacks[1][1]) == {"epochs": []}
        copied = [c for _, c in clf.net_.callbacks_ if isinstance(c, Touch)]
        assert len(copied) == 2
        assert copied[0].epochs[-1] == clf.n_iter_

    def test_memory_map(self, make, fitted, small, tmp_path):
        np.save(tmp_path / "X.npy", small[0])
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
        clf = make().fit(X, small[1])
        assert_array_equal(clf.predict_proba(X), fitted.predict_proba(small[0]))


class TestRandomState:
    def test_same_seed_same_model(self, make, fitted, small):
        again = make().fit(*small)
        assert_array_equal(again.predict_proba(small[0]), fitted.predict_proba(small[0]))
        assert again.history_[:, "train_loss"] == fitted.history_[:, "train_loss"]

    @pytest.mark.parametrize("random_state", [1, None])
    def test_other_seed_other_model(self, make, fitted, small, random_state):
        other = make(random_state=random_state).fit(*small)
        assert not np.allclose(other.predict_proba(small[0]), fitted.predict_proba(small[0]))

    def test_none_differs_from_call_to_call(self, make, small):
        np.random.seed(0)
        first = make(random_state=None).fit(*small).predict_proba(small[0])
        np.random.seed(0)
        assert not np.allclose(make(random_state=None).fit(*small).predict_proba(small[0]), first)

    def test_instance_is_drawn_from(self, make, fitted, small):
        X, y = small
        generator = np.random.RandomState(0)
        clf = make(random_state=generator).fit(X, y)
        first = clf.predict_proba(X)
        assert clf.random_state is generator
        assert_array_equal(first, fitted.predict_proba(X))  # that of the int 0
        assert not np.allclose(clf.fit(X, y).predict_proba(X), first)

    def test_clones_of_an_instance_are_alike(self, make, small):
        X, y = small
        clf = make(random_state=np.random.RandomState(5))
        first, second = clone(clf).fit(X, y), clone(clf).fit(X, y)
        assert_array_equal(first.predict_proba(X), second.predict_proba(X))

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"early_stopping": True, "validation_fraction": 0.25},
            {"class_weight": "balanced"},
            {"trainable": "head"},
        ],
        ids=lambda params: next(iter(params), "plain"),
    )
    def test_order_of_rows_does_not_matter(self, make, small, rng, params):
        if not params.keys() <= make().get_params().keys():
            pytest.skip("no such parameter")
        X, y = small
        weight = rng.uniform(0.2, 2.5, len(X))
        order = rng.permutation(len(X))
        first = make(**params).fit(X, y, weight)
        second = make(**params).fit(X[order], y[order], weight[order])
        assert_array_equal(second.predict_proba(X), first.predict_proba(X))

    def test_order_of_rows_matters_without_shuffle(self, make, small):
        X, y = small
        first = make(shuffle=False).fit(X, y).predict_proba(X)
        assert_array_equal(make(shuffle=False).fit(X, y).predict_proba(X), first)
        reverse = make(shuffle=False).fit(X[::-1], y[::-1]).predict_proba(X)
        assert not np.allclose(reverse, first)


class TestSampleWeight:
    @pytest.mark.parametrize("shuffle", [True, False])
    @pytest.mark.parametrize(
        "params",
        [{}, {"early_stopping": True, "validation_fraction": 0.25}, {"class_weight": "balanced"}],
        ids=["plain", "early stopping", "balanced"],
    )
    def test_whole_numbers_count_copies(self, make, small, rng, params, shuffle):
        X, y = small
        weight = rng.integers(0, 4, len(X))
        weight[:3] = 0, 1, 2
        weighted = make(shuffle=shuffle, **params).fit(X, y, weight)
        repeated = make(shuffle=shuffle, **params).fit(
            np.repeat(X, weight, 0), np.repeat(y, weight)
        )
        assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
        plain = make(shuffle=shuffle, **params).fit(X, y)
        assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X))

    def test_zero_leaves_an_image_out(self, make, small):
        X, y = small
        weight = np.r_[np.zeros(10), np.ones(38)]
        damaged = X.copy()
        damaged[:10] = 255
        removed = make().fit(X[10:], y[10:]).predict_proba(X)
        assert_array_equal(make().fit(damaged, y, weight).predict_proba(X), removed)

    def test_ones_are_no_weights(self, make, fitted, small):
        X, y = small
        weighted = make().fit(X, y, np.ones(48))
        assert_array_equal(weighted.predict_proba(X), fitted.predict_proba(X))

    def test_a_class_without_weight_stays_a_class(self, make, small):
        X, y = small
        options = {"max_epochs": 8, "lr": 0.01, "augment": None}
        clf = make(**options).fit(X, y, (y != "platelet").astype(float))
        assert_array_equal(clf.classes_, np.unique(y))
        mean = clf.predict_proba(X)[:, 2].mean()
        assert mean < 0.8 * make(**options).fit(X, y).predict_proba(X)[:, 2].mean()

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            (-np.ones(48), "negative; 48 of 48"),
            (np.zeros(48), "zero for every sample|at least one non-zero"),
            (np.full(48, 1e6), "divide the weights by their mean"),
            (np.ones(47), r"\(47,\), expected \(48,\)"),
            (np.full(48, np.nan), "NaN"),
        ],
    )
    def test_bad_weights(self, make, small, weight, message):
        with pytest.raises(ValueError, match=message):
            make().fit(*small, sample_weight=weight)


def with_pickle(estimator, folder):
    return pickle.loads(pickle.dumps(estimator))


def with_joblib(estimator, folder):
    joblib.dump(estimator, folder / "model.joblib", compress=3)
    return joblib.load(folder / "model.joblib")


def with_deepcopy(estimator, folder):
    return copy.deepcopy(estimator)


class TestCopies:
    @pytest.mark.parametrize("copied", [with_pickle, with_joblib, with_deepcopy])
    def test_fitted(self, make, fitted, small, tmp_path, copied):
        X, y = small
        again = copied(fitted, tmp_path)
        assert again.get_params() == fitted.get_params()
        assert_array_equal(again.classes_, fitted.classes_)
        assert again.history_ == fitted.history_
        expected = fitted.predict_proba(X)
        assert_array_equal(again.predict_proba(X), expected)
        # It is a classifier of its own, which can be trained on.
        again.partial_fit(X, y)
        assert not np.allclose(again.predict_proba(X), expected)
        assert_array_equal(fitted.predict_proba(X), expected)
        assert_array_equal(again.fit(X, y).predict_proba(X), expected)

    @pytest.mark.parametrize("copied", [with_pickle, with_joblib, with_deepcopy])
    def test_with_everything_switched_on(self, make, small, tmp_path, copied):
        X, y = small
        clf = make(
            early_stopping=True,
            validation_fraction=0.25,
            callbacks=[Touch()],
            verbose=1,
            class_weight="balanced",
            loss="focal",
        ).fit(X, y)
        assert_array_equal(copied(clf, tmp_path).predict_proba(X), clf.predict_proba(X))

    @pytest.mark.parametrize("copied", [with_pickle, with_joblib, with_deepcopy])
    def test_unfitted(self, make, small, tmp_path, copied):
        again = copied(make(lr=0.5), tmp_path)
        assert again.get_params() == make(lr=0.5).get_params()
        with pytest.raises(NotFittedError):
            again.predict(small[0])

    def test_clone(self, fitted, small):
        again = clone(fitted)
        assert again.get_params() == fitted.get_params()
        assert not [name for name in vars(again) if name not in again.get_params()]
        assert_array_equal(
            again.fit(*small).predict_proba(small[0]), fitted.predict_proba(small[0])
        )

    def test_pickle_in_the_midst_of_partial_fit(self, make, small):
        """The optimizer of the copy trains the network of the copy."""
        X, y = small
        clf = make().partial_fit(X, y, classes=np.unique(y))
        again = pickle.loads(pickle.dumps(clf)).partial_fit(X, y)
        clf.partial_fit(X, y)
        assert_array_equal(again.predict_proba(X), clf.predict_proba(X))

    def test_pickle_holds_the_network_once(self, make_mlp, small):
        clf = make_mlp(hidden_layer_sizes=(512,)).fit(*small)
        n_bytes = sum(tensor.nbytes for tensor in clf.net_.module_.state_dict().values())
        assert n_bytes < len(pickle.dumps(clf)) < 1.2 * n_bytes

    def test_images_do_not_travel_with_the_model(self, make, small):
        X, y = small
        sizes = [len(pickle.dumps(make().fit(*few))) for few in [(X[:24], y[:24]), (X, y)]]
        assert sizes[1] - sizes[0] < X[24:].nbytes / 4


class TestParameters:
    def test_constructor_stores_and_nothing_else(self, make):
        cls = type(make())
        given = {name: object() for name in cls().get_params()}
        estimator = cls(**given)
        assert vars(estimator).keys() == given.keys()
        assert all(getattr(estimator, name) is value for name, value in given.items())

    def test_only_the_first_argument_may_be_positional(self, make):
        cls = type(make())
        with pytest.raises(TypeError, match="positional"):
            cls("cellnet_t", None)

    def test_get_and_set_round_trip(self, make):
        estimator = make(lr=0.25, class_weight={"a": 2}, callbacks=[])
        again = type(estimator)().set_params(**estimator.get_params())
        assert again.get_params() == estimator.get_params()
        assert again.class_weight is estimator.class_weight

    def test_unknown_parameter(self, make):
        with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
            make().set_params(epochs=3)
        with pytest.raises(TypeError, match="epochs"):
            make(epochs=3)

    def test_repr_shows_what_was_changed(self, make):
        estimator = make(lr=0.125)
        namespace = {type(estimator).__name__: type(estimator)}
        again = eval(repr(estimator), namespace)
        assert again.get_params() == estimator.get_params()
        assert repr(type(estimator)()) == f"{type(estimator).__name__}()"
        assert "lr=0.125" in repr(estimator)

    def test_repr_as_html(self, make, fitted):
        for estimator in (make(), fitted):
            assert type(estimator).__name__ in estimator._repr_html_()

    def test_defaults_are_not_shared(self, make):
        """No default is a thing that one estimator could change for all."""
        defaults = type(make())().get_params().values()
        assert not [value for value in defaults if isinstance(value, (list, dict, set))]


class TestNotFitted:
    @pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
    def test_classifier(self, make, small, method):
        with pytest.raises(NotFittedError, match=f"This {type(make()).__name__} instance is not"):
            getattr(make(), method)(small[0])

    def test_a_failed_first_fit_leaves_it_unfitted(self, make, small):
        clf = make(class_weight={"no such class": 2})
        with pytest.raises(ValueError, match="class_weight"):
            clf.fit(*small)
        assert vars(clf).keys() == clf.get_params().keys()
        with pytest.raises(NotFittedError):
            clf.predict(small[0])

    def test_embedder(self, small):
        with pytest.raises(NotFittedError, match="This CellEmbedder instance is not"):
            CellEmbedder("cellnet_t").transform(small[0])


class TestWhatPredictIsGiven:
    """Each message holds what was given, what the model was fitted with, and what to do."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda X: np.zeros((2, 20, 20, 3), np.uint8),
                r"\(20, 20, 3\).*\(16, 16, 3\).*image_size=",
            ),
            (
                lambda X: np.zeros((2, 16, 24, 3), np.uint8),
                r"\(16, 24, 3\).*\(16, 16, 3\).*image_size=",
            ),
            (lambda X: X[..., 0], r"\(16, 16, 1\).*\(16, 16, 3\).*Bring them to that shape"),
            (lambda X: X.reshape(48, -1)[:, :-1], "767 features.*expecting 768"),
            (lambda X: X.astype(float), r"in \d+..255.*Pass X.astype\(np.uint8\)"),
            (lambda X: X.reshape(48, -1).astype(int), r"int64.*Pass X.astype\(np.uint8\)"),
            (lambda X: X[0], r"single image.*Pass X\[None\]"),
            (lambda X: X[:0], r"there are 0 of shape \(16, 16, 3\)"),
            (lambda X: X.transpose(0, 3, 1, 2), r"48 of shape \(3, 16, 16\).*transpose"),
        ],
        ids=[
            "size",
            "width",
            "gray",
            "rows",
            "0..255",
            "int64",
            "single",
            "none",
            "channels first",
        ],
    )
    def test_images(self, fitted, small, change, message):
        with pytest.raises(ValueError, match=f"(?s){message}"):
            fitted.predict(change(small[0]))

    def test_colour_for_a_gray_model(self, make, small):
        X, y = small
        clf = make().fit(X[..., 0], y)
        with pytest.raises(ValueError, match=r"(?s)\(16, 16, 3\).*\(16, 16, 1\)"):
            clf.predict(X)

    def test_list_of_colour_arrays_for_a_gray_model(self, make, small):
        X, y = small
        clf = make().fit(X[..., 0], y)
        with pytest.raises(ValueError, match=r"(?s)\(16, 16, 3\).*\(16, 16, 1\)"):
            clf.predict(list(X))

    def test_pixels_for_a_model_of_features(self, make, rng):
        rows = rng.normal(size=(30, 20))
        clf = make(image_shape=(1, -1, 1)).fit(rows, np.arange(30) % 3)
        with pytest.raises(ValueError, match="fitted with rows of float features.*in the form"):
            clf.predict(np.zeros((2, 20), np.uint8))

    def test_features_may_have_any_values(self, make, rng):
        """Rows of numbers are standardised; what scale they come in is of no importance."""
        rows, y = rng.normal(size=(30, 20)), np.arange(30) % 3
        clf = make(image_shape=(1, -1, 1)).fit(rows, y)
        scaled = make(image_shape=(1, -1, 1)).fit(1000 * rows, y)
        assert clf.image_shape_ == (1, 20, 1)
        assert clf.predict_proba(rows).shape == (30, 3)
        if type(clf).__name__ == "MLPCellClassifier":
            near = scaled.predict_proba(1000 * rows)
            assert_allclose(near, clf.predict_proba(rows), atol=0.05)
