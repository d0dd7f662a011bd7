"""How well two methods agree: differences, limits of a count, kappa."""

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from skblood.evaluation._estimates import Estimate


def bland_altman(differences, confidence_level):
    """Return the bias of one method against another and the limits of agreement.

    The limits hold 95 % of the differences, whatever the confidence level is: that is the level of
    the intervals of the three (Bland and Altman 1986, 1999).

    Parameters
    ----------
    differences : ndarray of shape (n,)
    confidence_level : float

    Returns
    -------
    bias, lower, upper : Estimate
    """
    n, spread = len(differences), differences.std(ddof=1)
    t, z = stdtrit(n - 1, (1 + confidence_level) / 2), ndtri(0.975)
    bias = differences.mean()
    error = t * spread * np.sqrt(1 / n)
    limit_error = t * spread * np.sqrt(1 / n + z**2 / (2 * (n - 1)))
    return (
        _around(bias, error),
        _around(bias - z * spread, limit_error),
        _around(bias + z * spread, limit_error),
    )


def _around(value, error):
    return Estimate(*map(float, (value, value - error, value + error)))


def count_limits(shares, n_cells):
    """Return the 95 % limits of shares that a reader counted, those of the table of Rümke (1985).

    They are the exact ones of the binomial (Clopper and Pearson 1934); the table rounds them
    outwards to whole percents.

    Parameters
    ----------
    shares : array-like of shape (...)
    n_cells : array-like of shape (...)
        The cells that were counted.

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    n_cells = np.asarray(n_cells, float)
    hits = np.asarray(shares, float) * n_cells
    others = n_cells - hits
    # No count has zero as a parameter: 1 takes its place, and the limit is known.
    low = betaincinv(np.where(hits > 0, hits, 1), others + 1, 0.025)
    high = betaincinv(hits + 1, np.where(others > 0, others, 1), 0.975)
    return np.where(hits > 0, low, 0), np.where(others > 0, high, 1)


def estimate_kappa(labels_a, labels_b, confidence_level):
    """Return Cohen's kappa with its interval (Fleiss, Cohen and Everitt 1969).

    Parameters
    ----------
    labels_a, labels_b : ndarray of shape (n,)
    confidence_level : float

    Returns
    -------
    kappa : Estimate
        NaN where both gave one and the same label to all cells.
    """
    if len(np.union1d(labels_a, labels_b)) == 1:
        return Estimate(np.nan)
    table = confusion_matrix(labels_a, labels_b)
    kappa = cohen_kappa_score(labels_a, labels_b)
    n, table = table.sum(), table / table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    chance, same = rows @ columns, table.diagonal()
    mixed = table * (columns[:, None] + rows) ** 2
    variance = (
        same @ (1 - (rows + columns) * (1 - kappa)) ** 2
        + (1 - kappa) ** 2 * (mixed.sum() - mixed.trace())
        - (kappa - chance * (1 - kappa)) ** 2
    ) / (n * (1 - chance) ** 2)
    # Where the two agree on all cells rounding may leave less than nothing.
    _, low, high = _around(kappa, ndtri((1 + confidence_level) / 2) * np.sqrt(max(variance, 0)))
    return Estimate(float(kappa), max(low, -1.0), min(high, 1.0))
