"""Comparisons of differential counts: slides and classes are matched, and figures show them."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from skblood.evaluation import (
    DifferentialComparison,
    DifferentialCount,
    compare_differentials,
    differential_count,
)
from skblood.evaluation._agreement import bland_altman, count_limits, deming, passing_bablok

CLASSES = ["basophil", "lymphocyte", "monocyte", "neutrophil"]
METHODS = ["passing-bablok", "deming"]


def make_counts(n_slides=30, n_a=200, n_b=200, seed=0):
    """Return the counts of two readers of the same slides, who only err by chance."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([0.5, 15, 3, 30], size=n_slides)
    return [
        DifferentialCount.from_counts(rng.multinomial(n, shares), classes=CLASSES)
        for n in (n_a, n_b)
    ]


class TestNumbers:
    @pytest.mark.parametrize("method", METHODS)
    def test_estimates_of_each_class(self, method):
        a, b = make_counts(n_a=100, n_b=400)
        comparison = compare_differentials(a, b, method=method, confidence_level=0.9)
        for i in range(4):
            x, y = a.shares[:, i], b.shares[:, i]
            line = passing_bablok(x, y, 0.9) if method != "deming" else deming(x, y, 0.25, 0.9)
            assert (comparison.slope[i], comparison.intercept[i]) == line
            found = comparison.bias[i], comparison.lower_limit[i], comparison.upper_limit[i]
            assert found == bland_altman(y - x, 0.9)

    def test_a_count_agrees_with_itself(self):
        """The first class is on no slide."""
        counts = [[0, 30, 70], [0, 40, 60], [0, 55, 45], [0, 20, 80]]
        a = DifferentialCount.from_counts(counts, classes=["x", "y", "z"])
        comparison = compare_differentials(a, a)
        values = [
            (x.value, y.value) for x, y in zip(comparison.slope, comparison.intercept, strict=True)
        ]
        np.testing.assert_allclose(values, [(np.nan, np.nan), (1, 0), (1, 0)])
        assert comparison.bias == [(0, 0, 0)] * 3
        assert comparison.within_limits.tolist() == [1] * 3
        assert comparison.kappa is None
        assert "nan" in str(comparison)
        for kind in ("regression", "bland-altman"):
            comparison.plot(kind).draw_without_rendering()

    def test_bias_and_limits_of_the_reference(self):
        """Of 10 in 100 the limits are 4.9 to 17.6 %."""
        a = DifferentialCount.from_counts([[10, 90]] * 4, classes=["x", "y"])
        b = DifferentialCount.from_counts(
            [[40, 960], [60, 940], [170, 830], [180, 820]], classes=["x", "y"]
        )
        comparison = compare_differentials(a, b)
        assert comparison.within_limits.tolist() == [0.5, 0.5]
        assert [each.value for each in comparison.bias] == pytest.approx([0.0125, -0.0125])

    @pytest.mark.parametrize(("n_b", "expected"), [(200, 0.83), (100_000, 0.95)])
    def test_share_of_slides_within_limits(self, n_b, expected):
        """As the Notes say: the limits account for the error of a only."""
        a, b = make_counts(600, 200, n_b)
        found = compare_differentials(a, b, method="deming").within_limits[[1, 3]]
        np.testing.assert_allclose(found, expected, atol=0.05)


