"""Accuracy on accepted cells against their share."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import assert_all_finite

from skblood._labels import as_column, check_lengths, encode_labels, resolve_classes
from skblood._plotting import COLORS, DASHES, add_legend, draws, dress, make_axes, wrap
from skblood._typing import ArrayLike, Axes, Floats, Images

from ._classifier import predict_proba


def accuracy_coverage_curve(
    y_true: ArrayLike, y_pred: ArrayLike, confidence: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return the accuracy on accepted cells for each threshold of the confidence.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True labels.
    y_pred : array-like of shape (n,)
        Predicted labels.
    confidence : array-like of shape (n,)
        Confidence of each prediction: the highest probability, or any other score.

    Returns
    -------
    coverage : ndarray of shape (n_thresholds,)
        Share of cells that are accepted, ascending; the last is 1.
    accuracy : ndarray of shape (n_thresholds,)
        Accuracy on the accepted cells.
    thresholds : ndarray of shape (n_thresholds,)
        Descending; cells with this confidence or a higher one are accepted.

    Raises
    ------
    ValueError
        If lengths differ, or `confidence` is not finite.

    See Also
    --------
    AccuracyCoverageDisplay : Plot of the curve.

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
    classes = resolve_classes(None, y_true=y_true, y_pred=y_pred)
    true = encode_labels(y_true, classes, "y_true")
    predicted = encode_labels(y_pred, classes, "y_pred")
    confidence = as_column(confidence, "confidence").astype(np.float64)
    check_lengths(y_true=len(true), y_pred=len(predicted), confidence=len(confidence))
    assert_all_finite(confidence, input_name="confidence")
    order = np.argsort(-confidence, kind="stable")
    thresholds, correct = confidence[order], (true == predicted)[order]
    # Cells of equal confidence are accepted together.
    last = np.flatnonzero(np.append(np.diff(thresholds) != 0, True))
    n_accepted = last + 1
    return n_accepted / len(order), np.cumsum(correct)[last] / n_accepted, thresholds[last]


class AccuracyCoverageDisplay:
    """Accuracy-coverage curve: accuracy on accepted cells against their share.

    Use :meth:`from_estimator` or :meth:`from_predictions` to create a display.

    Parameters
    ----------
    coverage, accuracy : ndarray of shape (n_thresholds,)
        From :func:`accuracy_coverage_curve`.
    name : str, default=None
        Name of the classifier in the legend.

    Attributes
    ----------
    area : float
        Area under the curve: 1 minus the area under the risk-coverage curve (AURC) [1]_. It is
        highest if all errors have the lowest confidence.
    line_ : matplotlib Line2D
        Curve, after :meth:`plot`.
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure.

    See Also
    --------
    RejectOption : Rejects cells of low confidence.

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

    def __init__(self, coverage: Floats, accuracy: Floats, *, name: str | None = None) -> None:
        self.coverage = coverage
        self.accuracy = accuracy
        self.name = name

    @property
    def area(self) -> float:
        """Area under the curve."""
        return float(np.diff(self.coverage, prepend=0) @ self.accuracy)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Images,
        y: ArrayLike,
        *,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of a fitted classifier; the confidence is the highest probability.

        Parameters
        ----------
        estimator : fitted classifier
            Of skblood or scikit-learn, with `predict_proba`.
        X : array-like or sequence
            Cells, in any form that the classifier takes. Files are read once.
        y : array-like of shape (n,)
            Labels. Labels that the classifier does not know count as errors.
        name : str, default=None
            Name of the classifier in the legend; None uses the name of its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : AccuracyCoverageDisplay
            The display, plotted.
        """
        probabilities = predict_proba(estimator, X)
        y_pred = np.asarray(estimator.classes_)[probabilities.argmax(axis=1)]
        options = {"name": name or type(estimator).__name__, "ax": ax, **kwargs}
        return cls.from_predictions(y, y_pred, probabilities.max(axis=1), **options)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of predictions; see :func:`accuracy_coverage_curve`.

        Parameters
        ----------
        y_true, y_pred, confidence : array-like of shape (n,)
            As in :func:`accuracy_coverage_curve`.
        name : str, default=None
            Name of the classifier in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : AccuracyCoverageDisplay
            The display, plotted.
        """
        coverage, accuracy, _ = accuracy_coverage_curve(y_true, y_pred, confidence)
        return cls(coverage, accuracy, name=name).plot(ax=ax, **kwargs)

    @draws
    def plot(self, *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Plot the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : AccuracyCoverageDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        ax = make_axes(ax, (5, 3.8))
        self.ax_, self.figure_ = ax, ax.figure
        area = f"area under the curve: {self.area:.3f}"
        label = area if self.name is None else f"{wrap(self.name, 40)}\n{area}"
        n_drawn = len(ax.lines)
        style = {"color": COLORS[n_drawn % 6], "linestyle": DASHES[n_drawn % 4], "label": label}
        given = normalize_kwargs(kwargs, Line2D)  # `ls` is `linestyle`
        (self.line_,) = ax.plot(self.coverage, self.accuracy, **style | given)
        ax.set(xlabel="coverage (share of cells accepted)", ylabel="accuracy on accepted cells")
        ax.set_xlim(0, 1)
        dress(ax)
        add_legend(ax)
        return self
