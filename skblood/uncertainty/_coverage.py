"""How right a classifier is on the cells that it is sure of."""

import numpy as np
from sklearn.utils import column_or_1d

from skblood.evaluation._labels import check_lengths
from skblood.evaluation._plotting import import_pyplot
from skblood.evaluation._report_input import code_labels, resolve_classes
from skblood.uncertainty._classifier import check_classifier, predict_proba


def accuracy_coverage_curve(y_true, y_pred, confidence):
    """Return the accuracy on the cells that are accepted, for each threshold on the confidence.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True labels.
    y_pred : array-like of shape (n,)
        Predicted labels.
    confidence : array-like of shape (n,)
        The higher, the surer: the highest probability of each cell, or any other score.

    Returns
    -------
    coverage : ndarray of shape (n_thresholds,)
        Share of the cells that are accepted, ascending; the last is 1.
    accuracy : ndarray of shape (n_thresholds,)
        Share of the accepted cells that are right.
    thresholds : ndarray of shape (n_thresholds,)
        Descending; cells are accepted whose confidence is this or higher.

    Raises
    ------
    ValueError
        If lengths differ, or `confidence` is not finite.

    See Also
    --------
    AccuracyCoverageDisplay : The curve as a picture.

    Examples
    --------
    >>> from skblood.uncertainty import accuracy_coverage_curve
    >>> coverage, accuracy, thresholds = accuracy_coverage_curve(
    ...     ["a", "b", "a", "b"], ["a", "b", "a", "a"], [0.9, 0.8, 0.7, 0.6]
    ... )
    >>> coverage
    array([0.25, 0.5 , 0.75, 1.  ])
    >>> accuracy
    array([1.  , 1.  , 1.  , 0.75])
    """
    classes = resolve_classes(y_true, y_pred)
    codes = code_labels(y_true, classes, "y_true"), code_labels(y_pred, classes, "y_pred")
    confidence = column_or_1d(confidence, dtype=np.float64)
    check_lengths(y_true=len(codes[0]), y_pred=len(codes[1]), confidence=len(confidence))
    if not np.isfinite(confidence).all():
        raise ValueError(
            f"`confidence` holds {(~np.isfinite(confidence)).sum()} values that are infinite or "
            "not a number. Give a finite one for each cell."
        )
    order = np.argsort(-confidence, kind="stable")
    thresholds, right = confidence[order], (codes[0] == codes[1])[order]
    # Cells of the same confidence are accepted together.
    last = np.flatnonzero(np.append(np.diff(thresholds) != 0, True))
    n_accepted = last + 1
    return n_accepted / len(order), np.cumsum(right)[last] / n_accepted, thresholds[last]


class AccuracyCoverageDisplay:
    """The accuracy on the cells that are accepted, by their share.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    coverage, accuracy : ndarray of shape (n_thresholds,)
        From :func:`accuracy_coverage_curve`.
    name : str, default=None
        Of the classifier, for the legend.

    Attributes
    ----------
    area : float
        The accuracy, averaged over all coverages: 1 minus the "AURC", the area under the curve of
        risk and coverage [1]_. A classifier whose errors all come last has the highest.
    line_ : matplotlib Line2D
        The curve, after :meth:`plot`.
    ax_ : matplotlib Axes
        The axes with the curve.
    figure_ : matplotlib Figure
        The figure.

    References
    ----------
    .. [1] Y. Geifman, G. Uziel, R. El-Yaniv, "Bias-reduced uncertainty estimation for deep neural
       classifiers", ICLR 2019.

    Examples
    --------
    >>> from skblood.uncertainty import AccuracyCoverageDisplay
    >>> display = AccuracyCoverageDisplay.from_predictions(
    ...     ["a", "b", "a", "b"], ["a", "b", "a", "a"], [0.9, 0.8, 0.7, 0.6]
    ... )
    >>> display.area
    0.9375
    """

    def __init__(self, coverage, accuracy, *, name=None):
        self.coverage = coverage
        self.accuracy = accuracy
        self.name = name

    @property
    def area(self):
        """The accuracy, averaged over all coverages."""
        return float(np.diff(self.coverage, prepend=0) @ self.accuracy)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **kwargs):
        """Draw the curve of a fitted classifier; the confidence is the highest probability.

        Parameters
        ----------
        estimator : fitted classifier
            Of skblood or scikit-learn, with `predict_proba`.
        X : array-like or sequence
            Cells, in any form that the classifier takes.
        y : array-like of shape (n,)
            Their labels. Those that the classifier does not know count as errors.
        name : str, default=None
            Of the classifier, for the legend; None is the name of its class.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Those of `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : AccuracyCoverageDisplay
            The display, plotted.
        """
        check_classifier(estimator)
        probabilities = predict_proba(estimator, X)
        y_pred = np.asarray(estimator.classes_)[probabilities.argmax(axis=1)]
        name = type(estimator).__name__ if name is None else name
        confidence = probabilities.max(axis=1)
        return cls.from_predictions(y, y_pred, confidence, name=name, ax=ax, **kwargs)

    @classmethod
    def from_predictions(cls, y_true, y_pred, confidence, *, name=None, ax=None, **kwargs):
        """Draw the curve of predictions; see :func:`accuracy_coverage_curve`.

        Parameters
        ----------
        y_true, y_pred, confidence : array-like of shape (n,)
            As in :func:`accuracy_coverage_curve`.
        name : str, default=None
            Of the classifier, for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Those of `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : AccuracyCoverageDisplay
            The display, plotted.
        """
        coverage, accuracy, _ = accuracy_coverage_curve(y_true, y_pred, confidence)
        return cls(coverage, accuracy, name=name).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Those of `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : AccuracyCoverageDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot("AccuracyCoverageDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(5, 3.8), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        label = f"area {self.area:.4f}"
        label = label if self.name is None else f"{self.name} ({label})"
        (self.line_,) = ax.plot(self.coverage, self.accuracy, **{"label": label} | kwargs)
        ax.set(xlabel="coverage: share of cells accepted", ylabel="accuracy on these", xlim=(0, 1))
        ax.legend(loc="lower left")
        return self
