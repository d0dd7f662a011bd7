"""Confidence intervals of proportions (Wilson) and of means (bootstrap)."""

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri, stdtrit

# Without errors, groups do not tell how alike their images are. This intraclass correlation is
# assumed then: it has the weight of one error, and its design effect few degrees of freedom.
_CORRELATION, _CORRELATION_DF = 0.1, 5
# Added to the number of groups that have errors: with few, their variance is known poorly.
_GROUPS_DF = 3
# Successes or failures for which Wilson's interval is modified.
_FEW = 2
# Added to, or compared with, what may be zero.
_TINY = 1e-30


def check_level(confidence_level):
    """Raise ValueError unless a confidence level is between 0 and 1."""
    if not 0 < confidence_level < 1:
        raise ValueError(f"`confidence_level` must be between 0 and 1, not {confidence_level}.")


def wilson_interval(successes, trials, confidence_level, df=np.inf):
    """Return the interval of a proportion (Wilson 1927), NaN where there is no trial.

    It stays in 0..1, and has a width also where all trials succeed. Next to one or two successes or
    failures, where it covers too rarely, the end is that of a Poisson distribution (Brown, Cai and
    DasGupta 2001).

    Parameters
    ----------
    successes, trials : array-like of shape (...)
        Numbers, or effective numbers.
    confidence_level : float
    df : array-like of shape (...), default=inf
        Degrees of freedom of effective numbers, for quantiles of Student's t, which cover enough.

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    successes, trials = np.asarray(successes, float), np.asarray(trials, float)
    trials = np.where(trials > 0, trials, np.nan)
    z = t_quantile(confidence_level, df)
    few = _FEW * np.isinf(df)
    low = _lower_limit(successes, trials, z, few, 1 - confidence_level)
    return low, 1 - _lower_limit(trials - successes, trials, z, few, 1 - confidence_level)


def _lower_limit(successes, trials, z, few, tail):
    share, center = successes / trials, successes + z**2 / 2
    spread = z * np.sqrt(np.maximum(successes * (1 - share), 0) + z**2 / 4)
    low = (center - spread) / (trials + z**2)
    poisson = gammaincinv(np.maximum(successes, 1), tail) / trials
    low = np.where((successes > 0) & (successes <= few), np.minimum(low, poisson), low)
    return np.clip(low, 0, share)


def proportion_interval(successes, trials, confidence_level, *, grouped):
    """Return Wilson's interval of a proportion of images, which may come in groups.

    With groups, the numbers are divided by the design effect (Korn and Graubard 1998; Saha et al.
    2016).

    Parameters
    ----------
    successes, trials : ndarray of shape (n_groups, ...)
    confidence_level : float
    grouped : bool
        Whether the images of a row are alike.

    Returns
    -------
    low, high : ndarray of shape (...)
    """
    hits, n = successes.sum(axis=0), trials.sum(axis=0)
    if not grouped:
        return wilson_interval(hits, n, confidence_level)
    share = hits / np.maximum(n, 1)
    size = (trials**2).sum(axis=0) / np.maximum(n, 1)
    effect, df = design_effect(
        successes - share * trials,
        n * share * (1 - share),
        error=1.0,
        n_groups=(trials > 0).sum(axis=0),
        size=size,
        concentration=size / np.maximum(n, 1),
    )
    return wilson_interval(hits / effect, n / effect, confidence_level, df)


def design_effect(sums, variance, *, error, n_groups, size, concentration, hidden=0.0):
    """Return how much groups raise the variance of a score, and the degrees of freedom.

    Few errors tell little about the correlation in a group, and intervals that rely on it are too
    narrow (Franco et al. 2019). Therefore the observed effect is combined with the one expected
    for a correlation of 0.1, like another error.

    Parameters
    ----------
    sums : ndarray of shape (n_groups, ...)
        Sum of the influences of the images of each group on the score; they sum to 0.
    variance : ndarray of shape (...)
        Sum of the squared influences of single images.
    error : ndarray of shape (...)
        Squared influence of one error.
    n_groups : int or ndarray of shape (...)
        Number of groups with images that count.
    size : ndarray of shape (...)
        Mean size of the group of an image.
    concentration : ndarray of shape (...)
        Sum of the squared shares of the groups among the images. By as much, groups vary less
        around their common mean than around the true one.
    hidden : float, default=0.0
        Variance between groups that `sums` cannot show, at the assumed correlation.

    Returns
    -------
    effect, df : ndarray of shape (...)
    """
    squares = (sums**2).sum(axis=0)
    effective = squares**2 / np.maximum((sums**4).sum(axis=0), _TINY)
    df = np.maximum(np.minimum(effective + _GROUPS_DF, n_groups - 1), 1)
    expected = error * correlation_effect(size) + hidden
    effect = (squares + expected) / (variance * (1 - concentration) + error)
    return effect, (squares + expected) ** 2 / (squares**2 / df + expected**2 / _CORRELATION_DF)


def correlation_effect(size):
    """Return the design effect of groups of a mean size, at the assumed correlation."""
    return 1 + _CORRELATION * np.maximum(size - 1, 0)


def t_quantile(confidence_level, df=np.inf):
    """Return the quantile of Student's t; of the normal distribution where `df` is infinite."""
    level = (1 + confidence_level) / 2
    return np.where(np.isinf(df), ndtri(level), stdtrit(np.minimum(df, 1e9), level))


def f1_interval(shares):
    """Return the interval of F1 from that of a proportion (Lam et al. 2023).

    Among the images that are of a class or predicted to be, the proportion of hits is
    F1 / (2 - F1). The ends of its interval are converted to F1.
    """
    return tuple(2 * share / (1 + share) for share in shares)


def mean_interval(values, groups, confidence_level):
    """Return the interval of a mean loss over images in groups, with quantiles of Student's t.

    It is computed on the log scale, since losses are skewed. Groups that contribute most of the
    variance tell it poorly if they are few, and lower the degrees of freedom.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Losses, not negative.
    groups : ndarray of int of shape (n,)
        Group codes.
    confidence_level : float

    Returns
    -------
    low, high : float
        NaN if all groups are alike.
    """
    mean = values.mean()
    squares = np.bincount(groups, values - mean) ** 2
    if squares.sum() <= _TINY:
        return np.nan, np.nan
    n_groups = len(squares)
    error = np.sqrt(n_groups / (n_groups - 1) * squares.sum()) / len(values)
    df = min(squares.sum() ** 2 / (squares**2).sum() + _GROUPS_DF, n_groups - 1)
    factor = float(np.exp(t_quantile(confidence_level, df) * error / mean))
    return mean / factor, mean * factor


def bootstrap_mean(values, *, n_resamples, confidence_level, rng):
    """Return the BCa bootstrap interval of a mean (Efron 1987).

    Without the correction for bias and skewness, intervals of losses are too low and cover the true
    value too rarely.

    Parameters
    ----------
    values : ndarray of shape (n,)
    n_resamples : int
    confidence_level : float
    rng : numpy.random.Generator

    Returns
    -------
    low, high : float
        NaN if all values are equal.
    """
    n, mean = len(values), values.mean()
    if np.ptp(values) <= _TINY:
        return np.nan, np.nan
    draws = np.array([values[rng.integers(n, size=n)].mean() for _ in range(n_resamples)])
    below = ((draws < mean).mean() + (draws <= mean).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / n_resamples, 1 - 0.5 / n_resamples))
    gaps = values - mean
    acceleration = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    z = bias + t_quantile(confidence_level) * np.array([-1, 1])
    return tuple(np.quantile(draws, ndtr(bias + z / (1 - acceleration * z))).tolist())
