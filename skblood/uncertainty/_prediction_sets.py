"""Prediction sets that contain the true label with a given probability."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skblood._labels import list_few
from skblood._sklearn import Interval, LinksToPage, fit_context
from skblood._typing import ArrayLike, Bools, Floats, Images, Ints, NDArray

from ._classifier import possible_classes, predict_labelled, predict_proba

# Ranks are rounded to this precision: (n + 1) * 0.9 must be 9 for n = 9.
_DIGITS = 9


@dataclass(frozen=True, eq=False)
class SetCoverage:
    """Coverage and size of prediction sets.

    Attributes
    ----------
    marginal : float
        Share of all cells whose set contains their label.
    per_class : ndarray of shape (n_classes,)
        The same among the cells of each class; NaN if there are none.
    n_cells : ndarray of int of shape (n_classes,)
        Number of cells of each class.
    mean_size : float
        Mean number of labels in a set.
    single, empty : float
        Shares of cells whose set contains one label, and no label.
    """

    marginal: float
    per_class: np.ndarray
    n_cells: np.ndarray
    mean_size: float
    single: float
    empty: float


class PredictionSets(LinksToPage, BaseEstimator):
    """Predict sets of labels that contain the true one with a given probability.

    Split conformal prediction [1]_: for any classifier, the sets contain the true label of at least
    `confidence_level` of new cells, if these come from the same source as the calibration cells. A
    set contains the labels with a high enough probability, which gives the smallest sets for a
    classifier [2]_.

    Parameters
    ----------
    estimator : fitted classifier
        Of skblood or scikit-learn, with `predict_proba`. It is not fitted again.
    confidence_level : float in (0, 1), default=0.9
        Share of cells whose set contains their label.
    class_conditional : bool, default=False
        Guarantee the level within each class, by a threshold for each class [2]_. By default it
        holds for all cells together, where common classes may make up for rare ones.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; the columns of `predict_sets` are in this order.
    thresholds_ : ndarray of shape (n_classes,)
        A set contains a label if 1 minus its probability is at most this. Infinite, so that the
        label is in every set, if there are too few calibration cells for this level; minus
        infinity, so that it is in no set, if `reconfigure` ruled the class out.
    n_calibration_ : ndarray of int of shape (n_classes,)
        Number of calibration cells of each class.

    See Also
    --------
    RejectOption : Predicts one label, and rejects cells of low confidence.

    Notes
    -----
    The guarantee is an average over calibration sets and cells. With a single set of n calibration
    cells, the coverage of new cells varies by about ``sqrt(0.09 / n)`` at a level of 0.9. The level
    requires ``ceil(level / (1 - level))`` calibration cells, 9 at 0.9; with `class_conditional` as
    many of each class. The guarantee does not hold in another laboratory: calibrate on its cells.

    An empty set means that the cell is less like each class than calibration cells are. If the
    accuracy of the classifier exceeds `confidence_level`, some sets are empty; choose a level above
    its accuracy to avoid them.

    MAPIE has further scores (APS, RAPS, top-k). It has no class-conditional sets and takes tables
    only: give it flattened rows.

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

    classes_: NDArray[Any]
    thresholds_: Floats
    n_calibration_: Ints

    _parameter_constraints: dict[str, Any] = {
        "estimator": "no_validation",  # checked by fit
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "class_conditional": ["boolean"],
    }

    def __init__(
        self, estimator: Any, *, confidence_level: float = 0.9, class_conditional: bool = False
    ) -> None:
        self.estimator = estimator
        self.confidence_level = confidence_level
        self.class_conditional = class_conditional

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Images, y: ArrayLike) -> Self:
        """Determine the thresholds on calibration cells.

        Parameters
        ----------
        X : array-like or sequence
            Calibration cells, used neither in training nor in adaptation, in any form that the
            classifier takes.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        self : object
            Fitted prediction sets.

        Raises
        ------
        TypeError
            If the estimator has no predict_proba.
        ValueError
            If `y` holds a label that the classifier does not know, or has ruled out.

        Warns
        -----
        UserWarning
            If there are too few calibration cells, with `class_conditional` of any class.
        """
        codes, probabilities = predict_labelled(self.estimator, X, y)
        losses = 1 - probabilities[np.arange(len(codes)), codes]
        self.classes_ = np.asarray(self.estimator.classes_)
        possible = possible_classes(self.estimator)
        self.n_calibration_ = np.bincount(codes, minlength=len(self.classes_))
        if odd := self.n_calibration_[~possible].sum():
            raise ValueError(
                f"`y` holds {odd} cells of classes that the classifier rules out. If these cells "
                "occur, give it all `classes` by skblood.reconfigure; otherwise leave them out."
            )
        parts = [losses] * len(self.classes_)
        if self.class_conditional:
            parts = [losses[codes == code] for code in range(len(self.classes_))]
        self.thresholds_ = np.array([_threshold(part, self.confidence_level) for part in parts])
        few = np.isinf(self.thresholds_) & possible
        self.thresholds_[~possible] = -np.inf
        if few.any():
            needed = math.ceil(round(self.confidence_level / (1 - self.confidence_level), _DIGITS))
            least = min(len(part) for part, needs in zip(parts, possible, strict=True) if needs)
            reached = math.floor(1000 * least / (least + 1)) / 1000
            advice = f"Give more cells, or a confidence_level of at most {reached:g}."
            labels = (
                "every label"
                if few.sum() == possible.sum()
                else list_few([*map(repr, self.classes_[few].tolist())])
            )
            warnings.warn(
                f"confidence_level={self.confidence_level:g} requires {needed} calibration cells"
                f"{' of each class' if self.class_conditional else ''}, the fewest are {least}: "
                f"{labels} will be in every set. {advice if least else 'Give more cells.'}",
                stacklevel=3,
            )
        return self

    def predict_sets(self, X: Images) -> Bools:
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

    def coverage(self, X: Images, y: ArrayLike) -> SetCoverage:
        """Return the coverage and the size of the sets on test cells.

        Parameters
        ----------
        X : array-like or sequence
            Test cells, used neither in training nor in calibration, in any form that the classifier
            takes.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        coverage : SetCoverage
        """
        check_is_fitted(self)
        codes, probabilities = predict_labelled(self.estimator, X, y)
        sets = 1 - probabilities <= self.thresholds_
        covered, sizes = sets[np.arange(len(codes)), codes], sets.sum(axis=1)
        n_cells = np.bincount(codes, minlength=len(self.classes_))
        n_covered = np.bincount(codes[covered], minlength=len(self.classes_))
        return SetCoverage(
            marginal=float(covered.mean()),
            per_class=n_covered / np.where(n_cells, n_cells, np.nan),
            n_cells=n_cells,
            mean_size=float(sizes.mean()),
            single=float((sizes == 1).mean()),
            empty=float((sizes == 0).mean()),
        )


def _threshold(losses, confidence_level):
    """Return the conformal quantile: new losses exceed it with probability 1 - confidence_level."""
    rank = math.ceil(round((len(losses) + 1) * confidence_level, _DIGITS))
    return np.inf if rank > len(losses) else np.partition(losses, rank - 1)[rank - 1]
