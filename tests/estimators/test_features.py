"""Frozen backbones: each image passes them once, whoever asks, and nothing stale is used."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from skblood import CellEmbedder
from skblood.augment import CellAugment
from skblood.inference import FeatureStore

pytestmark = pytest.mark.usefixtures("empty_feature_store")

# timm's networks bring a normalisation of their own; ours are normalised by the training images,
# which differ from fold to fold, and so do their features.
BACKBONE = {"backbone": "mobilenetv4_conv_small_035", "weights": None, "image_size": 32}
SEARCH = {"dropout": [0.0, 0.5], "hidden_layer_sizes": [(), (8,)]}


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "features")


@pytest.fixture
def make_head(make_transfer, store):
    """Return the constructor of a classifier with a frozen backbone and a store in a folder."""

    def make(**params):
        return make_transfer(**{"trainable": "head", **BACKBONE, "memory": store, **params})

    return make


class TestOncePerImage:
    def test_search(self, make_head, store, small):
        X, y = small
        search = GridSearchCV(make_head(), SEARCH, cv=3, n_jobs=1).fit(X, y)
        assert search.predict(X).shape == y.shape
        assert store.n_computed == len(X) == 48

    def test_search_in_two_processes(self, make_head, store, small):
        X, y = small
        GridSearchCV(make_head(), SEARCH, cv=3, n_jobs=2).fit(X, y)
        assert store.n_computed == len(X)

    def test_in_memory_by_default(self, make_head, small):
        X, y = small
        before = FeatureStore().n_computed
        cross_val_predict(make_head(memory=None), X, y, cv=3)
        assert FeatureStore().n_computed - before == len(X)

    def test_folder_by_name_outlives_the_estimator(self, make_head, store, small):
        X, y = small
        make_head(memory=store.location).fit(X, y)
        clone(make_head()).fit(X, y)
        assert store.n_computed == len(X)

    def test_embedder_and_classifier_share(self, make_head, store, small):
        X, y = small
        embedder = CellEmbedder(**BACKBONE, memory=store, random_state=0, device="cpu")
        make_pipeline(embedder, LogisticRegression()).fit(X, y).predict(X)
        make_head().fit(X, y)
        assert store.n_computed == len(X)

    def test_copies_are_one_image(self, make_head, store, small):
        X, y = small
        make_head().fit(X[[0, 1, 2, 3, 0, 1]], y[[0, 1, 2, 3, 0, 1]])
        assert store.n_computed == 4

    def test_figures_are_those_without_a_store(self, make_head, store, small):
        X, y = small
        first = make_head().fit(X, y).predict_proba(X)
        again = make_head().fit(X, y).predict_proba(X)
        store.clear()
        anew = make_head().fit(X, y).predict_proba(X)
        assert np.array_equal(first, again)
        assert np.array_equal(first, anew)

    def test_trained_backbone_stores_nothing(self, make_head, store, small):
        make_head(trainable=1).fit(*small).predict(small[0])
        assert store.n_computed == 0


class TestNothingStale:
    @pytest.mark.parametrize(
        "change",
        [
            {"image_size": 48},
            {"interpolation": "nearest", "image_size": 48},
            {"random_state": 1},  # other weights
            {"backbone": "mobilenetv3_small_050"},
        ],
        ids=str,
    )
    def test_other_settings(self, make_head, store, small, change):
        X, y = small
        make_head().fit(X, y)
        make_head(**change).fit(X, y)
        assert store.n_computed == 2 * len(X)

    def test_other_precision(self, make_head, store, large):
        X, y = large
        for precision in ("float32", "bfloat16"):
            make_head(precision=precision).fit(X, y)
        assert store.n_computed == 2 * len(X)

    def test_head_settings_are_no_part_of_the_key(self, make_head, store, small):
        X, y = small
        for options in ({"dropout": 0.1}, {"lr": 0.1, "optimizer": "sgd"}, {"max_epochs": 1}):
            make_head(**options).fit(X, y)
        assert store.n_computed == len(X)

    def test_weights_changed_by_hand(self, make_head, store, small):
        X, y = small
        clf = make_head().fit(X, y)
        before = clf.predict_proba(X)
        with torch.no_grad():
            next(clf.net_.module_.backbones.parameters()).mul_(0.5)
        assert not np.allclose(clf.predict_proba(X), before)
        assert store.n_computed == 2 * len(X)

    def test_one_pixel(self, make_head, store, small):
        X, y = small
        clf = make_head().fit(X, y)
        other = X.copy()
        other[0, 0, 0, 0] ^= 1
        clf.predict(other)
        assert store.n_computed == len(X) + 1


class TestViews:
    def test_each_view_is_computed_once(self, make_head, store, small):
        X, y = small
        for seed, dropout in ((0, 0.0), (0, 0.5)):
            make_head(n_views=3, dropout=dropout, random_state=seed).fit(X, y)
        assert store.n_computed == 3 * len(X)

    def test_views_are_used(self, make_head, small):
        X, y = small
        one, three = (make_head(n_views=n).fit(X, y).predict_proba(X) for n in (1, 3))
        assert not np.array_equal(one, three)

    def test_same_from_a_cold_and_a_warm_store(self, make_head, store, small):
        X, y = small
        cold = make_head(n_views=3).fit(X, y).predict_proba(X)
        warm = make_head(n_views=3).fit(X, y).predict_proba(X)
        store.clear()
        make_head(n_views=2).fit(X[::-3], y[::-3])
        half_warm = make_head(n_views=3).fit(X, y).predict_proba(X)
        assert np.array_equal(cold, warm)
        assert np.array_equal(cold, half_warm)

    def test_validation_images_are_not_changed(self, make_head, store, small):
        X, y = small
        make_head(n_views=3).fit(X[:32], y[:32], X_val=X[32:], y_val=y[32:])
        assert store.n_computed == 3 * 32 + 16

    def test_own_split_is_validated_as_it_is(self, make_head, small):
        X, y = small
        clf = make_head(n_views=3, early_stopping=True, validation_fraction=0.25).fit(X, y)
        assert clf.history_[-1]["valid_f1_macro"] >= 0

    def test_other_augmentation(self, make_head, store, small):
        X, y = small
        make_head(n_views=2).fit(X, y)
        make_head(n_views=2, augment=CellAugment(color=0.2)).fit(X, y)
        assert store.n_computed == 3 * len(X)  # the images as they are, and a view of either kind

    def test_callable_is_called_anew_in_each_fit(self, make_head, store, small):
        X, y = small
        calls = []

        def darken(batch):
            calls.append(batch.shape)
            return batch * 0.5

        for _ in range(2):
            make_head(n_views=2, augment=darken).fit(X, y)
        assert calls == [(1, 3, 16, 16)] * 2 * len(X)
        assert store.n_computed == len(X)

    def test_nothing_to_change_the_images_with(self, make_head, small):
        with pytest.raises(ValueError, match=r"n_views=2 asks for changed views.*augment is None"):
            make_head(n_views=2, augment=None).fit(*small)

    def test_global_generators_are_left_alone(self, make_head, small):
        before = torch.get_rng_state()
        make_head(n_views=2).fit(*small)
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("memory", [3, True, b"folder"], ids=repr)
def test_bad_memory(make_head, small, memory):
    with pytest.raises(ValueError, match="'memory' parameter"):
        make_head(memory=memory).fit(*small)
