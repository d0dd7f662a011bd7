"""Reading of images of any form into one uint8 array (n, h, w, c)."""

from PIL import Image

from skblood._writing import list_some, shorten, track

from ._arrays import array_to_image, stack_to_images
from ._channels import check_channels
from ._crop import check_crop, crop_image
from ._depth import check_bit_depth
from ._files import read_files, read_stored_files
from ._forms import ARRAY, PATH, STACK, TABLE, classify, common_form
from ._resize import check_interpolation, check_size, resize_images
from ._stack import ImageStack, chunk_size


def read_images(
    X,
    *,
    crop=1.0,
    crops=None,
    size=None,
    channels=None,
    interpolation="bilinear",
    bit_depth=None,
    store=None,
    unreadable=None,
    progress=False,
):
    """Read images of any form into one uint8 array.

    Parameters
    ----------
    X : array-like of shape (n, h, w) or (n, h, w, c), or sequence of n images
        Arrays are uint8 in 0..255 or floats in 0..1, with c = 1, 3 or 4 (RGBA, blended with white).
        A sequence holds paths (str or PathLike) and `EncodedImage`, PIL images, or arrays (h, w) or
        (h, w, c), all of one kind but maybe of different sizes. Not changed.
    crop : float in [0.01, 4], default=1.0
        Fraction of each side that is kept, around the center, before anything is resized. Above 1,
        an image is padded by reflection.
    crops : sequence of float, default=None
        Several values of `crop`, for which the images are read once. Each file and PIL image is
        decoded once; with `store`, only if one of its crops is not stored.
    size : tuple of (int, int), default=None
        Height and width. Images with a larger side are resized to it; if they differ in size
        otherwise, all are. A common smaller size is kept: resizing later, by
        :func:`resize_images`, gives the same pixels and takes less memory until then. None means
        that all images must have one size.
    channels : {None, 1, 3}, default=None
        1 is gray, 3 is RGB. None keeps the channels of arrays (RGB if they are mixed), and reads
        files and PIL images as RGB.
    interpolation : {"bilinear", "bicubic", "nearest"}, default="bilinear"
        As in :func:`resize_images`.
    bit_depth : int in 8..16, default=None
        Bits of the values in files, and in gray PIL images, of more than 8 bits: 12 means 0..4095.
        Paths from a loader with `bit_depth` state their own. None means 16 (0..65535), and an
        error if the values are signed, or do not reach a quarter of that range but for 3 % of them
        (a scale bar) of which 0.5 % are below the maximum (hot pixels).
    store : skblood.FeatureStore, default=None
        Keeps decoded files by their content, so that none is decoded twice. It must have a folder,
        which also takes the temporary file of a large result.
    unreadable : dict, default=None
        Filled with position -> path and reason of images that cannot be read, which are then left
        out of the result. None makes them an error.
    progress : bool, default=False
        Show progress if reading takes over two seconds: a bar on a terminal and in a notebook,
        elsewhere a line every five seconds.

    Returns
    -------
    ndarray of shape (n, h, w, c), dtype uint8
        c is 1 or 3. ``X`` itself, or a view of it, if nothing is to be done. What is read from
        files, PIL images or a list of arrays and takes more than 512 MiB is a memory-mapped
        temporary file, which is deleted with the array. With `crops`, a list of such arrays, one
        for each crop; what cannot be read is left out of all.

    Raises
    ------
    TypeError
        If X is of another known form, such as bytes, open files or a data loader; the message
        names the conversion.
    ValueError
        If X is empty or holds no images, or images that cannot be read (the first ten are named),
        or, without ``size``, images of different sizes.
    OSError
        If the disk has no space for a large result, or the store cannot be used.

    Notes
    -----
    Beside the result, no more than 256 images, or 64 MiB of their crops, are in memory at a time. A
    color image takes 8 bytes a pixel while it is decoded. Images of more than 16.8 million pixels
    are decoded one at a time, and a JPEG file of that size at a half to an eighth of its sides, if
    that is at least eight times `size`, and `interpolation` is not "nearest".

    Files are PNG, JPEG, TIFF, BMP, GIF, WEBP, JPEG 2000, PPM or TGA, whatever their names are.
    Files and PIL images are rotated by their EXIF tag. Three gray pages of one size in a TIFF file
    are read as the channels of a color image, unless its description states focal planes or
    times; reduced copies of the image are left out. Any other file of several pages or frames, also
    of pages that only its description states, and one with more pixels than
    ``PIL.Image.MAX_IMAGE_PIXELS``, counts as unreadable. So do PPM and JPEG 2000 of more than 8
    bits, which Pillow scales, but for 16 bits of gray. Floating point gray means 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import read_images
    >>> cells = [np.zeros((360, 363, 3), np.uint8), np.ones((120, 120))]
    >>> read_images(cells, size=(64, 64)).shape
    (2, 64, 64, 3)
    """
    options = {"channels": channels, "interpolation": interpolation, "bit_depth": bit_depth}
    options |= {"store": store, "unreadable": unreadable, "progress": progress}
    (arrays,) = read_chunks(X, crops=[crop] if crops is None else crops, size=size, **options)
    return arrays[0] if crops is None else arrays


