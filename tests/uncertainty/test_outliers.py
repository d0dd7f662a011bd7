"""The outlier detector: what is no cell, and scikit-learn's contract."""

import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_outlier_detector
from sklearn.datasets import load_sample_images, make_blobs
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skblood import CellEmbedder, MLPCellClassifier
from skblood._sklearn import unwrap_model
from skblood.uncertainty import OutlierDetector
from skblood.uncertainty._features import extract_features
from skblood.uncertainty._gaussian import ClassGaussian
from skblood.uncertainty._known import corner_images

# Both count outliers among the cells of the fit, and want exactly as many as `contamination` says.
# The threshold comes of cells that nothing was fitted to, so that it holds for new ones.
EXPECTED_FAILURES = dict.fromkeys(
    ["check_outliers_fit_predict", "check_outliers_train"], "the threshold is for new cells"
)


@pytest.fixture(scope="module")
def detector(network, some_cells):
    X, y = some_cells
    return OutlierDetector(network).fit(X[160:400], y[160:400])


def flat(n, rng):
    return np.repeat(rng.integers(0, 256, (n, 1, 3), dtype=np.uint8), 784, axis=1).reshape(
        n, 28, 28, 3
    )


def noise(n, rng):
    return rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)


def photographs(n, rng):
    tiles = []
    for i in range(n):
        photo = load_sample_images().images[i % 2]
        top, left = (rng.integers(0, side - 112) for side in photo.shape[:2])
        tiles.append(photo[top : top + 112 : 4, left : left + 112 : 4])
    return np.stack(tiles)


class TestNoCells:
    @pytest.mark.parametrize("make", [flat, noise, photographs])
    def test_they_are_told_from_cells(self, detector, some_cells, make):
        cells = detector.score_samples(some_cells[0][400:])
        others = detector.score_samples(make(60, np.random.default_rng(0)))
        kinds = np.repeat([1, 0], [len(cells), len(others)])
        assert roc_auc_score(kinds, np.concatenate([cells, others])) >= 0.98

    def test_cells_are_cells(self, detector, some_cells):
        assert (detector.predict(some_cells[0][400:]) == 1).mean() > 0.9

    def test_colour_makes_no_outlier(self, network, detector, some_cells):
        """Not as soon as where other colours were not learned from."""
        X, y = some_cells
        strict = OutlierDetector(network, color=0).fit(X[160:400], y[160:400])
        other = (X[400:] * np.array([0.8, 1.0, 0.9])).astype(np.uint8)
        assert (detector.predict(other) == 1).mean() > (strict.predict(other) == 1).mean()


@pytest.fixture
def rows():
    X, y = make_blobs(600, n_features=5, centers=3, random_state=0)
    return X[:400], y[:400], X[400:]


