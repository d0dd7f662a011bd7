"""The form of X: a table of numbers, images in one array, or a sequence of images."""

import os
from collections.abc import Iterator, Mapping, Sequence, Set, Sized

import numpy as np
import torch
from PIL import Image
from scipy.sparse import issparse
from torch.utils.data import DataLoader, Dataset

from ._cell_images import CellImages

# Forms of X as a whole, ...
TABLE, STACK, SEQUENCE = "table", "stack", "sequence"

# ... and of the items of a sequence, as messages name them.
PATH, PIL, ARRAY = "a path", "a PIL image", "an array"
_MISSING = "a missing value"


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
        False for arrays of three or more axes, and for sequences of paths, PIL images or arrays,
        also as the only column of a DataFrame, and for `CellImages`. True for everything else,
        whether it holds numbers or not.

    Raises
    ------
    TypeError, ValueError
        If X is empty, a single image, or something of which it is known how to make images.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import is_table
    >>> is_table(np.zeros((10, 2352))), is_table(np.zeros((10, 28, 28, 3)))
    (True, False)
    >>> is_table(["a.png", "b.png"])
    False
    """
    return not isinstance(X, CellImages) and classify(X)[0] == TABLE


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
    """Return the form of X, and its images: one array, or a list of items.

    Raises
    ------
    TypeError, ValueError
        As `is_table`.
    """
    if issparse(X):  # scikit-learn says how to make it dense
        return TABLE, X
    _refuse(X)
    n_axes = getattr(X, "ndim", 0)  # anything, if X is a class or a module
    if isinstance(n_axes, int) and n_axes >= 3 and hasattr(X, "__array__"):
        return STACK, X
    items = _items(X)
    if not items:
        return TABLE, X
    first = next((item for item in items if _item_form(item) != _MISSING), None)
    if first is None or _item_form(first) is not None:
        return SEQUENCE, items
    if code := _code_to_open(first, "x"):
        raise TypeError(
            f"X holds no images but items of type {type(first).__name__}. Pass [{code} for x in X]."
        )
    return (STACK, items) if _is_nested(first) else (TABLE, X)


def _refuse(X):
    """Raise an error if X as a whole is empty, or no collection of images."""
    form, code = _item_form(X), None if isinstance(X, (list, tuple)) else _code_to_open(X, "X")
    if form in (PATH, PIL):
        raise ValueError(
            f"X is a single {form.removeprefix('a ')}. Pass a list of paths or images, [X]; of a "
            "folder, the data that skblood.datasets.load_image_folder returns."
        )
    advice = None
    if code is not None:
        advice = f"a list of images, [{code}]"
    elif isinstance(X, DataLoader):
        advice = "torch.cat(list(X)), or torch.cat([x for x, y in X]) if it gives labels"
    elif isinstance(X, (Dataset, Iterator, Set)):
        advice = "list(X)"
    elif isinstance(X, Mapping):
        advice = 'its images, e.g. X["data"] or X["image"]'
    if advice is not None:
        raise TypeError(f"X is a {type(X).__name__}. Pass {advice}.")
    shape = getattr(X, "shape", None)
    if not isinstance(shape, tuple):  # anything, if X is a class or a module
        shape = (len(X),) if isinstance(X, Sized) else ()
    if shape[:1] == (0,):
        raise ValueError("X holds no images: it is empty. Pass at least one.")


def _item_form(item):
    """Return the kind of image that an item of a sequence is, or None."""
    if isinstance(item, (str, os.PathLike)):
        return PATH
    if isinstance(item, Image.Image):
        return PIL
    if isinstance(item, (np.ndarray, torch.Tensor)) and item.ndim >= 2:
        return ARRAY
    is_nan = isinstance(item, float) and np.isnan(item)
    is_missing = item is None or is_nan or type(item).__name__ in ("NAType", "NaTType")
    return _MISSING if is_missing else None


def _code_to_open(item, name):
    """Return code that makes an image of a variable that holds a known form of one, or None."""
    if isinstance(item, (bytes, bytearray)):
        return f"PIL.Image.open(io.BytesIO({name}))"
    if isinstance(item, Mapping):  # as Hugging Face's datasets hold images
        key = next((key for key in ("bytes", "path", "image") if item.get(key) is not None), None)
        found = f'{name}["{key}"]'
        return key and (f"PIL.Image.open(io.BytesIO({found}))" if key == "bytes" else found)
    if isinstance(item, (list, tuple)):  # an image and its label
        return f"{name}[0]" if item and _item_form(item[0]) not in (None, _MISSING) else None
    if hasattr(item, "read"):
        return f"PIL.Image.open({name})"
    if hasattr(item, "read_bytes"):  # a path in an archive
        return f"PIL.Image.open(io.BytesIO({name}.read_bytes()))"
    return f"PIL.Image.open({name}.open())" if hasattr(item, "open") else None


def _items(X):
    """Return the items of a sequence, or of a column of objects or strings, as a list, or None."""
    if isinstance(X, Sequence) and not isinstance(X, memoryview):
        return list(X)
    if isinstance(X, (torch.Tensor, type)) or not hasattr(X, "__array__"):
        return None
    # Series and DataFrames of any library; a table of several columns is never converted.
    shape = getattr(X, "shape", None)
    if shape is None:
        shape = (len(X),) if isinstance(X, Sized) else ()
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
    if _MISSING in first and len(first) <= 2:
        n = sum(_item_form(item) == _MISSING for item in items)
        raise ValueError(
            f"X has {n} missing values among {len(items)}, the first at position "
            f"{first[_MISSING]}. Leave them and their labels out, e.g. by a mask of those present."
        )
    if len(first) > 1:
        found = ", ".join(f"{form} at {i}" for form, i in first.items())
        raise ValueError(
            "The items of X must all be paths, all PIL images or all arrays (h, w) or (h, w, c), "
            f"but there is {found} (the first positions). Convert or leave out those that differ."
        )
    return next(iter(first))
