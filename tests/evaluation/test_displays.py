"""Displays: learning curves, cells with predictions, cells of each class, class distribution."""

import sys
from inspect import signature
from itertools import chain, pairwise
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from skblood import (
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    TransferCellClassifier,
)
from skblood.evaluation import (
    CellGridDisplay,
    CellSampleDisplay,
    ClassDistributionDisplay,
    HistoryDisplay,
)

LONG = "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)"


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


class TestHistoryDisplay:
    def make(self, early_stopping="True", **columns):
        """Return an estimator with rows like those of skorch's history."""
        columns = {
            "epoch": [1, 2, 3, 4],
            "train_loss": [2, 1, 0.7, 0.5],
            "dur": [0.1] * 4,
            **columns,
        }
        return SimpleNamespace(
            history_=pd.DataFrame(columns).to_dict("records"),
            best_epoch_=2,
            fit_settings_={"early_stopping": early_stopping},
        )

    def test_losses_and_scores(self):
        estimator = self.make(
            valid_loss=[1.9, 1.2, 1.3, 1.5],
            valid_loss_best=[True, True, False, False],
            valid_f1_macro=[0.3, 0.6, 0.7, 0.65],
            train_batch_count=[3, 3, 3, 3],
        )
        losses, scores = HistoryDisplay.from_estimator(estimator).axes_
        assert legend(losses) == ["loss (train)", "loss (valid)", "best epoch (2)"]
        assert legend(scores) == ["f1_macro (valid)", "best epoch (2)"]
        np.testing.assert_allclose(losses.lines[0].get_ydata(), [2, 1, 0.7, 0.5])
        np.testing.assert_allclose(losses.lines[1].get_ydata(), [1.9, 1.2, 1.3, 1.5])
        np.testing.assert_allclose(scores.lines[0].get_ydata(), [0.3, 0.6, 0.7, 0.65])
        np.testing.assert_array_equal(losses.lines[0].get_xdata(), [1, 2, 3, 4])
        assert list(losses.lines[-1].get_xdata()) == [2, 2]
        assert losses.lines[0].get_marker() != losses.lines[1].get_marker()
        assert (losses.get_xlabel(), losses.get_ylabel()) == ("epoch", "loss")
        assert (scores.get_xlabel(), scores.get_ylabel()) == ("epoch", "score")
        figure, axes = plt.subplots(2, 1)
        display = HistoryDisplay.from_estimator(estimator, ax=axes)
        assert display.figure_ is figure and axes[1].get_ylabel() == "score"
        assert HistoryDisplay.from_estimator(estimator, ax=axes[0]).axes_.tolist() == [axes[0]]

    def test_without_early_stopping_and_validation(self):
        display = HistoryDisplay.from_estimator(self.make("False"))
        assert display.axes_.shape == (1,)
        assert legend(display.axes_[0]) == ["loss (train)"]
        # As after partial_fit, then fit with warm_start and validation data.
        estimator = self.make(valid_loss=[np.nan, np.nan, 1, 2])
        del estimator.history_[0]["valid_loss"]
        display = HistoryDisplay.from_estimator(estimator)
        np.testing.assert_array_equal(display.valid_loss, [np.nan, np.nan, 1, 2])
        with pytest.raises(TypeError, match=r"SimpleNamespace has no `history_`.*best_estimator_"):
            HistoryDisplay.from_estimator(SimpleNamespace())

    def test_phases_are_drawn_apart(self):
        estimator = self.make(
            phase=["contrastive", "contrastive", "head", "head"],
            valid_f1_macro=[np.nan, np.nan, 0.7, 0.65],
        )
        estimator.best_epoch_ = 3
        first, second, scores = HistoryDisplay.from_estimator(estimator).axes_
        assert legend(first) == ["loss (train), contrastive"]
        assert legend(second) == ["loss (train), head", "best epoch (3)"]
        assert legend(scores) == ["f1_macro (valid), head", "best epoch (3)"]
        assert [ax.get_title() for ax in (first, second)] == ["contrastive", "head"]
        np.testing.assert_array_equal(first.lines[0].get_ydata(), [2, 1, np.nan, np.nan])
        assert first.get_xlim()[1] < 3 > second.get_xlim()[0] > 2
        # In one axes, too.
        _, axes = plt.subplots(1, 2)
        losses, _ = HistoryDisplay.from_estimator(estimator, ax=axes).axes_
        assert legend(losses) == [*legend(first), *legend(second)]
        assert losses.lines[0].get_linestyle() != losses.lines[1].get_linestyle()

    @pytest.mark.parametrize(
        ("estimator", "phases"),
        [
            (TransferCellClassifier("cellnet_t"), None),
            (ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1), ["contrastive", "head"]),
            (
                HybridFeatureClassifier(["cellnet_t"] * 2, refine_epochs=1),
                ["training", "refinement"],
            ),
        ],
        ids=lambda case: type(case).__name__,
    )
    def test_fitted_classifiers(self, cells, estimator, phases):
        """The parameter does not matter after the fit."""
        X, y = cells[0][:80], cells[1][:80]
        estimator.set_params(max_epochs=2, early_stopping=True, random_state=0).fit(X, y)
        estimator.set_params(early_stopping=False)
        display = HistoryDisplay.from_estimator(estimator)
        if phases is None:
            assert display.phases is None and len(display.axes_) == 2
        else:
            assert list(dict.fromkeys(display.phases)) == phases and len(display.axes_) == 3
        assert f"best epoch ({estimator.best_epoch_})" in legend(display.axes_[-1])


