"""Confidence intervals of proportions (Wilson) and of other scores (bootstrap)."""

import numpy as np
from scipy.special import ndtr, ndtri

# Draws in memory at a time.
_CHUNK = 2**22
# Added to, or compared with, what may be zero.
_TINY = 1e-30


def check_level(confidence_level):
    """Raise ValueError unless a confidence level is between 0 and 1."""
    if not 0 < confidence_level < 1:
        raise ValueError(f"`confidence_level` must be between 0 and 1, not {confidence_level}.")


def wilson_interval(successes, trials, confidence_level):
    """Return the interval of a proportion (Wilson 1927), NaN where there is no trial.

    It stays in 0..1, and has a width also where all trials succeed.

    Parameters
    ----------
    successes, trials : array-like of int of shape (...)
    confidence_level : float

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    successes, trials = np.asarray(successes, float), np.asarray(trials, float)
    trials = np.where(trials > 0, trials, np.nan)
    z = ndtri((1 + confidence_level) / 2)
    center = successes + z**2 / 2
    spread = z * np.sqrt(successes * (trials - successes) / trials + z**2 / 4)
    return (
        np.maximum(center - spread, 0) / (trials + z**2),
        np.minimum((center + spread) / (trials + z**2), 1),
    )


def f1_interval(hits, pairs, confidence_level):
    """Return the interval of F1 by the indirect Wilson method (Lam et al. 2023).

    Among the images that are of a class or predicted to be, the proportion of hits is
    F1 / (2 - F1). The ends of its interval are converted to F1.

    Parameters
    ----------
    hits : array-like of int of shape (...)
        Images of the class that are predicted correctly.
    pairs : array-like of int of shape (...)
        Images of the class plus images predicted to be of the class.
    confidence_level : float

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    shares = wilson_interval(hits, np.asarray(pairs) - hits, confidence_level)
    return tuple(2 * share / (1 + share) for share in shares)


def bootstrap_intervals(statistic, units, counts, *, n_resamples, confidence_level, rng):
    """Return BCa bootstrap intervals of statistics of sums over units (Efron 1987).

    Without the correction for bias and skewness, intervals of scores near 1 are too low and cover
    the true value too rarely.

    Parameters
    ----------
    statistic : callable
        Maps sums of shape (..., n_features) to a dict of str to ndarray of shape (...) or
        (..., n_values), NaN where undefined.
    units : ndarray of shape (n_units, n_features)
        Contribution of each kind of unit to the sums.
    counts : ndarray of int of shape (n_units,)
        Number of units of each kind.
    n_resamples : int
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    intervals : dict of str to ndarray of shape (2,) or (2, n_values)
        NaN where the statistic is undefined.
    """
    total = counts @ units
    draws = statistic(_resample(units, counts, n_resamples, rng))
    rests = statistic(total - units)
    intervals = {}
    for name, value in statistic(total).items():
        replicates = (each[name].reshape(len(each[name]), -1).T for each in (draws, rests))
        columns = zip(np.ravel(value), *replicates, strict=True)
        ends = [_bca_interval(*column, counts, confidence_level) for column in columns]
        intervals[name] = np.transpose(ends).reshape(2, *np.shape(value))
    return intervals


def _resample(units, counts, n_resamples, rng):
    """Return the sums over each resample, shape (n_resamples, n_features)."""
    step = max(1, _CHUNK // len(units))
    sizes = [min(step, n_resamples - start) for start in range(0, n_resamples, step)]
    return np.concatenate([_draw(counts, size, rng).astype(float) @ units for size in sizes])


def _draw(counts, size, rng):
    """Return how often each kind of unit is drawn, shape (size, n_units)."""
    n, n_units = counts.sum(), len(counts)
    if n_units < n:
        return rng.multinomial(n, counts / n, size=size)
    # If each unit is of its own kind, this is four times faster.
    places = rng.integers(n_units, size=(size, n)) + n_units * np.arange(size)[:, None]
    return np.bincount(places.ravel(), minlength=size * n_units).reshape(size, n_units)


def _bca_interval(value, draws, rests, counts, confidence_level):
    """Return the interval of a value from its bootstrap and jackknife replicates."""
    draws = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(draws):
        return np.full(2, np.nan)
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    z = bias + ndtri([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    levels = ndtr(bias + z / np.maximum(1 - _acceleration(rests, counts) * z, _TINY))
    return np.quantile(draws, levels)


def _acceleration(rests, counts):
    """Return the acceleration of BCa from the jackknife replicates."""
    known = ~np.isnan(rests)
    rests, counts = rests[known], counts[known]
    if not len(rests):
        return 0.0
    gaps = np.average(rests, weights=counts) - rests
    spread = (counts @ gaps**2) ** 1.5
    return counts @ gaps**3 / (6 * spread) if spread > _TINY else 0.0
