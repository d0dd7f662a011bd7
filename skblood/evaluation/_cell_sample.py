"""Sample of the cells of each class."""

import math
import textwrap

import numpy as np
from sklearn.utils import check_random_state

from skblood._labels import check_lengths, count_labels
from skblood._plotting import count_images, import_pyplot, read_some, show_cell

_MAX_ROWS = 12  # further classes go into a second column
_CELL, _TITLE = 0.9, 0.3  # inches
_TITLE_WIDTH = 12  # characters above a cell


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

    def __init__(self, images, classes, counts):
        self.images = images
        self.classes = classes
        self.counts = counts

    @classmethod
    def from_labels(cls, X, y, *, n_per_class=6, random_state=None, figure=None):
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
        check_lengths(X=count_images(X), y=len(codes))
        rng = check_random_state(random_state)
        images = []
        for code in range(len(classes)):
            chosen = rng.permutation(np.flatnonzero(codes == code))[:n_per_class]
            images.append(read_some(X, np.sort(chosen)))
        return cls(images, classes, counts).plot(figure=figure)

    def plot(self, *, figure=None):
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
        if figure is None:
            size = (n_columns * (n_places * _CELL + 0.2), n_rows * (_CELL + _TITLE))
            figure = plt.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(n_rows, n_columns, squeeze=False)
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
            title = textwrap.fill(f"{name} (n = {count:,})", n_places * _TITLE_WIDTH)
            ax.set_title(title, loc="left", fontsize=9)
        return self
