"""Tables of numbers: what scikit-learn says of them, and what X may be instead."""

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ._pixels import to_numpy

_ALLOWED = (
    "X is {what}. Pass images: an array of shape (n, h, w) or (n, h, w, c), or a list of paths, of "
    "PIL images or of arrays; or pass a table of numbers."
)


def read_table(estimator, X, **options):
    """Return X as an array of shape (n, n_features), as `validate_data` does.

    Parameters
    ----------
    estimator : object or None
        The estimator that X is for; None is none.
    X : object
    **options
        Those of `validate_data`, or of `check_array`.

    Raises
    ------
    TypeError, ValueError
        If X is no such table. Of what cannot become numbers at all, the message says what X may
        be as well: NumPy's own words, which scikit-learn passes on, help nobody.
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
        what = f"of type {type(X).__name__} and holds no table of numbers"
        raise kind(f"{error}\n{_ALLOWED.format(what=what)}") from error


def _is_numeric(X):
    try:
        np.asarray(X, dtype=np.complex128)
    except Exception:  # X may be any object, and its __array__ may raise anything
        return False
    return True
