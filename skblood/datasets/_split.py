"""Splitting of images into training, validation and test images."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, check_scalar

from skblood._labels import as_column, encode_groups, list_few
from skblood._sklearn import safe_indexing
from skblood._typing import ArrayLike, RandomState
from skblood.datasets._random import generators

PARTS = ("train", "val", "test")

# Effort of the search: rounds, and random numbers in a round.
_N_ROUNDS = 100
_MAX_CHANGES = 20_000


def train_val_test_split(
    X: Any,
    y: ArrayLike,
    *,
    val_size: float = 0.15,
    test_size: float = 0.15,
    groups: ArrayLike | None = None,
    random_state: RandomState = None,
) -> list[Any]:
    """Split images into training, validation and test images.

    The split is stratified: each part contains every class, in about the proportions of `y`.
    Images of one group (a slide, a patient, copies of one image) are in the same part.

    Parameters
    ----------
    X : sequence of n images, array-like or DataFrame
        Images, paths or anything else that can be indexed by row. The content is not used.
    y : array-like of shape (n,) or (n, 1)
        Labels. X and y may be data sets of h5py; their parts are arrays.
    val_size, test_size : float, default=0.15
        Shares of the validation and the test images, above 0 and together below 1. The other
        images are training images.
    groups : array-like of shape (n,), default=None
        The group of each image, str or int. None treats each image as a group of its own.
    random_state : int, RandomState instance or None, default=None
        Seed of the split. The same int gives the same split; None gives a new one on each call.

    Returns
    -------
    X_train, X_val, X_test, y_train, y_val, y_test : same types as `X` and `y`
        The parts, in random order.

    Raises
    ------
    TypeError
        If a size is not a number.
    ValueError
        If there are no images, the lengths differ, a size is out of range, labels or groups are
        missing (NaN or None), a class has fewer than three images or groups, or no split with
        every class in every part was found.

    See Also
    --------
    sklearn.model_selection.train_test_split : Two parts, without groups.
    sklearn.model_selection.StratifiedGroupKFold : Folds for cross-validation.

    Notes
    -----
    Without groups, the size of each part, and of each class in it, differs by at most two images
    from the size asked for. Groups of two or more images are assigned first, the largest first,
    each to the part whose class counts it improves most; random changes then reduce the deviation
    of the class counts. Single images fill the parts to their sizes. So many small groups give
    nearly exact sizes; a few large groups, such as slides, may not: check the sizes of the result.
    ``StratifiedGroupKFold`` makes folds of equal size only.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.datasets import make_blood_cells, train_val_test_split
    >>> X, y = make_blood_cells(160, image_size=16, random_state=0)
    >>> parts = train_val_test_split(X, y, random_state=0)
    >>> [len(part) for part in parts]
    [112, 24, 24, 112, 24, 24]

    Each slide is in one part only:

    >>> slides = np.arange(160) // 8
    >>> train, val, test, *_ = train_val_test_split(slides, y, groups=slides, random_state=0)
    >>> np.intersect1d(train, val).size, np.intersect1d(train, test).size
    (0, 0)
    """
    check_consistent_length(X, y, groups)
    shares = check_shares(val_size, test_size)
    rng, *order_rngs = generators(random_state, 1 + len(PARTS))
    part = assign_parts(y, groups, shares, rng)
    rows = [order.permutation(np.flatnonzero(part == i)) for i, order in enumerate(order_rngs)]
    return [_take(values, each) for values in (X, y) for each in rows]


def _take(values, rows):
    """Return the rows of X or y; a data set of h5py can only be read in increasing order."""
    if not type(values).__module__.startswith("h5py"):
        return safe_indexing(values, rows)
    order = np.argsort(rows)
    return values[rows[order]][np.argsort(order)]


def check_shares(val_size, test_size):
    """Return the shares of the three parts, or raise an error."""
    for name, size in (("val_size", val_size), ("test_size", test_size)):
        check_scalar(size, name, Real, min_val=0, max_val=1, include_boundaries="neither")
    if val_size + test_size >= 1:
        raise ValueError(f"val_size={val_size} and test_size={test_size} must sum to less than 1.")
    val_size, test_size = float(val_size), float(test_size)  # float32 would not sum to 1
    return np.array([1 - val_size - test_size, val_size, test_size])


def assign_parts(y, groups, shares, rng):
    """Return the part of each image, as a position in PARTS.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
    groups : array-like of shape (n,) or None
    shares : ndarray of shape (3,)
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If there are no images, labels or groups are missing, or a class cannot be in every part.
    """
    labels = as_column(y, "y")
    if not len(labels):
        raise ValueError("X and y are empty: there are no images to split.")
    classes, codes = encode_groups(labels, len(labels), "y")
    group_codes = encode_groups(groups, len(labels))[1]
    of_class = np.zeros((group_codes.max() + 1, len(classes)), dtype=np.int64)
    np.add.at(of_class, (group_codes, codes), 1)
    n_groups = (of_class > 0).sum(axis=0)
    if rare := [f"{classes[i]} ({n_groups[i]})" for i in np.flatnonzero(n_groups < len(PARTS))]:
        raise ValueError(
            f"Every class needs at least {len(PARTS)} {'images' if groups is None else 'groups'}; "
            f"{len(rare)} of {len(classes)} classes have fewer: {list_few(rare)}. Add images, or "
            "leave these classes out, or merge them with others."
        )
    part = _assign_groups(of_class, shares, rng)
    counts = np.array([of_class[part == i].sum(axis=0) for i in range(len(PARTS))])
    if absent := [f"{classes[code]} from {PARTS[i]}" for i, code in np.argwhere(counts == 0)]:
        raise ValueError(
            "No split of the groups with every class in every part was found. Missing in the best: "
            f"{list_few(absent)}. Try another random_state, or leave out or merge these classes."
        )
    return part[group_codes]


def _assign_groups(of_class, shares, rng):
    """Return the part of each group: the largest first, then improved by random changes.

    The cost of a split is the squared deviation of the class counts, and of the sizes of the
    parts, from the wanted ones, relative to these. A class missing in a part costs more than any
    deviation.

    Parameters
    ----------
    of_class : ndarray of shape (n_groups, n_classes)
        Number of images of each class in each group.
    shares : ndarray of shape (n_parts,)
    rng : numpy.random.Generator
    """
    size = of_class.sum(axis=1)
    counted = np.column_stack([of_class, size]).astype(float)
    wanted = np.outer(shares, counted.sum(axis=0))
    weights = 1 / np.maximum(wanted, 1)
    missing_cost = 10 * size.sum()

    def cost(trials):
        in_part = trials[:, np.newaxis, :] == np.arange(len(shares))[:, np.newaxis]
        counts = in_part @ counted
        deviation = (weights * (counts - wanted) ** 2).sum(axis=(1, 2))
        return missing_cost * (counts == 0).sum(axis=(1, 2)) + deviation

    best = np.empty(len(size), dtype=np.int64)
    counts, left = np.zeros_like(wanted), (counted > 0).sum(axis=0)
    order = rng.permutation(len(size))
    for group in order[np.argsort(-size[order], kind="stable")]:
        added = counted[group]
        is_absent = (counts == 0) & (added > 0)
        # The last groups of a class go to the parts that lack it.
        is_urgent = is_absent & (left <= (counts == 0).sum(axis=0))
        deviation = (weights * added * (2 * (counts - wanted) + added)).sum(axis=1)
        best[group] = np.argmin(deviation - missing_cost * is_urgent.sum(axis=1))
        counts[best[group]] += added
        left -= added > 0
    shape = (max(_MAX_CHANGES // len(size), 1), len(size))
    for _ in range(_N_ROUNDS):
        is_changed = rng.random(shape) < 2 / len(size)
        trials = np.where(is_changed, rng.choice(len(shares), shape, p=shares), best)
        trials = np.concatenate([best[np.newaxis], trials])
        best = trials[np.argmin(cost(trials))]
    return best
