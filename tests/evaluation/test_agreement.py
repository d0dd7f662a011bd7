"""Agreement and regression of two methods: as published, and by their definitions."""

import tracemalloc
from fractions import Fraction
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from skblood.evaluation._agreement import (
    bland_altman,
    count_limits,
    deming,
    estimate_kappa,
    passing_bablok,
)

# Peak expiratory flow, l/min, of 17 people by two meters: Bland and Altman 1986, table 1.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

# Rümke's table, as it is printed in textbooks: percent counted, and the limits of the percent.
RUMKE = {
    100: {0: (0, 4), 1: (0, 6), 2: (0, 8), 5: (1, 12), 9: (4, 17), 10: (4, 18), 50: (39, 61)},
    200: {0: (0, 2), 1: (0, 4), 2: (0, 6), 5: (2, 10), 10: (6, 16), 25: (19, 32), 50: (42, 58)},
    500: {0: (0, 1), 1: (0, 3), 5: (3, 8), 10: (7, 13), 20: (16, 24), 50: (45, 55)},
}


class TestBlandAltman:
    def test_as_published(self):
        bias, lower, upper = bland_altman(np.subtract(WRIGHT, MINI, dtype=float), 0.95)
        assert bias == pytest.approx((-2.1, -22.0, 17.8), abs=0.1)
        # The paper takes 2 standard deviations of 38.8, not 1.96.
        assert lower.value == pytest.approx(-79.7 + 0.04 * 38.8, abs=0.1)
        assert upper.value == pytest.approx(75.5 - 0.04 * 38.8, abs=0.1)
        assert (upper.high - upper.low) / 2 == pytest.approx(34.6, abs=0.5)
        assert (lower.high - lower.low) / 2 == pytest.approx(34.6, abs=0.5)

    def test_bias_against_scipy(self):
        differences = np.random.default_rng(0).normal(size=30)
        interval = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
        bias, _, _ = bland_altman(differences, 0.9)
        assert (bias.low, bias.high) == pytest.approx((interval.low, interval.high))

    def test_the_level_is_that_of_the_intervals_only(self):
        differences = np.random.default_rng(0).normal(size=30)
        wide, narrow = (bland_altman(differences, level) for level in (0.99, 0.5))
        assert [each.value for each in wide] == [each.value for each in narrow]
        assert wide[1].low < narrow[1].low < narrow[1].high < wide[1].high
        spread = 3.92 * differences.std(ddof=1)
        assert narrow[2].value - narrow[1].value == pytest.approx(spread, 1e-3)


class TestCountLimits:
    @pytest.mark.parametrize("n", RUMKE)
    def test_table_of_rumke(self, n):
        for percent, (low, high) in RUMKE[n].items():
            found = 100 * np.stack(count_limits(percent / 100, n))
            assert (np.floor(found[0]), np.ceil(found[1])) == (low, high)


class TestKappa:
    # Two pathologists, 118 slides (Agresti, Categorical Data Analysis, table 10.8).
    TABLE = np.array([[22, 2, 2, 0], [5, 7, 14, 0], [0, 2, 36, 0], [0, 1, 17, 10]])

    def labels(self):
        return (np.repeat(places.ravel(), self.TABLE.ravel()) for places in np.indices((4, 4)))

    def test_as_published(self):
        kappa = estimate_kappa(*self.labels(), 0.95)
        assert kappa.value == pytest.approx(0.493, abs=5e-4)
        # The interval is that of Fleiss, Cohen and Everitt with a few pseudo-images.
        assert (kappa.high - kappa.low) / 2 / 1.96 == pytest.approx(0.057, abs=1e-3)

    def test_by_resampling(self):
        first, second = self.labels()
        rng = np.random.default_rng(0)
        draws = [
            estimate_kappa(first[rows], second[rows], 0.95).value
            for rows in rng.integers(len(first), size=(150, len(first)))
        ]
        kappa = estimate_kappa(first, second, 0.95)
        assert (kappa.high - kappa.low) / 2 / 1.96 == pytest.approx(np.std(draws), rel=0.25)

    def test_range(self):
        labels = np.array(["a", "b", "a", "c"])
        kappa = estimate_kappa(labels, labels, 0.95)
        assert kappa.value == kappa.high == 1
        many = estimate_kappa(np.repeat(labels, 30), np.repeat(labels, 30), 0.95)
        assert kappa.low < 0.5 < 0.9 < many.low < 1
        assert np.isnan(estimate_kappa(["a", "a"], ["a", "a"], 0.95).value)
        kappa = estimate_kappa(list("aabb"), list("aabb")[::-1], 0.95)
        assert kappa.value == -1
        assert kappa.low >= -1
        assert estimate_kappa(list("aaabbb"), list("aaabba"), 0.95).high <= 1


