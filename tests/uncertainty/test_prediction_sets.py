"""Prediction sets: what the theory promises, and what is said where it promises nothing."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skblood.uncertainty import PredictionSets


def rows_of(p, n_classes=3):
    """Rows in which the first class has the probability p."""
    p = np.asarray(p, dtype=float)[:, None]
    return np.hstack([p, np.repeat((1 - p) / (n_classes - 1), n_classes - 1, axis=1)])


class TestThreshold:
    def test_it_is_the_loss_of_the_rank_that_the_theory_names(self, given):
        """Of 19 losses at 90 %, the 18th: ceil(20 * 0.9)."""
        p = np.linspace(0.95, 0.05, 19)
        sets = PredictionSets(given).fit(rows_of(p), ["a"] * 19)
        np.testing.assert_allclose(sets.thresholds_, 1 - p[17])

    @pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99, 0.7])
    def test_one_cell_fewer_is_too_few(self, given, level):
        exact = Fraction(str(level))
        needed = int(-(-exact // (1 - exact)))
        p = rows_of(np.linspace(0.4, 0.9, needed))
        enough = PredictionSets(given, confidence_level=level).fit(p, ["a"] * needed)
        assert np.isfinite(enough.thresholds_).all()
        few = PredictionSets(given, confidence_level=level)
        with pytest.warns(UserWarning, match=f"takes {needed} calibration cells"):
            few.fit(p[1:], ["a"] * (needed - 1))
        assert few.predict_sets(p).all()

    def test_each_class_has_its_own(self, given):
        easy, hard = np.full(20, 0.99), np.full(20, 0.4)
        X = np.vstack([rows_of(easy), np.roll(rows_of(hard), 1, axis=1), rows_of(easy)[:, ::-1]])
        y = np.repeat(["a", "b", "c"], 20)
        sets = PredictionSets(given, class_conditional=True).fit(X, y)
        np.testing.assert_allclose(sets.thresholds_, [0.01, 0.6, 0.01])
        assert_array_equal(sets.n_calibration_, [20, 20, 20])
        together = PredictionSets(given).fit(X, y)
        np.testing.assert_allclose(together.thresholds_, 0.6)


class TestCoverage:
    @pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
    def test_of_all_cells(self, given, draw, level):
        """Over many calibration sets: at least the level, and no more than 1 / (n + 1) above."""
        n = 60
        shares = []
        for seed in range(200):
            X, y = draw(n + 200, seed=seed)
            sets = PredictionSets(given, confidence_level=level).fit(X[:n], y[:n])
            shares.append(sets.coverage(X[n:], y[n:]).marginal)
        error = np.std(shares) / np.sqrt(len(shares))
        assert level - 3 * error < np.mean(shares) < level + 1 / (n + 1) + 3 * error

    def test_of_a_rare_class_that_is_always_mistaken(self, given, draw):
        """Common classes make up for it; sets for each class do not let them."""
        rng = np.random.default_rng(0)
        p = rng.uniform(0.7, 1, 1000)
        X = rows_of(p)
        y = np.where(np.arange(1000) % 20 == 0, "b", "a")  # "b" looks like "a"
        fit, test = slice(0, 500), slice(500, None)
        together = PredictionSets(given).fit(X[fit], y[fit]).coverage(X[test], y[test])
        assert together.marginal == pytest.approx(0.9, abs=0.05)
        assert together.per_class[1] < 0.2
        with pytest.warns(UserWarning, match="'c'"):
            each = PredictionSets(given, class_conditional=True).fit(X[fit], y[fit])
        found = each.coverage(X[test], y[test])
        assert found.per_class[1] > 0.75
        assert found.mean_size > together.mean_size

    def test_it_counts(self, given):
        sets = PredictionSets(given, confidence_level=0.5).fit(np.eye(3), ["a", "b", "c"])
        sets.thresholds_ = np.array([0.5, 0.5, 0.8])
        X = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.4, 0.45, 0.15]])
        assert_array_equal(
            sets.predict_sets(X),
            [[True, False, True], [False, True, True], [False, True, False], [False] * 3],
        )
        found = sets.coverage(X, ["a", "a", "b", "a"])
        assert (found.marginal, found.mean_size) == (0.5, 5 / 4)
        assert (found.single, found.empty) == (0.25, 0.25)
        assert_array_equal(found.per_class, [1 / 3, 1, np.nan])
        assert_array_equal(found.n_cells, [3, 1, 0])


class TestFewCells:
    def test_a_class_without_calibration_cells_is_in_every_set(self, given, draw):
        X, y = draw(300)
        known = y != "c"
        with pytest.warns(UserWarning, match=r"fewer of 'c' \(0\)"):
            sets = PredictionSets(given, class_conditional=True).fit(X[known], y[known])
        found = sets.predict_sets(X)
        assert found[:, 2].all()
        assert not found[:, 0].all()

    def test_of_all_together_a_class_may_be_missing(self, given, draw):
        X, y = draw(300)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            PredictionSets(given).fit(X[y != "c"], y[y != "c"])


class TestInput:
    def test_labels_of_any_kind(self, make_given, draw):
        X, y = draw(100, classes=(10, 20, 30))
        sets = PredictionSets(make_given((10, 20, 30)).fit()).fit(X, y.reshape(-1, 1))
        assert_array_equal(sets.classes_, [10, 20, 30])

    def test_a_label_that_is_not_known(self, given, draw):
        X, y = draw(20)
        with pytest.raises(ValueError, match="'d'"):
            PredictionSets(given).fit(X, ["d", *y[1:]])

    def test_other_lengths(self, given, draw):
        X, y = draw(20)
        with pytest.raises(ValueError, match="different lengths"):
            PredictionSets(given).fit(X, y[:19])
        with pytest.raises(ValueError, match="different lengths"):
            PredictionSets(given).fit(X, y).coverage(X, y[:19])

    def test_no_probabilities(self, draw):
        with pytest.raises(TypeError, match="RidgeClassifier has no predict_proba"):
            PredictionSets(RidgeClassifier()).fit(*draw(20))

    def test_not_fitted(self, given, draw):
        X, y = draw(20)
        with pytest.raises(NotFittedError, match="FrozenEstimator"):
            PredictionSets(LogisticRegression()).fit(X, y)
        with pytest.raises(NotFittedError):
            PredictionSets(given).predict_sets(X)

    @pytest.mark.parametrize("level", [1.0, 0.0, "high"])
    def test_parameters(self, given, draw, level):
        with pytest.raises(ValueError, match="confidence_level"):
            PredictionSets(given, confidence_level=level).fit(*draw(20))

    def test_a_frozen_classifier_survives_a_clone(self, draw):
        X, y = draw(100)
        clf = LogisticRegression().fit(X, y)
        sets = clone(PredictionSets(FrozenEstimator(clf))).fit(X, y)
        assert_array_equal(sets.predict_sets(X), PredictionSets(clf).fit(X, y).predict_sets(X))

    def test_a_pipeline(self, draw):
        X, y = draw(100)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        assert PredictionSets(pipeline).fit(X, y).predict_sets(X).shape == (100, 3)

    def test_two_classes(self, make_given, draw):
        X, y = draw(200, classes=(False, True))
        sets = PredictionSets(make_given((False, True)).fit()).fit(X, y)
        assert sets.coverage(X, y).marginal >= 0.9


class TestOfImages:
    def test_files_give_what_arrays_give(self, network, some_cells, paths):
        X, y = some_cells[0][160:240], some_cells[1][160:240]
        sets = PredictionSets(network).fit(paths, y)
        assert_array_equal(sets.thresholds_, PredictionSets(network).fit(X, y).thresholds_)
        assert_array_equal(sets.predict_sets(paths), sets.predict_sets(X))

    def test_company_changes_no_set(self, network, some_cells):
        X, y = some_cells
        sets = PredictionSets(network).fit(X[160:320], y[160:320])
        together = sets.predict_sets(X[320:])
        assert_array_equal(sets.predict_sets(X[320:330][::-1]), together[:10][::-1])

    def test_the_classifier_is_left_as_it_was(self, network, some_cells):
        X, y = some_cells
        before = network.predict_proba(X[:40])
        PredictionSets(network).fit(X[160:320], y[160:320])
        assert_array_equal(network.predict_proba(X[:40]), before)

    def test_a_pipeline_on_images(self, network, some_cells):
        X, y = some_cells
        pipeline = make_pipeline(FunctionTransformer(), network)
        sets = PredictionSets(pipeline).fit(X[160:320], y[160:320])
        alone = PredictionSets(network).fit(X[160:320], y[160:320])
        assert_array_equal(sets.thresholds_, alone.thresholds_)


class TestBesideMapie:
    def test_it_gives_the_same_sets(self, given, draw):
        mapie = pytest.importorskip("mapie.classification")
        X, y = draw(400)
        other = mapie.SplitConformalClassifier(given, confidence_level=0.9)
        other.conformalize(X[:100], y[:100])
        theirs = other.predict_set(X[100:])[1][:, :, 0]
        ours = PredictionSets(given).fit(X[:100], y[:100]).predict_sets(X[100:])
        assert_array_equal(ours, theirs)

    def test_its_other_scores_work_on_rows(self, network, some_cells):
        mapie = pytest.importorskip("mapie.classification")
        X, y = some_cells[0][160:320].reshape(160, -1), some_cells[1][160:320]
        other = mapie.SplitConformalClassifier(network, conformity_score="aps", random_state=0)
        labels, sets = other.conformalize(X, y).predict_set(X)
        assert_array_equal(labels, network.predict(X))
        assert sets.shape == (160, 8, 1)