def read_chunks(
    X,
    n=None,
    *,
    crops=(1.0,),
    size=None,
    channels=None,
    interpolation="bilinear",
    bit_depth=None,
    store=None,
    unreadable=None,
    progress=False,
):
    """Read images in chunks, each as by :func:`read_images`.

    Parameters
    ----------
    X : array-like or sequence of images
        As of :func:`read_images`, like what follows.
    n : int, default=None
        Images of a chunk. The last chunk has half as many more at most, so that it never is short;
        None reads all in one.
    crops, size, channels, interpolation, bit_depth, store, unreadable, progress
        As of :func:`read_images`.

    Yields
    ------
    arrays : list of ndarray of shape (m, h, w, c), dtype uint8
        One for each crop. A common size that is smaller than `size` is kept in a chunk.

    Raises
    ------
    TypeError, ValueError, OSError
        As :func:`read_images`, with the positions and numbers of all of X: after an image that
        cannot be read, or has another size, the others are read for the message, and not returned.
    """
    crops = list(crops)
    for each in crops:
        check_crop(each)
    size = None if size is None else check_size(size)
    check_channels(channels)
    check_interpolation(interpolation)
    check_bit_depth(bit_depth)
    decoding = {"channels": channels, "bit_depth": bit_depth}
    if size is not None and interpolation != "nearest":
        decoding["wanted"] = [side / min(crops) for side in size]

    def read(items, n, crops):
        def finish(image):
            return [_shrink(crop_image(image, c)[None], size, interpolation)[0] for c in crops]

        settings = (size, interpolation, channels or 3)
        # crop=1 is left out, as in stores of versions that had no crop.
        settings = [settings if c == 1 else (*settings, c) for c in crops]
        folder = None if store is None else store.location
        sizes = [{} for _ in crops]

        def stack(n):
            return [ImageStack(n, size, interpolation, folder, known) for known in sizes]

        reader = _reader(common_form(items), finish, decoding, store, settings)
        return _fill(stack, items, n, reader, unreadable, progress)

    def read_array(images, crop):
        if crop == 1:
            return _shrink(images, size, interpolation)
        # Image by image, so that no second copy of all of them is made.
        ((array,),) = read(images, None, [crop])
        return array

    form, items = _classify_images(X)
    if form != STACK:
        yield from read(items, n, crops)
        return
    for images in _convert_chunks(items, n, channels):
        yield [read_array(images, crop) for crop in crops]


