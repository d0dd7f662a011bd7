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
        If X is not such a table. If it cannot become numbers at all, the message lists what X may
        be, which NumPy's own message does not.
    """
    if isinstance(X, (torch.Tensor, np.ma.MaskedArray)):
        X = to_numpy(X)
    try:
        if estimator is None:
            return check_array(X, **options)
        return validate_data(estimator, X, **options)
    except (TypeError, ValueError) as error:
        if scipy.sparse.issparse(X) or _is_numeric(X):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{error}\nX is of type {type(X).__name__} and holds no table of numbers. Pass one, or "
            "images: an array (n, h, w) or (n, h, w, c), or a list of paths, PIL images or arrays."
        ) from error


def _is_numeric(X):
    try:
        np.asarray(X, dtype=np.complex128)
    except Exception:  # X may be any object, and its __array__ may raise anything
        return False
    return True
