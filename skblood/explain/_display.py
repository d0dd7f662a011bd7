"""Figure of explained predictions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from skblood._labels import as_column, check_lengths
from skblood._plotting import RIGHT, WRONG, draws, import_pyplot, show_cell, wrap
from skblood._sklearn import num_samples
from skblood._typing import ArrayLike, Classifier, Figure, Floats, Floats32, Images, NDArray, UInt8s

from ._grad_cam import check_has_feature_maps, grad_cam
from ._neighbors import NearestCells

_COLUMN_WIDTH, _ROW_HEIGHT, _SCALE_HEIGHT = 1.4, 1.75, 0.6  # inches
_NAME_WIDTH = 18  # characters above a cell
_MAP_STYLE = {"cmap": "inferno", "vmin": 0, "vmax": 1, "alpha": 0.6}


class ExplanationDisplay:
    """Explanation of predictions: class activation maps and nearest training cells.

    Each cell has a row: the cell with its predicted label and the probability of that label, the
    cell with the map of :func:`grad_cam` for that label, and its nearest training cells with their
    labels and distances. A neighbor of another label than the predicted one is marked by a sign
    and a thick frame, not by color alone. All cells are drawn as the classifier reads them: cropped
    and resized. Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    images : sequence of n_cells ndarray of uint8 of shape (height, width, channels)
        The cells, 0..255.
    maps : ndarray of shape (n_cells, map_height, map_width)
        The map of each, 0..1, drawn over the whole cell.
    y_pred : array-like of shape (n_cells,)
        Predicted labels.
    probabilities : array-like of shape (n_cells,)
        Probabilities of the predicted labels.
    neighbors : sequence of n_cells lists of ndarray of uint8 of shape (height, width, channels)
        The nearest training cells of each, nearest first.
    neighbor_labels : array-like of shape (n_cells, n_neighbors)
        Their labels.
    distances : array-like of shape (n_cells, n_neighbors)
        Their distances from the cell; see :class:`NearestCells`.

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

    def __init__(
        self,
        images: UInt8s,
        maps: Floats32,
        y_pred: NDArray[Any],
        probabilities: Floats,
        neighbors: Any,
        neighbor_labels: Any,
        distances: Any,
    ) -> None:
        self.images = images
        self.maps = maps
        self.y_pred = y_pred
        self.probabilities = probabilities
        self.neighbors = neighbors
        self.neighbor_labels = neighbor_labels
        self.distances = distances

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Images,
        X_train: Images | None = None,
        y_train: ArrayLike | None = None,
        *,
        n_neighbors: int = 5,
        figure: Figure | None = None,
        plot: bool = True,
    ) -> Self:
        """Explain the predictions of a classifier and draw them.

        Parameters
        ----------
        estimator : TransferCellClassifier, ContrastiveCellClassifier or HybridFeatureClassifier
            A fitted classifier.
        X : images in any form that the classifiers take
            The few cells to explain, a row for each. They are read once.
        X_train : images in any form that the classifiers take, default=None
            The training cells, or any other known cells. They are read once. None draws the maps
            without neighbors.
        y_train : array-like of shape (n_train,), default=None
            Their labels.
        n_neighbors : int, default=5
            Training cells to draw for each cell.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.
        plot : bool, default=True
            Whether to draw it now.

        Returns
        -------
        display : ExplanationDisplay
            The display, plotted.

        Raises
        ------
        TypeError
            If `estimator` is not a classifier with backbones.
        ValueError
            If images differ from those of the fit, `X_train` and `y_train` differ in length, or
            there are fewer training cells than `n_neighbors`.
        """
        check_has_feature_maps(estimator)
        if X_train is not None:
            y_train = as_column(y_train, "y_train")
            check_lengths(X_train=num_samples(X_train), y_train=len(y_train))
        images = estimator.read_images(X)
        probabilities = estimator.predict_proba(images)
        y_pred = estimator.classes_[probabilities.argmax(axis=1)]
        if X_train is None:
            near = [np.empty((len(images), 0))] * 3
        else:
            known = estimator.read_images(X_train)
            distances, indices = NearestCells(estimator, n_neighbors).fit(known).kneighbors(images)
            near = known.pixels[indices], y_train[indices], distances
        maps = grad_cam(estimator, images, target=y_pred)
        display = cls(images.pixels, maps, y_pred, probabilities.max(axis=1), *near)
        return display.plot(figure=figure) if plot else display

    def select(self, rows: list[int]) -> ExplanationDisplay:
        """Return a display of some of the cells, not yet drawn.

        Parameters
        ----------
        rows : list of int
            Positions of the cells.

        Returns
        -------
        display : ExplanationDisplay
        """
        names = ("images", "maps", "y_pred", "probabilities")
        names += ("neighbors", "neighbor_labels", "distances")
        columns = [getattr(self, name) for name in names]
        return type(self)(*([column[row] for row in rows] for column in columns))

    @draws
    def plot(self, *, figure: Figure | None = None) -> Self:
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
        size = (_COLUMN_WIDTH * n_columns, _ROW_HEIGHT * n_rows + _SCALE_HEIGHT)
        self.figure_ = figure or plt.figure(figsize=size, layout="constrained")
        self.axes_ = self.figure_.subplots(n_rows, n_columns, squeeze=False)
        for ax in self.axes_.flat:
            ax.set(xticks=[], yticks=[])
        for i, (cell_ax, map_ax, *neighbor_axes) in enumerate(self.axes_):
            image, label = self.images[i], wrap(self.y_pred[i], _NAME_WIDTH, 2)
            show_cell(cell_ax, image)
            title = f"{label}\np = {self.probabilities[i]:.2f}"
            cell_ax.set_title(title, fontsize=8, fontweight="bold")
            # On a gray cell, so that all color is that of the map.
            show_cell(map_ax, image.mean(axis=2, keepdims=True))
            extent = map_ax.images[0].get_extent()
            heat = map_ax.imshow(self.maps[i], extent=extent, **_MAP_STYLE)
            map_ax.set_title(f"evidence for\n{label}", fontsize=8)
            neighbors = self.neighbors[i], self.neighbor_labels[i], self.distances[i]
            for ax, image, known, distance in zip(neighbor_axes, *neighbors, strict=True):
                same = known == self.y_pred[i]
                sign, color, linewidth = ("", RIGHT, 1) if same else ("≠ ", WRONG, 3)
                show_cell(ax, image)
                ax.spines[:].set(color=color, linewidth=linewidth)
                title = f"{wrap(f'{sign}{known}', _NAME_WIDTH, 2)}\ndistance {distance:.3f}"
                ax.set_title(title, color=color, fontsize=8)
        # Without neighbors, the figure is as narrow as the scale.
        shrink = 0.4 if n_neighbors else 0.9
        label = "evidence, relative to its maximum" if n_neighbors else "relative evidence"
        scale = {"location": "bottom", "aspect": 30, "shrink": shrink, "anchor": (0, 0)}
        scale["fraction"] = min(0.05, 0.6 * _SCALE_HEIGHT / size[1])
        self.figure_.colorbar(heat, ax=self.axes_, label=label, **scale)
        return self
