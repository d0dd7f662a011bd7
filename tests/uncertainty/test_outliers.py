"""Outlier detector: images without cells, and the interface of scikit-learn's detectors."""

import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_outlier_detector
from sklearn.datasets import load_sample_images, make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skblood import CellEmbedder, MLPCellClassifier
from skblood.uncertainty import OutlierDetector
from skblood.uncertainty._known import ClassGaussian, corner_images

# These count outliers among the cells of the fit; the threshold is chosen for new cells.
EXPECTED_FAILURES = dict.fromkeys(
    ["check_outliers_fit_predict", "check_outliers_train"], "the threshold is for new cells"
)


@parametrize_with_checks([OutlierDetector()], expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def detector(network, some_cells):
    X, y = some_cells
    return OutlierDetector(network).fit(X[160:400], y[160:400])


def flat(n, rng):
    return np.broadcast_to(rng.integers(0, 256, (n, 1, 1, 3), dtype=np.uint8), (n, 28, 28, 3))


def noise(n, rng):
    return rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)


def photographs(n, rng):
    tiles = []
    for photo in load_sample_images().images * (n // 2):
        top, left = (rng.integers(0, side - 112) for side in photo.shape[:2])
        tiles.append(photo[top : top + 112 : 4, left : left + 112 : 4])
    return np.stack(tiles)


class TestImages:
    @pytest.mark.parametrize("make", [flat, noise, photographs])
    def test_images_without_cells(self, detector, some_cells, make):
        cells = detector.score_samples(some_cells[0][400:])
        others = detector.score_samples(make(60, np.random.default_rng(0)))
        kinds = np.repeat([1, 0], [len(cells), len(others)])
        assert roc_auc_score(kinds, np.concatenate([cells, others])) >= 0.98
        assert (detector.predict(some_cells[0][400:]) == 1).mean() > 0.9

    def test_other_colors(self, network, detector, some_cells):
        """Color changes make no outlier, nor do they hide empty background."""
        X, y = some_cells
        strict = OutlierDetector(network, color=0, corner=0).fit(X[160:400], y[160:400])
        other = (X[400:] * np.array([0.8, 1.0, 0.9])).astype(np.uint8)
        assert (detector.predict(other) == 1).mean() > (strict.predict(other) == 1).mean()
        images = np.concatenate([other, corner_images(other, 0.3)])
        kinds = np.repeat([1, 0], [80, 80])
        assert roc_auc_score(kinds, detector.score_samples(images)) > 0.95

    def test_repeatable_without_side_effects(self, network, detector, some_cells):
        X, y = some_cells
        numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
        again = OutlierDetector(network).fit(X[160:400], y[160:400])
        assert again.offset_ == detector.offset_
        assert_array_equal(np.random.get_state()[1], numpy_state)
        assert_array_equal(torch.get_rng_state(), torch_state)

    def test_transformers(self, some_cells):
        X, _ = some_cells
        embedder = CellEmbedder("cellnet_t", random_state=0).fit(X[:100])
        detector = OutlierDetector(embedder).fit(X[:200])
        assert (detector.predict(noise(20, np.random.default_rng(0))) == -1).all()
        rows = X.reshape(480, -1) / 255
        pca = PCA(5, random_state=0).fit(rows)
        table = pca.transform(rows)
        assert_allclose(
            OutlierDetector(pca).fit(rows).score_samples(rows),
            OutlierDetector().fit(table).score_samples(table),
        )

    def test_a_network_on_rows_of_numbers(self):
        X, y = make_blobs(100, n_features=6, centers=2, random_state=0)
        X = X.astype(np.float32)
        clf = MLPCellClassifier((8,), image_shape=(1, -1, 1), max_epochs=2, random_state=0)
        assert OutlierDetector(clf.fit(X, y)).fit(X, y).predict(X).shape == (100,)

    @pytest.mark.parametrize("size", [(20, 20), (21, 33)])
    def test_corner_images(self, size):
        height, width = size
        images = np.zeros((11, height, width, 3), np.uint8)
        high, wide = round(0.3 * height), round(0.3 * width)
        for i, (top, left) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            rows = slice(-high, None) if top else slice(high)
            images[:, rows, slice(-wide, None) if left else slice(wide)] = 50 * (i + 1)
        before = images.copy()
        corners = corner_images(images, 0.3)
        assert_array_equal(images, before)
        assert corners.shape == images.shape
        assert_array_equal(corners.min(axis=(1, 2, 3)), corners.max(axis=(1, 2, 3)))
        assert set(corners[:8, 0, 0, 0]) == {50, 100, 150, 200}
        assert corner_images(images[:1], 0.3).shape == (1, *images.shape[1:])


class TestTables:
    @pytest.fixture
    def rows(self):
        X, y = make_blobs(600, n_features=5, centers=3, random_state=0)
        return X[:400], y[:400], X[400:]

    def test_scores_offset_and_kinds_agree(self, rows):
        X, y, new = rows
        detector = OutlierDetector(contamination=0.1).fit(X, np.array(["x", "y", "z"])[y])
        scores = detector.score_samples(new)
        assert_allclose(detector.decision_function(new), scores - detector.offset_)
        assert_array_equal(detector.predict(new), np.where(scores >= detector.offset_, 1, -1))
        assert (detector.predict(new) == -1).mean() == pytest.approx(0.1, abs=0.06)
        assert (detector.predict(new + 50) == -1).all()
        assert is_outlier_detector(detector)
        assert set(OutlierDetector(contamination=0.1).fit_predict(X)) == {-1, 1}

    def test_between_the_classes(self, rows):
        """An outlier only if the labels are given."""
        X, y, _ = rows
        middle = np.mean([X[y == label].mean(axis=0) for label in range(3)], axis=0)[None]
        assert OutlierDetector().fit(X, y).predict(middle) == -1
        assert OutlierDetector().fit(X).predict(middle) == 1

    def test_errors(self, rows):
        X, y, new = rows
        with pytest.raises(ValueError, match="5 features"):
            OutlierDetector().fit(X).predict(new[:, :3])
        for name, value in (("contamination", 0.0), ("color", 2.0), ("corner", 0.6)):
            with pytest.raises(ValueError, match=f"'{name}'"):
                OutlierDetector(**{name: value}).fit(X)
        with pytest.raises(ValueError, match="n_samples=4"):
            OutlierDetector().fit(X[:4])
        with pytest.raises(ValueError, match="different lengths"):
            OutlierDetector().fit(X, y[:-1])
        with pytest.raises(ValueError):
            OutlierDetector().fit([["a", "b"], ["c", "d"]])

    def test_constant_features_count_as_soon_as_they_vary(self, rows):
        X, y, new = (np.pad(each, ((0, 0), (0, 1))) if each.ndim == 2 else each for each in rows)
        detector = OutlierDetector().fit(X, y)
        assert (detector.predict(new) == 1).mean() > 0.9
        new[:, -1] = 100
        assert (detector.predict(new) == -1).all()

    def test_a_class_of_one_cell_and_equal_cells(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            detector = OutlierDetector().fit(np.ones((20, 3)), [1] + [0] * 19)
        assert detector.predict(np.ones((1, 3))) == 1
        assert detector.predict(np.full((1, 3), 9.0)) == -1

    def test_distances_by_hand(self):
        rng = np.random.default_rng(0)
        codes = np.repeat([0, 1], 2000)
        features = rng.normal(size=(4000, 2)) * [1, 5] + codes[:, None] * [10, 0]
        distances = ClassGaussian(features, codes).distances(np.array([[0.0, 10], [13, 0]]))
        assert_allclose(distances, np.divide([2, 3], np.sqrt(2)), rtol=0.1)


@pytest.mark.parametrize("n", [1, 4])
def test_too_few_cells(n):
    with pytest.raises(ValueError, match=f"too few cells, n_samples={n}: .*Give 5 or more"):
        OutlierDetector().fit(np.eye(8)[:n])
