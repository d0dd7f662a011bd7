"""Labels, groups and other columns with one entry per image: checked, and encoded as integers."""

import re
from collections import Counter
from difflib import get_close_matches
from numbers import Integral

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import column_or_1d

from skblood._writing import list_few


def is_missing(value):
    """Return whether a label is None, NaN, pandas.NA or NaT."""
    # pandas.NA equals nothing and has no truth value; its type is known by its name.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def as_column(values, name, *, warn=False):
    """Return labels, or other values of the images, as a 1-D array.

    Parameters
    ----------
    values : array-like, column of a DataFrame, tensor or masked array of shape (n,) or (n, 1)
    name : str
        Name of the argument, for messages.
    warn : bool, default=False
        Whether to warn of the shape (n, 1), as scikit-learn does.

    Returns
    -------
    column : ndarray of shape (n,)

    Raises
    ------
    TypeError
        If entries are no labels, such as lists or sets.
    ValueError
        If it has another shape.
    """
    if hasattr(values, "detach") or isinstance(values, np.ma.MaskedArray):  # a tensor of torch
        from skblood.images import to_numpy

        values = to_numpy(values, name)
    try:
        values = _keep_types(values) if isinstance(values, list | tuple) else values
        column = column_or_1d(values, warn=warn)
    except ValueError as error:
        raise ValueError(
            f"`{name}` must have one entry for each image: {error} Pass a list or an array of "
            f"labels; of one-hot rows, np.asarray({name}).argmax(axis=1)."
        ) from error
    kinds = {type(v) for v in column} if column.dtype.kind == "O" else set()
    if odd := sorted(k.__name__ for k in kinds if k.__hash__ is None or k is object):
        raise TypeError(
            f"`{name}` does not hold labels: {', '.join(odd)} cannot be compared and sorted. Give "
            "one str or number for each image."
        )
    if kinds and all(issubclass(kind, Integral) for kind in kinds):
        return _keep_types(column.tolist())  # a column of a table of mixed types
    # scikit-learn does not know NumPy's StringDType.
    return column.astype(object) if column.dtype.kind == "T" else column


def _keep_types(values):
    """Return a list as an array; NumPy would turn None among str into text, large int into float.

    The array has the type object if it would hold other values than the list.
    """
    array = np.asarray(values)
    if array.dtype.kind == "U":
        changed = not all(isinstance(value, str) for value in values)
    else:
        changed = array.dtype.kind == "f" and all(isinstance(value, Integral) for value in values)
    return np.array(values, dtype=object) if changed and array.ndim == 1 else array


