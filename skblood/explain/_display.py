"""Predictions explained, as a picture."""

import numpy as np

from skblood.evaluation._cells import count_images, read_cells, show_cell
from skblood.evaluation._plotting import import_pyplot
from skblood.explain._grad_cam import grad_cam
from skblood.explain._neighbors import NearestCells
from skblood.images import read_images

_ALIKE, _OTHER = "#0072b2", "#d55e00"
_COLUMN, _ROW = 1.4, 1.75  # inches
_OPACITY = 0.6  # of the map where it is 1


class ExplanationDisplay:
    """Why cells got their labels: where the network looked, and the known cells most alike.

    Each cell has a row: the cell with its predicted label and the probability of that, the same
    with the map of :func:`grad_cam` for that label, and its nearest training cells with their
    labels and distances. One of another label than the predicted has a sign and a thick frame, and
    not another colour alone. All are drawn in the frame that the estimator's parameter `crop` gives
    them. Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    images : sequence of n_cells ndarray of uint8 of shape (height, width, channels)
        The cells, 0..255.
    maps : ndarray of shape (n_cells, map_height, map_width)
        A map of each, 0..1, which is laid over the whole cell, whatever the sizes.
    y_pred : array-like of shape (n_cells,)
        Predicted labels.
    probabilities : array-like of shape (n_cells,)
        Those of the predicted labels.
    neighbors : sequence of n_cells lists of ndarray of uint8 of shape (height, width, channels)
        The nearest training cells of each, the nearest first.
    neighbor_labels : array-like of shape (n_cells, n_neighbors)
        Their labels.
    distances : array-like of shape (n_cells, n_neighbors)
        How far they are from the cell; see :class:`NearestCells`.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure, after :meth:`plot`.
    axes_ : ndarray of matplotlib Axes of shape (n_cells, 2 + n_neighbors)
        A row for each cell.

    See Also
    --------
    skblood.evaluation.CellGridDisplay : Many cells with their true and predicted labels.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.explain import ExplanationDisplay
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> clf = clf.fit(X[:150], y[:150])
    >>> display = ExplanationDisplay.from_estimator(clf, X[150:154], X[:150], y[:150])
    >>> display.axes_.shape
    (4, 7)
    """

    def __init__(self, images, maps, y_pred, probabilities, neighbors, neighbor_labels, distances):
        self.images = images
        self.maps = maps
        self.y_pred = y_pred
        self.probabilities = probabilities
        self.neighbors = neighbors
        self.neighbor_labels = neighbor_labels
        self.distances = distances

    @classmethod
    def from_estimator(cls, estimator, X, X_train, y_train, *, n_neighbors=5, figure=None):
        """Draw the explanation of each cell.

        Parameters
        ----------
        estimator : TransferCellClassifier, ContrastiveCellClassifier or HybridFeatureClassifier
            A fitted classifier.
        X : images of any form that the classifiers take
            The cells to explain, a row for each: few enough to be looked at.
        X_train : images of any form that the classifiers take
            The training cells, or any others that are known.
        y_train : array-like of shape (n_train,)
            Their labels.
        n_neighbors : int, default=5
            Training cells to draw for each.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ExplanationDisplay
            The display, plotted.

        Raises
        ------
        TypeError
            If `estimator` is no classifier on backbones.
        ValueError
            If images are not like those of the fit, `X_train` and `y_train` differ in length, or
            there are fewer training cells than `n_neighbors`.
        """
        y_train = np.ravel(y_train)
        if count_images(X_train) != len(y_train):
            raise ValueError(
                "`X_train` and `y_train` must have the same length, got "
                f"{count_images(X_train)} and {len(y_train)}."
            )
        probabilities = estimator.predict_proba(X)
        y_pred = estimator.classes_[probabilities.argmax(axis=1)]
        maps = grad_cam(estimator, X, target=y_pred)
        nearest = NearestCells(estimator, n_neighbors).fit(X_train)
        distances, indices = nearest.kneighbors(X)
        crop = estimator.crop_
        return cls(
            _read_framed(X, range(len(y_pred)), crop),
            maps,
            y_pred,
            probabilities.max(axis=1),
            [_read_framed(X_train, row, crop) for row in indices],
            y_train[indices],
            distances,
        ).plot(figure=figure)

    def plot(self, *, figure=None):
        """Draw the rows.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ExplanationDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot("ExplanationDisplay")
        n_rows, n_neighbors = np.shape(self.distances)
        n_columns = 2 + n_neighbors
        if figure is None:
            size = (_COLUMN * n_columns, _ROW * n_rows)
            figure = plt.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(n_rows, n_columns, squeeze=False)
        for ax in self.axes_.flat:
            ax.set(xticks=[], yticks=[])
        for axes, *row in zip(self.axes_, *self._columns(), strict=True):
            _draw_row(axes, *row)
        return self

    def _columns(self):
        return (
            self.images,
            self.maps,
            self.y_pred,
            self.probabilities,
            self.neighbors,
            self.neighbor_labels,
            self.distances,
        )


def _read_framed(X, positions, crop):
    """Return cells in the frame in which the network sees them, and to which the maps belong."""
    return [read_images([cell], crop=crop)[0] for cell in read_cells(X, positions)]


def _draw_row(axes, image, heat, predicted, probability, *neighbors):
    show_cell(axes[0], image)
    axes[0].set_title(f"{predicted}\np = {probability:.2f}", fontsize=8, fontweight="bold")
    _draw_heat(axes[1], image, heat)
    axes[1].set_title(f"what speaks for\n{predicted}", fontsize=8)
    for ax, known, label, distance in zip(axes[2:], *neighbors, strict=True):
        _draw_neighbor(ax, known, label, distance, label == predicted)


def _draw_heat(ax, image, heat):
    height, width = image.shape[:2]
    # Gray below, so that colour is the map's alone.
    show_cell(ax, image.mean(axis=2, keepdims=True))
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=_OPACITY, extent=extent)


def _draw_neighbor(ax, image, label, distance, is_alike):
    color = _ALIKE if is_alike else _OTHER
    show_cell(ax, image)
    ax.spines[:].set(color=color, linewidth=1 if is_alike else 3)
    sign = "" if is_alike else "≠ "
    ax.set_title(f"{sign}{label}\n{distance:.3f}", color=color, fontsize=8)
