"""Search for images that cannot be read."""

import os

import numpy as np

from skblood.images import holds_arrays, map_images


def find_unreadable(X):
    """Find the images that cannot be read, to leave them out of a fit.

    A fit and a prediction raise an error for images that cannot be read. Each file is decoded
    once, and no pixels are kept.

    Parameters
    ----------
    X : sequence of n paths, PIL images or arrays
        Images, as in ``fit``. Arrays in memory count as readable.

    Returns
    -------
    unreadable : dict of int to str
        Position in `X` -> reason, in the order of `X`.

    Raises
    ------
    ValueError
        If `X` is a single path, or its items are of different types.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skblood.datasets import find_unreadable
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = np.array([f"{folder}/a.png", f"{folder}/b.png"])
    ...     Image.new("RGB", (32, 32)).save(paths[0])
    ...     _ = Path(paths[1]).write_bytes(b"not an image")
    ...     unreadable = find_unreadable(paths)
    >>> unreadable
    {1: 'not an image that Pillow can read'}

    Leave them out, with their labels:

    >>> y = np.array(["monocyte", "platelet"])
    >>> paths, y = (np.delete(values, list(unreadable)) for values in (paths, y))
    >>> y.tolist()
    ['monocyte']
    """
    if isinstance(X, (str, os.PathLike)):
        raise ValueError(f"X is a single path, {os.fspath(X)!r}. Pass a list of paths.")
    if holds_arrays(X):
        return {}
    items = np.ravel(X).tolist() if hasattr(X, "__array__") else X
    return map_images(lambda image: None, items)[1]
