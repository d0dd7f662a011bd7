"""Outlier detection: images that are not cells, or cells of unknown kinds."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted

from skblood._deprecation import former_parameters
from skblood._labels import encode_groups
from skblood._sklearn import Interval, LinksToPage, fit_context, unwrap_model
from skblood._typing import ArrayLike, Floats, Images, Ints
from skblood.augment import CellAugment, augment_images
from skblood.images import CellImages, read_table

from ._features import extract_features, takes_pixels
from ._known import KnownCells, corner_images

_N_FOLDS = 5
# This share of known cells, in any colors, scores below -1.
_TAIL = 0.05
_TINY = 1e-12


class OutlierDetector(LinksToPage, OutlierMixin, BaseEstimator):
    """Detect images that are not cells, or cells of unknown kinds, by the features of a classifier.

    The probabilities of a classifier do not tell them: it may be confident on images without a
    cell. The detector combines two scores of the features at each stage of the network and uses the
    worse one: the distance to the nearest class, with known cells modelled by a Gaussian around the
    mean of each class [1]_ and averaged over the stages [2]_, and a classifier of cell against
    background, which is taken from the corners of the cell images [3]_.

    Parameters
    ----------
    estimator : fitted classifier or transformer, default=None
        Classifier of skblood, or transformer such as `skblood.CellEmbedder`, or a Pipeline or
        search that ends in one. For another last step, the input of this step is used as features.
        None: X is a table of features. The estimator is not fitted again.
    contamination : float in (0, 0.5], default=0.01
        Share of cells like those of `fit` that are called outliers.
    color : float in [0, 1], default=0.5
        Strength of random color changes, as in `skblood.augment.CellAugment`, that must not make a
        cell an outlier: each cell is also used in other colors. 0 means no change. Only used with
        a classifier of skblood that was fitted on images, like `corner`.
    corner : float in [0, 0.5], default=0.3
        Sides of the corners that show background, as a share of those of the image. 0 means no
        background, for images whose corners show the cell.

    Attributes
    ----------
    offset_ : float
        Images with a score below it are outliers.
    n_features_in_ : int
        Number of columns of the table, if `estimator` is None.

    See Also
    --------
    RejectOption : Rejects cells of low confidence.
    laboratory_test : Tests whether many cells come from a known laboratory.

    Notes
    -----
    Fit on cells that the network was not trained on, if possible about 1,000: training cells lie
    closer together than new ones. The threshold comes from a 5-fold cross-validation; with n cells,
    about 1 / (n + 1) of new ones are called outliers whatever `contamination` is, so that 0.01
    requires 99 cells.

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

    offset_: float
    n_features_in_: int

    _parameter_constraints: dict[str, Any] = {
        "estimator": "no_validation",
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "color": [Interval(Real, 0, 1, closed="both")],
        "corner": [Interval(Real, 0, 0.5, closed="both")],
    }

    @former_parameters(colour="color", since="0.1")
    def __init__(
        self,
        estimator: Any = None,
        *,
        contamination: float = 0.01,
        color: float = 0.5,
        corner: float = 0.3,
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.color = color
        self.corner = corner

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Images, y: ArrayLike | None = None) -> Self:
        """Fit the detector to known cells.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that `estimator` takes. Files are read once.
        y : array-like of shape (n,), default=None
            Labels, true or predicted. None models all cells together, which is less sensitive.

        Returns
        -------
        self : object
            Fitted detector.

        Raises
        ------
        ValueError
            If there are fewer than five cells, or lengths differ.
        """
        cells, background = self._extract_versions(X)
        n = len(cells[0][0])
        if n < _N_FOLDS:
            raise ValueError(
                f"X holds too few cells, n_samples={n}: the threshold comes from a "
                f"cross-validation in {_N_FOLDS} parts. Give {_N_FOLDS} or more, if possible about "
                "1,000."
            )
        codes = np.zeros(n, int) if y is None else encode_groups(y, n, "y")[1]
        folds = []
        for known, new in KFold(_N_FOLDS, shuffle=True, random_state=0).split(codes):
            fold = KnownCells(_rows(cells, known), _rows(background, known), codes[known])
            folds.append([fold.score(version) for version in _rows(cells, new)])
        # One array for each version; the order of the cells does not matter.
        scores = [np.concatenate(version) for version in zip(*folds, strict=True)]
        every = np.concatenate(scores)
        self._known = KnownCells(cells, background, codes)
        self._middle = np.median(every, axis=0)
        self._tail = np.maximum(self._middle - np.quantile(every, _TAIL, axis=0), _TINY)
        self.offset_ = float(np.quantile(self._worst(scores[0]), self.contamination))
        return self

    def score_samples(self, X: Images) -> Floats:
        """Return the similarity of each image to known cells; higher means more similar.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `estimator` takes.

        Returns
        -------
        scores : ndarray of shape (n,)
            Between -1 and 0 for most cells in known colors.
        """
        check_is_fitted(self)
        return self._worst(self._known.score(extract_features(*self._unwrap(X, reset=False))))

    def decision_function(self, X: Images) -> Floats:
        """Return the scores minus `offset_`, which are negative for outliers.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `estimator` takes.

        Returns
        -------
        values : ndarray of shape (n,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Images) -> Ints:
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

    def _unwrap(self, X, reset):
        """Return the model that extracts features, and its input."""
        if self.estimator is None:
            X = read_table(self, X, dtype=[np.float64, np.float32], reset=reset)
        return unwrap_model(self.estimator, X)

    def _extract_versions(self, X):
        """Return the features of each version of the cells, and of each of their background."""
        model, X = self._unwrap(X, reset=True)
        if not takes_pixels(model):
            return [extract_features(model, X)], []
        images = model.read_images(X)
        cells = [extract_features(model, each) for each in self._color_versions(images, 0)]
        if not self.corner:
            return cells, []
        corners = CellImages(corner_images(images.pixels, self.corner), images.preprocessing)
        return cells, [extract_features(model, each) for each in self._color_versions(corners, 1)]

    def _color_versions(self, images, seed):
        """Yield images as they are and, with `color`, once in random colors."""
        yield images
        if self.color:
            recolored = augment_images(images, CellAugment(color=self.color), random_state=seed)
            yield CellImages(recolored, images.preprocessing)

    def _worst(self, scores):
        return ((scores - self._middle) / self._tail).min(axis=1)


def _rows(versions, rows):
    """Return some rows of each level of each version."""
    return [[level[rows] for level in levels] for levels in versions]
