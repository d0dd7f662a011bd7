"""Splitting of images into training, validation and test images."""

from numbers import Real

import numpy as np
from sklearn.utils import check_consistent_length

from skblood._labels import as_column, check_complete, encode_groups_or_images, sort_labels
from skblood._sklearn import safe_indexing
from skblood.datasets._bunch import list_few
from skblood.datasets._random import generators, round_shares

PARTS = ("train", "val", "test")

# Effort of the search: rounds, and random numbers in a round.
_N_ROUNDS = 100
_MAX_CHANGES = 20_000


def train_val_test_split(X, y, *, val_size=0.15, test_size=0.15, groups=None, random_state=None):
    """Split images into training, validation and test images.

    The split is stratified: each part contains every class, in about the proportions of `y`.
    Images of one group (a slide, a patient, copies of one image) are in the same part.

    Parameters
    ----------
    X : sequence of n images, array-like or DataFrame
        Images, paths or anything else that can be indexed by row. The content is not used.
    y : array-like of shape (n,) or (n, 1)
        Labels.
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
        If the lengths differ, a size is out of range, labels or groups are missing (NaN or None),
        a class has fewer than three images or groups, or no split with every class in every part
        was found.

    See Also
    --------
    sklearn.model_selection.train_test_split : Two parts, without groups.
    sklearn.model_selection.StratifiedGroupKFold : Folds for cross-validation.

    Notes
    -----
    Without groups, the size of each part, and of each class in it, differs by at most two images
    from the size asked for. Groups of two or more images are assigned first, the largest first,
    each to the part whose class counts it improves most; random changes then reduce the deviation
    of the class counts. Single images fill the parts to their sizes. Many small groups thus give
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
    part = assign_parts(as_column(y, "y"), groups, shares, rng)
    rows = [order.permutation(np.flatnonzero(part == i)) for i, order in enumerate(order_rngs)]
    return [safe_indexing(values, each) for values in (X, y) for each in rows]


def check_shares(val_size, test_size):
    """Return the shares of the three parts, or raise an error."""
    for name, size in (("val_size", val_size), ("test_size", test_size)):
        if not isinstance(size, Real) or isinstance(size, bool):
            raise TypeError(f"{name}={size!r} is a {type(size).__name__}; pass a share, e.g. 0.15.")
    if not (val_size > 0 and test_size > 0 and val_size + test_size < 1):
        raise ValueError(
            f"val_size={val_size} and test_size={test_size} do not give three parts. Both must be "
            "above 0, and their sum below 1."
        )
    return np.array([1 - val_size - test_size, val_size, test_size])


def assign_parts(labels, groups, shares, rng):
    """Return the part of each image, as a position in PARTS.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    groups : array-like of shape (n,) or None
    shares : ndarray of shape (3,)
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If labels or groups are missing, or a class cannot be in every part.
    """
    check_complete(labels, "y", "Leave these images out.")
    classes = sort_labels(labels)
    codes = np.searchsorted(classes, labels)
    group_codes = encode_groups_or_images(groups, len(labels))
    of_class = _count(group_codes, codes, (group_codes.max() + 1, len(classes)))
    n_groups = (of_class > 0).sum(axis=0)
    if n_groups.min() < len(PARTS):
        rare = [f"{classes[i]} ({n_groups[i]})" for i in np.flatnonzero(n_groups < len(PARTS))]
        raise ValueError(
            f"Every class needs at least {len(PARTS)} {'images' if groups is None else 'groups'}; "
            f"{len(rare)} of {len(classes)} classes have fewer: {list_few(rare)}. Add images, or "
            "leave these classes out, or merge them with others."
        )
    part = _distribute(codes, group_codes, of_class, shares, rng)
    missing = np.argwhere(_count(part, codes, (len(PARTS), len(classes))) == 0)
    if len(missing):
        absent = [f"{classes[code]} from {PARTS[i]}" for i, code in missing]
        raise ValueError(
            "No split of the groups with every class in every part was found. Missing in the best: "
            f"{list_few(absent)}. Try another random_state, or leave out or merge these classes."
        )
    return part


def _count(units, codes, shape):
    """Return the number of images of each class in each unit: a group or a part."""
    return np.bincount(units * shape[1] + codes, minlength=np.prod(shape)).reshape(shape)


def _distribute(codes, groups, of_class, shares, rng):
    """Distribute groups of several images, then single images, over the parts."""
    is_single = of_class.sum(axis=1) == 1
    n_single = of_class[is_single].sum(axis=0)
    part_of_group = np.zeros(len(of_class), dtype=np.int64)
    if not is_single.all():
        part_of_group[~is_single] = _assign_groups(of_class[~is_single], n_single, shares, rng)
    part = part_of_group[groups]
    single = is_single[groups]
    placed = _count(part[~single], codes[~single], (len(shares), len(n_single)))
    carry = np.zeros(len(shares))
    for code in np.flatnonzero(n_single):
        rows = rng.permutation(np.flatnonzero(single & (codes == code)))
        wanted = shares * (len(rows) + placed[:, code].sum()) - placed[:, code]
        wanted = np.maximum(wanted, 0)
        ideal = wanted * (len(rows) / wanted.sum()) + carry
        is_empty = placed[:, code] == 0
        counts = round_shares(ideal, len(rows), is_empty if is_empty.sum() <= len(rows) else 0)
        carry = ideal - counts  # corrects the sizes of the parts with the next class
        part[rows] = np.repeat(np.arange(len(shares)), counts)
    return part


def _assign_groups(of_class, n_single, shares, rng):
    """Return the part of each group: the largest first, then improved by random changes.

    The cost of a split is the squared deviation of the class counts from the wanted counts,
    relative to these. A class missing in a part costs more than any deviation, unless single
    images of the class are left for the part.

    Parameters
    ----------
    of_class : ndarray of shape (n_groups, n_classes)
        Number of images of each class in each group.
    n_single : ndarray of shape (n_classes,)
        Number of single images of each class.
    shares : ndarray of shape (n_parts,)
    rng : numpy.random.Generator
    """
    of_class = of_class.astype(float)
    wanted = np.outer(shares, of_class.sum(axis=0))
    weights = 1 / np.maximum(wanted, 1)

    def cost(trials):
        in_part = trials[:, np.newaxis, :] == np.arange(len(shares))[:, np.newaxis]
        counts = in_part @ of_class
        missing = np.maximum((counts == 0).sum(axis=1) - n_single, 0).sum(axis=1)
        deviation = (weights * (counts - wanted) ** 2).sum(axis=(1, 2))
        return 10 * of_class.sum() * missing + deviation

    best = np.empty(len(of_class), dtype=np.int64)
    excess = -wanted
    order = rng.permutation(len(of_class))
    for group in order[np.argsort(-of_class[order].sum(axis=1), kind="stable")]:
        added = (weights * of_class[group] * (2 * excess + of_class[group])).sum(axis=1)
        best[group] = np.argmin(added)
        excess[best[group]] += of_class[group]
    size = (max(_MAX_CHANGES // len(of_class), 1), len(of_class))
    for _ in range(_N_ROUNDS):
        is_changed = rng.random(size) < 2 / len(of_class)
        trials = np.where(is_changed, rng.choice(len(shares), size, p=shares), best)
        trials = np.concatenate([best[np.newaxis], trials])
        best = trials[np.argmin(cost(trials))]
    return best
