"""Nearest training cells in the feature space of a fitted model."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Interval, LinksToPage, fit_context
from skblood._typing import Floats32, Images, Ints
from skblood.estimators import CellClassifier, CellEmbedder


class NearestCells(LinksToPage, BaseEstimator):
    """Find the training cells that are most similar to given cells for a fitted model.

    Cells are compared by the penultimate features of the network, the input of its output layer;
    for a :class:`~skblood.CellEmbedder`, by its features.

    Parameters
    ----------
    estimator : classifier of skblood, or CellEmbedder
        A fitted model. It is not modified, and must not be fitted again in the meantime.
    n_neighbors : int, default=5
        Training cells to find for each cell.

    Attributes
    ----------
    neighbors_ : sklearn.neighbors.NearestNeighbors
        Fitted on the features of the training cells.

    See Also
    --------
    grad_cam : Where in a cell the network found its class.
    ExplanationDisplay : Both, as a figure.

    Notes
    -----
    The distance is 1 minus the cosine similarity of the features: 0 for copies, and at most 1 if
    the features are the output of a ReLU. Distances of two networks cannot be compared.

    The features of the training cells are computed once, in `fit`, and take 1 kB for each cell of
    256 features. Those of frozen backbones are stored as the parameter `memory` of the estimator
    says.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.explain import NearestCells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> nearest = NearestCells(clf.fit(X[:150], y[:150]), n_neighbors=3).fit(X[:150])
    >>> distances, indices = nearest.kneighbors(X[150:])
    >>> y[indices].shape
    (10, 3)
    """

    neighbors_: NearestNeighbors

    _parameter_constraints: dict[str, Any] = {
        "estimator": "no_validation",  # checked in _compute_features
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, estimator: Any, n_neighbors: int = 5) -> None:
        self.estimator = estimator
        self.n_neighbors = n_neighbors

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Images, y: Any = None) -> Self:
        """Compute the features of the training cells.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that the fit of `estimator` takes, or what its `read_images`
            returned: its training images, or any other known cells.
        y : object, default=None
            Ignored; the labels of the neighbors are ``y[indices]``.

        Returns
        -------
        self : object
            The fitted instance.

        Raises
        ------
        TypeError
            If `estimator` is not a model of skblood.
        ValueError
            If X differs from the images of the fit of `estimator`.
        """
        neighbors = NearestNeighbors(n_neighbors=self.n_neighbors, metric="cosine")
        self.neighbors_ = neighbors.fit(_compute_features(self.estimator, X))
        return self

    def kneighbors(self, X: Images) -> tuple[Floats32, Ints]:
        """Find the nearest training cells.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.

        Returns
        -------
        distances : ndarray of shape (n, n_neighbors), dtype float32
            In ascending order.
        indices : ndarray of shape (n, n_neighbors), dtype int64
            Positions in the X of `fit`. A training cell is its own first neighbor.

        Raises
        ------
        ValueError
            If X differs from the images of `fit`, or there are fewer training cells than
            `n_neighbors`.
        """
        check_is_fitted(self)
        return self.neighbors_.kneighbors(_compute_features(self.estimator, X))


def _compute_features(estimator, X):
    """Return the features of an embedder, or the penultimate features of a classifier."""
    if isinstance(estimator, CellEmbedder):
        return estimator.transform(X)
    if not isinstance(estimator, CellClassifier):
        raise TypeError(
            "`estimator` must be a fitted classifier of skblood or a CellEmbedder; of a Pipeline "
            f"or search, pipeline[-1] or search.best_estimator_. Got {type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    return estimator.predictor_.penultimate(estimator.iter_images(X))
