"""The way from images of any form to one uint8 array (n, h, w, c)."""

from functools import partial

from PIL import Image
from tqdm.auto import tqdm

from ._arrays import array_to_image, stack_to_images
from ._channels import check_channels
from ._crop import check_crop, crop_image
from ._files import read_files, read_pil_images, read_stored_files
from ._forms import (
    PATH,
    PIL,
    SINGLE,
    STACK,
    TABLE,
    classify,
    common_form,
    single_message,
)
from ._resize import check_interpolation, check_size, resize_images
from ._stack import ImageStack, chunk_size


def read_images(
    X,
    *,
    crop=1.0,
    size=None,
    channels=None,
    interpolation="bilinear",
    store=None,
    unreadable=None,
    progress=False,
):
    """Read images of any form into one uint8 array.

    Parameters
    ----------
    X : array-like of shape (n, h, w) or (n, h, w, c), or sequence of n images
        Arrays are uint8 in 0..255 or floats in 0..1, with c = 1, 3 or 4 (RGBA, laid on white). A
        sequence holds paths (str or PathLike), PIL images, or arrays (h, w) or (h, w, c), all of
        one kind but maybe of different sizes. It is not changed.
    crop : float in [0.01, 4], default=1.0
        The share of each side that is kept, around the centre, before anything is resized. Above 1
        an image is continued by its mirror images.
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
    store : skblood.FeatureStore, default=None
        Where decoded files are kept, by their content, so that none is decoded twice. It has a
        folder, in which the temporary file of a large result is, too.
    unreadable : dict, default=None
        Takes position -> path and reason of what cannot be read, which is left out of the result
        then; None makes it an error.
    progress : bool, default=False
        Show a progress bar, if reading takes longer than a moment.

    Returns
    -------
    ndarray of shape (n, h, w, c), dtype uint8
        c is 1 or 3. ``X`` itself, or a view of it, where nothing is to be done. What is read from
        files, PIL images or a list of arrays and takes more than 512 MiB is a memory-mapped
        temporary file, which is gone when the array is.

    Raises
    ------
    ValueError
        If X holds no images, or such as cannot be read (all are named), or, without ``size``,
        images of different sizes.
    OSError
        If the disk has no room for a large result, or the store cannot be used.

    Notes
    -----
    Beside the result, no more than 256 images, or 64 MiB of them, are in memory at a time.

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
    return read_crops(
        X,
        [crop],
        size=size,
        channels=channels,
        interpolation=interpolation,
        store=store,
        unreadable=unreadable,
        progress=progress,
    )[0]


def read_crops(
    X,
    crops,
    *,
    size=None,
    channels=None,
    interpolation="bilinear",
    store=None,
    unreadable=None,
    progress=False,
):
    """Read images once and crop them in several ways.

    Parameters
    ----------
    X : array-like of shape (n, h, w) or (n, h, w, c), or sequence of n images
        As in :func:`read_images`.
    crops : sequence of float in [0.01, 4]
        At least one; see `crop` of :func:`read_images`.
    size, channels, interpolation, store, unreadable, progress
        As in :func:`read_images`.

    Returns
    -------
    list of ndarray of shape (n, h, w, c), dtype uint8
        One array for each crop, equal to what :func:`read_images` returns for it. Each file and
        PIL image is decoded once; with `store`, only if one of its crops is not stored. What
        cannot be read is left out of all arrays.

    Raises
    ------
    ValueError, OSError
        As in :func:`read_images`.

    Notes
    -----
    Beside the results, no more than 256 images, or 64 MiB of their crops, are in memory at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import read_crops
    >>> cells = np.zeros((2, 40, 40, 3), np.uint8)
    >>> [images.shape for images in read_crops(cells, [1, 0.5])]
    [(2, 40, 40, 3), (2, 20, 20, 3)]
    """
    crops = list(crops)
    if not crops:
        raise ValueError("crops is empty. Pass one number or more, e.g. [1.0].")
    for crop in crops:
        check_crop(crop)
    size = None if size is None else check_size(size)
    check_channels(channels)
    check_interpolation(interpolation)
    form, images = classify(X)
    if form == TABLE:
        raise ValueError("X is no sequence of images. unflatten_rows takes tables of numbers.")
    if form == SINGLE:
        raise ValueError(single_message(X))
    read = partial(_read_sequence, size=size, channels=channels, interpolation=interpolation)
    read = partial(read, store=store, progress=progress)
    if form == STACK:
        images = stack_to_images(images, channels)
        # Image by image where they are cropped, so that no second copy of all of them is made.
        return [
            _shrink(images, size, interpolation)
            if crop == 1
            else read(images, [crop])[0][0].complete()
            for crop in crops
        ]
    stacks, found = read(images, crops)
    if unreadable is not None:
        unreadable.update(found)
    if found and (unreadable is None or len(found) == len(images)):
        noun = "PIL images" if isinstance(images[0], Image.Image) else "image files"
        raise ValueError(
            f"{len(found)} of {len(images)} {noun} cannot be read:\n{list_unreadable(found)}\n"
            "Repair them, or leave them and their labels out."
        )
    return [stack.complete() for stack in stacks]


def _read_sequence(items, crops, *, size, channels, interpolation, store, progress):
    """Read chunk by chunk: beside the results, no more than a chunk is ever in memory.

    Returns
    -------
    stacks : list of ImageStack
        One for each crop.
    unreadable : dict of int to str
        Position -> the item and why it cannot be read.
    """

    # Run on each image as soon as it is read: large images are never all in memory.
    def finish(image):
        return [_shrink(crop_image(image, crop)[None], size, interpolation)[0] for crop in crops]

    settings = (size, interpolation, channels or 3)
    # Without a crop, they are those of stores that knew none.
    settings = [settings if crop == 1 else (*settings, crop) for crop in crops]
    read = _reader(common_form(items), finish, channels, store, settings)
    stacks = [ImageStack(len(items), size, interpolation, store) for _ in crops]
    unreadable = {}

    # A function, so that nothing of a chunk is left when the next is read.
    def take(some, start):
        results, reasons = read(some, start)
        for i, images in enumerate(results):
            if i not in reasons:
                for stack, image in zip(stacks, images, strict=True):
                    stack.append(image, start + i)
        unreadable.update((start + i, f"{some[i]}: {why}") for i, why in sorted(reasons.items()))

    # Shown only where it takes longer than a moment.
    with tqdm(total=len(items), desc="reading", unit="image", delay=1, disable=not progress) as bar:
        start = 0
        while start < len(items):
            # Not by a slice, which a deque has not.
            stop = min(start + chunk_size(stacks), len(items))
            some = [items[i] for i in range(start, stop)]
            take(some, start)
            start += len(some)
            bar.update(len(some))
    return stacks, unreadable


def _reader(form, finish, channels, store=None, settings=()):
    """Return what maps items and the position of the first to results of `finish` and reasons."""
    if form == PATH:
        if store is not None:
            return lambda items, start: read_stored_files(
                items, finish, channels or 3, store, settings
            )
        return lambda items, start: read_files(items, finish, channels or 3)
    if form == PIL:
        return lambda items, start: read_pil_images(items, finish, channels or 3)
    return lambda items, start: (
        [finish(array_to_image(x, start + i, channels)) for i, x in enumerate(items)],
        {},
    )


def map_images(function, X):
    """Apply a function to each image of a sequence as soon as it is read, and keep no image.

    Parameters
    ----------
    function : callable
        Gets a uint8 image (h, w, c), in one of several threads where X holds paths.
    X : sequence of paths, PIL images or arrays
        As in :func:`read_images`, of any sizes.

    Returns
    -------
    results : list
        None for what cannot be read.
    unreadable : dict of int to str
        Position -> why it cannot be read. An array that is no image is an error instead.

    Raises
    ------
    ValueError
        If X is not such a sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import map_images
    >>> map_images(np.shape, ["no/such/cell.png"])
    ([None], {0: 'no such file'})
    """
    return _reader(common_form(X), function, channels=None)(X, 0)


def list_unreadable(unreadable):
    """Name all that cannot be read; a user who mends a folder needs the whole list at once."""
    return "\n".join(f"  position {i}: {why}" for i, why in unreadable.items())


def _shrink(images, size, interpolation):
    """Resize images (n, h, w, c) that have a larger side than ``size``."""
    if size is None or (images.shape[1] <= size[0] and images.shape[2] <= size[1]):
        return images
    return resize_images(images, size, interpolation)
