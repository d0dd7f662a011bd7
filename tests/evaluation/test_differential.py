"""Differential counts: counting, rejected cells, checks, and output."""

import numpy as np
import pandas as pd
import pytest

from skblood._writing import printable
from skblood.evaluation import DifferentialCount, EvaluationReport, differential_count
from skblood.evaluation._intervals import wilson_interval

CLASSES = ["lymphocyte", "monocyte", "neutrophil"]
CONFUSION = np.array([[95, 5, 0], [10, 40, 0], [0, 2, 198]])

REPORT = EvaluationReport.from_predictions(["a", "b"], ["a", "b"], n_resamples=10)


def make_cells(*counts):
    """Return labels of cells, class by class."""
    return np.repeat(CLASSES, counts)


class TestCounting:
    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_one_slide(self, level):
        count = differential_count(make_cells(30, 0, 70), classes=CLASSES, confidence_level=level)
        assert (count.classes, count.groups) == (CLASSES, ["all"])
        assert count.counts.tolist() == [[30, 0, 70]]
        assert (count.n_cells.tolist(), count.n_rejected.tolist()) == ([100], [0])
        assert not count.corrected
        np.testing.assert_allclose(count.shares, [[0.3, 0, 0.7]])
        low, high = wilson_interval([30, 0, 70], 100, level)
        np.testing.assert_allclose(count.low[0], low)
        np.testing.assert_allclose(count.high[0], high)
        assert count.low[0, 1] == 0 < count.high[0, 1]

    def test_slides_are_in_the_order_of_appearance(self):
        y_pred = ["b", "a", "a", "b", "b", "a"]
        count = differential_count(y_pred, groups=["S2", "S1", "S2", "S2", "S1", "S1"])
        assert count.groups == ["S2", "S1"]
        assert count.counts.tolist() == [[1, 2], [2, 1]]

    @pytest.mark.parametrize("kind", [list, np.array, pd.Series])
    def test_labels_of_any_kind(self, kind):
        count = differential_count(kind([3, 1, 3]), groups=kind([1, 1, 2]))
        assert count.classes == [1, 3]
        assert count.counts.tolist() == [[1, 1], [0, 1]]


class TestRejected:
    def test_counted_apart_on_each_slide(self):
        slides = np.repeat(["A", "B"], 5)
        rejected = np.array([1, 0, 0, 0, 0, 1, 1, 0, 0, 0], bool)
        count = differential_count(["a"] * 9 + ["b"], groups=slides, rejected=rejected)
        assert count.n_rejected.tolist() == [1, 2]
        assert count.n_cells.tolist() == [4, 3]
        assert count.counts.tolist() == [[4, 0], [2, 1]]
        np.testing.assert_allclose(count.shares.sum(axis=1), 1)

    def test_their_labels_are_not_read(self):
        y_pred = np.array(["monocyte", None, "unknown"], object)
        rejected = [False, True, True]
        count = differential_count(y_pred, rejected=rejected, classes=CLASSES)
        assert count.counts.tolist() == [[0, 1, 0]]

    @pytest.mark.parametrize("confusion", [None, CONFUSION])
    def test_a_slide_with_rejected_cells_only(self, confusion):
        """The slide is kept, without shares."""
        count = differential_count(
            make_cells(4, 0, 0),
            groups=["A", "A", "B", "B"],
            rejected=[True, True, False, False],
            classes=CLASSES,
            confusion=confusion,
        )
        assert count.groups == ["A", "B"]
        assert count.n_rejected.tolist() == [2, 0]
        for values in (count.shares, count.low, count.high):
            assert np.isnan(values[0]).all()
            assert not np.isnan(values[1]).any()
        count.plot()


class TestErrors:
    @pytest.mark.parametrize(
        ("y_pred", "options", "message"),
        [
            ("ab", {"groups": [1, 1, 2]}, "`groups` 3"),
            ("ab", {"rejected": [True]}, "`rejected` 1"),
            ("ab", {"rejected": [0, 1]}, "`rejected` must hold True or False"),
            ("ab", {"rejected": [True, True]}, "All 2 cells are rejected. Give `classes`"),
            ("ab", {"classes": ["a"]}, "`y_pred` holds 1 labels that are not among"),
            ("ab", {"groups": ["S", None]}, "`groups` has 1 missing entries"),
            ("a", {"confidence_level": 95}, "between 0 and 1, not 95"),
            ("ab", {"confusion": CONFUSION}, r"shape \(2, 2\), got \(3, 3\).*all `classes`"),
            ("ab", {"confusion": [[0.9, 0.1], [0.2, 0.8]]}, "numbers of cells, .* not shares"),
            ("ab", {"confusion": [[1, -1], [0, 1]]}, "`confusion` must hold numbers of cells"),
            ("ab", {"confusion": [[1, np.nan], [0, 1]]}, "`confusion` must hold numbers"),
            ("ab", {"confusion": [["1", "0"]] * 2}, "`confusion` must hold numbers"),
            ("b", {"confusion": REPORT, "classes": ["b"]}, r"classes as rows, each once: \['b'\]"),
            ("c", {"confusion": REPORT}, "not among the classes"),
        ],
    )
    def test_labels(self, y_pred, options, message):
        with pytest.raises(ValueError, match=message):
            differential_count(list(y_pred), **options)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"counts": [1, 2, 3]}, r"`counts` must have the shape \(3, 3\), got \(3,\)"),
            ({"counts": [[0.2, 0.3, 0.5]]}, "not shares"),
            ({"n_rejected": [1, 2]}, r"`n_rejected` must have the shape \(1,\)"),
            ({"groups": ["A", "B"]}, "`counts` 1, `groups` 2"),
            ({"classes": ["a", "b", "a"]}, "`classes` must be different"),
            ({"counts": [[1, 2, 3]] * 2, "groups": ["A", "A"]}, "`groups` must be different"),
        ],
    )
    def test_counts(self, changed, message):
        with pytest.raises(ValueError, match=message):
            DifferentialCount.from_counts(**{"counts": [[1, 2, 3]], "classes": CLASSES} | changed)