def check_complete(column, name, advice):
    """Raise ValueError if entries of a column are missing; `advice` says what to do."""
    missing = [i for i, value in enumerate(column.tolist()) if is_missing(value)]
    if missing:
        found = f"has {len(missing)} missing entries, the first at position {missing[0]}"
        raise ValueError(f"`{name}` {found}. {advice}")


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
        If labels of different types cannot be sorted, or are bytes.
    """
    check_no_bytes(labels, name)
    try:
        return np.unique(labels)
    except TypeError as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
        message = f"`{name}` has labels of types {kinds}, which cannot be sorted. Make all str."
        raise TypeError(message) from error


def check_no_bytes(labels, name):
    """Raise TypeError if there are bytes, as h5py gives them: no class is called "b'ig'"."""
    if any(isinstance(label, bytes) for label in labels):
        raise TypeError(
            f"`{name}` holds bytes instead of text. Decode them: "
            f"np.char.decode(np.asarray({name}, dtype='S'))."
        )


def match_labels(y, classes, name="y"):
    """Return labels, those that are written otherwise than the classes replaced by their class.

    A folder gives the label "2" and a table 2; pandas reads "02" as 2, or, beside missing values,
    as 2.0. Only text and numbers are matched with each other, not two texts. True and False are 1
    and 0 where these are the two classes, but no numbers among others.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels.
    classes : sequence of n_classes labels
    name : str, default="y"
        Name of the argument, for messages.

    Returns
    -------
    labels : list of length n
        Labels that match no class are kept.

    Raises
    ------
    TypeError
        If labels are bytes.
    ValueError
        If labels are missing, a label matches several classes, or several labels match one class.
    """
    column = as_column(y, name)
    check_complete(column, name, "Leave out the images without a label.")
    labels, classes = plain_list(column), plain_list(classes)
    if set(classes) != {0, 1}:  # True is not the class 1 of eight
        labels = [str(label) if isinstance(label, bool) else label for label in labels]
    unknown = [label for label in dict.fromkeys(labels) if label not in classes]
    check_no_bytes(unknown, name)
    matches = [
        (label, each)
        for label in unknown
        for each in classes
        if isinstance(label, str) != isinstance(each, str) and _value(label) == _value(each)
    ]
    n_classes = Counter(label for label, _ in matches)
    n_labels = Counter(each for _, each in matches)
    if unclear := [x for x, each in matches if n_classes[x] > 1 or n_labels[each] > 1]:
        raise ValueError(
            f"`{name}` holds {_quote(unclear)}, which may be several of the classes {classes}, or "
            "the same. Write the labels as the classes are written."
        )
    matched = dict(matches)
    return [matched.get(label, label) for label in labels]


def _value(label):
    """Return the integer that a label is written as, or else its text."""
    text = str(label)
    whole = re.fullmatch(r"([+-]?\d+)(\.0*)?", text, re.ASCII)
    return int(whole[1]) if whole else text


def _quote(labels):
    """Return the first distinct labels for a message."""
    return list_few([repr(label) for label in dict.fromkeys(labels)])


def encode_labels(y, classes, name="y"):
    """Return the position of each label in `classes`.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels. Text and numbers are matched: see `match_labels`.
    classes : sequence of n_classes labels
    name : str, default="y"
        Name of the argument, for messages.

    Returns
    -------
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    TypeError
        If labels are bytes.
    ValueError
        If labels are missing, a label is not among the classes, or matches several.
    """
    classes = plain_list(classes)
    places = {label: place for place, label in enumerate(classes)}
    labels = match_labels(y, classes, name)
    if unknown := describe_unknown(labels, classes, name):
        raise ValueError(f"{unknown} Rename these labels, or leave them out.")
    return np.fromiter((places[label] for label in labels), np.int64, len(labels))


def describe_unknown(labels, classes, name="y"):
    """Return a sentence on matched labels that are no class, and on close classes; "" if none."""
    classes = plain_list(classes)
    known = set(classes)
    unknown = [label for label in labels if label not in known]
    if not unknown:
        return ""
    folded = {str(each).casefold(): each for each in classes}
    names = {
        label: folded[close[0]]
        for label in list(dict.fromkeys(unknown))[:20]
        if (close := get_close_matches(str(label).casefold(), folded, n=1, cutoff=0.9))
    }
    hint = (
        f" Names must agree, also in upper and lower case; if names = {names} mean the same, use "
        "[names.get(label, label) for label in labels]."
    )
    return (
        f"`{name}` holds {len(unknown)} labels that are not among the classes {classes}: "
        f"{_quote(unknown)}.{hint if names else ''}"
    )


def leave_out_labels(y, labels):
    """Return the positions of the other labels, and a sentence on those that are left out."""
    column = plain_list(as_column(y, "y"))
    present = list(dict.fromkeys(each for each in column if not is_missing(each)))
    labels = [labels] if isinstance(labels, str) else list(labels)
    counts = Counter(column)
    names = {name: counts[name] for name in match_labels(labels, present, "leave_out")}
    rows = [i for i, label in enumerate(column) if label not in names]
    if not rows:
        raise ValueError("`leave_out` leaves no image.")
    listed = ", ".join(f"{name} {n:,}" for name, n in names.items())
    return rows, f"{len(column) - len(rows):,} of {len(column):,} images are left out: {listed}."


def encode_groups(groups, n_images, name="groups"):
    """Return the distinct groups in order of first appearance, and the code of each image.

    Parameters
    ----------
    groups : array-like of shape (n_images,) or None
        Identifiers of patients, slides or photographed cells: str or int. None: each image is its
        own group.
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
    column = np.arange(n_images) if groups is None else as_column(groups, name)
    check_lengths(images=n_images, **{name: len(column)})
    check_complete(column, name, "Give these images a group of their own, or leave them out.")
    values = plain_list(column)
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return list(places), np.fromiter((places[value] for value in values), np.int64, len(values))


