"""Calibration error of class probabilities."""

from __future__ import annotations

import numpy as np

from skblood._labels import check_probabilities, encode_labels, resolve_classes
from skblood._typing import ArrayLike

# As in Guo et al. 2017.
_N_BINS = 15


def expected_calibration_error(
    y_true: ArrayLike, y_proba: ArrayLike, *, labels: ArrayLike | None = None
) -> float:
    """Return the expected calibration error of class probabilities.

    Cells are binned by the probability of their most probable class, in 15 bins of equal width.
    The error is the mean distance, weighted by the number of cells, between this probability and
    the accuracy in a bin [1]_. :func:`~skblood.evaluation.evaluate` reports the same error.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True labels.
    y_proba : array-like of shape (n, n_classes)
        Probabilities, as returned by `predict_proba`.
    labels : array-like of shape (n_classes,), default=None
        Labels of the columns, `classes_` of the classifier. None takes the labels in `y_true`,
        sorted; all classes must then occur.

    Returns
    -------
    error : float
        In 0..1; 0 is best.

    Raises
    ------
    ValueError
        If `y_true` holds a label that is not among `labels`, or `y_proba` does not hold
        probabilities of these labels.

    Notes
    -----
    Even with perfect probabilities chance makes the error positive, about 0.01 for 1,000 cells:
    compare errors on the same cells only. Unlike the log loss and the Brier score it is not a
    proper score.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
       ICML 2017.

    Examples
    --------
    >>> from skblood.uncertainty import expected_calibration_error
    >>> y_proba = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]]
    >>> round(expected_calibration_error(["a", "a", "b", "a"], y_proba), 6)
    0.2
    """
    classes = resolve_classes(labels, y_true=y_true)
    codes = encode_labels(y_true, classes, "y_true")
    y_proba = check_probabilities(y_proba, len(codes), classes)
    confidences = y_proba.max(axis=1)
    gaps = confidences - (y_proba.argmax(axis=1) == codes)
    bins = np.minimum((confidences * _N_BINS).astype(int), _N_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=gaps)).sum() / len(codes))
