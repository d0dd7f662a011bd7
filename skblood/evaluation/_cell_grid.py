"""A grid of cells with their true and predicted labels."""

import math

import numpy as np
from sklearn.utils import check_random_state

from skblood.evaluation._cells import count_images, read_cells, show_cell
from skblood.evaluation._plotting import import_pyplot

_RIGHT, _WRONG = "#0072b2", "#d55e00"


class CellGridDisplay:
    """Cells with their true and predicted labels.

    A wrong one is marked by a cross and by its true label, and not by colour alone. Use
    :meth:`from_predictions` to make one.

    Parameters
    ----------
    images : sequence of ndarray of uint8 of shape (height, width, channels)
        The cells, 0..255.
    y_true : array-like of shape (n_cells,)
        True labels.
    y_pred : array-like of shape (n_cells,)
        Predicted labels.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure, after :meth:`plot`.
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        One for each place of the grid; those without a cell are empty.

    See Also
    --------
    CellSampleDisplay : Cells of each class, before anything is predicted.
    HistoryDisplay : Learning curves.
    sklearn.metrics.ConfusionMatrixDisplay : Counts of the same errors.

    Examples
    --------
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.evaluation import CellGridDisplay
    >>> X, y = make_blood_cells(12, image_size=32, random_state=0)
    >>> display = CellGridDisplay.from_predictions(X, y, y[::-1], n_cells=6, random_state=0)
    >>> display.axes_.shape
    (1, 6)
    """

    def __init__(self, images, y_true, y_pred):
        self.images = images
        self.y_true = y_true
        self.y_pred = y_pred

    @classmethod
    def from_predictions(
        cls, X, y_true, y_pred, *, n_cells=24, only_errors=False, random_state=None, figure=None
    ):
        """Draw cells chosen at random.

        Parameters
        ----------
        X : images of any form that the classifiers take
            Arrays, rows of pixels, paths or PIL images. Only those that are drawn are read.
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        n_cells : int, default=24
            Number of cells to draw, at least 1; fewer if there are not so many.
        only_errors : bool, default=False
            Whether to choose among the cells whose two labels differ.
        random_state : int, RandomState instance or None, default=None
            Makes the choice repeatable.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : CellGridDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If the lengths differ, `n_cells` is below 1, or there is no cell to draw.
        """
        y_true, y_pred = np.ravel(y_true), np.ravel(y_pred)
        n_samples = count_images(X)
        if not n_samples == len(y_true) == len(y_pred):
            raise ValueError(
                "X, `y_true` and `y_pred` must have the same length, got "
                f"{n_samples}, {len(y_true)} and {len(y_pred)}."
            )
        if n_cells < 1:
            raise ValueError(f"`n_cells` must be at least 1, got {n_cells}.")
        candidates = np.flatnonzero(y_true != y_pred) if only_errors else np.arange(n_samples)
        if len(candidates) == 0:
            reason = "every prediction is right (only_errors=True)" if only_errors else "X is empty"
            raise ValueError(f"There is no cell to draw: {reason}.")
        rng = check_random_state(random_state)
        chosen = np.sort(rng.permutation(candidates)[:n_cells])
        return cls(read_cells(X, chosen), y_true[chosen], y_pred[chosen]).plot(figure=figure)

    def plot(self, *, figure=None):
        """Draw the grid.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

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
        if figure is None:
            size = (1.7 * n_columns, 2.1 * n_rows)
            figure = plt.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(n_rows, n_columns, squeeze=False)
        for ax in self.axes_.flat[len(self.images) :]:
            ax.set_axis_off()
        for ax, *cell in zip(self.axes_.flat, self.images, self.y_true, self.y_pred, strict=False):
            _draw_cell(ax, *cell)
        return self


def _draw_cell(ax, image, true, predicted):
    is_right = true == predicted
    color = _RIGHT if is_right else _WRONG
    show_cell(ax, image)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color=color, linewidth=1 if is_right else 3)
    title = f"✓ {predicted}" if is_right else f"✗ {predicted}\ntrue: {true}"
    ax.set_title(title, color=color, fontsize=8)