class TestLines:
    @pytest.mark.parametrize("method", METHODS)
    def test_constant_shares_have_none(self, method):
        """Also where rounding makes the mean of equal shares differ from them."""
        counts = np.array([[3, 3, 4], [3, 5, 2], [3, 1, 6], [3, 4, 3], [3, 6, 1]])
        a, b = (DifferentialCount.from_counts(n * counts, classes=list("xyz")) for n in (1, 10))
        comparison = compare_differentials(a, b, method=method)
        for estimate in (comparison.slope, comparison.intercept):
            assert [np.isnan(each.value) for each in estimate] == [True, False, False]

    def test_passing_bablok_is_refused_for_counts_that_do_not_rise_together(self):
        shares = np.linspace(10, 30, 12).astype(int)
        a = DifferentialCount.from_counts(
            np.stack([shares, 30 - shares, np.full(12, 70)]).T, classes=["x", "y", "constant"]
        )
        b = DifferentialCount.from_counts(
            np.stack([40 - shares, shares - 10, np.full(12, 70)]).T, classes=a.classes
        )
        with pytest.warns(UserWarning, match=r"not apply to \['x', 'y'\].*method=\"deming\""):
            comparison = compare_differentials(a, b)
        assert np.isnan([*comparison.slope[1], *comparison.intercept[1]]).all()
        assert np.isfinite(comparison.bias[1]).all()
        for kind in ("regression", "bland-altman"):
            comparison.plot(kind).draw_without_rendering()
        assert compare_differentials(a, b, method="deming").slope[1] == pytest.approx((-1,) * 3)

    @pytest.mark.parametrize(("n_slides", "is_enough"), [(3, False), (4, True)])
    def test_few_slides_that_rise_together(self, n_slides, is_enough, recwarn):
        """Kendall's tau of three slides cannot reach 5 %."""
        counts = np.array([[10, 90], [20, 80], [30, 70], [40, 60]])[:n_slides]
        count = DifferentialCount.from_counts(counts, classes=["x", "y"])
        comparison = compare_differentials(count, count)
        assert np.isnan(comparison.slope[0].value) != is_enough
        texts = [str(each.message) for each in recwarn]
        assert all("3 slides are too few" in text and "4 are needed" in text for text in texts)
        assert len(texts) == 1 - is_enough and "not rise together" not in "".join(texts)


class TestMatching:
    def test_slides_and_classes_in_any_order(self):
        a, b = make_counts()
        order, columns = np.random.default_rng(1).permutation(30), [2, 0, 3, 1]
        mixed = DifferentialCount.from_counts(
            b.counts[order][:, columns],
            classes=[CLASSES[i] for i in columns],
            groups=order,
            n_rejected=order,
        )
        comparison, straight = compare_differentials(a, mixed), compare_differentials(a, b)
        assert comparison.to_frame().equals(straight.to_frame())
        assert comparison.b.groups == a.groups
        assert comparison.b.n_rejected.tolist() == list(range(30))
        np.testing.assert_array_equal(comparison.b.counts, b.counts)
        np.testing.assert_array_equal(comparison.b.low, b.low)

    def test_differing_slides_and_classes(self):
        a, b = make_counts(5)
        fewer = DifferentialCount.from_counts(b.counts[:4], classes=CLASSES)
        with pytest.raises(ValueError, match=r"same groups.*\[4\]"):
            compare_differentials(a, fewer)
        other = DifferentialCount.from_counts(b.counts, classes=[*CLASSES[:3], "blast"])
        with pytest.raises(ValueError, match=r"same classes.*\['blast', 'neutrophil'\]"):
            compare_differentials(a, other)

    def test_arguments(self):
        a, b = make_counts()
        counts = b.counts * (np.arange(30) != 3)[:, None]
        with pytest.raises(ValueError, match=r"`b` has slides without cells: \[3\]"):
            compare_differentials(a, DifferentialCount.from_counts(counts, classes=CLASSES))
        with pytest.raises(ValueError, match="at least 3 slides, got 2"):
            compare_differentials(*make_counts(2))
        with pytest.raises(TypeError, match="`b` must be a DifferentialCount, got ndarray"):
            compare_differentials(a, b.shares)
        with pytest.raises(ValueError, match=r"\['passing-bablok', 'deming'\], got 'ols'"):
            compare_differentials(a, b, method="ols")
        for names in (["reader"], ("a", "a"), "ab c"):
            with pytest.raises(ValueError, match="`names` must be two different names"):
                compare_differentials(a, b, names=names)
        with pytest.raises(ValueError, match="between 0 and 1, not 95"):
            compare_differentials(a, b, confidence_level=95)
        with pytest.raises(ValueError, match=r"\['regression', 'bland-altman'\], not 'scatter'"):
            compare_differentials(a, b).plot("scatter")