# Serum and plasma creatinine of 108 patients before heart surgery, mg/dl: the data of the R package
# mcr, from which the published line below is, too.
CREATININE = """
0.82 0.79 1.83 1.62 1.39 1.36 0.81 1.3 1.72 1.88 3.23 3.35 1.23 1.06 1.37 1.34 1.72 1.56 0.96 0.94
0.76 0.69 1.15 1.16 0.95 0.71 1 0.83 1.52 1.44 1.56 1.26 2.45 2.36 1.85 1.9 0.89 0.95 0.82 0.77
1.01 0.82 0.96 0.88 3.38 3.42 1.31 1.15 1.1 0.96 1.26 1.12 1.15 1.02 1.2 1.29 1.01 0.87 1.33 1.13
0.87 0.82 1.66 1.33 1.41 1.14 1.08 0.93 1.17 1.09 1.77 1.89 1.33 1.57 1.23 1.29 1.21 1.13
1.2 1.11 1.49 1.61 0.89 0.79 1.09 1.19 1.03 0.96 1.07 1.25 0.89 0.87 1.39 1.36 0.96 0.86 1.06 1.03
1.17 0.86 0.9 0.8 1.39 1.22 0.91 0.86 2.28 2.25 0.9 0.87 1.34 1.3 1.32 1.04 1.02 0.92
1.04 1.01 1.27 1.21 1.08 1.11 1.1 1.21 1.39 1.54 1.07 0.99 0.79 0.79 1.02 1.06 0.94 1.02 1.99 2.15
0.7 0.56 0.84 1.01 0.66 0.59 1.1 1.17 0.9 0.82 2.06 2.09 1.31 1.44 1.03 1.22 1.61 1.77 1.52 1.6
1.11 1.13 0.85 1.06 1.2 1.38 1.09 1.24 1.27 1.29 2.06 2.08 1.21 1.31 0.77 0.82 1.06 1.28 1.02 1.15
1 1.04 1.47 1.51 0.97 1.13 1.7 1.84 1.78 1.94 0.93 1.32 0.92 1.36 1.59 1.88 0.68 0.73 0.7 0.78
1.08 1.01 0.83 0.9 1.17 1.3 0.98 0.96 0.77 0.61 0.91 1.27 1.1 1.05 0.8 1.12 0.85 0.72 0.82 0.87
"""

# A laboratory test and a new device, 65 patients: the example of R. Wicklin, "Deming regression for
# comparing different measurement methods" (The DO Loop, 2019).
BLOOD_TEST = """
169.0 45.5 130.8 33.4 109.0 23.8 94.1 19.8 86.3 20.4 78.4 18.7 76.1 16.1 72.2 16.7 70.0 11.9
69.8 14.6 69.5 10.6 68.7 12.7 67.3 16.9 174.7 57.8 137.9 39.0 114.6 30.4 99.8 21.1 90.1 21.7
85.1 25.2 80.7 20.6 78.1 19.3 77.8 20.9 76.0 18.2 77.8 18.3 74.2 15.7 73.1 13.9 182.5 55.5
144.0 38.7 123.8 35.1 107.6 30.6 96.9 25.7 92.8 19.2 87.2 22.4 86.3 18.4 84.4 20.7 83.7 20.6
83.3 20.0 83.9 18.8 82.7 21.8 160.8 49.9 122.7 32.2 102.6 19.2 86.6 14.7 76.1 16.6 69.6 18.8
66.7 7.4 64.4 8.2 63.0 15.5 61.7 13.7 61.2 9.2 62.4 12.0 58.4 15.2 171.3 48.7 136.3 36.1
111.9 28.6 96.5 21.8 90.3 25.6 82.9 16.8 78.1 14.1 76.5 14.2 73.5 11.9 74.4 17.7 73.9 17.6
71.9 10.2 72.0 15.6
"""


