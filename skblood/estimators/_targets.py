"""Labels: what y may be, and how it becomes class codes."""

import numpy as np
import torch
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skblood.images import to_numpy


def read_targets(estimator, y, name="y"):
    """Return y as a 1-D array of labels.

    Parameters
    ----------
    estimator : object
        Named in the message.
    y : array-like of shape (n,) or (n, 1)
    name : str
        Name of the argument, for messages.

    Returns
    -------
    y : ndarray of shape (n,)
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires {name} to be passed, but the target {name} is "
            "None."
        )
    if isinstance(y, (torch.Tensor, np.ma.MaskedArray)):
        y = to_numpy(y, name)
    try:
        y = column_or_1d(y, warn=True)
    except ValueError as error:
        raise ValueError(f"{error}\nPass as {name} a list or an array of labels.") from error
    if y.dtype.kind == "T":
        y = y.astype(object)  # scikit-learn does not know NumPy's StringDType
    missing = [i for i, label in enumerate(y) if is_missing(label)] if y.dtype == object else []
    if missing:
        raise ValueError(
            f"{name} holds {len(missing)} missing labels (None or NaN), the first at position "
            f"{missing[0]}. Leave these images out, or give them a label of their own."
        )
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name=name)
    try:
        check_classification_targets(y)
    except TypeError as error:
        raise TypeError(_not_sortable(y, name)) from error
    return y


def is_missing(label):
    # pandas.NA equals nothing and cannot be asked; its type is known by its name.
    return label is None or type(label).__name__ in ("NAType", "NaTType") or label != label


def sort_labels(labels, name="y"):
    """Return the different labels, sorted."""
    try:
        return np.unique(labels)
    except TypeError as error:
        raise TypeError(_not_sortable(labels, name)) from error


def _not_sortable(labels, name):
    kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
    return (
        f"{name} holds labels that cannot be sorted, of the types {kinds}. Make them all str or "
        f"all int, e.g. [str(label) for label in {name}]."
    )


def code_targets(y, classes=None):
    """Turn labels into positions in `classes`.

    Parameters
    ----------
    y : ndarray of shape (n,)
    classes : ndarray of shape (n_classes,), default=None
        Sorted labels; None takes those of `y`.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If there are less than two classes, or a label is not among them.
    """
    given = sort_labels(y)
    classes = given if classes is None else classes
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class only, {given.tolist()}; a classifier needs two or more classes."
        )
    unknown = given[~np.isin(given, classes)]
    if len(unknown):
        raise ValueError(
            f"y holds labels that are not among the classes {classes.tolist()}: {unknown.tolist()}."
        )
    return classes, np.searchsorted(classes, y)
