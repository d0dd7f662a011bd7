"""The form of X: a table of numbers, images in one array, or a sequence of images."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

# Forms of X as a whole, ...
TABLE, STACK, SEQUENCE, SINGLE = "table", "stack", "sequence", "single"

# ... and of the items of a sequence, as messages name them.
PATH, PIL, ARRAY = "a path", "a PIL image", "an array"


def is_table(X):
    """Return whether X is a table of numbers, to be validated by scikit-learn.

    Everything else is for :func:`read_images`.

    Parameters
    ----------
    X : object
        Only its first item is inspected, and nothing is decoded.

    Returns
    -------
    bool
        False for arrays of three or more axes; for sequences of paths, PIL images or arrays, also
        as the only column of a DataFrame; and for a single path or PIL image, which is an error.
        True for everything else, whether it holds numbers or not.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import is_table
    >>> is_table(np.zeros((10, 2352))), is_table(np.zeros((10, 28, 28, 3)))
    (True, False)
    >>> is_table(["a.png", "b.png"])
    False
    """
    return classify(X)[0] == TABLE


def holds_arrays(X):
    """Return whether X holds images as arrays, in one or in a sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import holds_arrays
    >>> holds_arrays([np.zeros((28, 28))]), holds_arrays(["a.png"])
    (True, False)
    """
    form, images = classify(X)
    return form == STACK or (form == SEQUENCE and _item_form(images[0]) == ARRAY)


def classify(X):
    """Return the form of X, and its images: one array, or a list of items."""
    if _item_form(X) in (PATH, PIL):
        return SINGLE, X
    n_axes = getattr(X, "ndim", 0)  # anything, if X is a class or a module
    if isinstance(n_axes, int) and n_axes >= 3 and hasattr(X, "__array__"):
        return STACK, X
    items = _items(X)
    if items and _item_form(items[0]) is not None:
        return SEQUENCE, items
    return (STACK, items) if items and _is_nested(items[0]) else (TABLE, X)


def _item_form(item):
    """Return the kind of image that an item of a sequence is, or None."""
    if isinstance(item, (str, os.PathLike)):
        return PATH
    if isinstance(item, Image.Image):
        return PIL
    if isinstance(item, (np.ndarray, torch.Tensor)) and item.ndim >= 2:
        return ARRAY
    return None


def _items(X):
    """Return the items of a sequence, or of a column of objects or strings, as a list, or None."""
    if isinstance(X, Sequence) and not isinstance(X, memoryview):
        return list(X)
    shape = getattr(X, "shape", None)
    if not isinstance(shape, tuple) or isinstance(X, torch.Tensor) or not hasattr(X, "__array__"):
        return None
    # Series and DataFrames of any library; a table of several columns is never converted.
    column = np.asarray(X) if len(shape) == 1 or shape[1:] == (1,) else None
    # Python objects, strings and NumPy's StringDType.
    is_column = column is not None and column.dtype.kind in "OUT"
    return column.ravel().astype(object).tolist() if is_column else None


def _is_nested(item):
    """Return whether an item is a nested list, or a list of arrays."""
    first = item[0] if isinstance(item, (list, tuple)) and item else None
    return isinstance(first, (list, tuple)) or getattr(first, "ndim", 0) > 0


def common_form(items):
    """Return the form that all items have, or raise ValueError."""
    first = {}
    for i, item in enumerate(items):
        first.setdefault(_item_form(item) or f"a {type(item).__name__}", i)
    if len(first) > 1:
        found = ", ".join(f"{form} at {i}" for form, i in first.items())
        raise ValueError(
            "The items of X must all be paths, all PIL images or all arrays (h, w) or (h, w, c), "
            f"but there is {found} (the first positions). Convert or leave out those that differ."
        )
    return next(iter(first))
