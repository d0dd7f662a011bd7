"""Correction of class shares for known confusions."""

import numpy as np
import pandas as pd

from skblood._labels import list_few, match_labels
from skblood.evaluation._evaluation_report import EvaluationReport
from skblood.evaluation._intervals import wilson_interval

# Draws that the intervals are quantiles of.
_N_DRAWS = 2000
# Cells of each class that a usual model predicts correctly and wrongly: added to the validation
# cells to tell whether the correction helps. Chosen on simulated laboratories.
_USUAL_HITS, _USUAL_ERRORS = 20, 0.5
# The iteration stops this close to the maximum of the log likelihood of a cell.
_TOLERANCE = 1e-9
_MAX_STEPS = 10_000
# Difference of two errors by rounding.
_TIE = 1e-6


def check_counts(counts, name, shape):
    """Return counts as an array of int; `name` is that of the argument, for messages.

    Raises
    ------
    ValueError
        If the shape differs, or there is anything but whole numbers of 0 or more.
    """
    counts = np.asarray(counts)
    if counts.shape != shape:
        raise ValueError(
            f"`{name}` must have the shape {shape}, got {counts.shape}. Give all `classes` of the "
            "model in this order, also those without cells."
        )
    if (
        counts.dtype.kind not in "iuf"
        or not (np.isfinite(counts) & (counts >= 0) & (counts == np.round(counts))).all()
    ):
        raise ValueError(f"`{name}` must hold numbers of cells, whole and at least 0, not shares.")
    return counts.astype(int)


def check_confusion(confusion, classes, name="confusion"):
    """Return the confusion matrix of validation cells, in the order of `classes`, as int.

    `name` is that of the argument, for messages.
    """
    if isinstance(confusion, EvaluationReport):
        labels = confusion.classes
        return _align_table(pd.DataFrame(confusion.confusion_matrix, labels, labels), classes, name)
    if isinstance(confusion, pd.DataFrame):
        confusion = _align_table(confusion, classes, name)
    confusion = check_counts(confusion, name, (len(classes), len(classes)))
    if confusion.sum(axis=1).max() <= 1:
        raise ValueError(
            f"`{name}` must hold numbers of cells, not shares: no row has more than one cell. "
            "Give the confusion matrix without `normalize`."
        )
    return confusion


def _align_table(table, classes, name):
    """Return the array of a confusion matrix with labels; classes that it lacks have no cells.

    Raises
    ------
    ValueError
        If its rows or columns are not classes, or are given twice.
    """
    for axis in (0, 1):
        labels = match_labels(table.axes[axis], classes, name)
        if len(set(labels)) < len(labels) or not set(labels) <= set(classes):
            raise ValueError(
                f"`{name}` must have classes as {('rows', 'columns')[axis]}, each once: "
                f"{classes}, got {list_few([*map(repr, labels)])}. Give an array if its rows and "
                "columns are in this order."
            )
        table = table.set_axis(labels, axis=axis).reindex(classes, axis=axis, fill_value=0)
    return table.to_numpy()


def correct_counts(counts, confusion, confidence_level, rng):
    """Return class shares corrected for confusions, their intervals, and whether to prefer them.

    Parameters
    ----------
    counts : ndarray of int of shape (n_slides, n_classes)
        Cells of each slide by predicted class.
    confusion : ndarray of int of shape (n_classes, n_classes)
        Validation cells by true class (row) and predicted class (column). A class without cells is
        assumed to be recognized without error.
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    shares, low, high : ndarray of shape (n_slides, n_classes)
        NaN for a slide without cells.
    is_better : bool
        Whether these shares are expected to be nearer to the true ones than those counted.
    """
    n_classes = len(confusion)
    is_absent = ~confusion.any(axis=1)
    # The prior of Berger et al. (2015) adds one cell to each row, in equal parts: a confusion that
    # was not observed may still happen.
    smoothed = confusion + 1 / n_classes
    rates = rng.standard_gamma(smoothed, size=(_N_DRAWS, *confusion.shape))
    confusion = confusion + np.diag(is_absent)
    rates[:, is_absent] = np.eye(n_classes)[is_absent]
    inverses = np.linalg.inv(rates / rates.sum(axis=2, keepdims=True))
    others = _USUAL_ERRORS / max(n_classes - 1, 1)
    usual = confusion + np.where(np.eye(n_classes), _USUAL_HITS, others)
    levels = (1 - confidence_level) / 2, (1 + confidence_level) / 2
    found = np.full((3, *counts.shape), np.nan)
    error = error_counted = 0.0
    for slide in np.flatnonzero(counts.sum(axis=1)):
        shares = _most_likely(counts[slide], confusion)
        expected = _most_likely(counts[slide], usual)
        error += np.abs(shares - expected).sum()
        error_counted += np.abs(counts[slide] / counts[slide].sum() - expected).sum()
        draws = _draw_shares(counts[slide], inverses, rng)
        low, high = np.quantile(draws, levels, axis=0)
        # If nearly all solutions are beyond 0 or 1, the end is that of no cell, or of all.
        least = wilson_interval(0, counts[slide].sum(), confidence_level)[1]
        low = np.where(low < 1, low.clip(0), 1 - least)
        high = np.where(high > 0, high.clip(max=1), least)
        # If a share is held at zero, the others may leave their intervals.
        found[:, slide] = shares, np.minimum(low, shares), np.maximum(high, shares)
    return *found, bool(error_counted - error > _TIE)


def _most_likely(counts, confusion):
    """Return the maximum likelihood shares in 0..1.

    By EM (Dempster et al. 1977).
    """
    # Nothing is known of cells that are predicted as no validation cell is: they stay as counted.
    is_known = confusion.any(axis=0)
    as_counted = np.where(is_known, 0, counts) / counts.sum()
    used = is_known & (counts > 0)
    rates = (confusion / confusion.sum(axis=1, keepdims=True))[:, used]
    weights = counts[used] / counts[used].sum()

    shares = np.full(len(rates), 1 / len(rates))
    for _ in range(_MAX_STEPS):
        factor = rates @ (weights / (shares @ rates))
        # Bounds the distance of the log likelihood of a cell from its maximum.
        if factor.max() < 1 + _TOLERANCE:
            break
        shares = shares * factor
    return as_counted + (1 - as_counted.sum()) * shares


def _draw_shares(counts, inverses, rng):
    """Return draws of the true shares, shape (n_draws, n_classes).

    The shares of the predictions are drawn, each with the prior of Jeffreys: half a cell for the
    class itself and half a cell for all others. The inverse of the rates of confusion maps them to
    true shares, some of which are below 0. These are kept: clipping each draw would bias the shares
    of rare classes upwards.
    """
    n_draws, n_classes = inverses.shape[:2]
    part = 0.5 / max(n_classes - 1, 1)
    cells = rng.standard_gamma(counts + part, size=(n_draws, n_classes))
    # Further prior of a class for its own interval, compared with its part as one of the others.
    more = rng.standard_gamma(0.5 - part, size=(n_draws, n_classes))
    own = inverses.diagonal(axis1=1, axis2=2)
    sums = np.einsum("sj,sjk->sk", cells, inverses) + more * own
    return sums / (cells.sum(axis=1, keepdims=True) + more)
