"""Straight lines between two methods that both err."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from skblood.evaluation._estimates import Estimate


class Line(NamedTuple):
    """A line and the intervals of its slope and its intercept."""

    slope: Estimate
    intercept: Estimate


def passing_bablok(x, y, confidence_level):
    """Return the line of Passing and Bablok (1983), with its intervals by ranks.

    Its slope is the median of the slopes between all pairs of points, moved by as many places as
    there are slopes below -1, so that x and y may change places. Of points that are the same
    nothing is learned, and of a slope of just -1 it is not known on which side it should count.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    confidence_level : float

    Returns
    -------
    line : Line
        NaN where the points have no slope; an end of an interval that the points are too few for
        is infinite.
    """
    n = len(x)
    first, second = np.triu_indices(n, 1)
    dx, dy = x[second] - x[first], y[second] - y[first]
    apart = (dx != 0) | (dy != 0)
    dx, dy = dx[apart], dy[apart]
    # Upright ones are the steepest, up or down.
    slopes = np.divide(dy, dx, out=np.copysign(np.inf, dy), where=dx != 0)
    slopes = np.sort(slopes[slopes != -1]) + 0.0  # level is level, never -0
    n_slopes, shift = len(slopes), np.count_nonzero(slopes < -1)

    def at(rank):
        if not 1 <= rank + shift <= n_slopes:
            return -np.inf if rank + shift < 1 else np.inf
        return slopes[rank + shift - 1]

    if n_slopes == 0:
        return Line(Estimate(np.nan), Estimate(np.nan))
    z = ndtri((1 + confidence_level) / 2)
    spread = z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    below = round((n_slopes - spread) / 2)
    slope = (at((n_slopes + 1) // 2) + at(n_slopes // 2 + 1)) / 2
    slope = Estimate(*map(float, (slope, at(below), at(n_slopes - below + 1))))
    # A steeper line meets the axis further down.
    intercept = Estimate(
        _median_intercept(x, y, slope.value, np.nan),
        _median_intercept(x, y, slope.high, -np.inf),
        _median_intercept(x, y, slope.low, np.inf),
    )
    return Line(slope, intercept)


def _median_intercept(x, y, slope, undefined):
    return float(np.median(y - slope * x)) if np.isfinite(slope) else undefined


def deming(x, y, error_ratio, confidence_level):
    """Return the line of Deming (1943), with intervals by the jackknife (Linnet 1993).

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    error_ratio : float
        The variance of the errors of y over that of the errors of x.
    confidence_level : float

    Returns
    -------
    line : Line
        NaN where x and y do not vary together.
    """
    n = len(x)
    dx, dy = x - x.mean(), y - y.mean()
    # What is left of the sums, and of the means, when one point is left out.
    part = n / (n - 1)
    sums = np.array([dx @ dx, dx @ dy, dy @ dy])
    rests = sums[:, None] - part * np.array([dx * dx, dx * dy, dy * dy])
    slope, slopes = _deming_slope(sums, error_ratio), _deming_slope(rests, error_ratio)
    intercept = y.mean() - slope * x.mean()
    intercepts = (y.mean() - dy / (n - 1)) - slopes * (x.mean() - dx / (n - 1))
    t = stdtrit(n - 2, (1 + confidence_level) / 2)
    return Line(_jackknife(slope, slopes, t), _jackknife(intercept, intercepts, t))


def _deming_slope(sums, error_ratio):
    xx, xy, yy = sums
    excess = yy - error_ratio * xx
    root = np.sqrt(excess**2 + 4 * error_ratio * xy**2)
    return np.divide(excess + root, 2 * xy, out=np.full_like(xy, np.nan), where=xy != 0)


def _jackknife(value, rests, t):
    n = len(rests)
    spread = t * np.sqrt((n - 1) / n * ((rests - rests.mean()) ** 2).sum())
    return Estimate(*map(float, (value, value - spread, value + spread)))
