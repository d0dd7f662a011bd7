"""Confidence intervals of scores that are computed from a confusion matrix."""

import numpy as np

from skblood.evaluation._intervals import correlation_effect, design_effect, t_quantile

# Change of a count for numerical derivatives, relative to the number of images.
_STEP = 1e-6
_TINY = 1e-30


def score_interval(score, tables, confidence_level, *, grouped):
    """Return the interval of a score, also of a perfect one and with few images of a class.

    Pseudo-images are added to the confusion matrix, half of them errors; then the delta method
    gives the interval. For the accuracy, it is that of Agresti and Coull (1998), and for the mean
    recall of classes of equal size that of Price and Bonett (2004). The pseudo-images are divided
    among the classes in proportion to the variance that each contributes, so that a class with few
    images gets most of them.

    Parameters
    ----------
    score : callable
        Maps sums of shape (..., 3 * n_classes), as of `count_images`, to ndarray of shape (...).
    tables : ndarray of float of shape (n_groups, n_classes, n_classes)
        Confusion matrix of each group, or of all images.
    confidence_level : float
    grouped : bool
        Whether the images of a table are alike.

    Returns
    -------
    low, high : float
        Not limited to the range of the score.
    """
    if tables.shape[-1] == 1:  # errors need another class
        tables = np.pad(tables, ((0, 0), (0, 1), (0, 1)))
    counts = tables.sum(axis=0)
    value = score(count_images(counts))
    if np.isnan(value):
        return np.nan, np.nan
    pseudo, influence = _pseudo_images(score, counts)
    effect, df = 1.0, np.inf
    if grouped:
        effect, df = _effect_of_groups(score, tables, pseudo, influence, confidence_level)
    t = t_quantile(confidence_level, df)
    smooth = counts + effect * t**2 * pseudo
    center, margin = score(count_images(smooth)), t * _standard_error(score, smooth, effect)
    low, high = center - margin, center + margin
    if not low <= value <= high:  # pseudo-images move a score with few images of a class
        margin = t * _standard_error(score, counts, effect)
        low, high = min(low, value - margin), max(high, value + margin)
    return float(low), float(high)


def _standard_error(score, counts, effect):
    return np.sqrt(effect * (counts * _slopes(score, counts) ** 2).sum())


def count_images(tables):
    """Return the numbers of images of each class: predicted correctly, in truth, and predicted.

    Parameters
    ----------
    tables : ndarray of shape (..., n_classes, n_classes)
        Confusion matrices.

    Returns
    -------
    sums : ndarray of shape (..., 3 * n_classes)
    """
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    return np.concatenate([hits, tables.sum(axis=-1), tables.sum(axis=-2)], axis=-1)


def _pseudo_images(score, counts):
    """Return one pseudo-image as a confusion matrix, and the influence of an error of each class.

    Errors are spread over the other classes in proportion to their images and predictions.
    """
    n_true, correct = counts.sum(axis=1), np.eye(len(counts))
    sizes = n_true + counts.sum(axis=0)
    if (sizes > 0).sum() == 1:
        sizes = np.ones(len(sizes))
    wrong = sizes * (1 - correct)
    wrong /= np.maximum(wrong.sum(axis=1, keepdims=True), _TINY)
    either = (correct + wrong) / 2
    # Without any error, derivatives need some.
    slopes = _slopes(score, counts + either * (n_true > 0)[:, None] / len(counts))
    influence = slopes.diagonal() - (wrong * slopes).sum(axis=1)
    shares = n_true * influence**2
    return either * shares[:, None] / max(shares.sum(), _TINY), influence


def _effect_of_groups(score, tables, pseudo, influence, confidence_level):
    """Return the design effect of the groups and its degrees of freedom."""
    counts = tables.sum(axis=0)
    slopes = _slopes(score, counts + t_quantile(confidence_level) ** 2 * pseudo)
    error = 2 * (pseudo * (1 - np.eye(len(counts))) * slopes**2).sum()
    slopes = slopes - (counts * slopes).sum() / counts.sum()
    weights = tables.sum(axis=2) @ np.abs(influence)
    n_groups = (weights > 0).sum()
    concentration = 1 / max(n_groups, 1)
    # A class that is mostly in one group deviates little from its own mean there. What this hides
    # of the variance between groups is added, at the assumed correlation.
    n_true = np.maximum(counts.sum(axis=1), _TINY)
    size = (tables.sum(axis=2) ** 2).sum(axis=0) / n_true
    deviations = slopes - ((counts * slopes).sum(axis=1) / n_true)[:, None]
    variance = (counts * deviations**2).sum(axis=1)
    hidden = (size / n_true - concentration).clip(0) * variance * correlation_effect(size)
    return design_effect(
        np.tensordot(tables, slopes, 2),
        (counts * slopes**2).sum(),
        error=error,
        n_groups=n_groups,
        concentration=concentration,
        hidden=hidden.sum(),
        size=(weights**2).sum() / max(counts.sum(axis=1) @ influence**2, _TINY),
    )


def _slopes(score, counts):
    """Return the derivatives of a score by the counts of a confusion matrix, with mean 0.

    They are sums of those by the three numbers of each class, which are far fewer.
    """
    step = _STEP * counts.sum()
    sums = count_images(counts)
    moves = step * np.eye(len(sums))
    slopes = (score(sums + moves) - score(sums - moves)) / (2 * step)
    hits, true, predicted = np.split(slopes, 3)
    slopes = np.diag(hits) + true[:, None] + predicted
    return np.where(counts > 0, slopes - (counts * slopes).sum() / counts.sum(), 0)
