"""The array that images are read into, in a temporary file if it is large."""

import os
import tempfile
from math import prod
from pathlib import Path

import numpy as np

from ._channels import convert_channels
from ._resize import resize_images

# A larger array is a memory-mapped file. Not a share of the free memory, which would make the same
# fit run differently from day to day; the system keeps the pages of the file in memory anyway
# while it has room for them.
_MAX_IN_MEMORY = 2**29

# Images read at a time: enough to keep all threads busy, ...
_CHUNK = 256
# ... but no more bytes than this, unless a few images alone have them.
_CHUNK_BYTES = 2**26
_SMALLEST_CHUNK = 16


def empty_images(shape, folder=None):
    """Return an uninitialized uint8 array, in memory, or in a temporary file if it is large.

    The file is deleted with the array, also after an exception.

    Parameters
    ----------
    shape : tuple of int
    folder : str or PathLike, default=None
        Folder of the file, made if missing; None is the system's temporary folder.

    Returns
    -------
    ndarray of shape `shape`, dtype uint8

    Raises
    ------
    OSError
        If the disk has no space for the file.
    """
    n_bytes = prod(shape)
    if n_bytes <= _MAX_IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder = Path(tempfile.gettempdir() if folder is None else folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file, n_bytes)
            # The map outlives the file object. A view as a plain array, so that parts are, too.
            return np.memmap(file, np.uint8, "r+", shape=shape).view(np.ndarray)
    except OSError as error:
        raise OSError(
            f"The images take {n_bytes / 1e9:.3g} GB, more than {str(folder)!r} has for a file "
            f"({error}). Name another folder by the parameter memory or by TMPDIR."
        ) from error


def _reserve(file, n_bytes):
    # If the disk became full later, writing to the map would kill the process.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    else:
        file.truncate(n_bytes)


def chunk_size(stacks):
    """Return how many images to read next, for all stacks at once."""
    n_bytes = sum(stack.image_bytes for stack in stacks)
    # The first few tell.
    return min(_CHUNK, max(_SMALLEST_CHUNK, _CHUNK_BYTES // n_bytes if n_bytes else 0))


class ImageStack:
    """Images in one array, which is allocated when the first one tells their shape.

    Images of one size keep it. As soon as another size comes, all are resized to `size`, including
    those that were added before; an RGB image among gray ones makes all of them RGB.

    Parameters
    ----------
    n : int
        Maximal number of images.
    size : tuple of (int, int) or None
        Height and width if the images differ in size; None makes that an error.
    interpolation : str
    folder : str or None
        Folder of a large array.
    sizes : dict, default=None
        Size -> position of the first image that has it, of the stacks before this one; filled.
    """

    def __init__(self, n, size, interpolation, folder=None, sizes=None):
        self._n, self._size, self._interpolation, self._folder = n, size, interpolation, folder
        self._images, self._n_filled = None, 0
        self._sizes = {} if sizes is None else sizes

    @property
    def differs(self):
        """Whether the images have several sizes, and none to be resized to."""
        return len(self._sizes) > 1 and self._size is None

    @property
    def image_bytes(self):
        """Bytes of one image, 0 before the first one."""
        return 0 if self._images is None else self._images[0].size

    def append(self, image, position):
        """Add an image (h, w, c); the position is for messages."""
        self._sizes.setdefault(image.shape[:2], position)
        if self.differs:
            return  # `complete` raises
        former = image.shape if self._images is None else self._images.shape[1:]
        size = self._size if len(self._sizes) > 1 else former[:2]
        self._allocate((*size, max(former[2], image.shape[2])))
        self._images[self._n_filled] = self._convert(image[None])[0]
        self._n_filled += 1

    def complete(self):
        """Return the images that were added, or raise ValueError if their sizes differ."""
        if self.differs:
            found = [f"{h} x {w} (first at position {i})" for (h, w), i in self._sizes.items()]
            raise ValueError(
                f"The images have {len(found)} sizes (height x width), e.g. "
                f"{', '.join(found[:3])}. Set image_size=(height, width) to resize them to one."
            )
        return [] if self._images is None else self._images[: self._n_filled]

    def _allocate(self, shape):
        """Make an array for images of a shape, unless there is one; move the images to it."""
        if self._images is not None and self._images.shape[1:] == shape:
            return
        former = [] if self._images is None else self._images[: self._n_filled]
        self._images = empty_images((self._n, *shape), self._folder)
        for start in range(0, len(former), _SMALLEST_CHUNK):
            some = former[start : start + _SMALLEST_CHUNK]
            self._images[start : start + len(some)] = self._convert(some)

    def _convert(self, images):
        height, width, channels = self._images.shape[1:]
        resized = resize_images(images, (height, width), self._interpolation)
        return convert_channels(resized, channels)
