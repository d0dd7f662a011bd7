"""Reject option: cells of low confidence are not accepted."""

from __future__ import annotations

import math
from bisect import bisect_left
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from scipy.special import betaincinv
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Interval, LinksToPage, StrOptions, fit_context
from skblood._typing import ArrayLike, Bools, Images, NDArray

from ._classifier import predict_labelled, predict_proba
from ._coverage import accuracy_coverage_curve


class RejectOption(LinksToPage, BaseEstimator):
    """Accept the cells on which a classifier is confident, and reject the others.

    The confidence is the highest probability of a cell. Cells below a threshold, which is chosen on
    validation cells, are rejected.

    Parameters
    ----------
    estimator : fitted classifier
        Of skblood or scikit-learn, with `predict_proba`. It is not fitted again.
    criterion : {"accuracy", "coverage", "confidence"}, default="accuracy"
        Meaning of `target`: the accuracy on accepted cells, which is guaranteed (see Notes), the
        share of cells that are accepted, or the threshold itself.
    target : float in (0, 1), default=0.99
        Value to reach with as few rejected cells as possible.
    confidence_level : float in (0, 1), default=0.95
        Confidence level of the guarantee with ``criterion="accuracy"``; not used otherwise.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    threshold_ : float
        Cells are accepted if their highest probability is at least this.
    coverage_ : float
        Share of the validation cells that are accepted.
    accuracy_ : float
        Accuracy on the accepted validation cells; NaN if none is accepted.

    See Also
    --------
    AccuracyCoverageDisplay : Accuracy and coverage at all thresholds.
    OutlierDetector : Detects images that are not cells, which probabilities do not tell.

    Notes
    -----
    A threshold that barely reaches an accuracy on validation cells misses it on other cells about
    half of the time. Therefore the lower confidence bound of the accuracy (Clopper and Pearson
    1934), corrected for the number of thresholds tried (Geifman and El-Yaniv 2017 [1]_), must reach
    `target`: with probability `confidence_level`, the accuracy on accepted cells of the same source
    is at least `target`. Even without an error this takes 46 accepted cells for a target of 0.9, 97
    for 0.95 and 528 for 0.99; with fewer, `fit` raises an error that names the highest target that
    they reach. Validate on other cells than those that the classifier was fitted or adapted to.

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

    classes_: NDArray[Any]
    threshold_: float
    coverage_: float
    accuracy_: float

    _parameter_constraints: dict[str, Any] = {
        "estimator": "no_validation",  # checked by fit
        "criterion": [StrOptions({"accuracy", "coverage", "confidence"})],
        "target": [Interval(Real, 0, 1, closed="neither")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        criterion: Literal["accuracy", "coverage", "confidence"] = "accuracy",
        target: float = 0.99,
        confidence_level: float = 0.95,
    ) -> None:
        self.estimator = estimator
        self.criterion = criterion
        self.target = target
        self.confidence_level = confidence_level

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Images, y: ArrayLike) -> Self:
        """Choose the threshold on validation cells.

        Parameters
        ----------
        X : array-like or sequence
            Validation cells, used neither in training nor in adaptation, in any form that the
            classifier takes.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        self : object
            Fitted reject option.

        Raises
        ------
        TypeError
            If the estimator has no predict_proba.
        ValueError
            If `y` holds a label that the classifier does not know, or no threshold guarantees the
            accuracy.
        """
        codes, probabilities = predict_labelled(self.estimator, X, y)
        y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        threshold = self.target
        if self.criterion != "confidence":
            curve = accuracy_coverage_curve(codes, y_pred, confidence)
            threshold = curve[2][self._choose(*curve[:2], len(codes))]
        accepted = confidence >= threshold
        correct = (codes == y_pred)[accepted]
        self.classes_ = np.asarray(self.estimator.classes_)
        self.threshold_ = float(threshold)
        self.coverage_ = float(accepted.mean())
        self.accuracy_ = float(correct.mean()) if len(correct) else math.nan
        return self

    def predict(self, X: Images, return_rejected: bool = False) -> Any:
        """Return the most probable label of each cell, also of rejected ones.

        Parameters
        ----------
        X : array-like or sequence
            Cells, in any form that the classifier takes.
        return_rejected : bool, default=False
            Also return which cells are rejected, without reading the images again.

        Returns
        -------
        labels : ndarray of shape (n,)
            Predicted labels. Rejected cells keep theirs: a label of their own could be confused
            with the classes, and would change the dtype of numeric labels.
        rejected : ndarray of bool of shape (n,)
            Whether each cell is rejected. Only if `return_rejected`.
        """
        check_is_fitted(self)
        probabilities = predict_proba(self.estimator, X)
        labels = self.classes_[probabilities.argmax(axis=1)]
        if not return_rejected:
            return labels
        return labels, probabilities.max(axis=1) < self.threshold_

    def accepts(self, X: Images) -> Bools:
        """Return whether each cell is accepted.

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
        """Return the position of the threshold on the curve."""
        if self.criterion == "coverage":
            return int(np.argmax(coverage >= self.target))
        n_accepted = np.rint(coverage * n)
        n_correct = np.rint(accuracy * n_accepted)
        error = _error_of_a_bound(n, self.confidence_level)
        bounds = _lower_bounds(n_correct, n_accepted, error)

        def find_place(target):
            # With fewer cells than at `first`, even no error would be too few.
            first = np.searchsorted(n_accepted, math.log(error) / math.log(target))
            place = bisect_left(bounds, True, lo=first, key=lambda bound: bound < target)
            return None if place == first else place - 1

        if (place := find_place(self.target)) is not None:
            return place
        targets = np.arange(999, 0, -1) / 1000
        reached = next((target for target in targets if find_place(target) is not None), 0)
        needed = _count_required(self.target, self.confidence_level)
        raise ValueError(
            f"No threshold guarantees an accuracy of {self.target:g}: that takes {needed} accepted "
            f"cells without an error, and there are {n} cells with {n - n_correct[-1]:.0f} errors, "
            f"which reach a target of {reached:g}. Give more, or lower target or confidence_level."
        )


def _error_of_a_bound(n, confidence_level):
    """Return the probability with which a bound may fail: bisection tries at most log2(n + 1)."""
    return (1 - confidence_level) / math.ceil(math.log2(n + 1))


def _count_required(target, confidence_level):
    """Return how many cells, all of them correct, guarantee an accuracy."""
    n, needed = 0, 1
    while needed > n:
        n = needed
        needed = math.ceil(math.log(_error_of_a_bound(n, confidence_level)) / math.log(target))
    return n


def _lower_bounds(n_correct, n, error):
    """Return the lower bounds of the accuracy that fail with probability `error`."""
    bounds = betaincinv(np.maximum(n_correct, 1), n - n_correct + 1, error)
    return np.where(n_correct > 0, bounds, 0)