@pytest.fixture(scope="module")
def predictions():
    """Ten cells, three of them wrong; each cell has the brightness of its position."""
    X = np.repeat(np.arange(10, dtype=np.uint8), 8 * 8 * 3).reshape(10, 8, 8, 3)
    y_true = np.array(["monocyte", "platelet"] * 5)
    y_pred = y_true.copy()
    y_pred[[2, 5, 9]] = ["ig", "basophil", "ig"]
    return X, y_true, y_pred


def positions(display):
    """Return the positions of the cells drawn, column by column, from their brightness."""
    return [
        [int(image.get_array().flat[0]) for image in ax.images]
        for ax in display.axes_.T.flat
        if ax.images
    ]


def draw_grid(*args, **options):
    """Draw a grid in one row, so that cells are in the order of the columns."""
    display = CellGridDisplay.from_predictions(*args, **options)
    return sorted(position for (position,) in positions(display)), display


class TestCellGridDisplay:
    def test_labels_and_marks(self, predictions):
        drawn, display = draw_grid(*predictions)
        assert drawn == list(range(10))
        assert display.axes_.shape == (2, 6)
        assert not display.axes_[1, 4].axison
        axes = display.axes_.ravel()
        assert "".join(ax.get_title()[0] for ax in axes[:10]) == "✓✓✗✓✓✗✓✓✓✗"
        right, wrong = axes[3], axes[2]
        assert (wrong.get_title(), right.get_title()) == ("✗ ig\ntrue: monocyte", "✓ platelet")
        assert to_hex(right.title.get_color()) != to_hex(wrong.title.get_color())
        assert wrong.spines["top"].get_linewidth() > right.spines["top"].get_linewidth()

    def test_only_errors(self, predictions):
        assert draw_grid(*predictions, only_errors=True)[0] == [2, 5, 9]


