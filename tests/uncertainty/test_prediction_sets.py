"""Prediction sets: the guarantee of split conformal prediction, and its limits."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline

from skblood import reconfigure
from skblood.uncertainty import PredictionSets


def rows_of(p, n_classes=3):
    """Return rows in which the first class has the probability p."""
    p = np.asarray(p, dtype=float)[:, None]
    return np.hstack([p, np.repeat((1 - p) / (n_classes - 1), n_classes - 1, axis=1)])


class TestThreshold:
    def test_rank_of_the_theory(self, given):
        """Of 19 losses at 90 %, the 18th: ceil(20 * 0.9)."""
        p = np.linspace(0.95, 0.05, 19)
        sets = PredictionSets(given).fit(rows_of(p), ["a"] * 19)
        assert_allclose(sets.thresholds_, 1 - p[17])

    @pytest.mark.parametrize("level", [0.8, 0.9, 0.99, 0.7])
    def test_number_of_calibration_cells_required(self, given, level):
        exact = Fraction(str(level))
        needed = int(-(-exact // (1 - exact)))
        p = rows_of(np.linspace(0.4, 0.9, needed))
        enough = PredictionSets(given, confidence_level=level).fit(p, ["a"] * needed)
        assert np.isfinite(enough.thresholds_).all()
        few = PredictionSets(given, confidence_level=level)
        with pytest.warns(UserWarning, match=f"requires {needed} calibration cells") as record:
            few.fit(p[1:], ["a"] * (needed - 1))
        assert record[0].filename == __file__
        assert few.predict_sets(p).all()

    def test_highest_level_that_is_reached(self, given):
        """Ten cells of each class are too few for 95 %; the level that the warning names is not."""
        X, y = np.tile(np.eye(3) * 0.7 + 0.1, (10, 1)), np.tile(["a", "b", "c"], 10)
        sets = PredictionSets(given, confidence_level=0.95, class_conditional=True)
        with pytest.warns(
            UserWarning, match=r"requires 19 .* of each class, .* 10: every label .* at most 0.909"
        ):
            sets.fit(X, y)
        sets.set_params(confidence_level=0.909).fit(X, y)
        assert np.isfinite(sets.thresholds_).all()

    def test_each_class_has_its_own(self, given):
        easy, hard = np.full(20, 0.99), np.full(20, 0.4)
        X = np.vstack([rows_of(easy), np.roll(rows_of(hard), 1, axis=1), rows_of(easy)[:, ::-1]])
        y = np.repeat(["a", "b", "c"], 20)
        sets = PredictionSets(given, class_conditional=True).fit(X, y)
        assert_allclose(sets.thresholds_, [0.01, 0.6, 0.01])
        assert_array_equal(sets.n_calibration_, [20, 20, 20])
        assert_allclose(PredictionSets(given).fit(X, y).thresholds_, 0.6)


class TestCoverage:
    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_of_all_cells(self, given, draw, level):
        """Over many calibration sets: at least the level, and at most 1 / (n + 1) above."""
        n = 60
        shares = []
        for seed in range(200):
            X, y = draw(n + 200, seed=seed)
            sets = PredictionSets(given, confidence_level=level).fit(X[:n], y[:n])
            shares.append(sets.coverage(X[n:], y[n:]).marginal)
        error = np.std(shares) / np.sqrt(len(shares))
        assert level - 3 * error < np.mean(shares) < level + 1 / (n + 1) + 3 * error

    def test_of_a_rare_class_that_is_always_confused(self, given):
        """Common classes make up for it, unless the sets are class-conditional."""
        X = rows_of(np.random.default_rng(0).uniform(0.7, 1, 1000))
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

    def test_counts(self, given):
        sets = PredictionSets(given, confidence_level=0.5).fit(np.eye(3), ["a", "b", "c"])
        sets.thresholds_ = np.array([0.5, 0.5, 0.8])
        X = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.4, 0.45, 0.15]])
        expected = [[True, False, True], [False, True, True], [False, True, False], [False] * 3]
        assert_array_equal(sets.predict_sets(X), expected)
        found = sets.coverage(X, ["a", "a", "b", "a"])
        assert (found.marginal, found.mean_size) == (0.5, 5 / 4)
        assert (found.single, found.empty) == (0.25, 0.25)
        assert_array_equal(found.per_class, [1 / 3, 1, np.nan])
        assert_array_equal(found.n_cells, [3, 1, 0])


def test_a_class_without_calibration_cells(given, draw):
    X, y = draw(300)
    known = y != "c"
    message = r"the fewest are 0: 'c' will be in every set. Give more cells.$"
    with pytest.warns(UserWarning, match=message):
        sets = PredictionSets(given, class_conditional=True).fit(X[known], y[known])
    found = sets.predict_sets(X)
    assert found[:, 2].all() and not found[:, 0].all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PredictionSets(given).fit(X[known], y[known])


@pytest.mark.parametrize("classes", [(10, 20, 30), (False, True)])
def test_labels_of_any_kind(make_given, draw, classes):
    X, y = draw(200, classes=classes)
    sets = PredictionSets(make_given(classes).fit()).fit(X, y.reshape(-1, 1))
    assert_array_equal(sets.classes_, classes)
    assert sets.coverage(X, y).marginal >= 0.9


def test_errors(given, draw):
    X, y = draw(20)
    with pytest.raises(ValueError, match=r"not among the classes .*: 'd'"):
        PredictionSets(given).fit(X, ["d", *y[1:]])
    with pytest.raises(ValueError, match="different lengths"):
        PredictionSets(given).fit(X, y[:19])
    with pytest.raises(ValueError, match="different lengths"):
        PredictionSets(given).fit(X, y).coverage(X, y[:19])
    with pytest.raises(TypeError, match="RidgeClassifier has no predict_proba"):
        PredictionSets(RidgeClassifier()).fit(X, y)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        PredictionSets(LogisticRegression()).fit(X, y)
    with pytest.raises(NotFittedError):
        PredictionSets(given).predict_sets(X)
    for level in (1.0, 0.0, "high"):
        with pytest.raises(ValueError, match="confidence_level"):
            PredictionSets(given, confidence_level=level).fit(X, y)


class TestBesideMapie:
    def test_the_sets_are_equal(self, given, draw):
        mapie = pytest.importorskip("mapie.classification")
        X, y = draw(400)
        other = mapie.SplitConformalClassifier(given, confidence_level=0.9)
        other.conformalize(X[:100], y[:100])
        theirs = other.predict_set(X[100:])[1][:, :, 0]
        ours = PredictionSets(given).fit(X[:100], y[:100]).predict_sets(X[100:])
        assert_array_equal(ours, theirs)

    def test_its_other_scores_take_rows(self, network, some_cells):
        mapie = pytest.importorskip("mapie.classification")
        X, y = some_cells[0][160:320].reshape(160, -1), some_cells[1][160:320]
        other = mapie.SplitConformalClassifier(network, conformity_score="aps", random_state=0)
        labels, sets = other.conformalize(X, y).predict_set(X)
        assert_array_equal(labels, network.predict(X))
        assert sets.shape == (160, 8, 1)


class TestClassesThatCannotOccur:
    """They are in no set, and need no calibration cells."""

    CLASSES = ("lymphocyte", "monocyte", "neutrophil")

    @pytest.fixture(params=["network", "pipeline", "calibrated"])
    def model(self, request, network, some_cells):
        model = reconfigure(network, classes=self.CLASSES)
        if request.param == "calibrated":
            X, y = some_cells
            model = reconfigure(network, prior=[0 if c == "ig" else 1 for c in network.classes_])
            model = CalibratedClassifierCV(FrozenEstimator(model)).fit(X[:160], y[:160])
        return make_pipeline(model) if request.param == "pipeline" else model

    @pytest.mark.parametrize("class_conditional", [False, True])
    def test_sets(self, model, some_cells, class_conditional):
        X, y = some_cells
        possible = [c for c in model.classes_ if c != "ig"]
        possible = possible if isinstance(model, CalibratedClassifierCV) else list(self.CLASSES)
        rows = np.isin(y, possible) & (np.arange(len(y)) >= 160)
        sets = PredictionSets(model, confidence_level=0.8, class_conditional=class_conditional)
        found = sets.fit(X[rows], y[rows]).predict_sets(X[160:])
        absent = ~np.isin(model.classes_, possible)
        assert not found[:, absent].any()
        assert (sets.thresholds_[absent] == -np.inf).all()
        assert np.isfinite(sets.thresholds_[~absent]).all()
        assert found[:, ~absent].any(axis=0).all()

    def test_too_few_cells(self, network, some_cells):
        X, y = some_cells
        model = reconfigure(network, classes=self.CLASSES)
        rows = np.flatnonzero(np.isin(y, self.CLASSES))[:5]
        sets = PredictionSets(model)
        with pytest.warns(UserWarning, match="requires 9 .* 5: every label will be"):
            sets.fit(X[rows], y[rows])
        assert sets.predict_sets(X).sum() == 3 * len(X)

    def test_cells_of_such_a_class(self, network, some_cells):
        sets = PredictionSets(reconfigure(network, classes=self.CLASSES))
        with pytest.raises(ValueError, match="cells of classes that the classifier rules out"):
            sets.fit(*some_cells)
