"""Which form X has: a table, a stack of images in one array, or a sequence of images."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

# What X may be as a whole, ...
TABLE, STACK, SEQUENCE, SINGLE = "table", "stack", "sequence", "single"

# ... and what the items of a sequence may be, in the words of a message.
PATH, PIL, ARRAY = "a path", "a PIL image", "an array"

# Positions or sizes that a message names before it says "...".
_MAX_NAMED = 5


def is_table(X):
    """Say whether X is a table of numbers, to be validated by scikit-learn and folded.

    Everything else is for :func:`read_images`.

    Parameters
    ----------
    X : object
        What the user passed. Only its first item is looked at, and nothing is decoded.

    Returns
    -------
    bool
        False for numeric arrays of three or more axes; for sequences of paths, of PIL images or
        of arrays, also in a DataFrame's only column; and for a single path or PIL image, which
        is an error. True for the rest, rows of numbers or not.

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
    """Say whether X holds images as arrays, in one or in a sequence, not as files or PIL images.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import holds_arrays
    >>> holds_arrays([np.zeros((28, 28))]), holds_arrays(["a.png"])
    (True, False)
    """
    form, items = classify(X)
    return form == STACK or (form == SEQUENCE and _item_form(items[0]) == ARRAY)


def _item_form(item):
    """Return the kind of image that an item of a sequence is, or None."""
    if isinstance(item, (str, os.PathLike)):
        return PATH
    if isinstance(item, Image.Image):
        return PIL
    if isinstance(item, (np.ndarray, torch.Tensor)) and item.ndim >= 2:
        return ARRAY
    return None


def classify(X):
    """Return the form of X, and what is to be read in that form."""
    if _item_form(X) in (PATH, PIL):
        return SINGLE, X
    if isinstance(X, memoryview):
        X = np.asarray(X)
    items = X if isinstance(X, Sequence) else _column(X)
    if items is not None and len(items):
        if _item_form(items[0]) is not None:
            return SEQUENCE, items
        if _depth(items[0]) >= 2:
            return STACK, list(items)
    elif _n_axes(X) >= 3 and hasattr(X, "__array__"):
        return STACK, X
    return TABLE, X


def _column(X):
    """Return the objects or strings of a 1-D array, Series or only column of a table, or None."""
    # Duck-typed, so that pandas is not needed.
    if hasattr(X, "columns") and hasattr(X, "iloc") and X.shape[1] == 1:
        X = X.iloc[:, 0]
    elif isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    if getattr(X, "ndim", 0) != 1 or not hasattr(X, "__array__"):
        return None
    # Python objects, strings and NumPy's StringDType.
    return np.asarray(X, dtype=object) if getattr(X.dtype, "kind", "") in "OUT" else None


def _n_axes(X):
    n = getattr(X, "ndim", 0)
    return n if isinstance(n, int) else 0  # of a class or a module it may be anything


def _depth(item):
    """Return the number of axes of nested lists, judged by the first item of each."""
    depth = 0
    while isinstance(item, (list, tuple)):
        depth += 1
        if not item:
            break
        item = item[0]
    return depth + (item.ndim if isinstance(item, (np.ndarray, torch.Tensor)) else 0)


def single_message(X):
    """Say what to pass in place of a single path or PIL image."""
    if isinstance(X, Image.Image):
        return "X is a single PIL image. Pass a list of images: [X]."
    return (
        f"X is a single path, {os.fspath(X)!r}. Pass a list of paths, or read a folder of images, "
        "one subfolder a class, by skblood.datasets.load_image_folder."
    )


def common_form(items):
    """Return the form that all items have, or raise ValueError."""
    positions = {}
    for i, item in enumerate(items):
        positions.setdefault(_item_form(item) or f"a {type(item).__name__}", []).append(i)
    if len(positions) == 1:
        return next(iter(positions))
    found = ", ".join(
        f"{form} at {'position' if len(where) == 1 else 'positions'} {first_few(where)}"
        for form, where in positions.items()
    )
    raise ValueError(
        f"The items of X must all be paths, all PIL images or all arrays (h, w) or (h, w, c), but "
        f"there is {found}. Convert or leave out those that differ."
    )


def first_few(items):
    """List the first items for a message."""
    dots = ", ..." if len(items) > _MAX_NAMED else ""
    return ", ".join(map(str, items[:_MAX_NAMED])) + dots
