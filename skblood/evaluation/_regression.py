"""Regression lines between two methods that both have errors."""

import numpy as np
from scipy.special import ndtri, stdtrit

from skblood.evaluation._estimates import Estimate


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
        NaN if no pair of points has a slope; ends are infinite if there are too few points.
    """
    n = len(x)
    first, second = np.triu_indices(n, 1)
    dx, dy = x[second] - x[first], y[second] - y[first]
    apart = (dx != 0) | (dy != 0)
    dx, dy = dx[apart], dy[apart]
    slopes = np.divide(dy, dx, out=np.copysign(np.inf, dy), where=dx != 0)
    slopes = np.sort(slopes[slopes != -1]) + 0.0  # + 0.0 turns -0 into 0
    n_slopes, shift = len(slopes), np.count_nonzero(slopes < -1)
    if n_slopes == 0:
        return Estimate(np.nan), Estimate(np.nan)
    ranked = np.concatenate([[-np.inf], slopes, [np.inf]])

    def at(rank):
        return float(ranked[np.clip(rank + shift, 0, n_slopes + 1)])

    z = ndtri((1 + confidence_level) / 2)
    below = round((n_slopes - z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)) / 2)
    middle = (at((n_slopes + 1) // 2) + at(n_slopes // 2 + 1)) / 2
    slope = Estimate(middle, at(below), at(n_slopes - below + 1))
    # A steeper line has a lower intercept.
    return slope, Estimate(
        _median_intercept(x, y, slope.value, np.nan),
        _median_intercept(x, y, slope.high, -np.inf),
        _median_intercept(x, y, slope.low, np.inf),
    )


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
        NaN if x and y do not vary together.
    """
    n = len(x)
    dx, dy = x - x.mean(), y - y.mean()
    # Sums and means without each of the points.
    sums = np.array([dx @ dx, dx @ dy, dy @ dy])
    rests = sums[:, None] - n / (n - 1) * np.array([dx * dx, dx * dy, dy * dy])
    slope, slopes = _deming_slope(sums, error_ratio), _deming_slope(rests, error_ratio)
    intercept = y.mean() - slope * x.mean()
    intercepts = (y.mean() - dy / (n - 1)) - slopes * (x.mean() - dx / (n - 1))
    t = stdtrit(n - 2, (1 + confidence_level) / 2)
    return tuple(
        Estimate.around(value, t * np.sqrt((n - 1) * each.var()))
        for value, each in ((slope, slopes), (intercept, intercepts))
    )


def _deming_slope(sums, error_ratio):
    xx, xy, yy = sums
    excess = yy - error_ratio * xx
    root = np.sqrt(excess**2 + 4 * error_ratio * xy**2)
    return np.divide(excess + root, 2 * xy, out=np.full_like(xy, np.nan), where=xy != 0)
