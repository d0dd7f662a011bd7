"""Samples of an epoch: distinct images, draws and weights, and the validation split."""

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit


def merge_copies(keys, codes):
    """Find the distinct labeled images.

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
    weights = weights / weights.max()  # the mean of large ones may be infinite
    relative = weights / weights.mean()
    # Rounded first: whether 1.5 is drawn twice must not depend on the scale.
    counts = np.maximum(1, np.rint(relative.round(9))).astype(int)
    return counts, relative / counts


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
    """Return the positions of whole groups with all classes on both sides, or None.

    Groups are drawn at random, but for those that would lead away from the size asked for and
    bring no class that is still missing. Of many draws, the one is taken whose share of each class
    is nearest to the fraction.
    """
    names, groups = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), n_classes), int)
    np.add.at(counts, (groups, codes), 1)
    sizes, totals = counts.sum(1), counts.sum(0)
    rng = np.random.default_rng(seed)
    best, chosen = np.inf, None
    for _ in range(max(10, min(200, 40_000 // len(names)))):
        taken, left, valid = [], fraction * len(codes), np.zeros(n_classes, int)
        for group in rng.permutation(len(names)):
            is_needed = (counts[group] > 0)[valid == 0].any()
            if is_needed or abs(left - sizes[group]) < abs(left):
                taken.append(group)
                left -= sizes[group]
                valid += counts[group]
        distance = np.abs(valid / totals - fraction).sum()
        if distance < best and (valid > 0).all() and (valid < totals).all():
            best, chosen = distance, taken
    return None if chosen is None else np.flatnonzero(np.isin(groups, chosen))
