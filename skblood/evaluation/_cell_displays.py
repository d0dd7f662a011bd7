"""Cells with their true and predicted labels, and a sample of the cells of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from skblood._labels import as_column, check_lengths, count_labels, match_labels
from skblood._plotting import RIGHT, WRONG, draws, import_pyplot, read_some, show_cell, wrap
from skblood._sklearn import num_samples
from skblood._typing import ArrayLike, Figure, Images, RandomState, UInt8s

# Borders of the grid, and characters above a cell of it.
_CORRECT = {"color": RIGHT, "linewidth": 1}
_WRONG = {"color": WRONG, "linewidth": 3}
_GRID_WIDTH = 20
# The sample.
_MAX_ROWS = 12  # further classes go into a second column
_CELL, _TITLE = 0.9, 0.3  # inches
_TITLE_WIDTH = 12  # characters above a cell


class CellGridDisplay:
    """Cells with their true and predicted labels.

    Wrong predictions are marked by a cross, the true label and a thick border, not by color alone.
    Use :meth:`from_predictions` to create a display.

    Parameters
    ----------
    images : sequence of ndarray of uint8 of shape (height, width, channels)
        Cell images with values in 0..255.
    y_true : array-like of shape (n_cells,)
        True labels.
    y_pred : array-like of shape (n_cells,)
        Predicted labels.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure, after :meth:`plot`.
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        One for each place of the grid; those without a cell are empty.

    See Also
    --------
    CellSampleDisplay : Cells of each class.
    HistoryDisplay : Learning curves.
    sklearn.metrics.ConfusionMatrixDisplay : Numbers of the same errors.

    Examples
    --------
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.evaluation import CellGridDisplay
    >>> X, y = make_blood_cells(12, image_size=32, random_state=0)
    >>> display = CellGridDisplay.from_predictions(X, y, y[::-1], n_cells=6, random_state=0)
    >>> display.axes_.shape
    (1, 6)
    """

    def __init__(
        self, images: Sequence[UInt8s] | UInt8s, y_true: ArrayLike, y_pred: ArrayLike
    ) -> None:
        self.images = images
        self.y_true = y_true
        self.y_pred = y_pred

    @classmethod
    def from_predictions(
        cls,
        X: Images,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        n_cells: int = 24,
        only_errors: bool = False,
        random_state: RandomState = None,
        figure: Figure | None = None,
    ) -> Self:
        """Draw randomly chosen cells.

        Parameters
        ----------
        X : images in any form that the classifiers take
            Arrays, rows of pixels, paths or PIL images. Only those that are drawn are read.
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        n_cells : int, default=24
            Number of cells to draw, at least 1; all cells if there are fewer.
        only_errors : bool, default=False
            Choose only among cells whose labels differ.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice.
        figure : matplotlib Figure or SubFigure, default=None
            Figure to draw on; None creates one.

        Returns
        -------
        display : CellGridDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If the lengths differ, `n_cells` is below 1, or there is no cell to draw.
        """
        y_pred = as_column(y_pred, "y_pred")
        y_true = np.array(match_labels(y_true, set(y_pred), "y_true"), dtype=object)
        check_lengths(X=num_samples(X), y_true=len(y_true), y_pred=len(y_pred))
        if n_cells < 1:
            raise ValueError(f"`n_cells` must be at least 1, got {n_cells}.")
        candidates = np.flatnonzero((y_true != y_pred) | (not only_errors))
        if len(candidates) == 0:
            reason = "all predictions are correct" if len(y_true) else "X is empty"
            raise ValueError(f"There is no cell to draw: {reason}.")
        chosen = np.sort(check_random_state(random_state).permutation(candidates)[:n_cells])
        return cls(read_some(X, chosen), y_true[chosen], y_pred[chosen]).plot(figure=figure)

    @draws
    def plot(self, *, figure: Figure | None = None) -> Self:
        """Draw the grid.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Figure to draw on; None creates one.

        Returns
        -------
        display : CellGridDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot("CellGridDisplay")
        n_columns = min(len(self.images), 6)
        n_rows = math.ceil(len(self.images) / n_columns)
        size = 1.7 * n_columns, 2.1 * n_rows
        self.figure_ = figure or plt.figure(figsize=size, layout="constrained")
        self.axes_ = self.figure_.subplots(n_rows, n_columns, squeeze=False)
        for ax in self.axes_.flat[len(self.images) :]:
            ax.set_axis_off()
        cells = zip(self.axes_.flat, self.images, self.y_true, self.y_pred, strict=False)
        for ax, image, true, predicted in cells:
            show_cell(ax, image)
            correct = true == predicted
            style = _CORRECT if correct else _WRONG
            title = wrap(f"✓ {predicted}" if correct else f"✗ {predicted}", _GRID_WIDTH, 2)
            if not correct:
                title += "\n" + wrap(f"true: {true}", _GRID_WIDTH, 2)
            ax.set_title(title, color=style["color"], fontsize=8)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(**style)
        meaning = "predicted class, and the true class where it differs"
        self.figure_.supxlabel(meaning, fontsize=8)
        return self