def plain_list(values):
    """Return the entries of a column as Python objects: NumPy scalars become numbers and str."""
    return [v.item() if isinstance(v, np.generic) else v for v in np.asarray(values).tolist()]


def join_groups(n_images, *groups, pairs=()):
    """Merge groups that share an image, and groups that a pair of images connects.

    Parameters
    ----------
    n_images : int
    *groups : array-like of shape (n_images,) or None
        Identifiers or codes of groups, such as slides and copies. None is ignored.
    pairs : sequence of (int, int), default=()
        Positions of two images that belong together, such as near copies.

    Returns
    -------
    codes : ndarray of shape (n_images,), dtype int64
        Equal for images that are connected, directly or through others.
    """
    links = [np.asarray(pairs, dtype=np.int64).reshape(-1, 2)]
    for column in groups:
        if column is not None:
            first = {}
            images = enumerate(plain_list(column))
            links.append(np.array([(first.setdefault(group, i), i) for i, group in images]))
    left, right = np.concatenate(links).T
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n_images, n_images))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def resolve_classes(classes, **columns):
    """Return the class labels as a list: those given, or else those that occur, sorted.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or None
    **columns : array-like of shape (n,) or (n, 1)
        Labels, by the name of their argument.

    Returns
    -------
    classes : list of length n_classes

    Raises
    ------
    TypeError
        If labels of different types cannot be sorted.
    ValueError
        If a class is given twice, there is none, or labels are missing.
    """
    if classes is not None:
        classes = plain_list(as_column(classes, "classes"))
        if not classes or len(set(classes)) < len(classes):
            raise ValueError(f"`classes` must be different labels (one or more), got {classes}.")
        return classes
    names, found = "` and `".join(columns), []
    for name, y in columns.items():
        column = as_column(y, name)
        check_complete(column, name, "Give these images a label of their own, or leave them out.")
        found.append(column.astype(object))
    if not any(map(len, found)):
        raise ValueError(f"`{names}` is empty. Give `classes`, or images that have a label.")
    return plain_list(sort_labels(np.concatenate(found), names))


def count_labels(y):
    """Return the sorted classes, the code of each label and the number of labels of each class.

    Raises
    ------
    TypeError
        If labels of different types cannot be sorted.
    ValueError
        If there are no labels, or some are missing.
    """
    classes = resolve_classes(None, y=y)
    codes = encode_labels(y, classes)
    return np.array(classes), codes, np.bincount(codes)


def check_probabilities(y_proba, n_images, classes):
    """Return class probabilities as a float array; a float dtype is kept.

    Parameters
    ----------
    y_proba : array-like of shape (n_images, n_classes)
    n_images : int
    classes : list of length n_classes
        For messages.

    Raises
    ------
    ValueError
        If the shape differs, a value is negative or NaN, or a row does not sum to 1.
    """
    y_proba = np.asarray(y_proba)
    y_proba = y_proba if y_proba.dtype.kind == "f" else y_proba.astype(float)
    if y_proba.shape != (n_images, len(classes)):
        raise ValueError(
            f"`y_proba` must have a row for each image and a column for each class {classes}, "
            f"shape ({n_images}, {len(classes)}); it has shape {y_proba.shape}."
        )
    # Wide enough for half precision.
    wrong = ~np.isclose(y_proba.sum(axis=1), 1, atol=1e-2) | (y_proba < 0).any(axis=1)
    if wrong.any():
        raise ValueError(
            f"`y_proba` must hold probabilities that sum to 1; {wrong.sum()} rows do not, the "
            f"first is row {wrong.argmax()}. Give the output of `predict_proba`."
        )
    return y_proba
