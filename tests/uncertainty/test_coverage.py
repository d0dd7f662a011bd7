"""Accuracy-coverage curve and its display."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skblood.uncertainty import AccuracyCoverageDisplay, accuracy_coverage_curve


class TestCurve:
    def test_by_hand(self):
        y, y_pred = ["a", "a", "b", "b", "c"], ["a", "b", "b", "b", "a"]
        confidence = [0.9, 0.5, 0.7, 0.7, 0.6]
        coverage, accuracy, thresholds = accuracy_coverage_curve(y, y_pred, confidence)
        assert_allclose(thresholds, [0.9, 0.7, 0.6, 0.5])
        assert_allclose(coverage, [0.2, 0.6, 0.8, 1.0])
        assert_allclose(accuracy, [1, 1, 0.75, 0.6])

    def test_it_equals_accepting_by_each_threshold_in_any_order(self, draw, given):
        X, y = draw(100)
        X = X.round(1)  # many cells have equal confidence
        y_pred, confidence = given.predict(X), X.max(axis=1)
        curve = accuracy_coverage_curve(y, y_pred, confidence)
        for coverage, accuracy, threshold in zip(*curve, strict=True):
            accepted = confidence >= threshold
            assert accepted.mean() == pytest.approx(coverage)
            assert (y == y_pred)[accepted].mean() == pytest.approx(accuracy)
        back = accuracy_coverage_curve(y[::-1], y_pred[::-1], confidence[::-1])
        for one, other in zip(curve, back, strict=True):
            assert_array_equal(one, other)

    def test_errors(self):
        with pytest.raises(ValueError, match="confidence contains NaN"):
            accuracy_coverage_curve([1, 2], [1, 1], [0.5, np.nan])
        with pytest.raises(ValueError, match="`confidence` 1"):
            accuracy_coverage_curve([1, 2], [1, 1], [0.5])
        with pytest.raises(TypeError, match="cannot be sorted"):
            accuracy_coverage_curve([1, 2], ["1", "2"], [0.5, 0.6])


class TestDisplay:
    def test_area_is_the_mean_over_all_coverages(self):
        y, y_pred = np.array([1, 1, 0, 1, 0]), np.ones(5, int)
        display = AccuracyCoverageDisplay.from_predictions(y, y_pred, [5, 4, 3, 2, 1])
        assert display.area == pytest.approx(np.mean([1, 1, 2 / 3, 3 / 4, 3 / 5]))

    def test_the_curve_is_drawn(self):
        _, ax = plt.subplots()
        display = AccuracyCoverageDisplay.from_predictions(
            [1, 1, 0], [1, 1, 1], [-1, -2, -3], name="mine", color="red", ax=ax
        )
        assert display.ax_ is ax and display.figure_ is ax.figure
        assert_allclose(display.line_.get_xdata(), [1 / 3, 2 / 3, 1])
        assert_allclose(display.line_.get_ydata(), [1, 1, 2 / 3])
        assert display.line_.get_color() == "red"
        (text,) = ax.get_legend().get_texts()
        assert text.get_text() == "mine\narea under the curve: 0.889"
        assert "coverage" in ax.get_xlabel() and "accuracy" in ax.get_ylabel()

    def test_from_a_classifier(self, given, draw):
        X, y = draw(100)
        display = AccuracyCoverageDisplay.from_estimator(given, X, y)
        curve = accuracy_coverage_curve(y, given.predict(X), X.max(axis=1))
        assert_array_equal(display.coverage, curve[0])
        assert_array_equal(display.accuracy, curve[1])
        assert display.name == "GivenProbabilities"
