"""Decoding of one image file or PIL image."""

import contextlib
import os
import re
import stat
import threading
from math import inf, prod

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ._channels import convert_channels
from ._depth import DEEP_GRAY, is_deep, read_deep, scale_values, stated_depth
from ._encoded import EncodedImage, open_binary

# What files may be. No other plugin of Pillow is used: that of EPS starts Ghostscript.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM", "TGA")

# Images with more pixels are decoded one at a time, whatever the number of threads is, ...
_MANY_PIXELS = 2**24
_one_at_a_time = threading.Lock()
# ... and JPEG files at a fraction of their size, if that still is this multiple of what is wanted.
_DRAFT_FACTOR = 8
# Pixels converted at a time, since that takes three times their memory.
_STRIP = 2**22

# Tags of TIFF. Reduced images and masks are pages of their own.
_DESCRIPTION, _SUBFILE_TYPE, _REDUCED_OR_MASK, _SAMPLES = 270, 254, 5, 277
# What ImageJ, OME and tifffile write of a stack of focal planes or times, ...
_STACK = re.compile(r'(?:slices|frames)=(?!1\b)\d|Size[ZT]="(?!1")\d|"axes": "(?![CS]?YX)[A-Z]')
# ... and, of ImageJ and tifffile, how many pages there are: some write only the first of them.
_N_PAGES = re.compile(r"^(?:images|channels|slices|frames)=(\d+)", re.MULTILINE)
_SHAPE = re.compile(r'"shape": *\[([\d, ]+)\]')


def check_file(item):
    """Raise ValueError unless an item is encoded, or a path and that of a file."""
    # Opening a pipe or a device could wait forever.
    if not isinstance(item, EncodedImage) and not stat.S_ISREG(os.stat(item).st_mode):
        raise ValueError("a folder or device, not a file")


def read_image(item, finish, *, channels=None, bit_depth=None, wanted=None):
    """Read an image file, encoded image or PIL image.

    Parameters
    ----------
    item : str, PathLike, EncodedImage or PIL.Image.Image
        A PIL image is neither changed nor closed.
    finish : callable
        Applied to the image, uint8 of shape (h, w, channels), upright.
    channels : {None, 1, 3}
        None is RGB.
    bit_depth : int or None
        Depth of files of more than 8 bits, if the path does not state it.
    wanted : tuple of (float, float) or None
        Height and width to which the whole image will be reduced; None keeps it.

    Returns
    -------
    object
        The result of `finish`.
    """
    bit_depth = stated_depth(item, bit_depth)
    with contextlib.ExitStack() as turn:
        if isinstance(item, Image.Image):
            _check_opened(item)
            values = scale_values(_values(item), item, bit_depth)
        else:
            values = _read_file(item, bit_depth, wanted, turn)
        return finish(convert_channels(values, channels or 3))


def _read_file(item, bit_depth, wanted, turn):
    """Return the pixels of a file; a large one waits for its turn, which lasts until it closes."""
    check_file(item)
    with _open(item) as image:
        n_pixels = image.width * image.height
        # Pillow only warns, and warning filters are shared by all threads.
        if n_pixels > (limit := Image.MAX_IMAGE_PIXELS or inf):
            raise ValueError(f"more pixels than PIL.Image.MAX_IMAGE_PIXELS = {limit}")
        if n_pixels > _MANY_PIXELS:
            turn.enter_context(_one_at_a_time)
            if wanted is not None:
                height, width = (int(np.ceil(side * _DRAFT_FACTOR)) for side in wanted)
                image.draft(None, (width, height))  # of JPEG only
        return scale_values(_page_values(image, item), image, bit_depth)


def _open(item):
    try:
        file = item.open() if isinstance(item, EncodedImage) else item
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        with open_binary(item) as file:
            if file.read(2) not in (b"II", b"MM"):
                raise
        raise ValueError(
            "a TIFF of an unusual kind, e.g. of float64. Save it with 8 or 16 bits"
        ) from None


def _check_opened(image):
    """Refuse PIL images whose decoding would start another plugin or guess a page."""
    if image.format not in (None, "MPO", *FORMATS):
        raise ValueError(f"a file of {image.format}. Convert it to PNG")
    # An image that is loaded may have been changed: counting frames would load it anew.
    is_fresh = getattr(image, "tile", None) or image.format == "WEBP"
    if is_fresh and image.tell() == 0 and _count_frames(image) > 1:
        raise ValueError(f"{_count_frames(image)} pages. Pass image.copy() of one of them")
    if is_fresh and image.format == "TIFF":
        _check_described(image, 1)


def _count_frames(image):
    # The further images in a JPEG file are previews.
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _check_described(image, n_pages):
    """Raise ValueError if a TIFF file describes more than these pages."""
    described, n_described = str(image.tag_v2.get(_DESCRIPTION)), 1
    if counts := _N_PAGES.findall(described):
        n_described = max(map(int, counts))
    elif found := _SHAPE.search(described):
        shape = [int(side) for side in found[1].split(",")]
        if set(image.size) <= set(shape):  # else it was written before a crop
            n_described = prod(shape) // (prod(image.size) * image.tag_v2.get(_SAMPLES, 1))
    if n_described > n_pages:
        raise ValueError(
            f"{n_pages} page(s), but its description states {n_described}, written as one block. "
            "Save the image that is meant as a file of its own"
        )


def _page_values(image, item):
    """Return the values of the only page of a file, or of three gray pages as color."""
    pages = list(range(_count_frames(image)))
    if image.format == "TIFF":
        pages = [page for page in pages if not _is_reduced(image, page)] or pages
        image.seek(pages[0])
        _check_described(image, len(pages))
    if len(pages) == 1 or (len(pages) == 3 and _are_channels(image, pages)):
        planes = []
        for page in pages:
            image.seek(page)
            planes.append(_values(image, item))
        if len(pages) == 1:
            return planes[0]
        if {plane.shape for plane in planes} == {(image.height, image.width, 1)}:
            return np.concatenate(planes, axis=-1)
    raise ValueError(
        f"{len(pages)} pages or frames. Only three gray pages of one size are joined, as the "
        "channels of a color image. Save the page that is meant as a file of its own"
    )


def _is_reduced(image, page):
    image.seek(page)
    return image.tag_v2.get(_SUBFILE_TYPE, 0) & _REDUCED_OR_MASK


def _are_channels(image, pages):
    image.seek(pages[0])
    return image.format == "TIFF" and not _STACK.search(str(image.tag_v2.get(_DESCRIPTION)))


def _values(image, item=None):
    """Return the values of an image, upright, of shape (h, w, c); of a file, in place."""
    if 0 in image.size:
        raise ValueError("no pixels")
    if item is None:
        image = ImageOps.exif_transpose(image)
    elif is_deep(image, item):
        return read_deep(image, item)
    else:
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode in (*DEEP_GRAY, "F"):
        return np.asarray(image)[..., None]
    if image.mode == "La":
        image = image.convert("LA")  # the only mode that Pillow converts it to
    mode = "L" if image.mode in ("1", "L") else "RGB"
    mode = "RGBA" if image.has_transparency_data else mode
    values = np.empty((image.height, image.width, len(mode)), np.uint8)
    step = max(1, _STRIP // image.width)
    for top in range(0, image.height, step):
        strip = image.crop((0, top, image.width, min(top + step, image.height)))
        values[top : top + step] = np.asarray(strip.convert(mode)).reshape(-1, *values.shape[1:])
    return values
