"""The array that images are read into: filled as they come, on disk where it is large."""

import os
import shutil
import tempfile
from math import prod
from pathlib import Path

import numpy as np

from ._channels import convert_channels
from ._forms import first_few
from ._resize import resize_images

# A larger array is a file that is mapped into memory. A share of the free memory would make the
# same fit run differently from day to day, and nothing is lost: the system keeps the file's pages
# in memory for as long as nothing else needs the room.
_MAX_IN_MEMORY = 2**29

# What is read at a time, beside the result: many enough to keep all threads busy, ...
_CHUNK = 256
# ... but no more bytes than this, unless a few images alone have them.
_CHUNK_BYTES = 2**26
_SMALLEST_CHUNK = 16


def empty_images(shape, folder=None):
    """Return a uint8 array to be filled: in memory, or in a temporary file if it is large.

    The file has no name, or one that goes with it, and so it is gone when the array is, also
    after an exception.

    Parameters
    ----------
    shape : tuple of int
    folder : str or PathLike, default=None
        Where a file would be, made if it is not there; None is the system's temporary folder.

    Returns
    -------
    ndarray of shape `shape`, dtype uint8

    Raises
    ------
    OSError
        If the disk has no room for the file.
    """
    n_bytes = prod(shape)
    if n_bytes <= _MAX_IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder = Path(tempfile.gettempdir() if folder is None else folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(_no_room(n_bytes, folder, f"{free / 1e9:.3g} GB are free"))
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _reserve(file, n_bytes)
        except OSError as error:
            raise OSError(_no_room(n_bytes, folder, error)) from error
        # The map lives on when the file is closed. A plain array: what is picked from it is one.
        return np.memmap(file, np.uint8, "r+", shape=shape).view(np.ndarray)


def _reserve(file, n_bytes):
    # Without it the disk could become full later, which kills whoever writes to the map.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    else:
        file.truncate(n_bytes)


def _no_room(n_bytes, folder, why):
    return (
        f"The images take {n_bytes / 1e9:.3g} GB, too many for memory, and the disk of "
        f"{str(folder)!r} has no room for a temporary file of that size ({why}). Name a folder on "
        "another disk, by the parameter memory or by the environment variable TMPDIR, or set a "
        "smaller image_size."
    )


def chunk_size(stacks):
    """Return how many images to read next, for all stacks at once."""
    n_bytes = sum(stack.image_bytes for stack in stacks)
    return (
        min(_CHUNK, max(_SMALLEST_CHUNK, _CHUNK_BYTES // n_bytes)) if n_bytes else _SMALLEST_CHUNK
    )


class ImageStack:
    """Images in one array, which is made when the first one says what their shape is.

    Images of one size keep it. When another size comes, all are brought to `size`, those that are
    there already included; colour among gray ones makes all of them colour.

    Parameters
    ----------
    n : int
        Images at most.
    size : tuple of (int, int) or None
        Height and width for images that differ in size; None makes that an error.
    interpolation : str
    store : skblood.FeatureStore or None
        In whose folder a large array is.
    """

    def __init__(self, n, size, interpolation, store=None):
        self._n, self._size, self._interpolation = n, size, interpolation
        self._folder = None if store is None else store.location
        self._images, self._n_filled = None, 0
        self._sizes = {}  # of each size: how many images have it, and which was the first

    @property
    def image_bytes(self):
        """Bytes of one image, 0 before the first one."""
        return 0 if self._images is None else self._images[0].size

    def append(self, image, position):
        """Take an image (h, w, c); the position is for messages."""
        n, first = self._sizes.get(image.shape[:2], (0, position))
        self._sizes[image.shape[:2]] = n + 1, first
        if self._images is None:
            self._images = empty_images((self._n, *image.shape), self._folder)
        height, width, channels = self._images.shape[1:]
        if len(self._sizes) > 1:
            if self._size is None:
                return  # an error, in the end
            height, width = self._size
        self._change_shape((height, width, max(channels, image.shape[2])))
        self._images[self._n_filled] = self._brought(image[None])[0]
        self._n_filled += 1

    def complete(self):
        """Return the images that were taken, or raise ValueError if their sizes differ."""
        if len(self._sizes) > 1 and self._size is None:
            by_number = sorted(self._sizes.items(), key=lambda item: -item[1][0])
            found = [
                f"{height} x {width} ({n} images, the first at position {first})"
                for (height, width), (n, first) in by_number
            ]
            raise ValueError(
                f"The images have {len(found)} sizes (height x width): {first_few(found)}. "
                "Set image_size=(height, width) to resize them all to one."
            )
        return self._images[: self._n_filled]

    def _change_shape(self, shape):
        former = self._images[: self._n_filled]
        if former.shape[1:] == shape:
            return
        self._images = empty_images((self._n, *shape), self._folder)
        for start in range(0, len(former), _SMALLEST_CHUNK):
            some = former[start : start + _SMALLEST_CHUNK]
            self._images[start : start + len(some)] = self._brought(some)

    def _brought(self, images):
        height, width, channels = self._images.shape[1:]
        resized = resize_images(images, (height, width), self._interpolation)
        return convert_channels(resized, channels)
