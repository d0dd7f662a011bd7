"""Displays of a dataset: images per class, and cells of each class."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from skblood.evaluation import CellSampleDisplay, ClassDistributionDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def bar_texts(ax):
    return [text.get_text() for text in ax.texts]


def class_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


class TestClassDistributionDisplay:
    y = np.array(["platelet", "ig", "platelet", "platelet"])

    def test_counts_and_shares_are_written(self):
        display = ClassDistributionDisplay.from_labels(self.y)
        assert display.counts.tolist() == [[1], [3]]
        assert class_names(display.ax_) == ["ig", "platelet"]
        assert bar_texts(display.ax_) == ["1 (25.0%)", "3 (75.0%)"]
        assert [bar.get_width() for bar in display.ax_.patches] == [1, 3]
        assert display.ax_.get_xlabel() == "images (4)"

    def test_without_splits_there_is_no_legend(self):
        display = ClassDistributionDisplay.from_labels(self.y)
        assert display.splits is None
        assert display.ax_.get_legend() is None

    def test_shares_are_those_in_the_split(self):
        split = ["train", "train", "train", "test"]
        display = ClassDistributionDisplay.from_labels(self.y, split=split)
        assert display.counts.tolist() == [[1, 0], [2, 1]]
        assert bar_texts(display.ax_) == ["1 (33.3%)", "2 (66.7%)", "0 (0.0%)", "1 (100.0%)"]
        legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert legend == ["train (3)", "test (1)"]  # in the order of their first images

    def test_splits_differ_in_more_than_colour(self):
        display = ClassDistributionDisplay.from_labels(self.y, split=["a", "b", "c", "d"])
        first_bars = display.ax_.patches[::2]
        assert len({bar.get_hatch() for bar in first_bars}) == 4
        assert len({to_hex(bar.get_facecolor()) for bar in first_bars}) == 4

    def test_bars_of_a_class_lie_beside_one_another_in_the_order_of_the_splits(self):
        display = ClassDistributionDisplay.from_labels(self.y, split=["a", "b", "c", "a"])
        tops = np.sort([bar.get_y() for bar in display.ax_.patches])
        bottoms = np.sort([bar.get_y() + bar.get_height() for bar in display.ax_.patches])
        assert (tops[1:] > bottoms[:-1]).all()
        assert display.ax_.patches[0].get_y() < display.ax_.patches[2].get_y()

    def test_the_first_class_is_on_top(self):
        ax = ClassDistributionDisplay.from_labels(self.y).ax_
        assert ax.transData.transform((0, 0))[1] > ax.transData.transform((0, 1))[1]

    @pytest.mark.parametrize("n_classes", [2, 40])
    def test_nothing_overlaps_or_is_cut_off(self, n_classes):
        """With long names, too."""
        long = "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)"
        y = [f"{i:02d} {long}" for i in range(n_classes)] + ["platelet"] * 12_345
        split = np.resize(["train", "test"], len(y))
        display = ClassDistributionDisplay.from_labels(y, split=split)
        display.figure_.draw_without_rendering()
        boxes = [text.get_window_extent() for text in display.ax_.texts]
        page = display.figure_.bbox
        assert max(box.x1 for box in boxes) <= page.x1
        names = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
        assert min(box.x0 for box in names) >= 0
        for group in (boxes, names):
            group.sort(key=lambda box: -box.y1)
            assert all(a.y0 >= b.y1 - 2 for a, b in pairwise(group))

    def test_labels_of_any_kind(self):
        column = pd.Series([3, 1, 3], index=[7, 8, 9])
        display = ClassDistributionDisplay.from_labels(column)
        assert class_names(display.ax_) == ["1", "3"]
        assert ClassDistributionDisplay.from_labels(column.to_numpy()[:, None]).counts.sum() == 3

    def test_given_axes(self):
        figure, axes = plt.subplots(1, 2)
        display = ClassDistributionDisplay.from_labels(self.y, ax=axes[1])
        assert display.ax_ is axes[1] and display.figure_ is figure
        assert plt.get_fignums() == [figure.number]

    def test_plot_again(self):
        display = ClassDistributionDisplay.from_labels(self.y)
        first = display.figure_
        assert display.plot() is display
        assert display.figure_ is not first

    def test_ticks_are_whole_numbers(self):
        ax = ClassDistributionDisplay.from_labels(["a", "b"]).ax_
        assert all(tick == int(tick) for tick in ax.get_xticks())

    def test_no_label(self):
        with pytest.raises(ValueError, match="nothing to draw: `y` is empty"):
            ClassDistributionDisplay.from_labels([])

    def test_labels_that_cannot_be_sorted(self):
        y = np.array(["ig", None, "ig"], dtype=object)
        with pytest.raises(ValueError, match=r"kinds \['NoneType', 'str'\].*one of their own"):
            ClassDistributionDisplay.from_labels(y)

    def test_lengths(self):
        with pytest.raises(ValueError, match="different lengths: `y` 4, `split` 2"):
            ClassDistributionDisplay.from_labels(self.y, split=["train", "test"])


@pytest.fixture(scope="module")
def dataset():
    """Nine cells, six of them monocytes; each has the brightness of its position."""
    X = np.repeat(np.arange(9, dtype=np.uint8), 8 * 8 * 3).reshape(9, 8, 8, 3)
    return X, np.array(["monocyte", "platelet", "monocyte"] * 3)


def titles(display):
    return [ax.get_title(loc="left") for ax in display.axes_.T.flat if ax.images]


def positions(display):
    """Return which cells were drawn in each row, read from their brightness."""
    return [
        [int(image.get_array().flat[0]) for image in ax.images]
        for ax in display.axes_.T.flat
        if ax.images
    ]


class TestCellSampleDisplay:
    def test_a_row_for_each_class(self, dataset):
        display = CellSampleDisplay.from_labels(*dataset)
        assert titles(display) == ["monocyte (n = 6)", "platelet (n = 3)"]
        assert positions(display) == [[0, 2, 3, 5, 6, 8], [1, 4, 7]]
        assert display.axes_.shape == (2, 1)

    def test_the_title_counts_what_is_not_drawn_as_well(self, dataset):
        display = CellSampleDisplay.from_labels(*dataset, n_per_class=2)
        assert titles(display) == ["monocyte (n = 6)", "platelet (n = 3)"]
        assert [len(row) for row in positions(display)] == [2, 2]

    def test_choice_is_repeatable_and_leaves_numpy_alone(self, dataset):
        before = np.random.get_state()[1].copy()
        first, second, *others = (
            positions(CellSampleDisplay.from_labels(*dataset, n_per_class=2, random_state=seed))
            for seed in [0, 0, 1, 2, 3]
        )
        assert first == second
        assert any(first != other for other in others)
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    def test_cells_keep_their_proportions_and_lie_side_by_side(self):
        X = [np.zeros((8, 4, 3), np.uint8), np.zeros((3, 6, 3), np.uint8)]
        (ax,) = CellSampleDisplay.from_labels(X, ["a", "a"]).axes_.flat
        boxes = [image.get_extent() for image in ax.images]
        ratios = [(top - bottom) / (right - left) for left, right, bottom, top in boxes]
        np.testing.assert_allclose(ratios, [2, 0.5])
        assert boxes[0][1] < boxes[1][0]
        assert ax.get_xlim() == (0, 2) and ax.get_aspect() == 1
        frames = [patch.get_bbox().extents for patch in ax.patches]
        np.testing.assert_allclose(frames, [(box[0], box[2], box[1], box[3]) for box in boxes])

    def test_cells_of_all_rows_have_one_size(self, dataset):
        display = CellSampleDisplay.from_labels(*dataset)
        assert [ax.get_xlim() for ax in display.axes_.flat] == [(0, 6), (0, 6)]

    def test_many_classes_go_on_in_a_second_column(self):
        X = np.repeat(np.arange(13, dtype=np.uint8), 48).reshape(13, 4, 4, 3)
        display = CellSampleDisplay.from_labels(X, np.arange(13))
        assert display.axes_.shape == (7, 2)
        assert positions(display) == [[i] for i in range(13)]
        assert not display.axes_[-1, -1].images and not display.axes_[-1, -1].axison

    def test_long_names_are_broken(self, dataset):
        X, _ = dataset
        name = "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)"
        display = CellSampleDisplay.from_labels(X, np.full(9, name), n_per_class=2)
        (title,) = titles(display)
        assert title.replace("\n", " ") == f"{name} (n = 9)"
        assert max(map(len, title.split("\n"))) <= 24

    @pytest.mark.parametrize("form", ["float", "gray", "flat", "frame", "pil", "paths", "series"])
    def test_forms_of_X(self, dataset, form, tmp_path):
        X, y = dataset
        paths = [str(tmp_path / f"{i}.png") for i in range(9)]
        for image, path in zip(X, paths, strict=True):
            Image.fromarray(image).save(path)
        forms = {
            "float": X / 255,
            "gray": X[..., 0],
            "flat": X.reshape(9, -1),
            "frame": pd.DataFrame(X.reshape(9, -1)),
            "pil": [Image.fromarray(image[: 8 - i // 3]) for i, image in enumerate(X)],
            "paths": np.array(paths),
            "series": pd.Series(paths, index=list("ihgfedcba")),
        }
        display = CellSampleDisplay.from_labels(forms[form], y[:, None])
        assert positions(display) == [[0, 2, 3, 5, 6, 8], [1, 4, 7]]

    def test_only_the_drawn_ones_are_read(self, dataset, tmp_path):
        X, y = dataset
        drawn = positions(CellSampleDisplay.from_labels(X, y, n_per_class=1, random_state=0))
        paths = [str(tmp_path / f"{i}.png") for i in range(9)]
        for (position,) in drawn:
            Image.fromarray(X[position]).save(paths[position])
        display = CellSampleDisplay.from_labels(paths, y, n_per_class=1, random_state=0)
        assert positions(display) == drawn

    def test_given_figure(self, dataset):
        figure = plt.figure()
        part = figure.subfigures(1, 2)[0]
        display = CellSampleDisplay.from_labels(*dataset, figure=part)
        assert display.figure_ is part
        assert plt.get_fignums() == [figure.number]

    def test_plot_again(self, dataset):
        display = CellSampleDisplay.from_labels(*dataset)
        first = display.figure_
        assert display.plot() is display
        assert display.figure_ is not first

    def test_lengths(self, dataset):
        X, y = dataset
        with pytest.raises(ValueError, match="different lengths: `X` 9, `y` 8"):
            CellSampleDisplay.from_labels(X, y[1:])

    def test_no_cell(self, dataset):
        with pytest.raises(ValueError, match="`y` is empty"):
            CellSampleDisplay.from_labels(dataset[0][:0], [])

    def test_n_per_class(self, dataset):
        with pytest.raises(ValueError, match="`n_per_class` must be at least 1, got 0"):
            CellSampleDisplay.from_labels(*dataset, n_per_class=0)

    @pytest.mark.real
    def test_files_of_several_sizes(self, real_data):
        from skblood.datasets import load_image_folder

        X, y = load_image_folder(real_data / "pbc" / "originals_val", return_X_y=True)
        display = CellSampleDisplay.from_labels(X, y, n_per_class=3, random_state=0)
        assert titles(display)[0] == "basophil (n = 25)"
        assert [len(row) for row in positions(display)] == [3] * 8