def test_kappa():
    slides = np.repeat(["A", "B", "C"], 20)
    y_a = np.random.default_rng(0).choice(["x", "y"], size=60)
    y_b = np.where(np.arange(60) % 10 == 0, "x", y_a)
    counts = [differential_count(y, groups=slides) for y in (y_a, y_b)]
    comparison = compare_differentials(*counts, method="deming", cells=(y_a, y_b))
    assert comparison.kappa.value == pytest.approx(cohen_kappa_score(y_a, y_b))
    assert comparison.kappa.low < comparison.kappa.value < comparison.kappa.high
    assert str(comparison).endswith(f"kappa of the same cells: {comparison.kappa}")
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 59"):
        compare_differentials(*counts, method="deming", cells=(y_a, y_b[:-1]))


class TestOutput:
    def test_text_and_frame(self):
        comparison = compare_differentials(*make_counts())
        assert isinstance(comparison, DifferentialComparison)
        assert repr(comparison) == (
            "DifferentialComparison(n_slides=30, n_classes=4, method='passing-bablok')"
        )
        lines = str(comparison).splitlines()
        assert lines[0].startswith("30 slides, 4 classes, passing-bablok regression; intervals of")
        assert [line.split()[0] for line in lines[3:]] == CLASSES
        assert str(comparison.slope[3]) in lines[-1]
        assert lines[-1].endswith(f"{comparison.within_limits[3]:.1%}")
        frame = comparison.to_frame()
        assert frame.index.tolist() == CLASSES
        assert frame.shape == (4, 16)
        row = frame.loc["monocyte"]
        assert (row.slope, row.slope_low, row.slope_high) == comparison.slope[2]
        assert row.upper_limit_high == comparison.upper_limit[2].high

    def test_regression(self):
        a, b = make_counts(n_a=100)
        comparison = compare_differentials(a, b, names=["reader", "model"])
        figure = comparison.plot()
        assert len(figure.axes) == 4
        for i, ax in enumerate(figure.axes):
            assert ax.get_title().startswith(CLASSES[i])
            assert (ax.get_xlabel(), ax.get_ylabel()) == (
                "reader (% of cells)",
                "model (% of cells)",
            )
            points = ax.collections[-1].get_offsets()
            np.testing.assert_allclose(points, 100 * np.stack([a.shares, b.shares], axis=2)[:, i])
            identity, line = ax.get_lines()
            np.testing.assert_array_equal(identity.get_xdata(), identity.get_ydata())
            x, y = line.get_data()
            slope, intercept = comparison.slope[i], comparison.intercept[i]
            np.testing.assert_allclose(y, 100 * intercept.value + slope.value * x)
            assert ax.get_xlim() == ax.get_ylim()
            np.testing.assert_array_equal(ax.get_xticks(), ax.get_yticks())
            assert (points.max(axis=0) < ax.get_xlim()[1]).all()
        # The gray band shows the limits of a's count.
        x, y = figure.axes[3].collections[0].get_paths()[0].vertices[1:-1].T
        inner = (x > 1) & (x < 99)
        low, high = count_limits(x[inner] / 100, 100)
        y = y[inner] / 100
        assert (np.isclose(y, low, atol=1e-6) | np.isclose(y, high, atol=1e-6)).all()

    def test_bland_altman(self):
        a, b = make_counts()
        figure = compare_differentials(a, b).plot("bland-altman")
        assert figure.axes[0].get_ylabel() == "b - a (% points)"
        comparison = compare_differentials(a, b, names=["reader", "model"])
        figure = comparison.plot("bland-altman")
        assert figure.axes[0].get_xlabel() == "mean of reader and model (%)"
        assert figure.axes[0].get_ylabel() == "model - reader (% points)"
        (legend,) = figure.legends
        texts = [text.get_text() for text in legend.get_texts()]
        assert sorted(texts) == [
            "bias",
            "intervals of both",
            "limits of agreement",
            "no difference",
            "slides",
        ]
        for i, ax in enumerate(figure.axes):
            heights = [line.get_ydata()[0] for line in ax.get_lines()]
            estimates = comparison.bias, comparison.lower_limit, comparison.upper_limit
            np.testing.assert_allclose(heights, [0, *(100 * each[i].value for each in estimates)])
            points = ax.collections[-1].get_offsets()
            np.testing.assert_allclose(points[:, 1], 100 * (b.shares - a.shares)[:, i])
            np.testing.assert_allclose(points[:, 0], 50 * (a.shares + b.shares)[:, i])
