"""Correction of class shares for known confusions."""

import numpy as np

from skblood.evaluation._evaluation_report import EvaluationReport

# Draws that the intervals are quantiles of.
_N_DRAWS = 2000
# The iteration stops when no share changes by more.
_TOLERANCE = 1e-6
_MAX_STEPS = 2000


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


def check_confusion(confusion, classes):
    """Return the confusion matrix of validation cells as an array of int."""
    if isinstance(confusion, EvaluationReport):
        if confusion.classes != classes:
            raise ValueError(
                f"`confusion` is a report of a model with the classes {confusion.classes}, but the "
                f"cells are counted by {classes}. Give the `classes` of the model."
            )
        confusion = confusion.confusion_matrix
    confusion = check_counts(confusion, "confusion", (len(classes), len(classes)))
    empty = [label for label, row in zip(classes, confusion, strict=True) if not row.any()]
    if empty:
        raise ValueError(
            f"`confusion` has no validation cells of {empty}. Validate on cells of all classes, or "
            "count without `confusion`."
        )
    return confusion


def correct_counts(counts, confusion, confidence_level, rng):
    """Return class shares corrected for confusions, and their intervals.

    Parameters
    ----------
    counts : ndarray of int of shape (n_slides, n_classes)
        Cells of each slide by predicted class.
    confusion : ndarray of int of shape (n_classes, n_classes)
        Validation cells by true class (row) and predicted class (column).
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    shares, low, high : ndarray of shape (n_slides, n_classes)
        NaN for a slide without cells.
    """
    # The prior of Berger et al. (2015) adds one cell to each row, in equal parts: a confusion that
    # was not observed may still happen.
    confusion = confusion + 1 / len(confusion)
    rates = rng.standard_gamma(confusion, size=(_N_DRAWS, *confusion.shape))
    inverses = np.linalg.inv(rates / rates.sum(axis=2, keepdims=True))
    mean_rates = confusion / confusion.sum(axis=1, keepdims=True)
    levels = (1 - confidence_level) / 2, (1 + confidence_level) / 2
    found = np.full((3, *counts.shape), np.nan)
    for slide in np.flatnonzero(counts.sum(axis=1)):
        shares = _most_likely(counts[slide], mean_rates)
        draws = _draw_shares(counts[slide], inverses, rng)
        low, high = np.clip(np.quantile(draws, levels, axis=0), 0, 1)
        # If a share is held at zero, the others may leave their intervals.
        found[:, slide] = shares, np.minimum(low, shares), np.maximum(high, shares)
    return tuple(found)


def _most_likely(counts, rates):
    """Return the maximum likelihood shares in 0..1 by EM (Dempster et al. 1977)."""
    shares = np.full(len(counts), 1 / len(counts))
    for _ in range(_MAX_STEPS):
        before = shares
        shares = shares * (rates @ (counts / (shares @ rates))) / counts.sum()
        if np.abs(shares - before).max() < _TOLERANCE:
            break
    return shares


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
