"""The parameter crop: the share of each image that a model looks at."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError

from skblood import CellEmbedder
from skblood.inference import FeatureStore


def half(X):
    """Crop the cells of 24 px to 12."""
    return X[:, 6:18, 6:18]


def wider(X):
    """Lay three pixels of mirror image around cells, which is 1.25 of 24 px."""
    return np.pad(X, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="symmetric")


BY_HAND = {0.5: half, 1.25: wider}


@pytest.fixture(scope="module")
def X(large):
    large[0].setflags(write=False)
    return large[0]


@pytest.fixture(scope="module")
def y(large):
    return large[1]


@pytest.fixture(scope="module")
def forms(X, tmp_path_factory):
    """The same cells in each form that X may have."""
    folder = tmp_path_factory.mktemp("cells of 24 px")
    paths = [str(folder / f"{i:02}.png") for i in range(len(X))]
    for path, cell in zip(paths, X, strict=True):
        Image.fromarray(cell).save(path)
    flat = X.reshape(len(X), -1)
    return {
        "stack": X,
        "floats": X / 255,
        "list": list(X),
        "PIL": [Image.fromarray(cell) for cell in X],
        "paths": paths,
        "column": pd.DataFrame({"file": paths}),
        "rows": flat,
        "float rows": flat / 255,
        "table": pd.DataFrame(flat).rename(columns=str),
    }


@pytest.mark.parametrize("crop", BY_HAND)
@pytest.mark.parametrize("image_size", [None, 16])
def test_same_model_as_of_images_cropped_by_hand(make, X, y, crop, image_size):
    by_hand = BY_HAND[crop](X)
    clf = make(crop=crop, image_size=image_size).fit(X, y)
    other = make(image_size=image_size).fit(by_hand, y)
    assert_array_equal(clf.predict_proba(X), other.predict_proba(by_hand))
    assert clf.score(X, y) == other.score(by_hand, y)
    assert clf.image_shape_ == other.image_shape_
    assert clf.n_features_in_ == 24 * 24 * 3
    assert clf.training_data_ == other.training_data_


@pytest.mark.parametrize("image_size", [None, 16])
@pytest.mark.parametrize("crop", BY_HAND)
def test_forms(make_mlp, forms, X, y, crop, image_size):
    clf = make_mlp(crop=crop, image_size=image_size).fit(X, y)
    expected = clf.predict_proba(X)
    for name, form in forms.items():
        if name != "table":  # its names of columns are unknown to this one
            assert_array_equal(clf.predict_proba(form), expected, name)
        again = clone(clf).fit(form, y)
        assert_array_equal(again.predict_proba(form), expected, name)
        assert again.image_shape_ == clf.image_shape_
    assert not np.allclose(make_mlp(image_size=image_size).fit(X, y).predict_proba(X), expected)


def test_images_of_different_sizes(make_mlp, X, y):
    cells = [cell[: 12 + i % 5, : 24 - i % 3] for i, cell in enumerate(X)]
    cut = []
    for cell in cells:
        height, width = (int(0.5 * side + 0.5) for side in cell.shape[:2])
        top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
        cut.append(cell[top : top + height, left : left + width])
    found = make_mlp(crop=0.5, image_size=10).fit(cells, y).predict_proba(cells)
    assert_array_equal(found, make_mlp(image_size=10).fit(cut, y).predict_proba(cut))


class TestContract:
    """What is said of X at predict is said of the images as they are given."""

    @pytest.mark.parametrize("as_list", [False, True])
    def test_only_the_size_of_fit(self, make_mlp, X, y, as_list):
        clf = make_mlp(crop=0.5).fit(list(X) if as_list else X, y)
        # Cropped, these would have the size that the network takes: 11.5 is rounded to 12.
        for other in (X[:, :23, :23], half(X)):
            side = other.shape[1]
            given = rf"shape \({side}, {side}, 3\).* fitted with \(24, 24, 3\)"
            with pytest.raises(ValueError, match=given):
                clf.predict(list(other) if as_list else other)

    def test_width_of_rows(self, make_mlp, X, y):
        clf = make_mlp(crop=0.5).fit(X, y)
        with pytest.raises(ValueError, match=r"432 features.* 1728 features"):
            clf.predict(half(X).reshape(len(X), -1))

    @pytest.mark.parametrize("image_shape", [(1, -1, 1), (1, -1, 3)])
    def test_rows_of_numbers_are_not_cropped(self, make_mlp, y, rng, image_shape):
        rows = rng.normal(size=(len(y), 12))
        clf = make_mlp(crop=0.5, image_shape=image_shape).fit(rows, y)
        plain = make_mlp(image_shape=image_shape).fit(rows, y)
        assert clf.crop_ == 1
        assert_array_equal(clf.predict_proba(rows), plain.predict_proba(rows))
        as_bytes = rng.integers(0, 256, rows.shape, dtype=np.uint8)
        assert clone(clf).fit(as_bytes, y).image_shape_ == (1, *plain.image_shape_[1:])

    @pytest.mark.parametrize("crop", [0, -0.5, 4.5, np.nan, "half", None])
    def test_no_crop(self, make_mlp, X, y, crop):
        with pytest.raises(InvalidParameterError, match="'crop' parameter"):
            make_mlp(crop=crop).fit(X, y)

    def test_what_fit_was_given_counts(self, make_mlp, X, y):
        clf = make_mlp(crop=0.5).fit(X, y)
        expected = clf.predict_proba(X)
        clf.set_params(crop=1.25)
        assert clf.crop_ == 0.5
        assert_array_equal(clf.predict_proba(X), expected)
        other = make_mlp(crop=1.25).fit(X, y).predict_proba(X)
        assert_array_equal(clf.fit(X, y).predict_proba(X), other)

    def test_a_fit_that_fails_changes_nothing(self, make_mlp, X, y):
        clf = make_mlp(crop=0.5).fit(X, y)
        expected = clf.predict_proba(X)
        with pytest.raises(ValueError):
            clf.set_params(crop=1.25).fit(X, y[:5])
        assert_array_equal(clf.predict_proba(X), expected)

    def test_pickle_and_clone(self, make_mlp, X, y):
        clf = make_mlp(crop=0.5).fit(X, y)
        expected = clf.predict_proba(X)
        assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), expected)
        assert clone(clf).crop == 0.5


class TestWays:
    """Other ways into a model than fit and predict."""

    def test_search(self, make_mlp, X, y):
        search = GridSearchCV(make_mlp(), {"crop": [0.5, 1.0, 1.25]}, cv=2).fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        best = search.best_params_["crop"]
        plain = make_mlp(crop=best).fit(X, y)
        assert_array_equal(search.predict_proba(X), plain.predict_proba(X))

    @pytest.mark.parametrize("image_size", [None, 16])
    def test_partial_fit(self, make_mlp, X, y, image_size):
        clf, plain = (make_mlp(crop=crop, image_size=image_size) for crop in (0.5, 1.0))
        for rows in (slice(0, 24), slice(24, None)):
            clf.partial_fit(X[rows], y[rows], classes=np.unique(y))
            plain.partial_fit(half(X)[rows], y[rows], classes=np.unique(y))
        assert_array_equal(clf.predict_proba(X), plain.predict_proba(half(X)))

    def test_validation_images(self, make_mlp, X, y):
        options = {"early_stopping": True, "image_size": 16}
        clf = make_mlp(crop=0.5, **options).fit(X[8:], y[8:], X_val=X[:8], y_val=y[:8])
        cut = half(X)
        plain = make_mlp(**options).fit(cut[8:], y[8:], X_val=cut[:8], y_val=y[:8])
        assert clf.history_[:, "valid_loss"] == plain.history_[:, "valid_loss"]

    @pytest.mark.parametrize("image_size", [None, 16])
    def test_embedder(self, X, image_size):
        def make(crop):
            options = {"image_size": image_size, "random_state": 0, "device": "cpu"}
            return CellEmbedder("cellnet_t", crop=crop, **options)

        features = make(0.5).fit_transform(X)
        assert_array_equal(features, make(1.0).fit_transform(half(X)))
        assert make(0.5).fit(X).n_features_in_ == 24 * 24 * 3

    def test_stores_are_not_mixed_up(self, make_transfer, forms, y, tmp_path):
        """Of each crop, each file is decoded once, and its features are computed once."""
        store = FeatureStore(tmp_path / "memory")
        for crop in (0.5, 1.0, 1.25):
            options = {"crop": crop, "image_size": 10, "trainable": "head"}
            expected = make_transfer(**options).fit(forms["paths"], y).predict_proba(forms["stack"])
            before = store.n_computed
            for _ in range(2):
                clf = make_transfer(memory=store, **options).fit(forms["paths"], y)
                assert_array_equal(clf.predict_proba(forms["paths"]), expected)
            assert store.n_computed - before == 2 * len(y)


class TestReframe:
    """Another crop for a model that is fitted, whose network stays as it is."""

    @pytest.mark.parametrize("crop", BY_HAND)
    def test_with_a_size(self, make_mlp, X, y, crop):
        clf = make_mlp(image_size=16).fit(X, y)
        expected = clf.predict_proba(BY_HAND[crop](X))
        clf._reframe(crop)
        assert clf.crop == clf.crop_ == crop
        assert_array_equal(clf.predict_proba(X), expected)

    def test_at_the_own_size(self, make, X, y):
        """The network goes on at the size that it was fitted at: what is left is made larger."""
        clf = make().fit(X, y)
        before = clf.predict_proba(X)
        sized = make(image_size=24).fit(X, y)
        assert_array_equal(sized.predict_proba(X), before)
        other = copy.deepcopy(clf)
        other._reframe(0.5)
        assert other.image_size == other.image_size_ == (24, 24)
        assert_array_equal(other.predict_proba(X), sized.predict_proba(half(X)))
        assert_array_equal(clf.predict_proba(X), before)

    def test_back(self, make_mlp, X, y):
        clf = make_mlp(image_size=16).fit(X, y)
        before = clf.predict_proba(X)
        clf._reframe(0.5)
        clf._reframe(1.0)
        assert_array_equal(clf.predict_proba(X), before)

    def test_rows_of_numbers(self, make_mlp, y, rng):
        clf = make_mlp(image_shape=(1, -1, 1)).fit(rng.normal(size=(len(y), 12)), y)
        with pytest.raises(ValueError, match="rows of numbers, which cannot be cropped"):
            clf._reframe(0.5)

    def test_no_crop(self, make_mlp, X, y):
        clf = make_mlp().fit(X, y)
        with pytest.raises(ValueError, match="crop must be a number"):
            clf._reframe(5)
        assert clf.crop == clf.crop_ == 1
