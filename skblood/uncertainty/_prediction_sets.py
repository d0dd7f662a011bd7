"""Sets of labels that hold the true one as often as was asked for."""

import math
import warnings
from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Interval, fit_context
from skblood.evaluation._labels import check_lengths
from skblood.evaluation._report_input import code_labels
from skblood.uncertainty._classifier import predict_proba, read_calibration_cells

# (n + 1) * 0.9 is to be 9 for n = 9, whatever the last bit says.
_DIGITS = 9


@dataclass(frozen=True, eq=False)
class SetCoverage:
    """How often prediction sets hold the true label, and how large they are.

    Attributes
    ----------
    marginal : float
        Share of all cells whose set holds their label.
    per_class : ndarray of shape (n_classes,)
        The same among the cells of each class; NaN where there are none.
    n_cells : ndarray of int of shape (n_classes,)
        Cells of each class.
    mean_size : float
        Labels in a set, on average.
    single, empty : float
        Shares of cells whose set holds one label, and none.
    """

    marginal: float
    per_class: np.ndarray
    n_cells: np.ndarray
    mean_size: float
    single: float
    empty: float


class PredictionSets(BaseEstimator):
    """Predict, in place of one label, the set of those that cannot be ruled out.

    Whatever the classifier and its errors, the sets hold the true label of at least
    `confidence_level` of new cells, as long as these come from where the calibration cells come
    from (split conformal prediction [1]_). A label is in the set if its probability is high enough,
    which makes the smallest sets that there are for a classifier [2]_.

    Parameters
    ----------
    estimator : fitted classifier
        Of skblood or scikit-learn, with `predict_proba`. It is not fitted again.
    confidence_level : float in (0, 1), default=0.9
        Share of cells whose set is to hold their label.
    class_conditional : bool, default=False
        Keep the promise for the cells of each class, and not for all together, where common classes
        may make up for rare ones. Each class has a threshold of its own then [2]_.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; the columns of `predict_sets` are in this order.
    thresholds_ : ndarray of shape (n_classes,)
        A label is in the set if 1 minus its probability is at most this. Infinite where there are
        too few calibration cells to rule the label out at this level: it is in every set then.
    n_calibration_ : ndarray of int of shape (n_classes,)
        Calibration cells of each class.

    See Also
    --------
    RejectOption : One label, or none.

    Notes
    -----
    The guarantee is an average over calibration sets and cells; with one set of n calibration cells
    the share of new cells varies about it by some ``sqrt(0.09 / n)`` at 90 %. It needs
    ``ceil(level / (1 - level))`` calibration cells, 9 at 90 %, of each class where it is to hold
    for each. It does not hold in another laboratory: calibrate on cells from there.

    A set may be empty: the cell is less like each class than calibration cells are. With a
    classifier that is right more often than `confidence_level`, some sets must be; so choose a
    level above its accuracy if you do not want any.

    MAPIE has other scores (APS, RAPS, top-k). It has no sets that hold for each class, and of X it
    takes tables alone: give it rows of flattened pixels.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer,
       2005.
    .. [2] M. Sadinle, J. Lei, L. Wasserman, "Least ambiguous set-valued classifiers with bounded
       error levels", Journal of the American Statistical Association 114, 2019.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import PredictionSets
    >>> X, y = make_blood_cells(400, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> clf = clf.fit(X[:200], y[:200])
    >>> sets = PredictionSets(clf, confidence_level=0.8).fit(X[200:300], y[200:300])
    >>> sets.predict_sets(X[300:]).shape
    (100, 8)
    >>> 0.65 < sets.coverage(X[300:], y[300:]).marginal < 0.95
    True
    """

    _parameter_constraints = {
        "estimator": "no_validation",  # fit says what is missing
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "class_conditional": ["boolean"],
    }

    def __init__(self, estimator, *, confidence_level=0.9, class_conditional=False):
        self.estimator = estimator
        self.confidence_level = confidence_level
        self.class_conditional = class_conditional

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Find the thresholds on calibration cells.

        Parameters
        ----------
        X : array-like or sequence
            Calibration cells, in any form that the classifier takes: none that it was trained on,
            which it knows too well.
        y : array-like of shape (n,)
            Their labels.

        Returns
        -------
        self : object
            The fitted one.

        Raises
        ------
        TypeError
            If the estimator gives no probabilities.
        ValueError
            If `y` holds a label that the classifier does not know.

        Warns
        -----
        UserWarning
            If there are too few calibration cells, of a class if it is to hold for each.
        """
        codes, probabilities = read_calibration_cells(self.estimator, X, y)
        losses = 1 - probabilities[np.arange(len(codes)), codes]
        n_classes = probabilities.shape[1]
        if self.class_conditional:
            parts = [losses[codes == code] for code in range(n_classes)]
        else:
            parts = [losses] * n_classes
        self.classes_ = np.asarray(self.estimator.classes_)
        self.thresholds_ = np.array([_threshold(part, self.confidence_level) for part in parts])
        self.n_calibration_ = np.bincount(codes, minlength=n_classes)
        self._warn_of_few()
        return self

    def predict_sets(self, X):
        """Return the set of labels of each cell.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that the classifier takes.

        Returns
        -------
        sets : ndarray of bool of shape (n, n_classes)
            Whether each label is in the set, in the order of `classes_`.
        """
        check_is_fitted(self)
        return 1 - predict_proba(self.estimator, X) <= self.thresholds_

    def coverage(self, X, y):
        """Return how often the sets hold the true label, and how large they are.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that the classifier takes: neither trained nor calibrated on.
        y : array-like of shape (n,)
            Their labels.

        Returns
        -------
        coverage : SetCoverage
        """
        check_is_fitted(self)
        codes = code_labels(y, self.classes_.tolist(), "y")
        sets = self.predict_sets(X)
        check_lengths(X=len(sets), y=len(codes))
        holds, sizes = sets[np.arange(len(codes)), codes], sets.sum(axis=1)
        n_cells = np.bincount(codes, minlength=len(self.classes_))
        per_class = np.bincount(codes, weights=holds, minlength=len(self.classes_))
        return SetCoverage(
            marginal=float(holds.mean()),
            per_class=per_class / np.where(n_cells, n_cells, np.nan),
            n_cells=n_cells,
            mean_size=float(sizes.mean()),
            single=float((sizes == 1).mean()),
            empty=float((sizes == 0).mean()),
        )

    def _warn_of_few(self):
        few = np.isinf(self.thresholds_)
        if not few.any():
            return
        needed = math.ceil(round(self.confidence_level / (1 - self.confidence_level), _DIGITS))
        counts = zip(self.classes_[few].tolist(), self.n_calibration_[few].tolist(), strict=True)
        what = ", ".join(f"{label!r} ({n})" for label, n in counts)
        if not self.class_conditional:
            what = f"all classes together ({self.n_calibration_.sum()})"
        warnings.warn(
            f"At confidence_level={self.confidence_level:g} it takes {needed} calibration cells "
            f"to rule a label out, and there are fewer of {what}: every set will hold these "
            "labels. Give more cells, or a lower confidence_level.",
            stacklevel=4,
        )


def _threshold(losses, confidence_level):
    """Return the loss that a new cell exceeds with probability 1 - confidence_level at most."""
    rank = math.ceil(round((len(losses) + 1) * confidence_level, _DIGITS))
    return np.inf if rank > len(losses) else np.partition(losses, rank - 1)[rank - 1]
