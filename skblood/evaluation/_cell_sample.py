"""Some cells of each class."""

import math
import textwrap

import numpy as np
from sklearn.utils import check_random_state

from skblood.evaluation._cells import count_images, read_cells, show_cell
from skblood.evaluation._labels import check_lengths, count_labels
from skblood.evaluation._plotting import import_pyplot

_MAX_ROWS = 12  # more classes go on in a second column
_CELL, _TITLE = 0.9, 0.3  # inches
_TITLE_WIDTH = 12  # characters above a cell


class CellSampleDisplay:
    """Cells of each class, chosen at random.

    Each class has a row, with its name and the number of its images. All cells are drawn in one
    size, whatever theirs is. Use :meth:`from_labels` to make one.

    Parameters
    ----------
    images : sequence of n_classes lists of ndarray of uint8 of shape (height, width, channels)
        The cells of each class, 0..255, at least one.
    classes : array-like of shape (n_classes,)
        The labels.
    counts : array-like of int of shape (n_classes,)
        How many images each class has, drawn or not.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure, after :meth:`plot`.
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        One for each class, column by column; the last ones may be empty.

    See Also
    --------
    ClassDistributionDisplay : The counts, as bars.
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

    def __init__(self, images, classes, counts):
        self.images = images
        self.classes = classes
        self.counts = counts

    @classmethod
    def from_labels(cls, X, y, *, n_per_class=6, random_state=None, figure=None):
        """Draw cells of each class, chosen at random.

        Parameters
        ----------
        X : images of any form that the classifiers take
            Arrays, rows of pixels, paths or PIL images, of one size or of several. Only those
            that are drawn are read.
        y : array-like of shape (n_samples,)
            Labels.
        n_per_class : int, default=6
            Number of cells to draw of each class, at least 1; all of a class that has fewer.
        random_state : int, RandomState instance or None, default=None
            Makes the choice repeatable.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : CellSampleDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If `y` is empty or holds labels that cannot be sorted, such as None among str, the
            lengths differ, or `n_per_class` is below 1.
        """
        check_lengths(X=count_images(X), y=np.size(y))
        if n_per_class < 1:
            raise ValueError(f"`n_per_class` must be at least 1, got {n_per_class}.")
        classes, codes, counts = count_labels(y)
        rng = check_random_state(random_state)
        images = []
        for code in range(len(classes)):
            chosen = rng.permutation(np.flatnonzero(codes == code))[:n_per_class]
            images.append(read_cells(X, np.sort(chosen)))
        return cls(images, classes, counts).plot(figure=figure)

    def plot(self, *, figure=None):
        """Draw the rows.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

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
        if figure is None:
            size = (n_columns * (n_places * _CELL + 0.2), n_rows * (_CELL + _TITLE))
            figure = plt.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(n_rows, n_columns, squeeze=False)
        for ax in self.axes_.flat:
            ax.set_axis_off()
        rows = zip(self.images, self.classes, self.counts, strict=True)
        for ax, (images, name, count) in zip(self.axes_.T.flat, rows, strict=False):
            for position, image in enumerate(images):
                corner, width, height = _fit(image, position)
                left, bottom = corner
                show_cell(ax, image, extent=(left, left + width, bottom, bottom + height))
                # A cell on a white background would have no border.
                frame = {"fill": False, "edgecolor": "0.6", "linewidth": 0.5}
                ax.add_patch(plt.Rectangle(corner, width, height, **frame))
            ax.set(xlim=(0, n_places), ylim=(0, 1), aspect="equal", anchor="W")
            title = textwrap.fill(f"{name} (n = {count:,})", n_places * _TITLE_WIDTH)
            ax.set_title(title, loc="left", fontsize=9)
        return self


def _fit(image, position):
    """Return the lower left corner, width and height of an image in its square, of side 1."""
    height, width = 0.96 * np.array(image.shape[:2]) / max(image.shape[:2])
    return (position + (1 - width) / 2, (1 - height) / 2), width, height
