"""Search for images that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skblood._typing import NDArray
from skblood.images import holds_arrays, map_images


def find_unreadable(X: Sequence[Any] | NDArray[Any]) -> dict[int, str]:
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
    {1: 'not an image that Pillow can read as PNG, JPEG, TIFF, BMP, GIF, WEBP, JPEG2000, PPM, TGA'}

    Leave them out, with their labels:

    >>> y = np.array(["monocyte", "platelet"])
    >>> paths, y = (np.delete(values, list(unreadable)) for values in (paths, y))
    >>> y.tolist()
    ['monocyte']
    """
    return {} if holds_arrays(X) else map_images(lambda image: None, X)[1]
