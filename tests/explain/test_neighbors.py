"""Nearest training cells: the features by which they are compared, and what is found."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skblood import (
    CellEmbedder,
    FeatureStore,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)
from skblood.explain import NearestCells

ONCE = {"max_epochs": 1, "random_state": 0}
ESTIMATORS = {
    "trained": TransferCellClassifier("cellnet_t", hidden_layer_sizes=(8, 6), **ONCE),
    "frozen": TransferCellClassifier("cellnet_t", trainable="head", **ONCE),
    "mlp": MLPCellClassifier(hidden_layer_sizes=(8,), **ONCE),
    "hybrid": HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), trainable=("all", "head"), refine_epochs=0, **ONCE
    ),
}


def features_of(nearest):
    """Return the features of the training cells."""
    return nearest.neighbors_._fit_X


@pytest.fixture(scope="module")
def nearest(fitted, cells):
    return NearestCells(fitted, n_neighbors=4).fit(cells[0][:160], cells[1][:160])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_output_layer_computes_the_logits_from_the_features(name, cells):
    X, y = cells[0][:32], np.arange(32) % 3
    clf = clone(ESTIMATORS[name]).fit(X, y)
    features = features_of(NearestCells(clf).fit(X))
    assert features.dtype == np.float32
    with torch.no_grad():
        logits = clf.predictor_.network.head[-1](torch.from_numpy(features)).numpy()
    # The features have the precision of a forward pass over pixels.
    np.testing.assert_allclose(logits, clf.decision_function(X), atol=0.02)


def test_features_of_an_embedder(cells):
    embedder = CellEmbedder("cellnet_t", random_state=0).fit(cells[0][:8])
    features = features_of(NearestCells(embedder).fit(cells[0][:8]))
    np.testing.assert_array_equal(features, embedder.transform(cells[0][:8]))


def test_features_of_a_frozen_backbone_are_computed_once(cells, tmp_path):
    X, y = cells[0][:24], np.arange(24) % 3
    clf = clone(ESTIMATORS["frozen"]).set_params(memory=tmp_path).fit(X, y)
    NearestCells(clf).fit(X).kneighbors(X)
    assert FeatureStore(tmp_path).n_computed == 24


def test_equal_to_brute_force(nearest, fitted, cells):
    X = cells[0][160:180]
    distances, indices = nearest.kneighbors(X)
    assert distances.shape == indices.shape == (20, 4)
    assert (distances.dtype, indices.dtype) == (np.float32, np.int64)
    expected = cdist(features_of(NearestCells(fitted).fit(X)), features_of(nearest), "cosine")
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :4], atol=1e-5)
    found = np.take_along_axis(expected, indices, axis=1)
    np.testing.assert_allclose(found, distances, atol=1e-5)
    again = nearest.kneighbors(fitted.read_images(X))
    np.testing.assert_array_equal(again[0], distances)


def test_the_model_is_not_modified(fitted, cells, assert_unmodified):
    X = cells[0]
    assert_unmodified(fitted, lambda: NearestCells(fitted).fit(X[:8]).kneighbors(X[:9]))


def test_errors(nearest, fitted, cells):
    X = cells[0][:8]
    with pytest.raises(ValueError, match="n_neighbors = 5, n_samples_fit = 3"):
        NearestCells(fitted).fit(X[:3]).kneighbors(X)
    with pytest.raises(ValueError, match="'n_neighbors' parameter"):
        NearestCells(fitted, n_neighbors=0).fit(X)
    with pytest.raises(TypeError, match=r"pipeline\[-1\].*Got Pipeline"):
        NearestCells(make_pipeline(FunctionTransformer(), fitted)).fit(X)
    with pytest.raises(NotFittedError):
        NearestCells(TransferCellClassifier("cellnet_t")).fit(X)
    with pytest.raises(NotFittedError):
        NearestCells(fitted).kneighbors(X)
    with pytest.raises(ValueError, match=r"\(32, 32, 3\)"):
        nearest.kneighbors(X[:2, :20, :20])
