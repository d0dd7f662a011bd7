"""The benchmark of the intervals: what it simulates, and that it can fail."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import intervals
from benchmarks._report import missed_bars
from skblood.evaluation import _estimates

QUICK = SimpleNamespace(quick=True)


@pytest.mark.parametrize("alike", intervals.ALIKE)
def test_two_images_of_a_group_are_right_together(alike):
    accuracies = intervals.draw_accuracies(np.random.default_rng(0), 0.9, alike, 100_000)
    assert accuracies.mean() == pytest.approx(0.9, abs=0.005)
    assert accuracies.var() == pytest.approx(alike * 0.9 * 0.1, abs=0.001)


def test_groups():
    rng = np.random.default_rng(0)
    tables = np.concatenate([intervals.draw_groups(rng, 50, 0.95) for _ in range(40)])
    sizes = tables.sum(axis=(1, 2))
    assert sizes.min() == 1 and sizes.max() == 30
    np.testing.assert_allclose(tables.sum(axis=(0, 2)) / sizes.sum(), intervals.SHARES, atol=0.01)
    assert np.trace(tables.sum(axis=0)) / sizes.sum() == pytest.approx(0.95, abs=0.01)


def test_figures_and_bars(monkeypatch):
    figures = intervals.measure_accuracy(10, QUICK)
    assert missed_bars(figures, intervals.QUICK_BARS) == []
    assert list(figures["lines"]) == [f"correlation {each}" for each in intervals.ALIKE]
    alike = figures["lines"]["correlation 0.2"]
    assert alike["as_images"] < 0.85 < alike["lowest"]
    assert set(alike) == set(intervals.COLUMNS)
    # Intervals that do not know of the groups miss the bar.
    monkeypatch.setattr(
        intervals,
        "proportion_interval",
        lambda *args, grouped: _estimates.proportion_interval(*args, grouped=False),
    )
    assert missed_bars(intervals.measure_accuracy(10, QUICK), intervals.QUICK_BARS) == ["lowest"]


def test_scores(monkeypatch):
    monkeypatch.setattr(intervals, "TRUE", (0.9,))
    for case, n_groups in (("rare_of_2", None), (None, 6)):
        figures = intervals.measure_scores(case, n_groups, QUICK)
        assert list(figures["lines"]) == [*intervals.SCORES, *intervals.OF_FIRST_CLASS]
        assert figures["lowest"] > 0.75
