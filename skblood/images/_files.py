"""Decoding of image files and PIL images, and the reasons why some cannot be read."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import inf

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ._channels import convert_channels
from ._pixels import as_uint8
from ._quiet import quiet

# Pillow's modes of 16-bit gray; "I" holds 32 bits, but the files hold 16.
_GRAY_16_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")

# To be raised when this package decodes the same file to other pixels.
_VERSION = 1

# More would wait for Python's lock: only the decoding itself runs without it.
_MAX_THREADS = 16


def read_files(paths, finish, channels):
    """Read image files with several threads, keeping their order.

    Parameters
    ----------
    paths : sequence of str or PathLike
    finish : callable
        Applied to each uint8 image (h, w, c) in its thread, so that a large image is reduced
        before the next one is read.
    channels : {1, 3}

    Returns
    -------
    results : list
        The results of ``finish``; None for files that cannot be read.
    reasons : dict of int to str
        Position -> why the file cannot be read.
    """
    return _try_each(lambda path: finish(_read_file(path, channels)), paths)


def read_pil_images(images, finish, channels):
    """Convert PIL images as :func:`read_files` reads files; none is changed or closed."""
    # In one thread: an image may be listed twice, and Pillow loads it at its first use.
    return _try_each(lambda image: finish(_to_array(image, channels)), images, n_threads=1)


def read_stored_files(paths, finish, channels, store, settings):
    """Read image files as :func:`read_files` does, through a store.

    Parameters
    ----------
    paths, channels
        As in :func:`read_files`.
    finish : callable
        Makes several uint8 images of each, e.g. crops.
    store : skblood.FeatureStore
        Holds these images by the content of the file.
    settings : list of tuple
        What each of the images depends on, besides the file and this package.

    Returns
    -------
    results : list of list of ndarray
    reasons : dict of int to str
    """
    keys, reasons = _try_each(file_key, paths)
    hashed = [i for i in range(len(paths)) if i not in reasons]
    decoded, failed = {}, {}  # by key: each content is decoded once for all settings

    def decode_unchanged(i):
        images = finish(_read_file(paths[i], channels))
        if file_key(paths[i]) != keys[i]:
            raise ValueError("changed while it was read")
        return images

    def decode(rows, column):
        chosen = [hashed[row] for row in rows]
        new = [i for i in chosen if keys[i] not in decoded]
        results, why = _try_each(decode_unchanged, new)
        decoded.update((keys[i], images) for i, images in zip(new, results, strict=True))
        failed.update((keys[new[j]], reason) for j, reason in why.items())
        images = [decoded[keys[i]] for i in chosen]
        return [made and made[column] for made in images]

    versions = (_VERSION, PIL.__version__, torch.__version__)
    file_keys = [keys[i] for i in hashed]
    columns = [
        store.fetch_images((*versions, *facts), file_keys, partial(decode, column=column))
        for column, facts in enumerate(settings)
    ]
    results = dict(zip(hashed, zip(*columns, strict=True), strict=True))
    reasons |= {i: failed[keys[i]] for i in hashed if keys[i] in failed}
    return [results.get(i) for i in range(len(paths))], reasons


def _try_each(convert, items, n_threads=None):
    """Return the converted items (None if that failed), and position -> reason of failure."""

    def attempt(item):
        try:
            return convert(item), None
        # Damaged files make Pillow's readers raise nearly any exception.
        except Exception as error:
            return None, _reason(error)

    n_threads = n_threads or min(_MAX_THREADS, os.cpu_count() or 1)
    with quiet(), ThreadPoolExecutor(n_threads) as pool:
        results = list(pool.map(attempt, items))
    reasons = {i: reason for i, (_, reason) in enumerate(results) if reason is not None}
    return [result for result, _ in results], reasons


def _reason(error):
    """Return the message of an exception, for the user who looks for the bad file."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow can read"
    text = getattr(error, "strerror", None) or str(error)
    # The text of other exceptions (e.g. a KeyError) makes no sense without their type.
    return text if text and isinstance(error, (OSError, ValueError)) else repr(error)


def _check_file(path):
    # Opening a pipe or a device could wait forever.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("a folder or device, not a file")


def file_key(path):
    """Hash the content of a file, 16 bytes: equal for copies."""
    _check_file(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).digest()


def _read_file(path, channels):
    """Return an image file, upright, as a uint8 array (h, w, channels)."""
    _check_file(path)
    with Image.open(path) as image:
        # Pillow only warns, and warning filters are shared by all threads.
        if image.width * image.height > (limit := Image.MAX_IMAGE_PIXELS or inf):
            raise ValueError(f"more pixels than PIL.Image.MAX_IMAGE_PIXELS = {limit}")
        return _to_array(image, channels)


def _to_array(image, channels):
    """Return a PIL image, upright, as a uint8 array (h, w, channels)."""
    if 0 in image.size:
        raise ValueError("no pixels")
    image = ImageOps.exif_transpose(image)
    if image.mode == "La":
        image = image.convert("LA")  # the only mode that Pillow converts it to
    if image.mode in _GRAY_16_BITS:
        gray = np.asarray(image)[..., None]
        if gray.min() < 0 or gray.max() > 65535:
            raise ValueError("gray values outside of 0..65535")
        pixels = ((gray.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.mode == "F":
        pixels = as_uint8(np.asarray(image)[None])[0, ..., None]
    else:
        pixels = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return convert_channels(pixels, channels)
