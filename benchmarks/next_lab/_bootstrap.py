"""Bootstrap intervals of statistics of sums over cells."""

import numpy as np
from scipy.special import ndtr, ndtri

# Draws in memory at a time.
_CHUNK = 2**22
# Compared with what may be zero.
_TINY = 1e-30


def bootstrap_intervals(statistic, units, *, n_resamples, confidence_level, rng):
    """Return BCa bootstrap intervals of statistics of sums over units (Efron 1987).

    Parameters
    ----------
    statistic : callable
        Maps sums of shape (..., n_features) to a dict of str to ndarray of shape (...), NaN where
        undefined.
    units : ndarray of shape (n_units, n_features)
        Contribution of each unit to the sums.
    n_resamples : int
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    intervals : dict of str to ndarray of shape (2,)
        NaN where the statistic is undefined, or all units are equal: they tell no spread.
    """
    total = units.sum(axis=0)
    draws = statistic(_resample(units, n_resamples, rng))
    rests = statistic(total - units)
    return {
        name: _bca_interval(value, draws[name], rests[name], ndtri((1 + confidence_level) / 2))
        for name, value in statistic(total).items()
    }


def _resample(units, n_resamples, rng):
    """Return the sums over each resample, shape (n_resamples, n_features)."""
    n = len(units)
    step = max(1, _CHUNK // n)
    sums = []
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        places = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(places.ravel(), minlength=size * n).reshape(size, n)
        sums.append(counts.astype(float) @ units)
    return np.concatenate(sums)


def _bca_interval(value, draws, rests, z):
    """Return the interval of a value from its bootstrap and jackknife replicates."""
    draws, rests = draws[~np.isnan(draws)], rests[~np.isnan(rests)]
    if np.isnan(value) or len(rests) < 2 or np.ptp(draws) <= _TINY:
        return np.full(2, np.nan)
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    gaps = rests.mean() - rests
    acceleration = (gaps**3).sum() / (6 * max((gaps**2).sum() ** 1.5, _TINY))
    shifted = bias + np.array([-z, z])
    levels = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, _TINY))
    return np.quantile(draws, levels)
