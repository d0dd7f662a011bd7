"""Labels of a fit: checked, and encoded as class codes."""

import numpy as np
import torch
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skblood._labels import check_complete, encode_labels, sort_labels
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
        kind = type(estimator).__name__
        raise ValueError(f"{kind} requires {name} to be passed, but the target {name} is None.")
    if isinstance(y, (torch.Tensor, np.ma.MaskedArray)):
        y = to_numpy(y, name)
    try:
        y = column_or_1d(y, warn=True)
    except ValueError as error:
        raise ValueError(f"{error}\nPass as {name} a list or an array of labels.") from error
    if y.dtype.kind == "T":
        y = y.astype(object)  # scikit-learn does not know NumPy's StringDType
    if y.dtype == object:
        check_complete(y, name, "Leave these images out, or give them a label of their own.")
    sort_labels(y, name)  # raises for a mixture of types
    check_classification_targets(y)
    return y


def code_targets(y, classes=None):
    """Encode labels as positions in `classes`.

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
    classes = sort_labels(y) if classes is None else classes
    if len(classes) < 2:
        raise ValueError(f"y holds one class only, {classes.tolist()}; give two or more classes.")
    return classes, encode_labels(y, classes)