class CellSampleDisplay:
    """Randomly chosen cells of each class.

    Each class has a row, titled with its name and number of images. All cells are drawn at one
    size, whatever their size is. Use :meth:`from_labels` to create a display.

    Parameters
    ----------
    images : sequence of n_classes lists of ndarray of uint8 of shape (height, width, channels)
        Cell images of each class with values in 0..255, at least one.
    classes : array-like of shape (n_classes,)
        Class labels.
    counts : array-like of int of shape (n_classes,)
        Number of images of each class, drawn or not.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure, after :meth:`plot`.
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        One for each class, column by column; the last ones may be empty.

    See Also
    --------
    ClassDistributionDisplay : Numbers of images, as bars.
    CellGridDisplay : Cells with their true and predicted labels.

    Examples
    --------
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.evaluation import CellSampleDisplay
    >>> X, y = make_blood_cells(40, image_size=32, random_state=0)
    >>> display = CellSampleDisplay.from_labels(X, y, n_per_class=4, random_state=0)
    >>> display.axes_[0, 0].get_title(loc="left")
    'basophil (n = 5)'
    """

    def __init__(self, images: Any, classes: Sequence[Any], counts: Sequence[int]) -> None:
        self.images = images
        self.classes = classes
        self.counts = counts

    @classmethod
    def from_labels(
        cls,
        X: Images,
        y: ArrayLike,
        *,
        n_per_class: int = 6,
        random_state: RandomState = None,
        figure: Figure | None = None,
    ) -> Self:
        """Draw randomly chosen cells of each class.

        Parameters
        ----------
        X : images in any form that the classifiers take
            Arrays, rows of pixels, paths or PIL images, of equal or different sizes. Only those
            that are drawn are read.
        y : array-like of shape (n_samples,)
            Labels.
        n_per_class : int, default=6
            Number of cells of each class to draw, at least 1; all cells of a class with fewer.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice.
        figure : matplotlib Figure or SubFigure, default=None
            Figure to draw on; None creates one.

        Returns
        -------
        display : CellSampleDisplay
            The display, plotted.

        Raises
        ------
        TypeError
            If labels of different types cannot be sorted.
        ValueError
            If `y` is empty or has missing labels, the lengths differ, or `n_per_class` is below 1.
        """
        if n_per_class < 1:
            raise ValueError(f"`n_per_class` must be at least 1, got {n_per_class}.")
        classes, codes, counts = count_labels(y)
        check_lengths(X=num_samples(X), y=len(codes))
        rng = check_random_state(random_state)
        chosen = [
            np.sort(rng.permutation(np.flatnonzero(codes == code))[:n_per_class])
            for code in range(len(classes))
        ]
        images = [read_some(X, positions) for positions in chosen]
        return cls(images, classes, counts).plot(figure=figure)

    @draws
    def plot(self, *, figure: Figure | None = None) -> Self:
        """Draw the rows.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Figure to draw on; None creates one.

        Returns
        -------
        display : CellSampleDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot("CellSampleDisplay")
        n_columns = math.ceil(len(self.images) / _MAX_ROWS)
        n_rows = math.ceil(len(self.images) / n_columns)
        n_places = max(map(len, self.images))
        size = n_columns * (n_places * _CELL + 0.2), n_rows * (_CELL + _TITLE)
        self.figure_ = figure or plt.figure(figsize=size, layout="constrained")
        self.axes_ = self.figure_.subplots(n_rows, n_columns, squeeze=False)
        for ax in self.axes_.flat:
            ax.set_axis_off()
        rows = zip(self.axes_.T.flat, self.images, self.classes, self.counts, strict=False)
        for ax, images, name, count in rows:
            for position, image in enumerate(images):
                # Centered in a square of side 1, with a border that shows on a white background.
                height, width = 0.96 * np.array(image.shape[:2]) / max(image.shape[:2])
                left, bottom = position + (1 - width) / 2, (1 - height) / 2
                show_cell(ax, image, extent=(left, left + width, bottom, bottom + height))
                border = {"fill": False, "edgecolor": "0.6", "linewidth": 0.5}
                ax.add_patch(plt.Rectangle((left, bottom), width, height, **border))
            ax.set(xlim=(0, n_places), ylim=(0, 1), aspect="equal", anchor="W")
            title = wrap(f"{name} (n = {count:,})", n_places * _TITLE_WIDTH)
            ax.set_title(title, loc="left", fontsize=9)
        return self
