"""Labels, groups and other columns with one entry per image: checked, and encoded as integers."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import column_or_1d

from skblood.images import to_numpy


def is_missing(value):
    """Return whether a label is None, NaN, pandas.NA or NaT."""
    # pandas.NA equals nothing and has no truth value; its type is known by its name.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def as_column(values, name):
    """Return an array-like, tensor or masked array of shape (n,) or (n, 1) as a 1-D array.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    if isinstance(values, torch.Tensor | np.ma.MaskedArray):
        values = to_numpy(values, name)
    try:
        column = column_or_1d(values)
    except ValueError as error:
        raise ValueError(
            f"`{name}` must be a list or an array with one entry for each image: {error}"
        ) from error
    # scikit-learn does not know NumPy's StringDType.
    return column.astype(object) if column.dtype.kind == "T" else column


def check_complete(column, name, advice):
    """Raise ValueError if entries of a column are missing; `advice` says what to do."""
    missing = [i for i, value in enumerate(column.tolist()) if is_missing(value)]
    if missing:
        raise ValueError(
            f"`{name}` has {len(missing)} missing entries (None or NaN), the first at position "
            f"{missing[0]}. {advice}"
        )


def check_lengths(**lengths):
    """Raise ValueError unless all lengths, given by the names of the arguments, are equal."""
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"`{name}` {length:,}" for name, length in lengths.items())
        raise ValueError(f"There must be one entry for each image, got different lengths: {found}.")


def sort_labels(labels, name="y"):
    """Return the distinct labels, sorted.

    Raises
    ------
    TypeError
        If labels of different types cannot be sorted.
    """
    try:
        return np.unique(labels)
    except TypeError as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
        raise TypeError(
            f"`{name}` holds labels of the types {kinds}, which cannot be sorted. Make them all "
            f"str or all int, e.g. [str(label) for label in {name}]."
        ) from error


def encode_labels(y, classes, name="y"):
    """Return the position of each label in `classes`.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels.
    classes : sequence of n_classes labels
    name : str, default="y"
        Name of the argument, for messages.

    Returns
    -------
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    classes = plain_list(classes)
    places = {label: place for place, label in enumerate(classes)}
    labels = plain_list(as_column(y, name))
    unknown = list(dict.fromkeys(label for label in labels if label not in places))
    if unknown:
        n = sum(label not in places for label in labels)
        raise ValueError(
            f"`{name}` holds {n} labels that are not among the classes {classes}: "
            f"{', '.join(map(repr, unknown))}. Leave these images out, give them labels that the "
            "model knows, or use a model that was trained on these classes."
        )
    return np.array([places[label] for label in labels], np.int64)


def encode_groups(groups, n_images, name="groups"):
    """Return the distinct groups in order of first appearance, and the code of each image.

    Parameters
    ----------
    groups : array-like of shape (n_images,)
        Identifiers of patients, slides or photographed cells: str or int.
    n_images : int
    name : str, default="groups"
        Name of the argument, for messages.

    Returns
    -------
    names : list of length n_groups
    codes : ndarray of shape (n_images,), dtype int64

    Raises
    ------
    ValueError
        If the length differs, or entries are missing.
    """
    column = as_column(groups, name)
    check_lengths(images=n_images, **{name: len(column)})
    check_complete(column, name, "Give these images a group of their own, or leave them out.")
    values = plain_list(column)
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return list(places), np.array([places[value] for value in values], np.int64)


def join_groups(n, pairs, groups=None):
    """Return one id for all images that pairs or groups connect, directly or through others.

    Parameters
    ----------
    n : int
        Number of images.
    pairs : array-like of int of shape (m, 2)
        Positions of images that belong together, such as copies.
    groups : array-like of shape (n,), default=None
        Identifiers of patients or slides.

    Returns
    -------
    joined : ndarray of int of shape (n,)
        Numbered from 0 in order of first appearance.
    """
    pairs = np.asarray(pairs, dtype=int).reshape(-1, 2)
    if groups is not None:
        _, first, codes = np.unique(
            encode_groups(groups, n)[1], return_index=True, return_inverse=True
        )
        pairs = np.concatenate([pairs, np.stack([first[codes], np.arange(n)], axis=1)])
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(links, directed=False)[1].astype(int)


def plain_list(values):
    """Return the entries of a column as Python objects: NumPy scalars become numbers and str."""
    return [v.item() if isinstance(v, np.generic) else v for v in np.asarray(values).tolist()]
