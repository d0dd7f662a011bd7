"""Agreement of two methods: equal to published examples and tables."""

import numpy as np
import pytest
from scipy import stats

from skblood.evaluation._agreement import bland_altman, count_limits, estimate_kappa

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

    def test_intervals_cover_the_true_limits(self):
        rng = np.random.default_rng(0)
        held = 0
        for _ in range(300):
            _, _, upper = bland_altman(rng.normal(size=40), 0.95)
            held += upper.low <= 1.96 <= upper.high
        assert 270 <= held <= 297

    def test_no_difference(self):
        assert bland_altman(np.zeros(5), 0.95) == ((0, 0, 0),) * 3


class TestCountLimits:
    @pytest.mark.parametrize("n", RUMKE)
    def test_table_of_rumke(self, n):
        for percent, (low, high) in RUMKE[n].items():
            found = 100 * np.stack(count_limits(percent / 100, n))
            assert (np.floor(found[0]), np.ceil(found[1])) == (low, high)

    def test_against_scipy(self):
        k, n = np.array([[0, 1], [13, 20]]), np.array([[20], [20]])
        low, high = count_limits(k / n, n)
        for i, j in np.ndindex(k.shape):
            expected = stats.binomtest(k[i, j], n[i, 0]).proportion_ci(0.95, method="exact")
            assert (low[i, j], high[i, j]) == pytest.approx((expected.low, expected.high))


class TestKappa:
    # Two pathologists, 118 slides (Agresti, Categorical Data Analysis, table 10.8).
    TABLE = np.array([[22, 2, 2, 0], [5, 7, 14, 0], [0, 2, 36, 0], [0, 1, 17, 10]])

    def labels(self):
        return (np.repeat(places.ravel(), self.TABLE.ravel()) for places in np.indices((4, 4)))

    def test_as_published(self):
        kappa = estimate_kappa(*self.labels(), 0.95)
        assert kappa.value == pytest.approx(0.493, abs=5e-4)
        assert (kappa.high - kappa.low) / 2 / 1.96 == pytest.approx(0.057, abs=5e-4)

    def test_by_resampling(self):
        first, second = self.labels()
        rng = np.random.default_rng(0)
        draws = [
            estimate_kappa(first[rows], second[rows], 0.95).value
            for rows in rng.integers(len(first), size=(150, len(first)))
        ]
        kappa = estimate_kappa(first, second, 0.95)
        assert (kappa.high - kappa.low) / 2 / 1.96 == pytest.approx(np.std(draws), rel=0.25)

    def test_equal_labels(self):
        labels = np.array(["a", "b", "a", "c"])
        assert estimate_kappa(labels, labels, 0.95) == pytest.approx((1, 1, 1))

    def test_one_label_only(self):
        assert np.isnan(estimate_kappa(["a", "a"], ["a", "a"], 0.95).value)

    def test_range(self):
        kappa = estimate_kappa(list("aabb"), list("aabb")[::-1], 0.95)
        assert kappa.value == -1
        assert kappa.low >= -1
        assert estimate_kappa(list("aaabbb"), list("aaabba"), 0.95).high <= 1
