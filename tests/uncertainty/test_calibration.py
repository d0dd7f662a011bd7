"""Calibration error, and scikit-learn's calibration of our classifiers."""

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
        """Two of three are correct in the bin of 0.9, one of two in that of 0.6."""
        p = np.array([0.9, 0.9, 0.9, 0.6, 0.6])
        error = expected_calibration_error(list("aabab"), np.column_stack([p, 1 - p]))
        assert error == pytest.approx(3 / 5 * (0.9 - 2 / 3) + 2 / 5 * (0.6 - 1 / 2))

    def test_by_bins(self, draw, given):
        X, y = draw(400)
        X[0] = [1, 0, 0]  # the upper edge of the last bin
        confidence, correct = X.max(axis=1), given.predict(X) == y
        bins = np.minimum(np.digitize(confidence, np.linspace(0, 1, 16)) - 1, 14)
        expected = sum(
            (bins == i).mean() * abs(confidence[bins == i].mean() - correct[bins == i].mean())
            for i in np.unique(bins)
        )
        assert expected_calibration_error(y, X) == pytest.approx(expected)
        report = EvaluationReport.from_predictions(y, given.predict(X), X, n_resamples=10)
        error = report.scores["expected_calibration_error"]
        assert error.value == expected_calibration_error(y, X)
        assert np.isnan([error.low, error.high]).all()

    def test_of_true_probabilities(self, draw):
        X, y = draw(50_000)
        assert expected_calibration_error(y, X) < 0.01
        sharper = X**3 / (X**3).sum(axis=1, keepdims=True)
        assert expected_calibration_error(y, sharper) > 0.05

    def test_errors(self, draw):
        X, y = draw(100)
        few, labels = y != "b", ["a", "b", "c"]
        assert expected_calibration_error(y[few], X[few], labels=labels) > 0
        for args, options, message in [
            ((y[few], X[few]), {}, "a column for each class"),
            ((y, X), {"labels": ["a", "b", "d"]}, "not among the classes"),
            ((y, X * 2), {}, "must hold probabilities"),
            ((y[:9], X), {"labels": labels}, r"shape \(9, 3\); it has shape \(100, 3\)"),
        ]:
            with pytest.raises(ValueError, match=message):
                expected_calibration_error(*args, **options)


class TestTemperatureScaling:
    def calibrate(self, network, X, y):
        frozen = FrozenEstimator(network)
        return CalibratedClassifierCV(frozen, method="temperature", ensemble=False).fit(X, y)

    def test_forms_of_X(self, network, some_cells, paths):
        X, y = some_cells[0][160:240], some_cells[1][160:240]
        expected = self.calibrate(network, X, y).predict_proba(X)
        assert log_loss(y, expected) < log_loss(y, network.predict_proba(X))
        for form in (X.reshape(len(X), -1), list(X), [str(path) for path in paths]):
            calibrated = self.calibrate(network, form, y)
            assert_allclose(calibrated.predict_proba(form), expected, atol=1e-6)
            assert_array_equal(calibrated.predict(form), network.predict(X))

    def test_with_the_other_tools(self, network, some_cells):
        X, y = some_cells
        calibrated = self.calibrate(network, X[160:240], y[160:240])
        sets = PredictionSets(calibrated).fit(X[240:360], y[240:360])
        assert sets.coverage(X[360:], y[360:]).marginal > 0.75
        reject = RejectOption(calibrated, criterion="coverage", target=0.5).fit(X[240:], y[240:])
        assert_array_equal(reject.predict(X[360:]), network.predict(X[360:]))
        p = calibrated.predict_proba(X[160:])
        correct = network.predict(X[160:]) == y[160:]
        display = CalibrationDisplay.from_predictions(
            correct, p.max(axis=1), n_bins=5, strategy="quantile"
        )
        assert len(display.prob_true) == 5