def test_from_counts_equals_the_count_of_labels():
    y_pred = np.concatenate([make_cells(3, 1, 6), make_cells(2, 2, 7)])
    slides = np.repeat(["A", "B"], [10, 11])
    counted = DifferentialCount.from_counts(
        [[3, 1, 6], [2, 2, 7]], classes=CLASSES, groups=["A", "B"], confusion=CONFUSION
    )
    labeled = differential_count(y_pred, groups=slides, confusion=CONFUSION)
    pd.testing.assert_frame_equal(counted.to_frame(), labeled.to_frame())
    assert DifferentialCount.from_counts([[1], [2]], classes=["a"]).groups == [0, 1]


class TestOutput:
    def make(self, n_slides=2, confusion=None, n_rejected=7):
        counts = np.random.default_rng(0).multinomial(200, [0.3, 0.06, 0.64], size=n_slides)
        return DifferentialCount.from_counts(
            counts,
            classes=CLASSES,
            groups=[f"slide {i}" for i in range(n_slides)],
            n_rejected=[n_rejected] * n_slides,
            confusion=confusion,
        )

    def test_text(self):
        assert repr(self.make()) == (
            "DifferentialCount(n_slides=2, n_classes=3, n_cells=400, n_rejected=14, "
            "corrected=False)"
        )
        text = str(self.make(confusion=CONFUSION))
        assert text.startswith("2 slides, 3 classes; intervals of 95% confidence, as counted and")
        assert "slide 1: 200 cells, and 7 rejected" in text
        assert "corrected" not in str(self.make())
        assert "rejected" not in str(self.make(n_rejected=0))
        text = str(self.make(25))
        assert "slide 9:" in text and "slide 10:" not in text
        assert text.endswith("and 15 slides more: to_frame() has them all")

    def test_text_has_no_control_characters(self):
        text = str(differential_count(["\x1b[31ma", "b"], groups=["\x1b]0;s", "t\nu"]))
        assert r"\x1b[31ma" in text and r"\x1b]0;s: 1 cell" in text and r"t\nu: 1 cell" in text
        assert printable(text) == text

    def test_frame(self):
        count = self.make()
        frame = count.to_frame()
        assert frame.columns.tolist() == [
            *["group", "class", "count", "share", "low", "high", "n_cells", "n_rejected"]
        ]
        row = frame[(frame.group == "slide 1") & (frame["class"] == "monocyte")].iloc[0]
        found = row["count"], row.share, row.low, row.high
        assert found == tuple(each[1, 1] for each in (count.counts, *shares_of(count)))
        assert (frame.n_rejected == 7).all()
        assert frame.groupby("group")["count"].sum().tolist() == [200, 200]

    def test_plot(self):
        count = self.make(3, CONFUSION)
        ax, count = count.plot(), count.white
        assert [label.get_text() for label in ax.get_yticklabels()] == count.classes
        legend = [text.get_text() for text in ax.get_legend().get_texts()]
        assert legend == [f"slide {i} (200 white cells, 7 rejected)" for i in range(3)]
        legend = self.make(1, n_rejected=0).plot().get_legend().get_texts()
        assert [text.get_text() for text in legend] == ["slide 0 (200 white cells)"]
        assert "corrected" in ax.get_xlabel()
        crosses = [line.get_xdata() for line in ax.get_lines() if line.get_marker() == "x"]
        np.testing.assert_allclose(crosses, 100 * count.counts / 200)
        for i, bars in enumerate(ax.containers):
            points, _, (lines,) = bars
            np.testing.assert_allclose(points.get_xdata(), 100 * count.shares[i])
            ends = np.array([line[:, 0] for line in lines.get_segments()])
            np.testing.assert_allclose(ends, 100 * np.stack([count.low[i], count.high[i]], axis=1))
        # The slides of a class lie together, the first slide and the first class on top.
        heights = np.array([bars[0].get_ydata() for bars in ax.containers])
        assert (np.diff(heights, axis=0) > 0).all()
        assert (heights.max(axis=0)[:-1] < heights.min(axis=0)[1:]).all()
        assert ax.get_ylim()[0] > ax.get_ylim()[1]
        many = self.make(60)
        assert many.plot(ax=ax) is ax
        assert many.plot().get_legend() is None

    def test_plot_is_that_of_the_report(self):
        """White cells in clinical order, and among them; each slide of many is named."""
        counts = [[5, 30, 10, 60]] * 23
        names = [f"S{i}" for i in range(23)]
        classes = ["erythroblast", "lymphocyte", "platelet", "SNE"]
        ax = DifferentialCount.from_counts(counts, classes=classes, groups=names).plot()
        assert [label.get_text() for label in ax.get_yticklabels()] == ["SNE", "lymphocyte"]
        points = [bars[0] for bars in ax.containers]
        np.testing.assert_allclose([x.get_xdata() for x in points], [[200 / 3, 100 / 3]] * 23)
        assert [text.get_text() for text in ax.get_legend().get_texts()] == names
        assert len({(line.get_color(), line.get_marker()) for line in points}) == 23


def shares_of(count):
    return count.shares, count.low, count.high
