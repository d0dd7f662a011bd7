"""Which cells of the target laboratory have which label."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skblood._labels import as_column, encode_labels, is_missing
from skblood.estimators import CellClassifier


def check_classifier(model, caller):
    """Raise an error that names the caller unless the model is a fitted classifier of skblood."""
    if not isinstance(model, CellClassifier):
        raise TypeError(
            f"{caller} takes a fitted classifier of skblood, got a {type(model).__name__}. Of a "
            "Pipeline, give its last step, and the images as that step gets them."
        )
    check_is_fitted(model)


def encode_partial_labels(y, classes):
    """Return the class code of each label, -1 for a missing label.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels. None, NaN, and -1 (unless it is a class) are missing labels.
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    y = as_column(y, "y")
    no_label = () if -1 in classes.tolist() else (-1,)
    known = np.array([not is_missing(v) and v not in no_label for v in y.tolist()], bool)
    codes = np.full(len(y), -1)
    codes[known] = encode_labels(y[known], classes)
    return codes


def balanced_weights(codes):
    """Return float64 weights that sum to 1, with the same total for each class."""
    counts = torch.bincount(codes)
    return 1 / (counts[codes] * (counts > 0).sum()).double()
