"""Comparison of classifiers on the same images."""

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import binomtest

from skblood.evaluation import EvaluationReport, compare_models
from skblood.evaluation._paired import holm, mcnemar, score_differences

CLASSES = np.array(["basophil", "ig", "lymphocyte"])


def draw(n=200, seed=0):
    """Return labels, and predictions of a worse and a better classifier."""
    rng = np.random.default_rng(seed)
    y = rng.choice(CLASSES, n, p=[0.2, 0.3, 0.5])
    worse = np.where(rng.random(n) < 0.75, y, rng.choice(CLASSES, n))
    return y, worse, np.where(rng.random(n) < 0.7, y, worse)


def make_report(y_true, y_pred, **options):
    return EvaluationReport.from_predictions(y_true, y_pred, **options)


@pytest.fixture(scope="module")
def comparison():
    y, worse, better = draw()
    slides = np.arange(200) // 10
    reports = [make_report(y, each, groups=slides) for each in (worse, better)]
    return compare_models(*reports, names=["old", "new"])


class TestDifferences:
    def test_values_and_counts(self, comparison):
        y, worse, better = draw()
        table = comparison.differences.set_index(["score", "class"])
        row = table.loc[("accuracy", "all")]
        assert row["value_a"] == pytest.approx((worse == y).mean())
        assert row["difference"] == pytest.approx((better == y).mean() - (worse == y).mean())
        assert row["only_b"] == ((better == y) & (worse != y)).sum()
        assert row["only_a"] == ((better != y) & (worse == y)).sum()
        for label in CLASSES:
            row, of_class = table.loc[("recall", label)], y == label
            assert row["n_images"] == of_class.sum()
            assert row["value_b"] == pytest.approx((better == y)[of_class].mean())
        finite = comparison.differences.dropna(subset="low")
        assert len(finite) == len(table)
        assert (finite["low"] <= finite["difference"]).all()
        assert (finite["difference"] <= finite["high"]).all()

    def test_groups(self, comparison):
        y, worse, better = draw()
        row = comparison.by_group.iloc[0]
        cells = slice(10 * row["group"], 10 * row["group"] + 10)
        gain = (better == y)[cells].sum() - (worse == y)[cells].sum()
        assert row["only_b"] - row["only_a"] == gain > 0
        changes = (comparison.by_group["only_b"] - comparison.by_group["only_a"]).abs()
        assert changes.is_monotonic_decreasing and len(changes) == 20

    def test_paired_is_narrower_than_unpaired(self):
        """Common errors cancel."""
        y, worse, _ = draw(400)
        better = worse.copy()
        wrong = np.flatnonzero(worse != y)[:10]
        better[wrong] = y[wrong]
        reports = [make_report(y, each) for each in (worse, better)]
        row = compare_models(*reports).differences.iloc[0]
        a, b = (report.scores["accuracy"] for report in reports)
        assert a.high > b.low and row["low"] > 0
        assert row["high"] - row["low"] < (a.high - a.low) / 2

    def test_groups_that_change_together_widen_the_interval(self):
        y, worse, _ = draw(200)
        slides, better = np.arange(200) // 20, worse.copy()
        better[slides < 4] = y[slides < 4]
        alone, grouped = (
            compare_models(*(make_report(y, p, groups=g) for p in (worse, better)))
            for g in (None, slides)
        )
        alone, grouped = alone.differences.iloc[0], grouped.differences.iloc[0]
        assert grouped["high"] - grouped["low"] > 1.5 * (alone["high"] - alone["low"])
        assert alone["pvalue"] < 0.01 < 0.05 < grouped["pvalue"]

    def test_two_classifiers_that_are_always_right(self):
        """They need not be equal on other images; Bonett and Price give 0.0272 here."""
        codes = np.zeros((100, 3), int)
        codes[50:] = 1
        rng = np.random.default_rng(0)
        overall, recalls = score_differences(codes, None, 2, n_resamples=4000, level=0.95, rng=rng)
        assert overall["accuracy"].high == pytest.approx(0.0272, abs=0.002)
        assert overall["accuracy"].low == pytest.approx(-0.0272, abs=0.002)
        assert recalls[0].high == pytest.approx(0.0532, abs=0.004)

    def test_interval_is_that_of_bonett_and_price(self):
        codes = np.zeros((80, 3), int)
        codes[:4, 1] = codes[4:16, 2] = 1
        rng = np.random.default_rng(0)
        found = score_differences(codes, None, 2, n_resamples=8000, level=0.95, rng=rng)[0]
        only_a, only_b = 13 / 82, 5 / 82
        margin = 1.96 * np.sqrt((only_a + only_b - (only_a - only_b) ** 2) / 82)
        assert found["accuracy"].value == pytest.approx(-0.1)
        assert found["accuracy"].low == pytest.approx(only_b - only_a - margin, abs=0.01)
        assert found["accuracy"].high == pytest.approx(only_b - only_a + margin, abs=0.01)

    def test_a_class_of_two_slides_has_no_interval_of_its_recall(self):
        y = np.array(["a"] * 60 + ["b"] * 4)
        slides = np.r_[np.arange(60) // 6, 0, 0, 1, 1]
        recalls = compare_models(*(make_report(y, y, groups=slides),) * 2).differences
        recalls = recalls[recalls["score"] == "recall"].set_index("class")
        assert np.isnan(recalls.loc["b", "low"]) and recalls.loc["a", "low"] < 0

    def test_nor_has_a_class_of_few_images(self):
        """It would go from -0.8 to 0.8, and tell nothing; the picture has its point alone."""
        y = np.array(["a"] * 60 + ["b"] * 8 + ["c"] * 4)
        slides = np.r_[np.arange(60) // 6, 0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3]
        for groups in (None, slides):
            comparison = compare_models(*(make_report(y, y, groups=groups),) * 2)
            table = comparison.differences.set_index("class")
            assert np.isnan(table.loc["c", "low"]) and table.loc["c", "difference"] == 0
            assert np.isnan(table.loc["b", "low"]) == (groups is not None)
            low, high = comparison.plot().get_xlim()
            assert -0.7 < low < high < 0.7
        assert "<pre>72 images" in comparison._repr_html_()

    def test_memory_with_many_classes(self):
        labels = np.arange(40)
        report = make_report(labels, np.roll(labels, 1))
        tracemalloc.start()
        compare_models(report, report)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4e7


class TestPValues:
    def test_mcnemar_is_exact(self):
        codes = np.zeros((30, 3), int)
        codes[:2, 2] = codes[2:12, 1] = 1
        found = mcnemar(codes, None, None)
        assert found == (2, 10, pytest.approx(binomtest(2, 12).pvalue))
        assert mcnemar(codes[12:], None, None) == (0, 0, 1)

    @pytest.mark.parametrize("n", [10, 18])
    def test_groups_of_one_image_are_no_groups(self, n):
        """Exactly where all signs are tried, nearly where they are drawn."""
        codes = np.zeros((40, 3), int)
        codes[:2, 2] = codes[2:n, 1] = 1
        rng = np.random.default_rng(0)
        expected = mcnemar(codes, None, rng)[2]
        exact = n <= 12
        found = mcnemar(codes, np.arange(40), rng)[2]
        assert found == pytest.approx(expected, abs=1e-12 if exact else 2e-3)

    def test_holm(self):
        np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
        assert holm([0.9, 0.8]).tolist() == [1, 1]

    def test_adjusted_for_all_pairs(self):
        y, worse, better = draw()
        reports = [make_report(y, each) for each in (worse, better, worse)]
        comparison = compare_models(*reports)
        rows = comparison.differences.query("score == 'accuracy'")
        assert rows["a"].tolist() == ["a", "a", "b"] and rows["b"].tolist() == ["b", "c", "c"]
        np.testing.assert_allclose(rows["pvalue_holm"], holm(rows["pvalue"]))
        assert "\na, c: accuracy " in str(comparison) and "p (Holm)" in str(comparison)


class TestSameImages:
    def test_order_does_not_matter_with_names(self):
        y, worse, better = draw()
        names = np.array([f"{i}.png" for i in range(200)])
        order = np.random.default_rng(0).permutation(200)
        a = make_report(y, worse, names=names)
        b = make_report(y[order], better[order], names=names[order])
        named = compare_models(a, b)
        plain = compare_models(make_report(y, worse), make_report(y, better))
        assert named.differences.equals(plain.differences)

    def test_different_images_are_named(self):
        y, worse, better = draw(50)
        names = [f"{i}.png" for i in range(50)]
        a = make_report(y, worse, names=names)
        b = make_report(y[:48], better[:48], names=names[:48])
        match = r"2 are only in that of 'a', such as '48\.png', '49\.png'"
        with pytest.raises(ValueError, match=match):
            compare_models(a, b)
        with pytest.raises(ValueError, match=r"'old' and 'new'.*only in that of 'new'"):
            compare_models(b, a, names=["old", "new"])
        with pytest.raises(ValueError, match="different numbers of images: 'a' 50, 'b' 48"):
            compare_models(make_report(y, worse), b)
        with pytest.raises(ValueError, match=r"'b' has images twice: 0\.png"):
            compare_models(a, make_report(y, better, names=["0.png", *names[:-1]]))

    def test_different_labels_are_named(self):
        y, worse, better = draw(50)
        other = y.copy()
        other[3] = "ig" if y[3] != "ig" else "basophil"
        with pytest.raises(ValueError, match="different labels of 1 images, such as 3, or"):
            compare_models(make_report(y, worse), make_report(other, better))
        names = [f"{i}.png" for i in range(50)]
        reports = [make_report(labels, better, names=names) for labels in (y, other)]
        with pytest.raises(ValueError, match=r"such as '3\.png'"):
            compare_models(*reports)

    def test_a_model_of_other_classes(self):
        y, worse, _ = draw(50)
        more = make_report(y, np.where(worse == "ig", "blast", worse))
        rows = compare_models(make_report(y, worse), more).differences.query("score == 'recall'")
        assert set(rows["class"]) == {*CLASSES, "blast"}
        assert rows.set_index("class").loc["blast"].isna()[["low", "pvalue"]].all()

    def test_other_mistakes(self):
        y, worse, better = draw(50)
        a, b = make_report(y, worse), make_report(y, better)
        with pytest.raises(TypeError, match="must be EvaluationReports, got ndarray"):
            compare_models(a, better)
        with pytest.raises(ValueError, match="two or more reports, got 1"):
            compare_models(a)
        with pytest.raises(ValueError, match="2 different names, got \\['x', 'x'\\]"):
            compare_models(a, b, names=["x", "x"])
        with pytest.raises(ValueError, match="different confidence levels"):
            compare_models(a, make_report(y, better, confidence_level=0.9))
        b.cells = None
        with pytest.raises(ValueError, match=r"reports of \['b'\] have no predictions"):
            compare_models(a, b)

    @pytest.mark.parametrize("others", [None, np.arange(200) % 20])
    def test_groups_that_disagree(self, others):
        y, worse, better = draw()
        first, second = (
            make_report(y, worse, groups=np.arange(200) // 10),
            make_report(y, better, groups=others),
        )
        for pair in ((first, second), (second, first)):
            with pytest.raises(ValueError, match="'a' and 'b' have different groups"):
                compare_models(*pair)


class TestOutput:
    def test_text(self, comparison):
        lines = str(comparison).splitlines()
        assert lines[0] == ("200 images in 20 groups, 2 models; intervals of 95% confidence")
        assert "differences, second model minus first" in lines
        table = {line.split()[0] for line in lines if line}
        assert {"old", "new", "accuracy", "balanced_accuracy", "f1_macro", "recall"} <= table
        assert max(map(len, lines)) <= 110

    def test_plot(self, comparison):
        ax = comparison.plot()
        labels = [text.get_text() for text in ax.get_yticklabels()]
        assert labels == [
            "accuracy", "balanced_accuracy", "f1_macro", *(f"recall of {c}" for c in CLASSES)
        ]  # fmt: skip
        points = np.array(ax.containers[0].lines[0].get_xdata(), float)
        np.testing.assert_allclose(points, comparison.differences["difference"].to_numpy(float))
        assert ax.get_xlabel().endswith("new minus old")
        with pytest.raises(ValueError, match="must be one of"):
            comparison.plot(("new", "old"))
        plt.close("all")
