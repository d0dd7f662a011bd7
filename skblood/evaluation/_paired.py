"""Paired differences of the scores of two classifiers on the same images."""

from itertools import product

import numpy as np
from scipy.stats import binomtest

from skblood.evaluation._estimates import Estimate, divide, overall_scores
from skblood.evaluation._intervals import correlation_effect, t_quantile

SCORES = ("accuracy", "balanced_accuracy", "f1_macro")
# Groups whose signs are all tried; of more, so many random signs.
_MAX_EXACT_GROUPS, _N_SIGNS = 12, 9999
# Images of a class, or groups with such, without which its recall has no interval: of fewer it
# would go from -0.8 to 0.8, and tell nothing.
_FEWEST = 5


def score_differences(codes, groups, n_classes, *, n_resamples, level, rng):
    """Return the differences of scores, second classifier minus first.

    Images, or whole groups, are drawn with replacement, for both classifiers alike. To each
    resample two pseudo-images are added, on one of which the one and on the other the other is
    right on average (Agresti and Min 2005; Bonett and Price 2012): intervals have a width also if
    both are always right. With groups, there are as many more as groups weigh less.

    Parameters
    ----------
    codes : ndarray of int of shape (n_images, 3)
        True class and the predictions of both.
    groups : ndarray of int of shape (n_images,), or None
    n_classes : int
    n_resamples : int
    level : float
        Confidence level.
    rng : numpy.random.Generator

    Returns
    -------
    overall : dict of str to Estimate
    recalls : list of Estimate of length n_classes
        NaN for a class without images; without interval if there are fewer than five images, or
        groups with such.
    """
    n_classes = max(n_classes, 2)  # errors need another class
    patterns, inverse, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    rows = _count_rows(patterns, n_classes)
    if groups is None:
        units, shares, n_units, effect = rows, counts / len(codes), len(codes), 1.0
        n_of_class = np.bincount(codes[:, 0], minlength=n_classes)
    else:
        table = np.zeros((groups.max() + 1, len(patterns)))
        np.add.at(table, (groups, inverse), 1)
        units, n_units = np.tensordot(table, rows, 1), len(table)
        shares = np.full(n_units, 1 / n_units)
        effect = correlation_effect((table.sum(axis=1) ** 2).sum() / len(codes))
        n_of_class = (units[:, 0, n_classes : 2 * n_classes] > 0).sum(axis=0)
    total = np.tensordot(counts, rows, 1)
    draws = rng.multinomial(n_units, shares, size=n_resamples)
    draws = np.tensordot(draws, units, 1)
    n_pseudo = round(2 * effect)
    pseudo, added = _pseudo_codes(total, n_classes), draws.copy()
    for _ in range(n_pseudo):  # one by one: of many classes there are many pairs
        added += _count_rows(pseudo[rng.integers(len(pseudo), size=n_resamples)], n_classes)
    found, smooth = overall_scores(total), overall_scores(added)
    overall = {
        name: _interval(np.diff(found[name])[0], np.diff(smooth[name])[:, 0], n_units, level)
        for name in SCORES
    }
    gains = np.diff(draws[..., :n_classes], axis=1)[:, 0]
    gains = gains + 2 * rng.binomial(n_pseudo, 0.5, size=gains.shape) - n_pseudo
    n_true = total[0, n_classes : 2 * n_classes]
    changes = divide(np.diff(total[:, :n_classes], axis=0)[0], n_true, np.nan)
    smooth = gains / (draws[:, 0, n_classes : 2 * n_classes] + n_pseudo)
    is_told = n_of_class >= _FEWEST
    recalls = [
        _interval(change, each, n, level) if told else Estimate(float(change))
        for change, each, n, told in zip(changes, smooth.T, n_of_class, is_told, strict=True)
    ]
    return overall, recalls


def _count_rows(patterns, n_classes):
    """Return the sums, as of `count_images`, of one image of each pattern, by classifier."""
    one = np.eye(n_classes)
    true, *predicted = patterns.T
    return np.stack(
        [np.hstack([one[true] * (true == p)[:, None], one[true], one[p]]) for p in predicted],
        axis=1,
    )


def _pseudo_codes(total, n_classes):
    """Return the codes of images of each class that occurs, on which one of both is right."""
    true = np.flatnonzero(total[0, n_classes : 2 * n_classes])
    occurring = np.flatnonzero(total.reshape(-1, n_classes).any(axis=0))
    wrong = occurring if len(occurring) > 1 else range(n_classes)
    pairs = [(k, other) for k, other in product(true, wrong) if k != other]
    return np.array([each for k, other in pairs for each in ((k, k, other), (k, other, k))])


def _interval(value, draws, n_units, level):
    """Return the interval of a difference: Student's, with the standard error of the bootstrap."""
    n = max(n_units, 2)
    margin = float(t_quantile(level, n - 1)) * draws.std() * np.sqrt(n / (n - 1))
    low, high = draws.mean() - margin, draws.mean() + margin
    return Estimate(float(value), max(min(low, value), -1.0), min(max(high, value), 1.0))


def mcnemar(codes, groups, rng):
    """Return on how many images only the first, and only the second is right, and the p-value.

    The test is McNemar's, exact whatever the number (the binomial test). With groups, whose images
    are not independent, it is the permutation test that exchanges the classifiers in whole groups,
    which without groups would be the same.

    Parameters
    ----------
    codes : ndarray of int of shape (n_images, 3)
    groups : ndarray of int of shape (n_images,), or None
    rng : numpy.random.Generator
    """
    true, a, b = codes.T
    gain = (b == true).astype(int) - (a == true)
    only_a, only_b = int((gain < 0).sum()), int((gain > 0).sum())
    if only_a + only_b == 0:
        return 0, 0, 1.0
    if groups is None:
        return only_a, only_b, float(binomtest(only_b, only_a + only_b).pvalue)
    sums = np.bincount(groups, gain)
    sums = sums[sums != 0]
    if len(sums) <= _MAX_EXACT_GROUPS:
        signs = np.array([*product((-1, 1), repeat=len(sums))])
        return only_a, only_b, float((abs(signs @ sums) >= abs(sums.sum())).mean())
    signs = rng.choice((-1, 1), size=(_N_SIGNS, len(sums)))
    n_larger = (abs(signs @ sums) >= abs(sums.sum())).sum()
    return only_a, only_b, float((1 + n_larger) / (1 + _N_SIGNS))


def holm(pvalues):
    """Return p-values adjusted for the number of tests (Holm 1979)."""
    pvalues = np.asarray(pvalues, float)
    order = np.argsort(pvalues)
    factors = len(pvalues) - np.arange(len(pvalues))
    adjusted = np.empty_like(pvalues)
    adjusted[order] = np.maximum.accumulate(factors * pvalues[order]).clip(max=1)
    return adjusted
