"""Images read once, to be passed to several functions, or in chunks, to be passed to one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from skblood._typing import ArrayLike, NDArray


class CellImages:
    """Images as a fitted model takes them: read, cropped and resized.

    ``model.read_images(X)`` makes one. Every method and function that takes the X of this model
    also takes it in place of X, and reads nothing again.

    Parameters
    ----------
    pixels : ndarray of shape (n, h, w, c), dtype uint8 or float32
    preprocessing : tuple
        What the pixels depend on besides the images: input shape, size, crop, interpolation.
    bit_depth : int or None
        Depth of the files, if it was stated: a fit remembers it.

    Attributes
    ----------
    keys : ndarray of shape (n, 2), dtype uint64
        Content key of each image, equal for identical images only.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        preprocessing: tuple[Any, ...] = (),
        bit_depth: int | None = None,
    ) -> None:
        self.pixels = pixels
        self.preprocessing = preprocessing
        self.bit_depth = bit_depth

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """128-bit hash of each image, computed at first use."""
        return content_keys(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels, so that scikit-learn can count the images."""
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape[1:]))
        return f"<CellImages: {len(self):,} images of {size}, {self.pixels.dtype}>"

    def __getitem__(self, rows: slice | ArrayLike) -> CellImages:
        """Select images by a slice, a mask or positions."""
        if isinstance(rows, int | np.integer):
            raise TypeError("Select images by a slice, a mask or a list of positions, not by one.")
        some = CellImages(self.pixels[rows], self.preprocessing, self.bit_depth)
        if "keys" in vars(self):
            some.keys = self.keys[rows]
        return some


class ImageChunks:
    """Images as a fitted model takes them, read in chunks each time they are iterated over.

    What maps each image to a row takes them in place of `CellImages`, which are held as a whole.

    Parameters
    ----------
    n : int
        Number of images.
    read : callable
        Returns an iterator of `CellImages`.
    """

    def __init__(self, n: int, read: Callable[[], Iterator[Any]]) -> None:
        self._n, self._read = n, read

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Any]:
        return self._read()


def content_keys(images):
    """Hash the bytes of each image.

    Returns
    -------
    keys : ndarray of shape (n, 2), dtype uint64
        128 bits for each image, equal for identical images only.
    """
    digests = b"".join(
        hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest() for image in images
    )
    return np.frombuffer(digests, dtype="<u8").reshape(len(images), 2)
