"""Confidence intervals: of proportions by formula, of everything else by resampling."""

import numpy as np
from scipy.special import ndtr, ndtri

# Draws that are held at a time.
_CHUNK = 2**22
# What counts as zero beside numbers around 1.
_TINY = 1e-30


def wilson_interval(successes, trials, confidence_level):
    """Return the interval of a proportion (Wilson 1927), NaN where there is no trial.

    Unlike the normal interval it stays in 0..1, and has a width where all trials succeed.

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
    centre = successes + z**2 / 2
    spread = z * np.sqrt(successes * (trials - successes) / trials + z**2 / 4)
    return (
        np.maximum(centre - spread, 0) / (trials + z**2),
        np.minimum((centre + spread) / (trials + z**2), 1),
    )


def f1_interval(hits, pairs, confidence_level):
    """Return the interval of F1 by the indirect Wilson method (Lam et al. 2023).

    The images that are of a class, or predicted to be, are hits with probability
    F1 / (2 - F1): a proportion, which is brought back to F1.

    Parameters
    ----------
    hits : array-like of int of shape (...)
        Images of the class that are predicted to be.
    pairs : array-like of int of shape (...)
        Images of the class plus images predicted to be.
    confidence_level : float

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    shares = wilson_interval(hits, np.asarray(pairs) - hits, confidence_level)
    return tuple(2 * share / (1 + share) for share in shares)


def bootstrap_intervals(statistic, units, counts, *, n_resamples, confidence_level, rng):
    """Return intervals of what is computed from sums over units.

    As many units as there are are drawn with replacement, again and again (Efron 1979). The ends
    are corrected for bias and skewness (Efron 1987, "BCa"): without that, the intervals of scores
    near 1 are too low and hold the truth too rarely.

    Parameters
    ----------
    statistic : callable
        Maps sums of shape (..., n_features) to a dict of str to ndarray of shape (...) or
        (..., n_values), NaN where it is not defined.
    units : ndarray of shape (n_units, n_features)
        What each kind of unit adds to the sums.
    counts : ndarray of int of shape (n_units,)
        How many units there are of each kind.
    n_resamples : int
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    intervals : dict of str to ndarray of shape (2,) or (2, n_values)
        NaN where the statistic is not defined.
    """
    total = counts @ units
    values, draws, rests = (
        statistic(sums)
        for sums in (total, _resample(units, counts, n_resamples, rng), total - units)
    )
    return {
        name: np.stack(
            [
                _bca_interval(*columns, counts, confidence_level)
                for columns in zip(
                    np.ravel(value),
                    draws[name].reshape(n_resamples, -1).T,
                    rests[name].reshape(len(units), -1).T,
                    strict=True,
                )
            ],
            axis=-1,
        ).reshape(2, *np.shape(value))
        for name, value in values.items()
    }


def _resample(units, counts, n_resamples, rng):
    """Return the sums over each resample, ``(n_resamples, n_features)``."""
    step = max(1, _CHUNK // len(units))
    sizes = [min(step, n_resamples - start) for start in range(0, n_resamples, step)]
    return np.concatenate([_draw(counts, size, rng).astype(float) @ units for size in sizes])


def _draw(counts, size, rng):
    """Return how often each kind of unit is drawn, ``(size, n_units)``."""
    n, n_units = counts.sum(), len(counts)
    if n_units < n:
        return rng.multinomial(n, counts / n, size=size)
    # Each unit is of its own kind: four times faster.
    places = rng.integers(n_units, size=(size, n)) + n_units * np.arange(size)[:, None]
    return np.bincount(places.ravel(), minlength=size * n_units).reshape(size, n_units)


def _bca_interval(value, draws, rests, counts, confidence_level):
    """Return the interval of a value from its resamples and from leaving each unit out."""
    draws = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(draws):
        return np.full(2, np.nan)
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    z = bias + ndtri([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    levels = ndtr(bias + z / np.maximum(1 - _acceleration(rests, counts) * z, _TINY))
    return np.quantile(draws, levels)


def _acceleration(rests, counts):
    known = ~np.isnan(rests)
    rests, counts = rests[known], counts[known]
    if not len(rests):
        return 0.0
    gaps = np.average(rests, weights=counts) - rests
    spread = (counts @ gaps**2) ** 1.5
    return counts @ gaps**3 / (6 * spread) if spread > _TINY else 0.0
