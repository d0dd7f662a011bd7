"""Nearest training cells: the features they are compared by, and what is found."""

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
from skblood.explain._neighbors import penultimate_features


@pytest.fixture(scope="module")
def nearest(fitted, cells):
    return NearestCells(fitted, n_neighbors=4).fit(cells[0][:160], cells[1][:160])


def make_hybrid():
    return HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"),
        trainable=("all", "head"),
        hidden_layer_sizes=(8,),
        max_epochs=1,
        refine_epochs=0,
        random_state=0,
    )


class TestFeatures:
    @pytest.mark.parametrize(
        "estimator",
        [
            TransferCellClassifier("cellnet_t", hidden_layer_sizes=(8, 6), max_epochs=1),
            TransferCellClassifier("cellnet_t", trainable="head", max_epochs=1),
            MLPCellClassifier(hidden_layer_sizes=(8,), max_epochs=1),
            make_hybrid(),
        ],
        ids=["trained", "frozen", "mlp", "hybrid"],
    )
    def test_the_last_layer_makes_logits_of_them(self, estimator, cells):
        X, y = cells[0][:32], np.arange(32) % 3
        clf = clone(estimator).fit(X, y)
        features = penultimate_features(clf, X)
        assert features.dtype == np.float32
        with torch.no_grad():
            logits = clf.net_.module_.head[-1](torch.from_numpy(features)).numpy()
        # The features come in the precision of the passes over images.
        np.testing.assert_allclose(logits, clf.decision_function(X), atol=0.02)

    def test_of_an_embedder(self, cells):
        embedder = CellEmbedder("cellnet_t", random_state=0).fit(cells[0][:8])
        features = penultimate_features(embedder, cells[0][:8])
        np.testing.assert_array_equal(features, embedder.transform(cells[0][:8]))

    def test_of_a_frozen_backbone_are_computed_once(self, cells, tmp_path):
        X, y = cells[0][:24], np.arange(24) % 3
        clf = TransferCellClassifier(
            "cellnet_t", trainable="head", memory=tmp_path, max_epochs=1, random_state=0
        ).fit(X, y)
        n_computed = FeatureStore(tmp_path).n_computed
        NearestCells(clf).fit(X).kneighbors(X)
        assert FeatureStore(tmp_path).n_computed == n_computed == 24

    def test_the_training_cells_pass_once(self, fitted, cells, monkeypatch):
        passed = []
        forward = type(fitted)._forward_all

        def count(self, network, step, images):
            passed.append(len(images))
            return forward(self, network, step, images)

        monkeypatch.setattr(type(fitted), "_forward_all", count)
        nearest = NearestCells(fitted).fit(cells[0][:30])
        nearest.kneighbors(cells[0][30:34])
        nearest.kneighbors(cells[0][34:36])
        assert passed == [30, 4, 2]


class TestNeighbors:
    def test_as_computed_by_hand(self, nearest, fitted, cells):
        X = cells[0]
        distances, indices = nearest.kneighbors(X[160:180])
        known, asked = (penultimate_features(fitted, part) for part in (X[:160], X[160:180]))
        by_hand = cdist(asked, known, "cosine")
        np.testing.assert_allclose(distances, np.sort(by_hand, axis=1)[:, :4], atol=1e-5)
        of_found = np.take_along_axis(by_hand, indices, axis=1)
        np.testing.assert_allclose(of_found, distances, atol=1e-5)

    def test_form(self, nearest, cells):
        distances, indices = nearest.kneighbors(cells[0][160:163])
        assert distances.shape == indices.shape == (3, 4)
        assert distances.dtype == np.float32
        assert indices.dtype == np.int64
        assert np.all(np.diff(distances, axis=1) >= 0)

    def test_a_known_cell_is_its_own_neighbour(self, nearest, cells):
        distances, indices = nearest.kneighbors(cells[0][:10])
        np.testing.assert_array_equal(indices[:, 0], np.arange(10))
        np.testing.assert_allclose(distances[:, 0], 0, atol=1e-5)

    def test_most_are_of_the_same_class(self, nearest, cells):
        X, y = cells
        _, indices = nearest.kneighbors(X[160:])
        alike = np.mean(y[indices] == y[160:, None])
        by_chance = np.mean(y[:160] == y[160:, None])
        assert alike > 2 * by_chance

    def test_the_model_is_left_as_it_was(self, fitted, cells, is_left_alone):
        is_left_alone(fitted, lambda: NearestCells(fitted).fit(cells[0][:8]).kneighbors(cells[0]))

    def test_fitted_again_it_forgets_the_first_cells(self, fitted, cells):
        nearest = NearestCells(fitted, n_neighbors=1).fit(cells[0][:8])
        _, indices = nearest.fit(cells[0][8:12]).kneighbors(cells[0][8:12])
        assert indices.ravel().tolist() == [0, 1, 2, 3]


class TestErrors:
    def test_too_few_cells(self, fitted, cells):
        with pytest.raises(ValueError, match="n_neighbors=5, but X holds 3 images"):
            NearestCells(fitted).fit(cells[0][:3])

    @pytest.mark.parametrize("n_neighbors", [0, 1.5])
    def test_number_of_neighbours(self, fitted, cells, n_neighbors):
        with pytest.raises(ValueError, match="'n_neighbors' parameter"):
            NearestCells(fitted, n_neighbors=n_neighbors).fit(cells[0][:8])

    def test_estimator_of_others(self, fitted, cells):
        pipeline = make_pipeline(FunctionTransformer(), fitted)
        with pytest.raises(TypeError, match=r"not Pipeline.*pipeline\[-1\]"):
            NearestCells(pipeline).fit(cells[0][:8])

    def test_estimator_that_is_not_fitted(self, cells):
        with pytest.raises(NotFittedError):
            NearestCells(TransferCellClassifier("cellnet_t")).fit(cells[0][:8])

    def test_asked_before_it_is_fitted(self, fitted, cells):
        with pytest.raises(NotFittedError):
            NearestCells(fitted).kneighbors(cells[0][:2])

    def test_images_that_are_not_like_those_of_the_fit(self, nearest, cells):
        with pytest.raises(ValueError, match=r"was fitted with \(32, 32, 3\)"):
            nearest.kneighbors(cells[0][:2, :20, :20])
