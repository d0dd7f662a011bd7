"""Agreement of two methods: Bland-Altman limits, limits of a count, and Cohen's kappa."""

import numpy as np
from scipy.special import ndtri, stdtrit
from scipy.stats import beta
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from skblood.evaluation._estimates import Estimate


def bland_altman(differences, confidence_level):
    """Return the bias and the limits of agreement (Bland and Altman 1986, 1999).

    The limits contain 95 % of the differences. `confidence_level` is that of the intervals of bias
    and limits.

    Parameters
    ----------
    differences : ndarray of shape (n,)
    confidence_level : float

    Returns
    -------
    bias, lower, upper : Estimate
    """
    n, spread, bias = len(differences), differences.std(ddof=1), differences.mean()
    t, z = stdtrit(n - 1, (1 + confidence_level) / 2), ndtri(0.975)
    margin = t * spread * np.sqrt(1 / n + z**2 / (2 * (n - 1)))
    return (
        Estimate.around(bias, t * spread * np.sqrt(1 / n)),
        Estimate.around(bias - z * spread, margin),
        Estimate.around(bias + z * spread, margin),
    )


def count_limits(shares, n_cells):
    """Return the 95 % limits of counted shares, as in the table of Rümke (1985).

    These are the exact binomial limits (Clopper and Pearson 1934); the table rounds them outwards
    to whole percents.

    Parameters
    ----------
    shares : array-like of shape (...)
    n_cells : array-like of shape (...)
        Number of cells counted.

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    n_cells = np.asarray(n_cells, float)
    hits = np.asarray(shares, float) * n_cells
    others = n_cells - hits
    # The beta distribution is undefined (NaN) for no hits or no others.
    low = np.nan_to_num(beta.ppf(0.025, hits, others + 1), nan=0.0)
    return low, np.nan_to_num(beta.ppf(0.975, hits + 1, others), nan=1.0)


def estimate_kappa(labels_a, labels_b, confidence_level):
    """Return Cohen's kappa with its interval (Fleiss, Cohen and Everitt 1969).

    Parameters
    ----------
    labels_a, labels_b : array-like of shape (n,)
    confidence_level : float

    Returns
    -------
    kappa : Estimate
        NaN if a single label occurs.
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
    # With full agreement, rounding may make the variance negative.
    margin = ndtri((1 + confidence_level) / 2) * np.sqrt(max(variance, 0))
    value, low, high = Estimate.around(kappa, margin)
    return Estimate(value, max(low, -1.0), min(high, 1.0))
