"""Splitting into training, validation and test images."""

from numbers import Real

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_consistent_length, column_or_1d

from skblood._sklearn import safe_indexing
from skblood.datasets._partition import PARTS, partition
from skblood.datasets._random import generators

# Classes or positions that a message names before it says "...".
_MAX_NAMED = 10


def train_val_test_split(X, y, *, val_size=0.15, test_size=0.15, groups=None, random_state=None):
    """Split images into a training, a validation and a test part.

    The parts are stratified: each has every class, in the proportions that `y` has them in. Images
    of one group (a slide, a patient, the copies of one image) stay together.

    Parameters
    ----------
    X : sequence of n images, array-like or DataFrame
        Anything that can be indexed by row; it is not looked into.
    y : array-like of shape (n,) or (n, 1)
        Labels.
    val_size, test_size : float, default=0.15
        Shares of the images, above 0 and together below 1; the rest is for training.
    groups : array-like of shape (n,), default=None
        The group of each image, as strings or numbers. None: each image is its own.
    random_state : int, RandomState instance or None, default=None
        The same int gives the same split. None draws a new one on each call.

    Returns
    -------
    X_train, X_val, X_test, y_train, y_val, y_test : same types as `X` and `y`
        The parts, in random order.

    Raises
    ------
    TypeError
        If a size is not a number.
    ValueError
        If the lengths differ, a size is out of range, a class has fewer than three images (or
        occurs in fewer than three groups), a group is missing (NaN or None), or no split was
        found that has each class in each part.

    See Also
    --------
    sklearn.model_selection.train_test_split : Two parts, without groups.
    sklearn.model_selection.StratifiedGroupKFold : Folds for cross-validation.

    Notes
    -----
    Without groups, the parts are as large as asked for, to an image or two, and so is each class
    in them. Groups of two or more images are placed first, such that the counts of each class come
    as near to those asked for as a search by moves and exchanges brings them, and single images
    fill up what is left. So among many small groups the sizes are nearly exact; a few large ones,
    such as slides, cannot always be divided well: look at the sizes that come out.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.datasets import make_blood_cells, train_val_test_split
    >>> X, y = make_blood_cells(160, image_size=16, random_state=0)
    >>> parts = train_val_test_split(X, y, random_state=0)
    >>> [len(part) for part in parts]
    [112, 24, 24, 112, 24, 24]

    No slide is in two parts:

    >>> slides = np.arange(160) // 8
    >>> train, val, test, *_ = train_val_test_split(slides, y, groups=slides, random_state=0)
    >>> np.intersect1d(train, val).size, np.intersect1d(train, test).size
    (0, 0)
    """
    check_consistent_length(X, y, groups)
    shares = check_shares(val_size, test_size)
    rng, *order_rngs = generators(random_state, 1 + len(PARTS))
    part = assign_parts(column_or_1d(y), groups, shares, rng)
    rows = [order.permutation(np.flatnonzero(part == i)) for i, order in enumerate(order_rngs)]
    return [safe_indexing(values, each) for values in (X, y) for each in rows]


def check_shares(val_size, test_size):
    """Return the shares of the three parts, or raise."""
    for name, size in (("val_size", val_size), ("test_size", test_size)):
        if not isinstance(size, Real) or isinstance(size, bool):
            raise TypeError(f"{name}={size!r} is a {type(size).__name__}; pass a share, e.g. 0.15.")
    if not (val_size > 0 and test_size > 0 and val_size + test_size < 1):
        raise ValueError(
            f"val_size={val_size} and test_size={test_size} leave no three parts: both must be "
            "above 0, and together below 1, for there are training images as well."
        )
    return np.array([1 - val_size - test_size, val_size, test_size])


def assign_parts(labels, groups, shares, rng):
    """Return the position in PARTS of each image, or raise if a class cannot be in each part.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    groups : array-like of shape (n,) or None
    shares : ndarray of shape (3,)
    rng : numpy.random.Generator
    """
    encoder = LabelEncoder()
    codes = encoder.fit_transform(labels)
    group_codes = np.arange(len(codes)) if groups is None else encode_groups(groups)
    n_classes = len(encoder.classes_)
    n_groups = np.bincount(np.unique(group_codes * n_classes + codes) % n_classes)
    if n_groups.min() < len(PARTS):
        rare = np.flatnonzero(n_groups < len(PARTS))
        noun = "images" if groups is None else "groups"
        named = ", ".join(f"{encoder.classes_[i]} ({n_groups[i]})" for i in rare[:_MAX_NAMED])
        raise ValueError(
            f"Every class needs {len(PARTS)} {noun} or more, one for each of {', '.join(PARTS)}; "
            f"{len(rare)} of {n_classes} classes have fewer: {named}"
            f"{', ...' if len(rare) > _MAX_NAMED else ''}. Add images, or leave these classes out "
            "or merge them into others."
        )
    part = partition(codes, group_codes, shares, rng)
    _check_all_present(part, codes, encoder.classes_)
    return part


def encode_groups(groups):
    """Return numbers for the groups as they first occur: their names have no say."""
    import pandas as pd

    codes, _ = pd.factorize(column_or_1d(np.asarray(groups, dtype=object)))
    if (codes < 0).any():
        missing = np.flatnonzero(codes < 0)
        raise ValueError(
            f"{len(missing)} of {len(codes)} groups are missing (NaN or None), the first at "
            f"position {missing[0]}. Leave these images out, or give each a group of its own."
        )
    return codes


def _check_all_present(part, codes, classes):
    counts = np.zeros((len(PARTS), len(classes)), dtype=int)
    np.add.at(counts, (part, codes), 1)
    absent = [f"{classes[c]} from {PARTS[p]}" for p, c in np.argwhere(counts == 0)]
    if absent:
        raise ValueError(
            "The groups cannot be split such that each part has each class; missing are at least "
            f"{', '.join(absent[:_MAX_NAMED])}. Try another random_state, or leave these classes "
            "out or merge them into others."
        )
