"""Whether an image shows what a classifier was made for."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.model_selection import KFold
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Interval, fit_context
from skblood.augment import CellAugment
from skblood.evaluation._labels import check_lengths
from skblood.images import content_keys, read_table
from skblood.inference import change
from skblood.uncertainty._features import last_model, read_changed, read_features, sees_pixels
from skblood.uncertainty._known import KnownCells, empty_images

# Parts of the cells, each scored by what was learned from the others.
_N_PARTS = 5
# Of known cells in any colours, this share scores below -1.
_TAIL = 0.05
_TINY = 1e-12


class OutlierDetector(OutlierMixin, BaseEstimator):
    """Tell images that are no cells, or cells of no known kind, by the features of a classifier.

    The probabilities of a classifier do not tell: it is sure of many an image without a cell. Two
    questions are asked instead of its features at each stage of the network, and the worse answer
    counts. How far is the image from the nearest class, known cells being described by Gaussians
    around the mean of each [1]_, averaged over the stages [2]_? And is it more like a cell or like
    empty background, which the corners of the cells' own images show [3]_?

    Parameters
    ----------
    estimator : fitted classifier or transformer, default=None
        A classifier of skblood; a transformer, such as `skblood.CellEmbedder`; or a Pipeline, of
        whose last step, unless it is one of these, the input is taken. None: X is a table of
        features. It is not fitted again.
    contamination : float in (0, 0.5], default=0.01
        Share of cells like those of `fit` that are called outliers.
    colour : float in [0, 1], default=0.5
        How much the colours of a cell may change without making it an outlier, as in
        `skblood.augment.CellAugment`: each cell is learned from in other colours, too. 0 is for no
        change. Only with a classifier of skblood that works on pixels, as `corner`.
    corner : float in [0, 0.5], default=0.3
        Side of the corners of a cell's image, as a share of the image's, that show background; 0
        for none, if they show the cell as well.

    Attributes
    ----------
    offset_ : float
        Images with a score below this are outliers.
    n_features_in_ : int
        Columns of the table, if `estimator` is None.

    See Also
    --------
    RejectOption : Cells that the classifier is not sure of.
    laboratory_test : Whether many cells come from a known laboratory.

    Notes
    -----
    Give `fit` cells that the network was not trained on, some 1,000 of them if you have as many;
    those it was trained on lie closer together than any others. The threshold comes of cells that
    nothing was fitted to, in turns.

    References
    ----------
    .. [1] K. Lee, K. Lee, H. Lee, J. Shin, "A simple unified framework for detecting
       out-of-distribution samples and adversarial attacks", NeurIPS 2018.
    .. [2] O. Rippel, P. Mertens, D. Merhof, "Modeling the distribution of normal data in
       pre-trained deep features for anomaly detection", ICPR 2020.
    .. [3] D. Hendrycks, M. Mazeika, T. Dietterich, "Deep anomaly detection with outlier exposure",
       ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import OutlierDetector
    >>> X, y = make_blood_cells(300, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=2, random_state=0)
    >>> detector = OutlierDetector(clf.fit(X[:100], y[:100])).fit(X[100:], y[100:])
    >>> noise = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), dtype=np.uint8)
    >>> detector.predict(noise)
    array([-1, -1, -1])
    """

    _parameter_constraints = {
        "estimator": "no_validation",
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "colour": [Interval(Real, 0, 1, closed="both")],
        "corner": [Interval(Real, 0, 0.5, closed="both")],
    }

    def __init__(self, estimator=None, *, contamination=0.01, colour=0.5, corner=0.3):
        self.estimator = estimator
        self.contamination = contamination
        self.colour = colour
        self.corner = corner

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn what known cells look like.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that `estimator` takes.
        y : array-like of shape (n,), default=None
            Their labels, true or predicted. None describes all cells together, which is blunter.

        Returns
        -------
        self : object
            The fitted one.

        Raises
        ------
        ValueError
            If there are fewer than five cells, or lengths differ.
        """
        cells, empty = self._read_to_fit(X)
        n = len(cells[0][0])
        if n < _N_PARTS:
            raise ValueError(
                f"X holds n_samples = {n} cells, and it takes {_N_PARTS} at least to learn what "
                "cells look like; some 1,000 are good. Give more of them."
            )
        codes = np.zeros(n, int)
        if y is not None:
            codes = np.unique(column_or_1d(y), return_inverse=True)[1]
            check_lengths(X=n, y=len(codes))
        scores = [[] for _ in cells]
        for known, new in KFold(_N_PARTS, shuffle=True, random_state=0).split(codes):
            part = KnownCells.fit(_rows(cells, known), _rows(empty, known), codes[known])
            for version, found in zip(_rows(cells, new), scores, strict=True):
                found.append(part.score(version))
        # In the order of the parts, which is nothing to a quantile.
        scores = [np.concatenate(version) for version in scores]
        every = np.concatenate(scores)
        self._known = KnownCells.fit(cells, empty, codes)
        self._middle = np.median(every, axis=0)
        self._tail = np.maximum(self._middle - np.quantile(every, _TAIL, axis=0), _TINY)
        self.offset_ = float(np.quantile(self._worst(scores[0]), self.contamination))
        return self

    def score_samples(self, X):
        """Return how much each image is like known cells: the higher, the more.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `estimator` takes.

        Returns
        -------
        scores : ndarray of shape (n,)
            Between 0 and -1 for most cells in known colours.
        """
        check_is_fitted(self)
        model, X = self._model(X, reset=False)
        return self._worst(self._known.score(read_features(model, X)))

    def decision_function(self, X):
        """Return the scores minus `offset_`: below 0 for outliers.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `estimator` takes.

        Returns
        -------
        values : ndarray of shape (n,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Return 1 for cells and -1 for outliers.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `estimator` takes.

        Returns
        -------
        kinds : ndarray of int of shape (n,)
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def _model(self, X, reset):
        """Return the model that makes the features, and what it is given of X."""
        if self.estimator is None:
            X = read_table(self, X, dtype=[np.float64, np.float32], reset=reset)
        return last_model(self.estimator, X)

    def _read_to_fit(self, X):
        """Return the features of the cells, and of their background, in each version of both."""
        model, X = self._model(X, reset=True)
        if not sees_pixels(model):
            return [read_features(model, X)], []
        augment = CellAugment(color=self.colour)

        def recoloured(images):
            return change(images, content_keys(images), augment, 1)

        def emptied(images):
            return empty_images(images, self.corner)

        changes = [np.asarray] + [recoloured] * (self.colour > 0)
        n_versions = len(changes)
        if self.corner:
            changes += [lambda images, then=each: then(emptied(images)) for each in changes]
        versions = read_changed(model, X, changes)
        return versions[:n_versions], versions[n_versions:]

    def _worst(self, scores):
        return ((scores - self._middle) / self._tail).min(axis=1)


def _rows(versions, rows):
    """Return some rows of each level of each version."""
    return [[level[rows] for level in levels] for levels in versions]
