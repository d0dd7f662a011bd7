"""Validation of tables of numbers by scikit-learn."""

from functools import partial

import numpy as np
import torch
from scipy.sparse import issparse
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
        check = check_array if estimator is None else partial(validate_data, estimator)
        table = check(X, **options)
        # Columns of other libraries than pandas stay objects.
        return table.astype(np.float64) if table.dtype == object else table
    except (TypeError, ValueError) as error:
        if issparse(X) or _count_axes(X) > 1:
            raise
        # A TypeError names types, a ValueError the value that is no number.
        kind, told = (TypeError, f"{error}\n") if isinstance(error, TypeError) else (ValueError, "")
        raise kind(
            f"{told}X is a {type(X).__name__} that holds no table of numbers, and no images: an "
            "array (n, h, w) or (n, h, w, c), or paths, PIL images or arrays in a list or column. "
            "Pass one of them. Reshape your data, X.reshape(1, -1), if it has one axis."
        ) from None


def _count_axes(X):
    """Return the number of axes of numbers, 0 if X holds others."""
    try:
        return np.asarray(X, dtype=np.complex128).ndim
    except Exception:  # X may be any object, and its __array__ may raise anything
        return 0