class TestCellSampleDisplay:
    def draw(self, X, y, **options):
        return CellSampleDisplay.from_labels(X, y, **options)

    def test_a_row_for_each_class(self, predictions):
        X, y, _ = predictions
        display = self.draw(X[:9], y[:9])
        titles = [ax.get_title(loc="left") for ax in display.axes_.flat]
        assert titles == ["monocyte (n = 5)", "platelet (n = 4)"]
        assert positions(display) == [[0, 2, 4, 6, 8], [1, 3, 5, 7]]
        assert [ax.get_xlim() for ax in display.axes_.flat] == [(0, 5), (0, 5)]
        fewer = self.draw(X[:9], y[:9], n_per_class=2)
        assert fewer.axes_[0, 0].get_title(loc="left") == "monocyte (n = 5)"
        assert [len(row) for row in positions(fewer)] == [2, 2]

    def test_cells_keep_their_proportions_side_by_side(self):
        X = [np.zeros((8, 4, 3), np.uint8), np.zeros((3, 6, 3), np.uint8)]
        (ax,) = self.draw(X, ["a", "a"]).axes_.flat
        boxes = [image.get_extent() for image in ax.images]
        ratios = [(top - bottom) / (right - left) for left, right, bottom, top in boxes]
        np.testing.assert_allclose(ratios, [2, 0.5])
        assert boxes[0][1] < boxes[1][0]
        assert ax.get_xlim() == (0, 2) and ax.get_aspect() == 1
        borders = [patch.get_bbox().extents for patch in ax.patches]
        np.testing.assert_allclose(borders, [(box[0], box[2], box[1], box[3]) for box in boxes])

    def test_many_classes_go_into_a_second_column(self):
        X = np.repeat(np.arange(13, dtype=np.uint8), 48).reshape(13, 4, 4, 3)
        display = self.draw(X, np.arange(13))
        assert display.axes_.shape == (7, 2)
        assert positions(display) == [[i] for i in range(13)]
        assert not display.axes_[-1, -1].images and not display.axes_[-1, -1].axison


@pytest.mark.parametrize("kind", ["grid", "sample"])
class TestReading:
    """Both displays of cells."""

    def draw(self, kind, X, **options):
        y = np.array(["a", "b"] * 2)
        if kind == "grid":
            return draw_grid(X, y, y, **{"n_cells": 2 * options.pop("n", 9)} | options)
        n = options.pop("n", 9)
        display = CellSampleDisplay.from_labels(X, y[:, None], n_per_class=n, **options)
        return sorted(chain.from_iterable(positions(display))), display

    def test_forms_of_X(self, kind, predictions, tmp_path):
        X = predictions[0][:4]
        paths = [str(tmp_path / f"{i}.png") for i in range(4)]
        for image, path in zip(X, paths, strict=True):
            Image.fromarray(image).save(path)
        for form in (
            X / 255,
            X[..., 0],
            [image[: 8 - i] for i, image in enumerate(X)],
            pd.DataFrame(X.reshape(4, -1)),
            [Image.fromarray(image) for image in X],
            np.array(paths),
            pd.Series(paths, index=list("dcba")),
        ):
            assert self.draw(kind, form)[0] == [0, 1, 2, 3]

    def test_the_choice_depends_on_the_seed_and_only_chosen_files_are_read(
        self, kind, predictions, tmp_path
    ):
        X = predictions[0][:4]
        state = np.random.get_state()[1].copy()
        first, again, *others = (
            self.draw(kind, X, n=1, random_state=seed)[0] for seed in (0, 0, 1, 2, 3)
        )
        assert len(first) == 2 and first == again and any(first != other for other in others)
        np.testing.assert_array_equal(np.random.get_state()[1], state)
        paths = [str(tmp_path / f"{i}.png") for i in range(4)]
        for position in first:
            Image.fromarray(X[position]).save(paths[position])
        assert self.draw(kind, paths, n=1, random_state=0)[0] == first

    def test_given_figure_and_a_second_plot(self, kind, predictions):
        open_before = plt.get_fignums()  # of other tests
        figure = plt.figure()
        part = figure.subfigures(1, 2)[0]
        _, display = self.draw(kind, predictions[0][:4], figure=part)
        assert display.figure_ is part
        assert plt.get_fignums() == [*open_before, figure.number]
        assert display.plot() is display
        assert display.figure_ is not part


