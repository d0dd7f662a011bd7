"""Image files and PIL images to uint8 arrays, and the list of those that cannot be read."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ._channels import convert_channels
from ._pixels import as_uint8

# 16-bit gray, in Pillow's modes; "I" holds 32 bits, but its files hold 16.
_DEEP_GRAY = ("I", "I;16", "I;16L", "I;16B", "I;16N")

# More would wait for Python's lock: only the decoding itself runs without it.
_MAX_THREADS = 16


def read_files(paths, finish, channels=3):
    """Read image files with several threads, keeping their order.

    Parameters
    ----------
    paths : sequence of str or PathLike
    finish : callable
        Applied to each uint8 image (h, w, c) in its thread, so that a large one can be made small
        before the next is read.
    channels : {1, 3}, default=3

    Returns
    -------
    list
        The results of ``finish``.

    Raises
    ------
    ValueError
        If files cannot be read; it names all of them.
    """
    images, reasons = _try_all(lambda path: finish(_read_file(path, channels)), paths)
    if reasons:
        raise ValueError(_list_unreadable("image files", paths, reasons))
    return images


def read_pil_images(images, finish, channels=3):
    """Convert PIL images as :func:`read_files` converts files; none is changed or closed."""
    # In one thread: an image may be listed twice, and Pillow loads it when it is first used.
    arrays, reasons = _try_all(lambda image: finish(_to_array(image, channels)), images, threads=1)
    if reasons:
        raise ValueError(_list_unreadable("PIL images", images, reasons))
    return arrays


def find_unreadable(paths):
    """Find the files that :func:`read_images` cannot read.

    Parameters
    ----------
    paths : sequence of str or PathLike
        The files. All are decoded, none is kept in memory.

    Returns
    -------
    dict of int to str
        Position in ``paths`` -> reason, in words. Empty if all can be read.

    Examples
    --------
    >>> from skblood.images import find_unreadable
    >>> find_unreadable(["no/such/cell.png"])
    {0: 'no such file'}
    """
    return _try_all(lambda path: _read_file(path, 3).size, paths)[1]


def _try_all(convert, items, threads=None):
    """Return the converted items (None where that failed), and position -> reason of failure."""

    def attempt(item):
        try:
            return convert(item), None
        # Damaged files make Pillow's readers raise nearly any exception.
        except Exception as error:
            return None, _reason(error)

    with ThreadPoolExecutor(threads or min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
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


def _list_unreadable(noun, names, reasons):
    """Name all that cannot be read; a user who mends a folder needs the whole list at once."""
    lines = [f"{len(reasons)} of {len(names)} {noun} cannot be read:"]
    lines += [f"  position {i}: {names[i]}: {reason}" for i, reason in reasons.items()]
    lines.append("Repair them, or leave them and their labels out.")
    return "\n".join(lines)


def _read_file(path, channels):
    """Return an image file, upright, as a uint8 array (h, w, channels)."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("a folder, not a file")
    # Opening a pipe or a device could wait for ever.
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size == 0:
        raise ValueError("an empty file")
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
