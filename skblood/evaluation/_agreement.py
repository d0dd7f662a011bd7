"""Agreement of two methods: regression, Bland-Altman limits, limits of a count, kappa."""

import numpy as np
from scipy.special import ndtri, stdtrit
from scipy.stats import beta, kendalltau
from sklearn.metrics import confusion_matrix

from skblood.evaluation._estimates import Estimate
from skblood.evaluation._score_intervals import count_images, score_interval

# One-sided level at which x and y must rise together.
_MAX_PVALUE = 0.05
# Covariance of constant points by rounding, relative to their squares.
_ROUNDING = 1e-14


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
    """Return Cohen's kappa with its interval, which has a width also if all labels agree.

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
    table = confusion_matrix(labels_a, labels_b).astype(float)
    return kappa_of_tables(table[None], confidence_level, grouped=False)


def kappa_of_tables(tables, confidence_level, *, grouped):
    """Return Cohen's kappa with its interval from cells by both labels.

    Parameters
    ----------
    tables : ndarray of float of shape (n_groups, n_classes, n_classes)
    confidence_level : float
    grouped : bool
        Whether the cells of a table are alike, as those of a slide.

    Returns
    -------
    kappa : Estimate
        NaN if a single label occurs.
    """
    counts = tables.sum(axis=0)
    if (counts.sum(axis=0) + counts.sum(axis=1) > 0).sum() < 2:
        return Estimate(np.nan)
    low, high = score_interval(_kappa, tables, confidence_level, grouped=grouped)
    return Estimate(float(_kappa(count_images(counts))), max(low, -1.0), min(high, 1.0))


def _kappa(sums):
    """Return Cohen's kappa from sums as of `count_images`."""
    same, a, b = np.split(sums, 3, axis=-1)
    n = a.sum(axis=-1)
    chance = (a * b).sum(axis=-1) / n**2
    return (same.sum(axis=-1) / n - chance) / (1 - chance)


def passing_bablok(x, y, confidence_level):
    """Return the line of Passing and Bablok (1983), with intervals by ranks.

    The slope is the median of the slopes between all pairs of points, shifted by the number of
    slopes below -1, which makes it symmetric in x and y. Pairs of identical points and slopes of
    exactly -1 are left out.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    confidence_level : float

    Returns
    -------
    slope, intercept : Estimate
        NaN unless x and y rise together, as the method requires: by Kendall's tau, one-sided at
        5 %. Ends are infinite if there are too few points.
    """
    # It is NaN if x or y is constant.
    if not kendalltau(x, y, alternative="greater").pvalue <= _MAX_PVALUE:
        return Estimate(np.nan), Estimate(np.nan)
    n, slopes = len(x), np.sort(_pair_slopes(x, y))
    shift, last = np.count_nonzero(slopes < -1), len(slopes) - 1
    z = ndtri((1 + confidence_level) / 2)
    below = round((len(slopes) - z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)) / 2)
    places = np.array([last // 2, len(slopes) // 2, below - 1, len(slopes) - below]) + shift
    *middle, low, high = slopes[np.clip(places, 0, last)]
    slope = Estimate(
        float(np.mean(middle)),
        float(low) if places[2] >= 0 else -np.inf,
        float(high) if places[3] <= last else np.inf,
    )
    # A steeper line has a lower intercept.
    return slope, Estimate(
        _median_intercept(x, y, slope.value, np.nan),
        _median_intercept(x, y, slope.high, -np.inf),
        _median_intercept(x, y, slope.low, np.inf),
    )


def _pair_slopes(x, y):
    """Return the slopes between all pairs of points."""
    slopes = []
    for i in range(len(x) - 1):  # one by one, since the differences of all pairs take much memory
        dx, dy = x[i + 1 :] - x[i], y[i + 1 :] - y[i]
        # By rounding, slopes of -1 differ from -1; as slopes below -1 they would shift the median.
        used = ~np.isclose(dx, -dy, rtol=1e-9, atol=0)
        dx, dy = dx[used], dy[used]
        # An infinite slope may have either sign. Adding 0.0 turns -0 into 0.
        slopes.append(np.divide(dy, dx, out=np.full(len(dx), np.inf), where=dx != 0) + 0.0)
    return np.concatenate(slopes)


def _median_intercept(x, y, slope, undefined):
    return float(np.median(y - slope * x)) if np.isfinite(slope) else undefined


def deming(x, y, error_ratio, confidence_level):
    """Return the line of Deming (1943), with intervals by the jackknife (Linnet 1993).

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    error_ratio : float
        Variance of the errors of y divided by that of the errors of x.
    confidence_level : float

    Returns
    -------
    slope, intercept : Estimate
        NaN if x and y do not vary together. Without interval if they do because of a single point.
    """
    n = len(x)
    line = _deming_line(x, y, error_ratio)
    # The lines without each of the points.
    rests = [_deming_line(np.delete(x, i), np.delete(y, i), error_ratio) for i in range(n)]
    margins = stdtrit(n - 2, (1 + confidence_level) / 2) * np.sqrt((n - 1) * np.var(rests, axis=0))
    return tuple(map(Estimate.around, line, margins))


def _deming_line(x, y, error_ratio):
    """Return slope and intercept."""
    dx, dy = x - x.mean(), y - y.mean()
    xx, xy, yy = dx @ dx, dx @ dy, dy @ dy
    if abs(xy) <= _ROUNDING * (x @ x + y @ y):
        return np.nan, np.nan
    excess = yy - error_ratio * xx
    slope = (excess + np.sqrt(excess**2 + 4 * error_ratio * xy**2)) / (2 * xy)
    return slope, y.mean() - slope * x.mean()