class TestClassDistributionDisplay:
    y = np.array(["platelet", "ig", "platelet", "platelet"])

    def test_counts_and_shares(self):
        display = ClassDistributionDisplay.from_labels(self.y)
        ax = display.ax_
        assert display.counts.tolist() == [[1], [3]]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["ig", "platelet"]
        assert [text.get_text() for text in ax.texts] == ["1 (25.0%)", "3 (75.0%)"]
        assert [bar.get_width() for bar in ax.patches] == [1, 3]
        assert ax.get_xlabel() == "number of images (share of all), 4 in all"
        assert display.splits is None and ax.get_legend() is None
        assert all(tick == int(tick) for tick in ax.get_xticks())
        # The first class is on top.
        assert ax.transData.transform((0, 0))[1] > ax.transData.transform((0, 1))[1]

    def test_shares_are_those_of_the_split(self):
        split = ["train", "train", "train", "test"]
        display = ClassDistributionDisplay.from_labels(self.y, split=split)
        assert display.counts.tolist() == [[1, 0], [2, 1]]
        texts = [text.get_text() for text in display.ax_.texts]
        assert texts == ["1 (33.3%)", "2 (66.7%)", "0 (0.0%)", "1 (100.0%)"]
        assert legend(display.ax_) == ["train (3)", "test (1)"]  # in the order of appearance

    def test_bars_of_the_splits(self):
        patches = ClassDistributionDisplay.from_labels(self.y, split=list("abcd")).ax_.patches
        assert len({bar.get_hatch() for bar in patches[::2]}) == 4
        assert len({to_hex(bar.get_facecolor()) for bar in patches[::2]}) == 4
        tops = np.sort([bar.get_y() for bar in patches])
        bottoms = np.sort([bar.get_y() + bar.get_height() for bar in patches])
        assert (tops[1:] > bottoms[:-1]).all()
        assert patches[0].get_y() < patches[2].get_y()

    @pytest.mark.parametrize("n_classes", [2, 40])
    def test_nothing_overlaps_or_is_cut_off(self, n_classes):
        y = [f"{i:02d} {LONG}" for i in range(n_classes)] + ["platelet"] * 12_345
        split = np.resize(["train", "test"], len(y))
        display = ClassDistributionDisplay.from_labels(y, split=split)
        display.figure_.draw_without_rendering()
        boxes = [text.get_window_extent() for text in display.ax_.texts]
        assert max(box.x1 for box in boxes) <= display.figure_.bbox.x1
        names = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
        assert min(box.x0 for box in names) >= 0
        for group in (boxes, names):
            group.sort(key=lambda box: -box.y1)
            assert all(a.y0 >= b.y1 - 2 for a, b in pairwise(group))


@pytest.mark.parametrize(
    ("draw", "args", "options", "message"),
    [
        (CellGridDisplay.from_predictions, "aa", {"only_errors": True}, "all predictions are"),
        (CellGridDisplay.from_predictions, "aa", {"n_cells": 0}, "`n_cells` must be at least 1"),
        (CellGridDisplay.from_predictions, "ab", {"y_pred": []}, "`X` 2, `y_true` 2, `y_pred` 0"),
        (CellSampleDisplay.from_labels, "ab", {"y": ["a"]}, "`X` 2, `y` 1"),
        (CellSampleDisplay.from_labels, "ab", {"n_per_class": 0}, "`n_per_class` must be at least"),
        (ClassDistributionDisplay.from_labels, "", {}, "`y` is empty"),
        (ClassDistributionDisplay.from_labels, ["ig", None], {}, "`y` has 1 missing entries"),
        (ClassDistributionDisplay.from_labels, "ab", {"split": ["test"]}, "`split` 1"),
        (ClassDistributionDisplay.from_labels, "ab", {"split": ["a", None]}, "`split` has 1 miss"),
    ],
)
def test_errors(draw, args, options, message):
    y = np.array(list(args), object)
    given = {"X": np.zeros((len(y), 4, 4, 3), np.uint8), "y": y, "y_true": y, "y_pred": y} | options
    given = {name: given[name] for name in signature(draw).parameters if name in given}
    with pytest.raises(ValueError, match=message):
        draw(**given)


def make_displays():
    image = np.zeros((4, 4, 3), np.uint8)
    return [
        HistoryDisplay([1], [0.5]),
        CellGridDisplay([image, image], ["a", "a"], ["a", "b"]),
        CellSampleDisplay([[image]], ["a"], [1]),
        ClassDistributionDisplay(np.array([[1]]), ["a"]),
    ]


def test_with_and_without_matplotlib(tmp_path, monkeypatch):
    """The font has both marks: a missing one is a warning, and an error here."""
    for display in make_displays():
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "matplotlib.pyplot", None)
            with pytest.raises(ImportError, match=r"needs matplotlib.*pip install skblood\[plot\]"):
                display.plot()
        display.plot().figure_.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 1000
