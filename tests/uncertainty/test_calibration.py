"""Calibration: how far probabilities are off, and scikit-learn's ways to mend them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from skblood.evaluation import EvaluationReport
from skblood.uncertainty import PredictionSets, RejectOption, expected_calibration_error


class TestError:
    def test_by_hand(self):
        """In the bin of 0.9 two of three are right, in that of 0.6 one of two."""
        p = np.array([0.9, 0.9, 0.9, 0.6, 0.6])
        y_proba = np.column_stack([p, 1 - p])
        y = ["a", "a", "b", "a", "b"]
        expected = 3 / 5 * (0.9 - 2 / 3) + 2 / 5 * (0.6 - 1 / 2)
        assert expected_calibration_error(y, y_proba) == pytest.approx(expected)

    def test_of_probabilities_that_come_true(self, draw):
        X, y = draw(50_000)
        assert expected_calibration_error(y, X) < 0.01
        sharper = X**3 / (X**3).sum(axis=1, keepdims=True)
        assert expected_calibration_error(y, sharper) > 0.05

    def test_it_is_that_of_the_report(self, draw, given):
        X, y = draw(300)
        report = EvaluationReport.from_predictions(y, given.predict(X), X, n_resamples=10)
        error = report.scores["expected_calibration_error"].value
        assert expected_calibration_error(y, X) == pytest.approx(error)

    def test_a_class_may_be_missing_if_it_is_named(self, draw):
        X, y = draw(100)
        few = y != "b"
        assert expected_calibration_error(y[few], X[few], labels=["a", "b", "c"]) > 0
        with pytest.raises(ValueError, match="one column for each class"):
            expected_calibration_error(y[few], X[few])

    def test_labels_that_are_not_known(self, draw):
        X, y = draw(10)
        with pytest.raises(ValueError, match="not among the classes"):
            expected_calibration_error(y, X, labels=["a", "b", "d"])

    def test_what_is_no_probability(self, draw):
        X, y = draw(10)
        with pytest.raises(ValueError, match="must hold probabilities"):
            expected_calibration_error(y, X * 2, labels=["a", "b", "c"])

    def test_other_lengths(self, draw):
        X, y = draw(10)
        with pytest.raises(ValueError, match="different lengths"):
            expected_calibration_error(y[:9], X, labels=["a", "b", "c"])


class TestTemperature:
    """scikit-learn's temperature scaling takes the estimators as they stand."""

    @pytest.fixture(params=["images", "rows", "list", "paths"])
    def form(self, request, some_cells, paths):
        X = some_cells[0][160:240]
        return {
            "images": X,
            "rows": X.reshape(len(X), -1),
            "list": list(X),
            "paths": [str(path) for path in paths],
        }[request.param]

    def calibrate(self, network, X, y):
        frozen = FrozenEstimator(network)
        return CalibratedClassifierCV(frozen, method="temperature", ensemble=False).fit(X, y)

    def test_of_any_form_of_X(self, network, some_cells, form):
        y = some_cells[1][160:240]
        calibrated = self.calibrate(network, form, y)
        p = calibrated.predict_proba(form)
        assert_allclose(p.sum(axis=1), 1)
        assert_array_equal(calibrated.predict(form), network.predict(form))
        assert log_loss(y, p) < log_loss(y, network.predict_proba(form))
        stacked = self.calibrate(network, some_cells[0][160:240], y)
        assert_allclose(p, stacked.predict_proba(some_cells[0][160:240]), atol=1e-6)

    def test_the_reliability_curve_is_drawn_by_scikit_learn(self, network, some_cells):
        """Of many classes: is the most probable one right, as often as it is said to be?"""
        X, y = some_cells[0][160:], some_cells[1][160:]
        p = network.predict_proba(X)
        display = CalibrationDisplay.from_predictions(
            network.classes_[p.argmax(axis=1)] == y, p.max(axis=1), n_bins=5, strategy="quantile"
        )
        assert len(display.prob_true) == 5
        plt.close("all")

    def test_sets_and_rejection_take_what_is_calibrated(self, network, some_cells):
        X, y = some_cells
        calibrated = self.calibrate(network, X[160:240], y[160:240])
        sets = PredictionSets(calibrated).fit(X[240:360], y[240:360])
        assert sets.coverage(X[360:], y[360:]).marginal > 0.75
        reject = RejectOption(calibrated, criterion="coverage", target=0.5).fit(X[240:], y[240:])
        assert_array_equal(reject.predict(X[360:]), network.predict(X[360:]))
