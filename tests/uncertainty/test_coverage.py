"""The accuracy on what is accepted, as a curve and as a picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skblood.uncertainty import AccuracyCoverageDisplay, accuracy_coverage_curve


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class TestCurve:
    def test_by_hand(self):
        y, y_pred = ["a", "a", "b", "b", "c"], ["a", "b", "b", "b", "a"]
        confidence = [0.9, 0.5, 0.7, 0.7, 0.6]
        coverage, accuracy, thresholds = accuracy_coverage_curve(y, y_pred, confidence)
        assert_allclose(thresholds, [0.9, 0.7, 0.6, 0.5])
        assert_allclose(coverage, [0.2, 0.6, 0.8, 1.0])
        assert_allclose(accuracy, [1, 1, 0.75, 0.6])

    def test_it_says_what_a_threshold_does(self, draw, given):
        X, y = draw(300)
        y_pred, confidence = given.predict(X), X.max(axis=1)
        for coverage, accuracy, threshold in zip(
            *accuracy_coverage_curve(y, y_pred, confidence), strict=True
        ):
            accepted = confidence >= threshold
            assert accepted.mean() == pytest.approx(coverage)
            assert (y == y_pred)[accepted].mean() == pytest.approx(accuracy)

    def test_the_order_of_the_cells_is_nothing(self, draw, given):
        X, y = draw(100)
        X = X.round(1)  # many of one confidence
        there = accuracy_coverage_curve(y, given.predict(X), X.max(axis=1))
        back = accuracy_coverage_curve(y[::-1], given.predict(X)[::-1], X.max(axis=1)[::-1])
        for one, other in zip(there, back, strict=True):
            assert_array_equal(one, other)

    def test_any_score_will_do(self):
        coverage, accuracy, _ = accuracy_coverage_curve([1, 2], [1, 1], [-3.0, -7.0])
        assert_array_equal(coverage, [0.5, 1])
        assert_array_equal(accuracy, [1, 0.5])

    def test_confidence_that_is_none(self):
        with pytest.raises(ValueError, match="`confidence` holds 1 values"):
            accuracy_coverage_curve([1, 2], [1, 1], [0.5, np.nan])

    def test_other_lengths(self):
        with pytest.raises(ValueError, match="`confidence` 1"):
            accuracy_coverage_curve([1, 2], [1, 1], [0.5])

    def test_labels_that_are_never_equal(self):
        with pytest.raises(ValueError, match="all str or all numbers"):
            accuracy_coverage_curve([1, 2], ["1", "2"], [0.5, 0.6])


class TestDisplay:
    def test_area_is_the_mean_over_all_coverages(self):
        y, y_pred = np.array([1, 1, 0, 1, 0]), np.ones(5, int)
        display = AccuracyCoverageDisplay.from_predictions(y, y_pred, [5, 4, 3, 2, 1])
        assert display.area == pytest.approx(np.mean([1, 1, 2 / 3, 3 / 4, 3 / 5]))

    def test_errors_that_come_last_give_the_larger_area(self):
        y, y_pred = [1, 1, 1, 0], [1, 1, 1, 1]
        last, first = (
            AccuracyCoverageDisplay.from_predictions(y, y_pred, confidence).area
            for confidence in ([4, 3, 2, 1], [1, 2, 3, 4])
        )
        assert last > first

    def test_the_curve_is_drawn(self):
        display = AccuracyCoverageDisplay.from_predictions(
            [1, 1, 0], [1, 1, 1], [3, 2, 1], name="mine", color="red"
        )
        assert_allclose(display.line_.get_xdata(), [1 / 3, 2 / 3, 1])
        assert_allclose(display.line_.get_ydata(), [1, 1, 2 / 3])
        assert display.line_.get_color() == "red"
        (text,) = display.ax_.get_legend().get_texts()
        assert text.get_text() == "mine (area 0.8889)"
        assert "coverage" in display.ax_.get_xlabel() and "accuracy" in display.ax_.get_ylabel()

    def test_two_share_an_axes(self):
        _, ax = plt.subplots()
        for name in ("one", "other"):
            display = AccuracyCoverageDisplay.from_predictions(
                [1, 0], [1, 1], [2, 1], name=name, ax=ax
            )
            assert display.ax_ is ax and display.figure_ is ax.figure
        assert len(ax.lines) == 2

    def test_of_a_classifier(self, given, draw):
        X, y = draw(100)
        display = AccuracyCoverageDisplay.from_estimator(given, X, y)
        curve = accuracy_coverage_curve(y, given.predict(X), X.max(axis=1))
        assert_array_equal(display.coverage, curve[0])
        assert_array_equal(display.accuracy, curve[1])
        assert display.name == "GivenProbabilities"

    def test_of_a_network_on_files(self, network, some_cells, paths):
        y = some_cells[1][160:240]
        display = AccuracyCoverageDisplay.from_estimator(network, paths, y)
        assert display.accuracy[-1] == pytest.approx(network.score(paths, y))
