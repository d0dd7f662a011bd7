"""The way from images of any form to one uint8 array (n, h, w, c)."""

from collections import Counter

import numpy as np

from ._arrays import array_to_image, stack_to_images
from ._channels import check_channels, convert_channels
from ._files import read_files, read_pil_images
from ._forms import (
    PATH,
    PIL,
    SINGLE,
    STACK,
    TABLE,
    classify,
    common_form,
    first_few,
    single_message,
)
from ._resize import check_interpolation, check_size, resize_images


def read_images(X, *, size=None, channels=None, interpolation="bilinear"):
    """Read images of any form into one uint8 array.

    Parameters
    ----------
    X : array-like of shape (n, h, w) or (n, h, w, c), or sequence of n images
        Arrays are uint8 in 0..255 or floats in 0..1, with c = 1, 3 or 4 (RGBA, laid on white). A
        sequence holds paths (str or PathLike), PIL images, or arrays (h, w) or (h, w, c), all of
        one kind but maybe of different sizes. It is not changed.
    size : tuple of (int, int), default=None
        Height and width. Images with a larger side are resized to it, and all are if they differ
        in size otherwise; a common smaller size is kept, as resizing it later, by
        :func:`resize_images`, gives the same pixels and takes less memory until then. None means
        that all images must have one size.
    channels : {None, 1, 3}, default=None
        1 is gray, 3 is RGB. None keeps arrays as they are (RGB if they are mixed), and reads
        files and PIL images as RGB.
    interpolation : {"bilinear", "bicubic", "nearest"}, default="bilinear"
        As in :func:`resize_images`.

    Returns
    -------
    ndarray of shape (n, h, w, c), dtype uint8
        c is 1 or 3. ``X`` itself, or a view of it, where nothing is to be done.

    Raises
    ------
    ValueError
        If X holds no images, or such as cannot be read (all are named), or, without ``size``,
        images of different sizes.

    Notes
    -----
    Files and PIL images are turned upright by their EXIF tag, and the first frame of an animation
    in a file is read. 16-bit gray means 0..65535 and floating point gray 0..1; both become 0..255.
    A file with more pixels than ``PIL.Image.MAX_IMAGE_PIXELS`` counts as unreadable.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import read_images
    >>> cells = [np.zeros((360, 363, 3), np.uint8), np.ones((120, 120))]
    >>> read_images(cells, size=(64, 64)).shape
    (2, 64, 64, 3)
    """
    size = None if size is None else check_size(size)
    check_channels(channels)
    check_interpolation(interpolation)
    form, images = classify(X)
    if form == TABLE:
        raise ValueError("X is no sequence of images. fold_rows takes tables of numbers.")
    if form == SINGLE:
        raise ValueError(single_message(X))
    if form == STACK:
        return _shrink(stack_to_images(images, channels), size, interpolation)
    return _read_sequence(images, size, channels, interpolation)


def _read_sequence(items, size, channels, interpolation):
    form = common_form(items)

    # Run on each image as soon as it is read: large images are never all in memory.
    def finish(image):
        return _shrink(image[None], size, interpolation)[0]

    if form == PATH:
        images = read_files(items, finish, channels or 3)
    elif form == PIL:
        images = read_pil_images(items, finish, channels or 3)
    else:
        images = [finish(array_to_image(x, i, channels)) for i, x in enumerate(items)]
    return _join(images, size, interpolation)


def _shrink(images, size, interpolation):
    """Resize images (n, h, w, c) that have a larger side than ``size``."""
    if size is None or (images.shape[1] <= size[0] and images.shape[2] <= size[1]):
        return images
    return resize_images(images, size, interpolation)


def _join(images, size, interpolation):
    """Stack a list of images, emptying it, after giving them a common size and channels."""
    shape = _common_size(images, size)
    channels = max(image.shape[2] for image in images)
    stack = np.empty((len(images), *shape, channels), np.uint8)
    for i, image in enumerate(images):
        resized = resize_images(image[None], shape, interpolation)
        stack[i] = convert_channels(resized, channels)[0]
        # Memory is used for one of both.
        images[i] = None
    return stack


def _common_size(images, size):
    """Return the size that all images have, else ``size``, or raise ValueError if that is None."""
    sizes = Counter(image.shape[:2] for image in images)
    if len(sizes) == 1:
        return next(iter(sizes))
    if size is not None:
        return size
    first = {image.shape[:2]: i for i, image in reversed(list(enumerate(images)))}
    found = [
        f"{height} x {width} ({n} images, the first at position {first[height, width]})"
        for (height, width), n in sizes.most_common()
    ]
    raise ValueError(
        f"The images have {len(sizes)} sizes (height x width): {first_few(found)}. "
        "Set image_size=(height, width) to resize them all to one."
    )
