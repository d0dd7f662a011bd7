"""Reading of image files and PIL images by several threads, and through a store."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import PIL
import torch
from PIL import Image, UnidentifiedImageError

from skblood._writing import track

from ._decode import FORMATS, check_file, read_image
from ._depth import stated_depth
from ._encoded import open_binary
from ._shared import quiet

# To be raised when this package decodes the same file to other pixels.
_VERSION = 3

# More would wait for Python's lock: only the decoding itself runs without it.
_MAX_THREADS = 16


def read_files(items, finish, **options):
    """Read image files with several threads, or convert PIL images, keeping their order.

    Parameters
    ----------
    items : sequence of str, PathLike or EncodedImage, or of PIL images
        PIL images are neither changed nor closed.
    finish : callable
        Applied to each uint8 image (h, w, c) in its thread, so that a large image is reduced
        before the next one is read.
    **options
        See `read_image`.

    Returns
    -------
    results : list
        The results of ``finish``; None for files that cannot be read.
    reasons : dict of int to str
        Position -> why the file cannot be read.
    """
    return _try_each(lambda item: read_image(item, finish, **options), items)


def read_stored_files(paths, finish, store, settings, **options):
    """Read image files as :func:`read_files` does, through a store.

    Parameters
    ----------
    paths
        As in :func:`read_files`.
    finish : callable
        Makes several uint8 images of each, e.g. crops.
    store : skblood.FeatureStore
        Holds these images by the content of the file.
    settings : list of tuple
        What each of the images depends on, besides the file, its depth and this package.
    **options
        See `read_image`.

    Returns
    -------
    results : list of list of ndarray
    reasons : dict of int to str
    """
    to_key = partial(file_key, bit_depth=options.get("bit_depth"))
    keys, reasons = _try_each(to_key, paths)
    hashed = [i for i in range(len(paths)) if i not in reasons]
    decoded, failed = {}, {}  # by key: each content is decoded once for all settings

    def decode_unchanged(i):
        images = read_image(paths[i], finish, **options)
        if to_key(paths[i]) != keys[i]:
            raise ValueError("changed while it was read")
        return images

    def decode(rows, column):
        chosen = [hashed[row] for row in rows]
        new = [i for i in chosen if keys[i] not in decoded]
        images, why = _try_each(decode_unchanged, new)
        decoded.update((keys[i], each) for i, each in zip(new, images, strict=True))
        failed.update((keys[new[j]], reason) for j, reason in why.items())
        return [decoded[keys[i]] and decoded[keys[i]][column] for i in chosen]

    versions = (_VERSION, PIL.__version__, torch.__version__)
    file_keys = [keys[i] for i in hashed]
    columns = [
        store.fetch_images((*versions, *facts), file_keys, partial(decode, column=column))
        for column, facts in enumerate(settings)
    ]
    results = dict(zip(hashed, zip(*columns, strict=True), strict=True))
    reasons |= {i: failed[keys[i]] for i in hashed if keys[i] in failed}
    return [results.get(i) for i in range(len(paths))], reasons


def _try_each(convert, items):
    """Return the converted items (None if that failed), and position -> reason of failure."""

    def attempt(item):
        try:
            return convert(item), None
        # Damaged files make Pillow's readers raise nearly any exception.
        except Exception as error:
            return None, _reason(error)

    # A PIL image may be listed twice, and Pillow loads it at its first use.
    is_opened = len(items) > 0 and isinstance(items[0], Image.Image)
    n_threads = 1 if is_opened else min(_MAX_THREADS, os.cpu_count() or 1)
    results = []
    with quiet(), ThreadPoolExecutor(n_threads) as pool, track(len(items), "reading") as update:
        for result in pool.map(attempt, items):
            results.append(result)
            update()
    reasons = {i: reason for i, (_, reason) in enumerate(results) if reason is not None}
    return [result for result, _ in results], reasons


def _reason(error):
    """Return the message of an exception, for the user who looks for the bad file."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image that Pillow can read as {', '.join(FORMATS)}"
    text = getattr(error, "strerror", None) or str(error)
    # The text of other exceptions (e.g. a KeyError) makes no sense without their type.
    return text if text and isinstance(error, (OSError, ValueError)) else repr(error)


def file_key(path, bit_depth=None):
    """Hash the content of a file or `EncodedImage` and the stated depth: 16 bytes."""
    check_file(path)
    depth = str(stated_depth(path, bit_depth) or "").encode()
    digest = partial(hashlib.blake2b, digest_size=16, person=depth)
    with open_binary(path) as file:
        return hashlib.file_digest(file, digest).digest()
