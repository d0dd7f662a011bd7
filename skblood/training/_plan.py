"""Samples of an epoch: distinct images, draws and weights, and the validation split."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit


def merge_copies(keys, codes):
    """Find the distinct labelled images.

    Parameters
    ----------
    keys : ndarray of shape (n, 2), dtype uint64
        Content of each image; see `skblood.images.content_keys`.
    codes : ndarray of shape (n,)
        Class codes.

    Returns
    -------
    first : ndarray of shape (n_distinct,)
        Position of each distinct image, in an order that depends on the content only.
    inverse : ndarray of shape (n,)
        The distinct image of each image.
    """
    table = np.column_stack([keys, codes.astype(np.uint64)])
    _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return first, inverse.ravel()


def draw_counts(weights):
    """Return how often an epoch draws each image, and the weight of each draw.

    Only the ratios of the weights count. An image of weight w, in units of the mean, is drawn
    ``max(1, round(w))`` times.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        All above 0.

    Returns
    -------
    counts : ndarray of shape (n,), dtype int
    weights : ndarray of shape (n,)
        Of a single draw.
    """
    relative = weights / weights.mean()
    # Rounded first: whether 1.5 is drawn twice must not depend on the scale.
    counts = np.maximum(1, np.rint(relative.round(9))).astype(int)
    return counts, relative / counts


def check_sample_weight_sign(sample_weight):
    """Raise ValueError if a weight is negative, or none is above 0."""
    if (sample_weight < 0).any():
        raise ValueError(
            f"sample_weight must not be negative; {(sample_weight < 0).sum()} of "
            f"{len(sample_weight)} weights are, the smallest is {sample_weight.min()}."
        )
    if not (sample_weight > 0).any():
        raise ValueError("sample_weight is zero for every sample; no image is left to train on.")


def split_off_validation(codes, classes, fraction, seed, groups=None):
    """Choose images for validation: stratified, seeded, groups kept together.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Class codes of the distinct images.
    classes : ndarray
        Class labels, for messages.
    fraction : float
        Share of the images to choose.
    seed : int
    groups : ndarray of shape (n,), default=None
        Images of one group go to the same side.

    Returns
    -------
    valid : ndarray of shape (n,), dtype bool

    Raises
    ------
    ValueError
        If a class cannot be on both sides.
    """
    n_valid = int(np.ceil(fraction * len(codes)))
    counts = np.bincount(codes, minlength=len(classes))
    enough = counts.min() >= 2 and min(n_valid, len(codes) - n_valid) >= len(classes)
    chosen = None
    if enough and groups is None:
        splitter = StratifiedShuffleSplit(1, test_size=n_valid, random_state=seed)
        chosen = next(splitter.split(codes, codes))[1]
    elif enough:
        chosen = _choose_groups(codes, len(classes), fraction, seed, groups)
    if chosen is None:
        listed = ", ".join(f"{c}: {n}" for c, n in zip(classes.tolist(), counts, strict=True))
        of_groups = "" if groups is None else f" in {len(np.unique(groups))} groups"
        raise ValueError(
            f"validation_fraction={fraction} must leave distinct images of each class on both "
            f"sides{of_groups}; there are {listed}. Give more images, another fraction, or X_val."
        )
    return np.isin(np.arange(len(codes)), chosen)


def _choose_groups(codes, n_classes, fraction, seed, groups):
    """Return the positions of a fold of whole groups that has all classes on both sides, or None.

    As many folds as the fraction says, or fewer, if none of them does. Of those that do, the one
    whose size is nearest to the fraction.
    """
    most = min(max(2, round(1 / fraction)), len(np.unique(groups)), np.bincount(codes).max())
    for n_folds in range(most, 1, -1):
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")
            folds = list(splitter.split(codes, codes, groups))
        sides = [[len(np.unique(codes[side])) for side in fold] for fold in folds]
        whole = [f[1] for f, n in zip(folds, sides, strict=True) if min(n) == n_classes]
        if whole:
            return min(whole, key=lambda valid: abs(len(valid) - fraction * len(codes)))
    return None