def chunk_slices(n_images, n=None):
    """Return the slices of chunks of n images; the last one has n / 2 to 3 n / 2.

    Examples
    --------
    >>> from skblood.images import chunk_slices
    >>> chunk_slices(9, 4)
    [slice(0, 4, None), slice(4, 9, None)]
    """
    n = n or n_images
    starts = [n * i for i in range(max(1, (n_images + n // 2) // n))]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], n_images], strict=True)]


def _convert_chunks(X, n, channels):
    """Yield the images of an array in chunks, of which no more are converted at a time."""
    if n is None or isinstance(X, list):  # nested lists have a shape as a whole only
        yield stack_to_images(X, channels)
        return
    for rows in chunk_slices(len(X), n):
        try:
            images = stack_to_images(X[rows], channels)
        except (ValueError, RuntimeError):  # the latter of tensors without slices
            stack_to_images(X, channels)  # raises, with positions and numbers of all
            raise
        yield images


def image_items(X, channels=None):
    """Return the images of X: an array (n, h, w, c), or a list of paths, PIL images or arrays.

    Raises
    ------
    TypeError, ValueError
        If X is a table of numbers, or anything else.
    """
    form, images = _classify_images(X)
    return stack_to_images(images, channels) if form == STACK else images


def _classify_images(X):
    """Return the form of X and its images, as `classify` does; raise ValueError for a table."""
    form, images = classify(X)
    if form == TABLE:
        raise ValueError("X is not a sequence of images. Use unflatten_rows for tables of numbers.")
    return form, images


def _fill(make_stacks, items, n, read, unreadable, progress):
    """Yield the images of each chunk; after a failure, only look for others that fail."""
    found = {}
    with track(len(items), "reading", shown=progress) as update:
        for rows in chunk_slices(len(items), n):
            stacks, start = make_stacks(rows.stop - rows.start), rows.start
            while start < rows.stop:
                some = items[start : min(start + chunk_size(stacks), rows.stop)]
                results, reasons = read(some, start)
                for i, images in enumerate(results):
                    if i not in reasons:
                        for stack, image in zip(stacks, images, strict=True):
                            stack.append(image, start + i)
                del results  # before the next are read
                found |= {
                    start + i: f"{shorten(some[i])}: {why}" for i, why in sorted(reasons.items())
                }
                start += len(some)
                update(len(some))
            if unreadable is not None:
                unreadable.update(found)
            if start == len(items):
                _check_readable(found, items, unreadable is None)
            elif (found and unreadable is None) or any(stack.differs for stack in stacks):
                continue
            arrays = [stack.complete() for stack in stacks]
            if len(arrays[0]):
                yield arrays


def _check_readable(found, items, is_strict):
    if found and (is_strict or len(found) == len(items)):
        noun = "PIL images" if isinstance(items[0], Image.Image) else "image files"
        named = list_some(f"position {i}: {why}" for i, why in found.items())
        raise ValueError(
            f"{len(found)} of {len(items)} {noun} cannot be read:\n{named}\nRepair them, or leave "
            "them and their labels out (skblood.datasets.find_unreadable lists them). The loaders "
            "and skblood.images.read_images take bit_depth, e.g. 12 for values of 0..4095."
        )


def _reader(form, finish, decoding, store=None, settings=()):
    """Return a function of items and the position of the first: results of `finish`, reasons."""
    if form == ARRAY:
        channels = decoding.get("channels")
        return lambda items, start: (
            [finish(array_to_image(x, start + i, channels)) for i, x in enumerate(items)],
            {},
        )
    if form == PATH and store is not None:
        return lambda paths, _: read_stored_files(paths, finish, store, settings, **decoding)
    return lambda items, _: read_files(items, finish, **decoding)


def map_images(function, X, **decoding):
    """Apply a function to each image of a sequence as it is read, keeping no image.

    Parameters
    ----------
    function : callable
        Takes a uint8 image (h, w, c), in one of several threads if X holds paths.
    X : array or sequence of paths, PIL images or arrays
        As in :func:`read_images`, of any sizes.
    **decoding
        `channels` and `bit_depth` of :func:`read_images`.

    Returns
    -------
    results : list
        None for images that cannot be read.
    unreadable : dict of int to str
        Position -> why the image cannot be read. An array that is no image is an error instead.

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
    items = list(image_items(X))
    return _reader(common_form(items), function, decoding)(items, 0)


def _shrink(images, size, interpolation):
    """Resize images (n, h, w, c) that have a larger side than ``size``."""
    if size is None or (images.shape[1] <= size[0] and images.shape[2] <= size[1]):
        return images
    return resize_images(images, size, interpolation)
