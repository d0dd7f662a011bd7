"""How far probabilities are from what comes true."""

from skblood.evaluation._labels import check_lengths
from skblood.evaluation._report_input import check_probabilities, code_labels, resolve_classes
from skblood.evaluation._scores import calibration_error


def expected_calibration_error(y_true, y_proba, *, labels=None):
    """Return how far the probabilities of a classifier are from what comes true.

    Cells are sorted by the probability of their most probable class into 15 bins of equal width;
    the error is the mean distance between that probability and the share of cells for which the
    class is right [1]_. It is the figure that :func:`~skblood.evaluation.evaluate` reports.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True labels.
    y_proba : array-like of shape (n, n_classes)
        Probabilities, as `predict_proba` gives them.
    labels : array-like of shape (n_classes,), default=None
        The labels of the columns, `classes_` of the classifier. None: those of `y_true`, sorted,
        which then must hold all of them.

    Returns
    -------
    error : float
        From 0 to 1; 0 is best.

    Raises
    ------
    ValueError
        If `y_true` holds a label that is not among `labels`, or `y_proba` no probabilities of
        these labels.

    Notes
    -----
    It is never below what chance alone makes of it, about 0.01 for 1,000 cells: compare it on the
    same cells only. It is no proper score; the logarithmic loss and the Brier score are.

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
    classes = resolve_classes(y_true, y_true, labels)
    codes = code_labels(y_true, classes, "y_true")
    check_lengths(y_true=len(codes), y_proba=len(y_proba))
    return float(calibration_error(codes, check_probabilities(y_proba, len(codes), classes)))
