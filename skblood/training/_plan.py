"""Which images an epoch visits, in which order, with which weight, and which validate."""

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

# More visits than this, on average, are a scale mistake rather than a count.
_MAX_VISITS_PER_IMAGE = 1000


def plan_visits(keys, codes, sample_weight, canonical):
    """Turn sample weights into visits.

    An image of weight w is visited ceil(w) times an epoch, each visit weighing w / ceil(w).
    A whole number is thereby a count: weight 3 is three copies, weight 0 none, exactly.

    Parameters
    ----------
    keys : ndarray of shape (n, 2), dtype uint64
        The images' content; see `skblood.images.content_keys`.
    codes : ndarray of shape (n,)
        Class codes.
    sample_weight : ndarray of shape (n,) or None
        Non-negative weights.
    canonical : bool
        Sort the visits by the images' content, so that the result of a seeded fit does not
        depend on the order in which the images came (that of a folder differs from one file
        system to the next). False keeps the given order.

    Returns
    -------
    rows, weights : ndarray of shape (m,)
        The image of each visit and its weight.

    Raises
    ------
    ValueError
        If a weight is negative, all are zero, they are so large that an epoch would never end,
        or less than two images are left.
    """
    n = len(keys)
    if sample_weight is None:
        rows, weights = np.arange(n), np.ones(n)
    else:
        rows, weights = _repeat_by_weight(sample_weight)
    if len(rows) < 2:
        raise ValueError(
            f"{len(rows)} image is left to train on; batch normalisation needs two or more. Give "
            "more images, or more of them a sample_weight above 0."
        )
    if canonical:
        order = np.lexsort((weights, codes[rows], keys[rows, 1], keys[rows, 0]))
        rows, weights = rows[order], weights[order]
    return rows, weights


def _repeat_by_weight(sample_weight):
    if (sample_weight < 0).any():
        raise ValueError(
            f"sample_weight must not be negative; {(sample_weight < 0).sum()} of "
            f"{len(sample_weight)} weights are, the smallest is {sample_weight.min()}."
        )
    if not (sample_weight > 0).any():
        raise ValueError("sample_weight is zero for every sample; no image is left to train on.")
    visits = np.ceil(sample_weight)
    if visits.sum() > _MAX_VISITS_PER_IMAGE * len(visits):
        raise ValueError(
            f"sample_weight sums to {sample_weight.sum():.3g} for {len(visits)} images. A weight "
            "counts how often an image is visited in an epoch; divide the weights by their mean."
        )
    visits = visits.astype(int)
    weights = sample_weight / np.maximum(visits, 1)
    return np.repeat(np.arange(len(visits)), visits), np.repeat(weights, visits)


def split_visits(groups, codes, classes, validation_fraction, seed):
    """Set visits aside for validation: stratified, seeded, copies of an image kept together.

    Parameters
    ----------
    groups : ndarray of shape (m,)
        The content key of each visit; visits of equal content go to the same side.
    codes : ndarray of shape (m,)
        Class codes.
    classes : ndarray
        Class labels, for messages.
    validation_fraction : float
        Share of the distinct images.
    seed : int

    Returns
    -------
    train, valid : ndarray of bool, shape (m,)

    Raises
    ------
    ValueError
        If a class has too few distinct images to be on both sides.
    """
    distinct, first = np.unique(groups, return_index=True)
    counts = np.bincount(codes[first], minlength=len(classes))
    n_valid = int(np.ceil(validation_fraction * len(distinct)))
    if counts.min() < 2 or min(n_valid, len(distinct) - n_valid) < len(classes):
        listed = ", ".join(f"{c}: {n}" for c, n in zip(classes.tolist(), counts, strict=True))
        raise ValueError(
            f"early_stopping=True sets validation_fraction={validation_fraction} of the images "
            f"aside, which needs two or more distinct images of each of the {len(classes)} "
            f"classes, and one of each on either side; there are {listed}. Give more images, "
            "another validation_fraction, X_val and y_val, or early_stopping=False."
        )
    splitter = StratifiedShuffleSplit(1, test_size=n_valid, random_state=seed)
    _, chosen = next(splitter.split(distinct, codes[first]))
    valid = np.isin(groups, distinct[chosen])
    return ~valid, valid
