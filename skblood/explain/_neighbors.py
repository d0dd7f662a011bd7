"""The known cells that look most like others to a network."""

from numbers import Integral

from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Interval, fit_context
from skblood.estimators import CellClassifier, CellEmbedder
from skblood.images import content_keys


class NearestCells(BaseEstimator):
    """Find the training cells that a fitted model takes to be most like others.

    Cells are compared by the penultimate features of the network, from which its last layer
    computes the logits; for a :class:`~skblood.CellEmbedder`, by the features that it gives.

    Parameters
    ----------
    estimator : classifier of skblood, or CellEmbedder
        A fitted one. It is left as it is, and must not be fitted again meanwhile.
    n_neighbors : int, default=5
        Cells to find for each.

    Attributes
    ----------
    neighbors_ : sklearn.neighbors.NearestNeighbors
        Holds the features of the training cells.

    See Also
    --------
    grad_cam : Where in a cell the network found its class.
    ExplanationDisplay : Both, as a picture.

    Notes
    -----
    The distance is 1 minus the cosine of the angle between two cells' features: 0 for copies, and 1
    at most where the features come out of a ReLU. It is a figure of this one network: the
    distances of two networks cannot be compared.

    The features of the training cells are computed once, in `fit`, and take 1 kB for a cell with
    256 of them. Those of frozen backbones are kept as the estimator's parameter `memory` says.

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

    _parameter_constraints = {
        "estimator": "no_validation",  # the message of penultimate_features says what to do
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, estimator, n_neighbors=5):
        self.estimator = estimator
        self.n_neighbors = n_neighbors

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Compute the features of the training cells.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that the fit of `estimator` takes: those it was trained on, or any
            others that are known.
        y : object, default=None
            Not used; there by convention. The neighbours' labels are ``y[indices]``.

        Returns
        -------
        self : object
            The fitted one.

        Raises
        ------
        TypeError
            If `estimator` is none of ours.
        ValueError
            If X is not like the images of the estimator's fit, or holds fewer images than
            `n_neighbors`.
        """
        features = penultimate_features(self.estimator, X)
        if len(features) < self.n_neighbors:
            raise ValueError(
                f"n_neighbors={self.n_neighbors}, but X holds {len(features)} images. Give more of "
                "them, or a smaller n_neighbors."
            )
        self.neighbors_ = NearestNeighbors(n_neighbors=self.n_neighbors, metric="cosine")
        self.neighbors_.fit(features)
        return self

    def kneighbors(self, X):
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
            Positions in the X of `fit`. A cell that is there itself is its own first neighbour.
        """
        check_is_fitted(self)
        return self.neighbors_.kneighbors(penultimate_features(self.estimator, X))


def penultimate_features(estimator, X):
    """Return what the last layer of a fitted model is given, or the features of an embedder."""
    if isinstance(estimator, CellEmbedder):
        return estimator.transform(X)
    if not isinstance(estimator, CellClassifier):
        raise TypeError(
            "estimator must be a fitted classifier of skblood or a CellEmbedder, not "
            f"{type(estimator).__name__}. Of a Pipeline or a search, give the fitted classifier "
            "itself (pipeline[-1], search.best_estimator_)."
        )
    check_is_fitted(estimator)
    images = estimator._read_to_predict(X)
    network = estimator.net_.module_
    if network.frozen:
        images = estimator._encode(network, images, content_keys(images))
    return estimator._forward_all(network, network.penultimate, images)
