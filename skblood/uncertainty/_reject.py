"""A classifier that may say that it does not know."""

import math
from bisect import bisect_left
from numbers import Real

import numpy as np
from scipy.special import betaincinv
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Interval, StrOptions, fit_context
from skblood.uncertainty._classifier import predict_proba, read_calibration_cells
from skblood.uncertainty._coverage import accuracy_coverage_curve


class RejectOption(BaseEstimator):
    """Accept the cells that a classifier is sure of, and reject the others.

    The confidence in a cell is its highest probability, and cells below a threshold are rejected.
    The threshold is found on validation cells.

    Parameters
    ----------
    estimator : fitted classifier
        Of skblood or scikit-learn, with `predict_proba`. It is not fitted again.
    criterion : {"accuracy", "coverage", "confidence"}, default="accuracy"
        What `target` speaks of: the accuracy on accepted cells, which is promised (see Notes); the
        share of cells that are accepted; or the confidence itself, the threshold being given.
    target : float in (0, 1), default=0.99
        What is to be reached, with as few rejected cells as possible.
    confidence_level : float in (0, 1), default=0.95
        How sure the promise of ``criterion="accuracy"`` is; the others do not use it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    threshold_ : float
        Cells are accepted whose highest probability is this or higher.
    coverage_ : float
        Share of the validation cells that are accepted.
    accuracy_ : float
        Accuracy on the accepted validation cells; NaN if none is accepted.

    See Also
    --------
    AccuracyCoverageDisplay : What other thresholds would give.
    OutlierDetector : Whether an image shows a cell at all, which no probability tells.

    Notes
    -----
    A threshold at which validation cells just reach an accuracy is missed by other cells about half
    the time. So the lower bound of the accuracy (Clopper and Pearson 1934) must reach it, corrected
    for the thresholds that are tried (Geifman and El-Yaniv 2017 [1]_): with probability
    `confidence_level`, the accuracy on accepted cells of the same source is at least `target`. For
    0.99 that takes some 530 accepted validation cells, all of them right, or more.

    References
    ----------
    .. [1] Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS
       2017.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import RejectOption
    >>> X, y = make_blood_cells(400, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> clf = clf.fit(X[:200], y[:200])
    >>> reject = RejectOption(clf, criterion="coverage", target=0.8).fit(X[200:300], y[200:300])
    >>> reject.coverage_
    0.8
    >>> labels, rejected = reject.predict(X[300:], return_rejected=True)
    >>> bool(0.05 < rejected.mean() < 0.35)
    True
    """

    _parameter_constraints = {
        "estimator": "no_validation",  # fit says what is missing
        "criterion": [StrOptions({"accuracy", "coverage", "confidence"})],
        "target": [Interval(Real, 0, 1, closed="neither")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, estimator, *, criterion="accuracy", target=0.99, confidence_level=0.95):
        self.estimator = estimator
        self.criterion = criterion
        self.target = target
        self.confidence_level = confidence_level

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Find the threshold on validation cells.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that the classifier takes: none that it was trained on.
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
            If `y` holds a label that the classifier does not know, or no threshold can be promised
            to reach the accuracy.
        """
        codes, probabilities = read_calibration_cells(self.estimator, X, y)
        y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        if self.criterion == "confidence":
            threshold = self.target
        else:
            curve = accuracy_coverage_curve(codes, y_pred, confidence)
            threshold = curve[2][self._choose(*curve[:2], len(codes))]
        accepted = confidence >= threshold
        self.classes_ = np.asarray(self.estimator.classes_)
        self.threshold_ = float(threshold)
        self.coverage_ = float(accepted.mean())
        right = (codes == y_pred)[accepted]
        self.accuracy_ = float(right.mean()) if len(right) else math.nan
        return self

    def predict(self, X, return_rejected=False):
        """Return the most probable label of each cell, of rejected ones as well.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that the classifier takes.
        return_rejected : bool, default=False
            Return which cells are rejected, too, in the same pass over the images.

        Returns
        -------
        labels : ndarray of shape (n,)
            What the classifier says. There is none that says "rejected": a new label would get
            mixed up with the classes, and change the type of numbers.
        rejected : ndarray of bool of shape (n,)
            Whose label is not to be relied upon. Only if `return_rejected`.
        """
        check_is_fitted(self)
        probabilities = predict_proba(self.estimator, X)
        labels = self.classes_[probabilities.argmax(axis=1)]
        if not return_rejected:
            return labels
        return labels, probabilities.max(axis=1) < self.threshold_

    def accepts(self, X):
        """Return which cells are accepted.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that the classifier takes.

        Returns
        -------
        accepted : ndarray of bool of shape (n,)
        """
        return ~self.predict(X, return_rejected=True)[1]

    def _choose(self, coverage, accuracy, n):
        """Return the position of the threshold."""
        if self.criterion == "coverage":
            return int(np.argmax(coverage >= self.target))
        n_accepted = np.rint(coverage * n)
        n_right = np.rint(accuracy * n_accepted)
        # Bisection looks at no more thresholds than this.
        error = (1 - self.confidence_level) / math.ceil(math.log2(n + 1))
        needed = math.ceil(math.log(error) / math.log(self.target))  # cells, if all are right
        first = int(np.searchsorted(n_accepted, needed))

        def fails(i):
            return _lower_bound(n_right[i], n_accepted[i], error) < self.target

        place = bisect_left(range(len(coverage)), True, lo=first, key=fails)
        if place == first:
            raise ValueError(
                f"No threshold can be promised to give an accuracy of {self.target:g}: on all {n} "
                f"validation cells it is {accuracy[-1]:.4f}, and the promise takes at least "
                f"{needed} accepted cells without an error. Give more validation cells, or lower "
                f"`target` or `confidence_level` (now {self.confidence_level:g})."
            )
        return place - 1


def _lower_bound(n_right, n, error):
    """Return what the accuracy falls short of with this probability at most."""
    return betaincinv(n_right, n - n_right + 1, error) if n_right else 0.0