class TestContract:
    def test_scores_offset_and_kinds_agree(self, rows):
        X, y, new = rows
        detector = OutlierDetector(contamination=0.1).fit(X, y)
        scores = detector.score_samples(new)
        assert_allclose(detector.decision_function(new), scores - detector.offset_)
        assert_array_equal(detector.predict(new), np.where(scores >= detector.offset_, 1, -1))
        assert is_outlier_detector(detector)

    def test_of_new_cells_as_many_are_outliers_as_was_said(self, rows):
        X, y, new = rows
        detector = OutlierDetector(contamination=0.1).fit(X, y)
        assert (detector.predict(new) == -1).mean() == pytest.approx(0.1, abs=0.06)

    def test_far_is_out(self, rows):
        X, y, new = rows
        assert (OutlierDetector().fit(X, y).predict(new + 50) == -1).all()

    def test_between_the_classes_is_out_where_the_classes_are_known(self, rows):
        X, y, _ = rows
        middle = np.mean([X[y == label].mean(axis=0) for label in range(3)], axis=0)[None]
        assert OutlierDetector().fit(X, y).predict(middle) == -1
        assert OutlierDetector().fit(X).predict(middle) == 1

    def test_fit_predict(self, rows):
        X, _, _ = rows
        kinds = OutlierDetector(contamination=0.1).fit_predict(X)
        assert set(kinds) == {-1, 1}

    def test_labels_may_be_anything(self, rows):
        X, y, new = rows
        names = np.array(["x", "y", "z"])[y]
        assert_array_equal(
            OutlierDetector().fit(X, names).score_samples(new),
            OutlierDetector().fit(X, y).score_samples(new),
        )

    def test_columns(self, rows):
        X, y, new = rows
        detector = OutlierDetector().fit(X, y)
        assert detector.n_features_in_ == 5
        with pytest.raises(ValueError, match="5 features"):
            detector.predict(new[:, :3])

    def test_clone(self):
        detector = clone(OutlierDetector(contamination=0.2, colour=0.1))
        assert (detector.contamination, detector.colour) == (0.2, 0.1)

    @pytest.mark.parametrize("name, value", [("contamination", 0.0), ("colour", 2.0)])
    def test_parameters(self, rows, name, value):
        with pytest.raises(ValueError, match=f"'{name}'"):
            OutlierDetector(**{name: value}).fit(rows[0])

    def test_too_few_cells(self, rows):
        with pytest.raises(ValueError, match="n_samples = 4 cells, and it takes 5"):
            OutlierDetector().fit(rows[0][:4])

    def test_other_lengths(self, rows):
        with pytest.raises(ValueError, match="different lengths"):
            OutlierDetector().fit(rows[0], rows[1][:-1])

    def test_features_that_never_vary(self, rows):
        """They count when they do."""
        X, y, new = (np.pad(each, ((0, 0), (0, 1))) if each.ndim == 2 else each for each in rows)
        detector = OutlierDetector().fit(X, y)
        assert (detector.predict(new) == 1).mean() > 0.9
        new[:, -1] = 100
        assert (detector.predict(new) == -1).all()

    def test_cells_that_are_all_the_same(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            detector = OutlierDetector().fit(np.ones((20, 3)))
        assert detector.predict(np.ones((1, 3))) == 1
        assert detector.predict(np.full((1, 3), 9.0)) == -1


class TestModels:
    def test_files_give_what_images_give(self, detector, some_cells, paths):
        assert_array_equal(
            detector.score_samples(paths), detector.score_samples(some_cells[0][160:240])
        )

    def test_the_network_is_left_as_it_was(self, network, detector, some_cells):
        X, _ = some_cells
        before = network.predict_proba(X[:40])
        numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
        OutlierDetector(network).fit(X[160:220])
        assert_array_equal(network.predict_proba(X[:40]), before)
        assert_array_equal(np.random.get_state()[1], numpy_state)
        assert_array_equal(torch.get_rng_state(), torch_state)
        module = network.net_.module_
        assert not any(layer._forward_hooks for layer in module.modules())

    def test_the_same_each_time(self, network, detector, some_cells):
        X, y = some_cells
        again = OutlierDetector(network).fit(X[160:400], y[160:400])
        assert again.offset_ == detector.offset_

    @pytest.mark.parametrize(
        "wrap", [FrozenEstimator, lambda clf: make_pipeline(FunctionTransformer(), clf)]
    )
    def test_wrapped_classifiers(self, network, detector, some_cells, wrap):
        X, y = some_cells
        wrapped = OutlierDetector(wrap(network)).fit(X[160:400], y[160:400])
        assert_array_equal(wrapped.score_samples(X[400:]), detector.score_samples(X[400:]))

    def test_an_embedder(self, some_cells):
        X, _ = some_cells
        embedder = CellEmbedder("cellnet_t", random_state=0).fit(X)
        detector = OutlierDetector(embedder).fit(X[:200])
        assert (detector.predict(noise(20, np.random.default_rng(0))) == -1).all()

    def test_a_transformer_of_scikit_learn(self, some_cells):
        rows = some_cells[0].reshape(480, -1) / 255
        pca = PCA(5, random_state=0).fit(rows)
        detector = OutlierDetector(pca).fit(rows)
        assert_allclose(
            detector.score_samples(rows),
            OutlierDetector().fit(pca.transform(rows)).score_samples(pca.transform(rows)),
        )

    def test_a_perceptron_on_rows_of_numbers(self):
        X, y = make_blobs(100, n_features=6, centers=2, random_state=0)
        clf = MLPCellClassifier((8,), image_shape=(1, -1, 1), max_epochs=2, random_state=0)
        detector = OutlierDetector(clf.fit(X.astype(np.float32), y)).fit(X.astype(np.float32), y)
        assert detector.predict(X.astype(np.float32)).shape == (100,)


class TestFeatures:
    def test_each_stage_and_the_last_layer_are_a_level(self, network, some_cells):
        levels = extract_features(*unwrap_model(network, some_cells[0][:20]))
        widths = [level.shape for level in levels]
        # The stem and three stages, mean and spread each; the hidden layer.
        assert widths == [(20, 32), (20, 32), (20, 64), (20, 96), (20, 256)]

    def test_the_means_of_the_last_stage_are_what_the_backbone_gives(self, network, some_cells):
        X = some_cells[0][:8]
        level = extract_features(network, X)[3]
        module = network.net_.module_.eval()
        with torch.inference_mode():
            x = module.prepare(torch.from_numpy(X.copy()).permute(0, 3, 1, 2))
            expected = module.encode(x).numpy()
        assert_allclose(level[:, :48], expected, rtol=0.05, atol=0.02)  # bfloat16 on some CPUs

    def test_distances_by_hand(self):
        rng = np.random.default_rng(0)
        codes = np.repeat([0, 1], 2000)
        features = rng.normal(size=(4000, 2)) * [1, 5] + codes[:, None] * [10, 0]
        gaussian = ClassGaussian.fit(features, codes)
        assert_allclose(
            gaussian.distances(np.array([[0.0, 10.0], [13.0, 0.0]])),
            np.divide([2, 3], np.sqrt(2)),
            rtol=0.1,
        )


class TestBackground:
    @pytest.mark.parametrize("size", [(20, 20), (21, 33)])
    def test_nothing_but_one_corner_is_left(self, size):
        height, width = size
        images = np.zeros((11, height, width, 3), np.uint8)
        high, wide = round(0.3 * height), round(0.3 * width)
        for i, (top, left) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            rows = slice(-high, None) if top else slice(high)
            images[:, rows, slice(-wide, None) if left else slice(wide)] = 50 * (i + 1)
        before = images.copy()
        empty = corner_images(images, 0.3)
        assert_array_equal(images, before)
        assert empty.shape == images.shape
        assert_array_equal(empty.min(axis=(1, 2, 3)), empty.max(axis=(1, 2, 3)))
        assert set(empty[:8, 0, 0, 0]) == {50, 100, 150, 200}

    def test_in_other_colours_it_is_told_from_cells(self, network, some_cells):
        X, y = some_cells
        other = (X[400:] * np.array([1.0, 0.9, 0.7])).astype(np.uint8)
        kinds = np.repeat([1, 0], [80, 80])
        images = np.concatenate([other, corner_images(other, 0.3)])
        detector = OutlierDetector(network).fit(X[160:400], y[160:400])
        assert roc_auc_score(kinds, detector.score_samples(images)) > 0.95


@parametrize_with_checks([OutlierDetector()], expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