def columns(text):
    return np.array(text.split(), float).reshape(-1, 2).T


def noisy(n=30, slope=1.2, intercept=0.3, noise=0.05, seed=0):
    """Return a line that is measured twice, with errors on both sides."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 2, size=n)
    return x + noise * rng.standard_normal(n), (
        intercept + slope * x + noise * rng.standard_normal(n)
    )


class TestPassingBablok:
    def test_as_published(self):
        x, y = columns(CREATININE)
        slope, intercept = passing_bablok(x, y, 0.95)
        assert len(x) == 108
        assert slope == pytest.approx((1.0880089, 1.0, 1.173005), abs=2e-3)
        assert intercept == pytest.approx((-0.1171729, -0.2001149, -0.02), abs=3e-3)

    @pytest.mark.parametrize("n", [8, 21])
    def test_of_rising_points_it_is_the_line_of_theil(self, n):
        """No slope is below -1, and both take the ranks of Kendall: scipy has that one."""
        y = np.cumsum(np.random.default_rng(n).exponential(size=n))
        slope, _ = passing_bablok(np.arange(n), y, 0.95)
        expected = stats.theilslopes(y, np.arange(n), 0.95)
        assert slope == pytest.approx((expected.slope, expected.low_slope, expected.high_slope))

    def test_x_and_y_may_change_places(self):
        x, y = noisy(noise=0.3)
        there, back = passing_bablok(x, y, 0.95)[0], passing_bablok(y, x, 0.95)[0]
        assert there.value == pytest.approx(1 / back.value, rel=0.02)
        assert there.low == pytest.approx(1 / back.high, rel=0.05)
        assert there.high == pytest.approx(1 / back.low, rel=0.05)

    def test_too_few_points_for_an_interval(self):
        for each in passing_bablok(np.arange(4.0), np.array([0, 1, 2, 3.5]), 0.95):
            assert (each.low, each.high) == (-np.inf, np.inf)
            assert np.isfinite(each.value)

    @pytest.mark.parametrize("n", [8, 50])
    def test_points_that_do_not_rise_have_no_line(self, n):
        """On a falling line the shifted median of the slopes would be near 1."""
        rng = np.random.default_rng(n)
        x = rng.uniform(size=n)
        falling = 1 - x + 0.02 * rng.standard_normal(n)
        for y in (falling, rng.permutation(np.sort(x)) if n > 8 else -x, 1 - x):
            line = passing_bablok(x, y, 0.95)
            assert np.isnan(line).all()
        assert np.isfinite(passing_bablok(x, 1 - falling, 0.95)).all()

    @pytest.mark.parametrize("seed", range(2))
    def test_of_points_with_ties_it_is_the_definition(self, seed):
        """Slopes of any sign between many equal shares, as exact fractions."""
        rng = np.random.default_rng(seed)
        shares = rng.uniform(0.1, 0.6, size=40)
        x, y = rng.binomial(20, shares), rng.binomial(200, shares)
        pairs = [(x[j] - x[i], y[j] - y[i]) for i, j in combinations(range(40), 2)]
        ratios = [(10 * dx, dy) for dx, dy in pairs if dx or dy]
        slopes = sorted(Fraction(int(b), int(a)) if a else np.inf for a, b in ratios if a != -b)
        shift = sum(slope < -1 for slope in slopes)
        expected = np.median([*map(float, slopes)][2 * shift :])
        slope, intercept = passing_bablok(x / 20, y / 200, 0.95)
        assert slope.value == pytest.approx(expected)
        assert intercept.value == pytest.approx(np.median(y / 200 - expected * x / 20))

    def test_memory_is_that_of_the_slopes(self):
        """All slopes of 2,000 points and their differences took 112 MB."""
        rng = np.random.default_rng(0)
        x = rng.uniform(size=2000)
        tracemalloc.start()
        passing_bablok(x, x + 0.1 * rng.standard_normal(2000), 0.95)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40e6


class TestDeming:
    def test_as_published(self):
        x, y = columns(BLOOD_TEST)
        slope, intercept = deming(x, y, y.var() / x.var(), 0.95)
        assert len(x) == 65
        inverse = deming(x, y, x.var() / y.var(), 0.95)
        assert inverse[0].value == pytest.approx(0.354463, abs=1e-6)
        assert inverse[1].value == pytest.approx(-10.56415, abs=1e-5)
        # With the ratio of the variances themselves it is the reduced major axis.
        assert slope.value == pytest.approx(y.std() / x.std())
        assert intercept.value == pytest.approx(y.mean() - slope.value * x.mean())

    @pytest.mark.parametrize("ratio", [0.25, 4])
    def test_is_the_least_of_the_weighted_squares(self, ratio):
        x, y = noisy(noise=0.2)
        slope, intercept = deming(x, y, ratio, 0.95)

        def loss(line):
            return ((y - line[1] - line[0] * x) ** 2).sum() / (ratio + line[0] ** 2)

        found = minimize(loss, [1, 0], tol=1e-10).x
        assert (slope.value, intercept.value) == pytest.approx(tuple(found), abs=1e-4)

    def test_jackknife_by_leaving_each_point_out(self):
        x, y = noisy(12, noise=0.2)
        rests = []
        for i in range(12):
            line = deming(np.delete(x, i), np.delete(y, i), 2, 0.95)
            rests.append([each.value for each in line])
        errors = np.sqrt(11 / 12 * ((rests - np.mean(rests, axis=0)) ** 2).sum(axis=0))
        for estimate, error in zip(deming(x, y, 2, 0.9), errors, strict=True):
            spread = stats.t.ppf(0.95, 10) * error
            assert estimate.low == pytest.approx(estimate.value - spread)
            assert estimate.high == pytest.approx(estimate.value + spread)

    @pytest.mark.parametrize("x", [[0, 0, 0.01], [0.1, 0.1, 0.1, 0.2], [0.3, 0.1, 0.3, 0.3, 0.3]])
    def test_a_single_point_that_varies_gives_no_interval(self, x):
        """By rounding, the points without it had a line of any slope."""
        x = np.array(x)
        for first, second in ((x, 2 * x), (x, x + np.linspace(0, 0.07, len(x)))):
            for line in (deming(first, second, 1, 0.95), deming(second, first, 1, 0.95)):
                assert np.isfinite([each.value for each in line]).all()
                assert np.isnan([end for each in line for end in each[1:]]).all()

    def test_constant_points_have_no_line(self):
        for x in ([0.1, 0.2, 0.4], [0.1, 0.1, 0.1]):
            assert np.isnan(deming(np.array(x), np.full(3, 0.7), 1, 0.95)).all()

    def test_a_falling_line(self):
        x = np.arange(10.0)
        slope, intercept = deming(x, 5 - 3 * x, 1, 0.95)
        assert slope == pytest.approx((-3, -3, -3))
        assert intercept == pytest.approx((5, 5, 5))


@pytest.mark.parametrize("fit", [passing_bablok, partial(deming, error_ratio=1)])
def test_intervals_cover_the_true_line(fit):
    held = 0
    for seed in range(200):
        slope, intercept = fit(*noisy(25, 1, 0, 0.1, seed), confidence_level=0.95)
        held += (slope.low <= 1 <= slope.high) + (intercept.low <= 0 <= intercept.high)
    assert 0.9 * 400 <= held <= 0.99 * 400
