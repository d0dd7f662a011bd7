"""The form of X: a table of numbers, images in one array, or a sequence of images."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set, Sized

import numpy as np
import torch
from PIL import Image
from scipy.sparse import issparse
from torch.utils.data import DataLoader, Dataset

from ._cell_images import CellImages
from ._cell_stream import CellStream
from ._encoded import EncodedImage

# Forms of X as a whole, ...
TABLE, STACK, SEQUENCE = "table", "stack", "sequence"

# ... and of the items of a sequence, as messages name them.
PATH, PIL, ARRAY = "a path", "a PIL image", "an array"
_ENCODED = "an encoded image"
_MISSING = "a missing value"

# What X as a whole cannot be, and what to pass instead.
_NO_SEQUENCES = (
    (CellStream, "it to fit of a classifier, or list(X), which holds all encoded images"),
    (Mapping, 'its images, e.g. X["data"] or X["image"]'),
    (DataLoader, "torch.cat(list(X)), or torch.cat([x for x, y in X]) if it gives labels"),
    ((Dataset, Iterator, Set), "list(X)"),
)
# Methods of items that hold an image, e.g. open files and paths in an archive, and how to open it.
_OPEN_BY = {
    "read": "PIL.Image.open({})",
    "read_bytes": "PIL.Image.open(io.BytesIO({}.read_bytes()))",
    "open": "PIL.Image.open({}.open())",
}


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
        False for arrays of three or more axes, and for sequences of paths, images or arrays,
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
    shape = _shape(X)
    _refuse(X, shape)
    if len(shape) >= 3 and hasattr(X, "__array__"):
        return STACK, X
    items = _items(X, shape)
    if not items:
        return TABLE, X
    first = next((item for item in items if _item_form(item) != _MISSING), None)
    if first is None or _item_form(first) is not None:
        return SEQUENCE, items
    if code := _code_to_open(first, "x"):
        kind = type(first).__name__
        raise TypeError(f"X holds no images but items of type {kind}. Pass [{code} for x in X].")
    # A nested list, or a list of arrays.
    inner = first[0] if isinstance(first, (list, tuple)) and first else None
    is_nested = isinstance(inner, (list, tuple)) or getattr(inner, "ndim", 0) > 0
    return (STACK, items) if is_nested else (TABLE, X)


def _shape(X):
    """Return the shape of X, its length if it has no shape, or () if it has neither."""
    shape = getattr(X, "shape", None)  # anything, if X is a class or a module
    if not isinstance(shape, tuple):
        shape = (len(X),) if isinstance(X, Sized) else ()
    return shape


def _refuse(X, shape):
    """Raise an error if X as a whole is empty, or no collection of images."""
    kind, form = type(X).__name__, _item_form(X)
    is_collection = isinstance(X, (list, tuple, Mapping)) or hasattr(X, "__array__")
    if not is_collection and (code := _code_to_open(X, "X")):
        single = (form or kind).removeprefix("an ").removeprefix("a ")
        raise ValueError(
            f"X is a single {single}. Pass a list of paths or images, [{code}]; of a "
            "folder, the data that skblood.datasets.load_image_folder returns."
        )
    for kinds, advice in _NO_SEQUENCES:
        if isinstance(X, kinds):
            raise TypeError(f"X is a {kind}. Pass {advice}.")
    if shape[:1] == (0,):
        raise ValueError("X holds no images: it is empty. Pass at least one.")


def _item_form(item):
    """Return the kind of image that an item of a sequence is, or None."""
    if isinstance(item, (str, os.PathLike)):
        return PATH
    if isinstance(item, EncodedImage):
        return _ENCODED
    if isinstance(item, Image.Image):
        return PIL
    if isinstance(item, (np.ndarray, torch.Tensor)) and item.ndim >= 2:
        return ARRAY
    is_nan = isinstance(item, float) and np.isnan(item)
    is_missing = item is None or is_nan or type(item).__name__ in ("NAType", "NaTType")
    return _MISSING if is_missing else None


def _code_to_open(item, name):
    """Return code that makes an image of a variable that holds a known form of one, or None."""
    if _item_form(item) in (PATH, _ENCODED, PIL, ARRAY):
        return name
    if isinstance(item, (bytes, bytearray, memoryview)):
        is_path = isinstance(item, bytes) and b"\0" not in item
        return f"os.fsdecode({name})" if is_path else f"PIL.Image.open(io.BytesIO({name}))"
    keys = [0] if isinstance(item, (list, tuple)) and item else []  # an image and its label
    if isinstance(item, Mapping):  # as Hugging Face's datasets hold images
        keys = [key for key in ("bytes", "path", "image") if item.get(key) is not None]
    if keys:
        return _code_to_open(item[keys[0]], f"{name}[{keys[0]!r}]")
    codes = (code.format(name) for method, code in _OPEN_BY.items() if hasattr(item, method))
    return next(codes, None)


def _items(X, shape):
    """Return the items of a sequence, or of a column of objects or strings, as a list, or None."""
    if isinstance(X, Sequence) and not isinstance(X, memoryview):
        return list(X)
    # Series and DataFrames of any library; a table of several columns is never converted.
    is_column = len(shape) == 1 or shape[1:] == (1,)
    if not is_column or isinstance(X, torch.Tensor) or not hasattr(X, "__array__"):
        return None
    column = np.asarray(X)
    if column.ndim > len(shape):  # of dicts in polars
        return list(X)
    # Python objects, bytes, strings and NumPy's StringDType.
    return column.ravel().astype(object).tolist() if column.dtype.kind in "OSUT" else None


def common_form(items):
    """Return the form that all items have, or raise ValueError; paths may be encoded images."""
    forms = [_item_form(item) or f"a {type(item).__name__}" for item in items]
    counts = Counter(forms)
    if counts.keys() <= {PATH, _ENCODED}:
        return PATH
    if len(counts) > 1 or _MISSING in counts:
        found = ", ".join(
            f"{form} at {forms.index(form)} ({n} of {len(items)})" for form, n in counts.items()
        )
        raise ValueError(
            "The items of X must all be paths, all PIL images or all arrays (h, w) or (h, w, c), "
            f"but there is {found} (the first positions). Convert some, or leave them and their "
            "labels out."
        )
    return forms[0]
