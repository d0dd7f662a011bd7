"""Image files and PIL images to uint8 arrays, and the list of those that cannot be read."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ._channels import convert_channels
from ._pixels import as_uint8
from ._quiet import quiet

# 16-bit gray, in Pillow's modes; "I" holds 32 bits, but its files hold 16.
_DEEP_GRAY = ("I", "I;16", "I;16L", "I;16B", "I;16N")

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
        Applied to each uint8 image (h, w, c) in its thread, so that a large one can be made small
        before the next is read.
    channels : {1, 3}

    Returns
    -------
    results : list
        What ``finish`` returned; None for what cannot be read.
    reasons : dict of int to str
        Position -> why it cannot be read.
    """
    return _try_all(lambda path: finish(_read_file(path, channels)), paths)


def read_stored_files(paths, finish, channels, store, settings):
    """Read image files as :func:`read_files` does, each once, through a store.

    Parameters
    ----------
    paths, channels
        As in :func:`read_files`.
    finish : callable
        Makes several uint8 images of each.
    store : skblood.FeatureStore
        Where the images are looked up by the content of the file, and kept.
    settings : list of tuple
        What each of the images depends on, besides the file and this package.

    Returns
    -------
    results : list of list of ndarray
    reasons : dict of int to str
    """
    keys, reasons = _try_all(file_key, paths)
    there = [i for i in range(len(paths)) if i not in reasons]
    if not there:
        return keys, reasons
    decoded, why = {}, {}  # by key: files of the same content are decoded once

    def decode_unchanged(i):
        images = finish(_read_file(paths[i], channels))
        if file_key(paths[i]) != keys[i]:
            raise ValueError("changed while it was read")
        return images

    def decode(rows, column):
        chosen = [there[row] for row in rows]
        new = [i for i in chosen if keys[i] not in decoded]
        results, failed = _try_all(decode_unchanged, new)
        decoded.update((keys[i], images) for i, images in zip(new, results, strict=True))
        why.update((keys[new[j]], reason) for j, reason in failed.items())
        images = [decoded[keys[i]] for i in chosen]
        return [made if made is None else made[column] for made in images]

    versions = (_VERSION, PIL.__version__, torch.__version__)
    file_keys = [keys[i] for i in there]
    columns = [
        store.fetch_images((*versions, *facts), file_keys, partial(decode, column=column))
        for column, facts in enumerate(settings)
    ]
    results = dict(zip(there, zip(*columns, strict=True), strict=True))
    reasons |= {i: why[keys[i]] for i in there if keys[i] in why}
    return [results.get(i) for i in range(len(paths))], reasons


def read_pil_images(images, finish, channels):
    """Convert PIL images as :func:`read_files` converts files; none is changed or closed."""
    # In one thread: an image may be listed twice, and Pillow loads it when it is first used.
    return _try_all(lambda image: finish(_to_array(image, channels)), images, threads=1)


def _try_all(convert, items, threads=None):
    """Return the converted items (None where that failed), and position -> reason of failure."""

    def attempt(item):
        try:
            return convert(item), None
        # Damaged files make Pillow's readers raise nearly any exception.
        except Exception as error:
            return None, _reason(error)

    n_threads = threads or min(_MAX_THREADS, os.cpu_count() or 1)
    with quiet(), ThreadPoolExecutor(n_threads) as pool:
        results = list(pool.map(attempt, items))
    reasons = {i: reason for i, (_, reason) in enumerate(results) if reason is not None}
    return [image for image, _ in results], reasons


def _reason(error):
    """Return what an exception says to somebody who looks for the bad file."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow can read"
    said = getattr(error, "strerror", None) or str(error)
    # Words of other exceptions (of a KeyError, say) make no sense without their type.
    return said if said and isinstance(error, (OSError, ValueError)) else repr(error)


def _check_file(path):
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("a folder, not a file")
    # Opening a pipe or a device could wait for ever.
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size == 0:
        raise ValueError("an empty file")


def file_key(path):
    """Hash a file's content, 16 bytes: the same for a copy, wherever it is."""
    _check_file(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).digest()


def _read_file(path, channels):
    """Return an image file, upright, as a uint8 array (h, w, channels)."""
    _check_file(path)
    with Image.open(path) as image:
        # Pillow only warns here, and filters of warnings are shared by all threads.
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and image.width * image.height > limit:
            raise ValueError(
                f"{image.width} x {image.height} pixels, more than PIL.Image.MAX_IMAGE_PIXELS = "
                f"{limit}; a decompression bomb?"
            )
        return _to_array(image, channels)


def _to_array(image, channels):
    """Return a PIL image, upright, as a uint8 array (h, w, channels)."""
    if 0 in image.size:
        raise ValueError("no pixels")
    image = ImageOps.exif_transpose(image)
    if image.mode == "La":
        image = image.convert("LA")  # the only mode that Pillow brings it to
    if image.mode in _DEEP_GRAY:
        pixels = _from_16_bits(np.asarray(image))[..., None]
    elif image.mode == "F":
        pixels = as_uint8(np.asarray(image)[None])[0, ..., None]
    else:
        pixels = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return convert_channels(pixels, channels)


def _from_16_bits(gray):
    low, high = int(gray.min()), int(gray.max())
    if low < 0 or high > 65535:
        raise ValueError(f"gray values in {low}..{high}, but 16-bit images are in 0..65535")
    return ((gray.astype(np.uint32) + 128) // 257).astype(np.uint8)
