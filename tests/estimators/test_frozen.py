"""Frozen backbones: each image passes them once, whoever asks, and nothing stale is used."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skblood.inference import FeatureStore

# timm's networks bring a standardization of their own; ours are standardized by the training
# images, which differ from fold to fold, and so do their features.
BACKBONE = {"backbone": "test_efficientnet", "weights": None, "image_size": 32}


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
    def test_search_and_copies(self, make_head, store, small):
        X, y = small
        grid = {"dropout": [0.0, 0.5], "hidden_layer_sizes": [(), (8,)]}
        search = GridSearchCV(make_head(max_epochs=1), grid, cv=2).fit(X, y)
        assert search.predict(X).shape == y.shape
        assert store.n_computed == len(X) == 48
        make_head(memory=store.location).fit(X[[0, 1, 2, 3, 0, 1]], y[[0, 1, 2, 3, 0, 1]])
        clone(make_head(lr=0.1, optimizer="sgd")).fit(X, y)
        assert store.n_computed == 48

    def test_embedder_and_classifier_share(self, make_head, make_embedder, store, small):
        X, y = small
        make_embedder(**BACKBONE, memory=store).fit(X).transform(X)
        make_head().fit(X, y)
        assert store.n_computed == len(X)


class TestNothingStale:
    @pytest.mark.parametrize(
        "change",
        [{"image_size": 48}, {"random_state": 1}, {"backbone": "test_resnet"}],
        ids=str,
    )
    def test_other_settings(self, make_head, store, small, change):
        make_head().fit(*small)
        make_head(**change).fit(*small)
        assert store.n_computed == 2 * 48

    def test_unfreezing(self, make_head, store, small):
        """A backbone that was trained and is frozen again has other features."""
        X, y = small
        clf = make_head(warm_start=True, lr=5e-3).fit(X, y)
        frozen = clf.predictor_.features(clf.read_images(X))
        clf.set_params(trainable="all").fit(X, y)
        clf.set_params(trainable="head").fit(X, y)
        assert not np.allclose(clf.predictor_.features(clf.read_images(X)), frozen)
        assert store.n_computed == 2 * 48
