"""Validation of tables of numbers by scikit-learn."""

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ._pixels import to_numpy


def read_table(estimator, X, **options):
    """Return X as an array of shape (n, n_features), as `validate_data` does.

    Parameters
    ----------
    estimator : object or None
        The estimator that validates X; None uses `check_array`.
    X : object
    **options
        Options of `validate_data` or `check_array`.

    Raises
    ------
    TypeError, ValueError
        If X is not such a table. A message that would print data is replaced.
    """
    if isinstance(X, (torch.Tensor, np.ma.MaskedArray)):
        X = to_numpy(X)
    try:
        if estimator is None:
            return check_array(X, **options)
        return validate_data(estimator, X, **options)
    except (TypeError, ValueError) as error:
        if scipy.sparse.issparse(X):
            raise
        kind, n_axes = type(X).__name__, _count_axes(X)
        if n_axes == 1:
            raise ValueError(
                f"X is a {kind} of numbers with one axis. Reshape your data, e.g. by "
                "X.reshape(1, -1) if they are one flattened image."
            ) from None
        if n_axes:
            raise
        # A TypeError names types, a ValueError the value that is no number.
        told = f"{error}\n" if isinstance(error, TypeError) else ""
        raise (TypeError if told else ValueError)(
            f"{told}X is a {kind} that holds no table of numbers. Pass one, or images: an array "
            "(n, h, w) or (n, h, w, c), or a list or a column of paths, PIL images or arrays."
        ) from None


def _count_axes(X):
    """Return the number of axes of numbers, or None if X holds others."""
    try:
        return np.asarray(X, dtype=np.complex128).ndim
    except Exception:  # X may be any object, and its __array__ may raise anything
        return None
