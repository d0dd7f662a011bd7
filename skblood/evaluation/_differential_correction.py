"""Shares of the classes among cells whose labels are sometimes wrong."""

import numpy as np

# Draws that the ends of an interval are quantiles of.
_N_DRAWS = 2000
# The most likely shares are found when none moves by more in a step.
_TOLERANCE = 1e-6
_MAX_STEPS = 2000


def correct_counts(counts, confusion, confidence_level, rng):
    """Return the shares of the classes, corrected for confusions, and their intervals.

    Parameters
    ----------
    counts : ndarray of int of shape (n_slides, n_classes)
        Cells of each slide by the class that was predicted.
    confusion : ndarray of int of shape (n_classes, n_classes)
        Validation cells of each class (row) by the class that was predicted (column).
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    shares, low, high : ndarray of shape (n_slides, n_classes)
        NaN for a slide without cells.
    """
    # One cell is added to each row, in equal parts: of a confusion that was never seen it is not
    # known that it never happens (the prior of Berger et al. 2015).
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
        # Where one class is held at zero the others give way, at times out of their intervals.
        found[:, slide] = shares, np.minimum(low, shares), np.maximum(high, shares)
    return tuple(found)


def _most_likely(counts, rates):
    """Return the shares in 0..1 that make counts most likely (EM; Dempster et al. 1977)."""
    shares = np.full(len(counts), 1 / len(counts))
    for _ in range(_MAX_STEPS):
        before = shares
        shares = shares * (rates @ (counts / (shares @ rates))) / counts.sum()
        if np.abs(shares - before).max() < _TOLERANCE:
            break
    return shares


def _draw_shares(counts, inverses, rng):
    """Return shares that counts and rates of confusion may come of, ``(n_draws, n_classes)``.

    Drawn are the shares of the predictions, each with the prior of Jeffreys: half a cell for the
    class itself, and half a cell for all others. A matrix of rates maps the true shares to them,
    and its inverse maps them back, at times to values below 0. Those stay: were each draw put
    right, the share of a class that is not there would always come out too high.
    """
    n_draws, n_classes = inverses.shape[:2]
    part = 0.5 / max(n_classes - 1, 1)
    cells = rng.standard_gamma(counts + part, size=(n_draws, n_classes))
    # What a class has more of when it is the one in question than when it is one of the others.
    more = rng.standard_gamma(0.5 - part, size=(n_draws, n_classes))
    own = inverses.diagonal(axis1=1, axis2=2)
    sums = np.einsum("sj,sjk->sk", cells, inverses) + more * own
    return sums / (cells.sum(axis=1, keepdims=True) + more)
