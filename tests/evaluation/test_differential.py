"""Differential counts: what is counted, what is refused, and what is shown."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skblood.evaluation import DifferentialCount, EvaluationReport, differential_count
from skblood.evaluation._intervals import wilson_interval

CLASSES = ["lymphocyte", "monocyte", "neutrophil"]
CONFUSION = np.array([[95, 5, 0], [10, 40, 0], [0, 2, 198]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_cells(*counts):
    """Return labels of cells, class by class."""
    return np.repeat(CLASSES, counts)


class TestCounting:
    def test_one_slide(self):
        count = differential_count(make_cells(30, 5, 65))
        assert count.classes == CLASSES
        assert count.groups == ["all"]
        assert count.counts.tolist() == [[30, 5, 65]]
        assert count.n_cells.tolist() == [100]
        assert count.n_rejected.tolist() == [0]
        assert not count.corrected
        np.testing.assert_allclose(count.shares, [[0.3, 0.05, 0.65]])

    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_intervals_are_those_of_wilson(self, level):
        count = differential_count(make_cells(30, 0, 70), classes=CLASSES, confidence_level=level)
        low, high = wilson_interval([30, 0, 70], 100, level)
        np.testing.assert_allclose(count.low[0], low)
        np.testing.assert_allclose(count.high[0], high)
        assert count.low[0, 1] == 0 < count.high[0, 1]

    def test_slides_are_in_the_order_in_which_they_come(self):
        y_pred = ["b", "a", "a", "b", "b", "a"]
        count = differential_count(y_pred, groups=["S2", "S1", "S2", "S2", "S1", "S1"])
        assert count.groups == ["S2", "S1"]
        assert count.counts.tolist() == [[1, 2], [2, 1]]

    def test_a_slide_is_as_it_is_alone(self):
        rng = np.random.default_rng(0)
        y_pred, slides = rng.choice(CLASSES, size=300), rng.integers(3, size=300)
        both = differential_count(y_pred, groups=slides)
        for i, slide in enumerate(both.groups):
            alone = differential_count(y_pred[slides == slide])
            np.testing.assert_array_equal(both.counts[i], alone.counts[0])
            np.testing.assert_allclose(both.low[i], alone.low[0])

    def test_classes_that_no_cell_has(self):
        count = differential_count(["monocyte"], classes=CLASSES[::-1])
        assert count.classes == CLASSES[::-1]
        assert count.counts.tolist() == [[0, 1, 0]]

    @pytest.mark.parametrize("kind", [list, np.array, pd.Series])
    def test_labels_of_any_kind(self, kind):
        count = differential_count(kind([3, 1, 3]), groups=kind([1, 1, 2]))
        assert count.classes == [1, 3]
        assert count.counts.tolist() == [[1, 1], [0, 1]]

    def test_what_is_given_stays_as_it_is(self):
        y_pred, slides = make_cells(5, 3, 2), np.arange(10) % 2
        rejected, confusion = np.arange(10) == 4, CONFUSION.copy()
        given = [y_pred, slides, rejected, confusion]
        before = [each.copy() for each in given]
        state = np.random.get_state()[1].copy()
        differential_count(y_pred, groups=slides, rejected=rejected, confusion=confusion)
        for each, copy in zip(given, before, strict=True):
            np.testing.assert_array_equal(each, copy)
        np.testing.assert_array_equal(np.random.get_state()[1], state)


class TestRejected:
    def test_are_counted_apart(self):
        y_pred = make_cells(30, 10, 60)
        rejected = np.zeros(100, bool)
        rejected[:6] = rejected[-4:] = True
        count = differential_count(y_pred, rejected=rejected)
        assert count.counts.tolist() == [[24, 10, 56]]
        assert count.n_rejected.tolist() == [10]
        assert count.n_cells[0] + count.n_rejected[0] == 100
        np.testing.assert_allclose(count.shares.sum(), 1)

    def test_of_each_slide(self):
        slides = np.repeat(["A", "B"], 5)
        rejected = np.array([1, 0, 0, 0, 0, 1, 1, 0, 0, 0], bool)
        count = differential_count(["a"] * 10, groups=slides, rejected=rejected)
        assert count.n_rejected.tolist() == [1, 2]
        assert count.n_cells.tolist() == [4, 3]

    def test_their_labels_are_not_read(self):
        y_pred = np.array(["monocyte", None, "unknown"], object)
        rejected = [False, True, True]
        count = differential_count(y_pred, rejected=rejected, classes=CLASSES)
        assert count.counts.tolist() == [[0, 1, 0]]

    @pytest.mark.parametrize("confusion", [None, CONFUSION])
    def test_a_slide_without_another_cell(self, confusion):
        """It is there, without shares: it must not vanish, nor look like a slide of zeros."""
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

    def test_all_of_them(self):
        with pytest.raises(ValueError, match="no label that is not rejected"):
            differential_count(["a", "b"], rejected=[True, True])
        count = differential_count(["a", "b"], rejected=[True, True], classes=["a", "b"])
        assert count.n_rejected.tolist() == [2]

    def test_must_be_true_or_false(self):
        with pytest.raises(ValueError, match="`rejected` must hold True or False"):
            differential_count(["a", "b"], rejected=[0, 1])


class TestErrors:
    def test_lengths(self):
        with pytest.raises(ValueError, match="different lengths: `y_pred` 2, `groups` 3"):
            differential_count(["a", "b"], groups=[1, 1, 2])
        with pytest.raises(ValueError, match="`rejected` 1"):
            differential_count(["a", "b"], rejected=[True])

    def test_unknown_label(self):
        with pytest.raises(ValueError, match="`y_pred` holds 1 labels that are not among"):
            differential_count(["monocyte", "blast"], classes=CLASSES)

    def test_missing_slide(self):
        with pytest.raises(ValueError, match=r"`groups` lacks 1 entries .* at position 1"):
            differential_count(["a", "b"], groups=np.array(["S", None], object))

    @pytest.mark.parametrize("level", [0, 1, 95])
    def test_level(self, level):
        with pytest.raises(ValueError, match=f"between 0 and 1, not {level}"):
            differential_count(["a"], confidence_level=level)

    def test_confusion_of_another_size(self):
        """As where one of three classes is not on the slide."""
        message = r"each of the 2 classes \['monocyte', 'neutrophil'\], got the shape \(3, 3\)"
        with pytest.raises(ValueError, match=message):
            differential_count(["monocyte", "neutrophil"], confusion=CONFUSION)
        count = differential_count(["monocyte"], confusion=CONFUSION, classes=CLASSES)
        assert count.corrected

    def test_confusion_in_shares(self):
        with pytest.raises(ValueError, match="numbers of cells, not shares"):
            differential_count(["a", "b"], confusion=[[0.9, 0.1], [0.2, 0.8]])

    @pytest.mark.parametrize("bad", [[[1, -1], [0, 1]], [[1, np.nan], [0, 1]], [["1", "0"]] * 2])
    def test_confusion_that_is_none(self, bad):
        with pytest.raises(ValueError, match="`confusion` must hold numbers of cells"):
            differential_count(["a", "b"], confusion=bad)

    def test_class_without_validation_cells(self):
        with pytest.raises(ValueError, match="no validation cell of b: "):
            differential_count(["a", "b"], confusion=[[5, 1], [0, 0]])

    def test_report_of_other_classes(self):
        report = EvaluationReport.from_predictions(["a", "b"], ["a", "b"], n_resamples=10)
        with pytest.raises(ValueError, match="evaluation of a model with the classes"):
            differential_count(["b"], classes=["b", "a"], confusion=report)
        with pytest.raises(ValueError, match="not among the classes"):
            differential_count(["c"], confusion=report)


class TestFromCounts:
    def test_is_the_same_as_from_labels(self):
        y_pred = np.concatenate([make_cells(3, 1, 6), make_cells(2, 2, 7)])
        slides = np.repeat(["A", "B"], [10, 11])
        counted = DifferentialCount.from_counts(
            [[3, 1, 6], [2, 2, 7]], classes=CLASSES, groups=["A", "B"], confusion=CONFUSION
        )
        labelled = differential_count(y_pred, groups=slides, confusion=CONFUSION)
        pd.testing.assert_frame_equal(counted.to_frame(), labelled.to_frame())

    def test_slides_are_numbered(self):
        assert DifferentialCount.from_counts([[1], [2]], classes=["a"]).groups == [0, 1]

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"counts": [1, 2, 3]}, r"`counts` must have the shape \(any, 3\), got \(3,\)"),
            ({"counts": [[1, 2]]}, r"`counts` must have the shape \(any, 3\)"),
            ({"counts": [[0.2, 0.3, 0.5]]}, "not shares"),
            ({"n_rejected": [1, 2]}, r"`n_rejected` must have the shape \(1,\)"),
            ({"n_rejected": [-1]}, "`n_rejected` must hold numbers of cells"),
            ({"groups": ["A", "B"]}, "`counts` 1, `groups` 2"),
            ({"classes": ["a", "b", "a"]}, "`classes` must be different"),
            ({"counts": [[1, 2, 3]] * 2, "groups": ["A", "A"]}, "`groups` must be different"),
        ],
    )
    def test_errors(self, changed, message):
        with pytest.raises(ValueError, match=message):
            DifferentialCount.from_counts(**{"counts": [[1, 2, 3]], "classes": CLASSES} | changed)


class TestShown:
    def make(self, n_slides=2, confusion=None, n_rejected=7):
        counts = np.random.default_rng(0).multinomial(200, [0.3, 0.06, 0.64], size=n_slides)
        return DifferentialCount.from_counts(
            counts,
            classes=CLASSES,
            groups=[f"slide {i}" for i in range(n_slides)],
            n_rejected=[n_rejected] * n_slides,
            confusion=confusion,
        )

    def test_repr(self):
        assert repr(self.make()) == (
            "DifferentialCount(n_slides=2, n_classes=3, n_cells=400, n_rejected=14, "
            "corrected=False)"
        )

    def test_text_tells_of_rejected_cells_and_of_the_correction(self):
        text = str(self.make(confusion=CONFUSION))
        assert text.startswith("2 slides, 3 classes; intervals of 95% confidence, corrected for")
        assert "slide 1: 200 cells, and 7 rejected" in text
        assert "corrected" not in str(self.make())
        assert "rejected" not in str(self.make(n_rejected=0))

    def test_text_of_many_slides_is_short(self):
        text = str(self.make(25))
        assert "slide 9:" in text
        assert "slide 10:" not in text
        assert text.endswith("and 15 slides more: to_frame() has them all")

    def test_frame(self):
        count = self.make()
        frame = count.to_frame()
        assert len(frame) == 6
        assert frame.columns.tolist() == [
            *["group", "class", "count", "share", "low", "high", "n_cells", "n_rejected"]
        ]
        row = frame[(frame.group == "slide 1") & (frame["class"] == "monocyte")].iloc[0]
        assert row["count"] == count.counts[1, 1]
        assert (row.share, row.low, row.high) == (
            *(count.shares[1, 1], count.low[1, 1], count.high[1, 1]),
        )
        assert (frame.n_rejected == 7).all()
        assert frame.groupby("group")["count"].sum().tolist() == [200, 200]

    def test_picture(self):
        count = self.make(3, CONFUSION)
        ax = count.plot()
        assert [label.get_text() for label in ax.get_yticklabels()] == CLASSES
        legend = [text.get_text() for text in ax.get_legend().get_texts()]
        assert legend == [f"slide {i} (200 cells, 7 rejected)" for i in range(3)]
        assert "corrected" in ax.get_xlabel()
        for i, bars in enumerate(ax.containers):
            points, _, (lines,) = bars
            np.testing.assert_allclose(points.get_xdata(), 100 * count.shares[i])
            ends = np.array([line[:, 0] for line in lines.get_segments()])
            np.testing.assert_allclose(ends, 100 * np.stack([count.low[i], count.high[i]], axis=1))

    def test_slides_of_a_class_lie_together_the_first_on_top(self):
        ax = self.make(3).plot()
        heights = np.array([bars[0].get_ydata() for bars in ax.containers])
        assert (np.diff(heights, axis=0) > 0).all()
        assert (heights.max(axis=0)[:-1] < heights.min(axis=0)[1:]).all()
        assert ax.get_ylim()[0] > ax.get_ylim()[1]

    def test_picture_of_many_slides(self):
        ax = self.make(60).plot()
        assert ax.get_legend() is None
        assert len(ax.containers) == 60
        assert ax.figure.get_size_inches()[1] < 15

    def test_given_axes(self):
        _, ax = plt.subplots()
        assert self.make().plot(ax=ax) is ax
        assert len(plt.get_fignums()) == 1
