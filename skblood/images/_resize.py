"""Resizing of uint8 images, the same for arrays and tensors, alone and in batches."""

import numpy as np
import torch
from torch.nn import functional

from ._torch_defaults import torch_defaults

INTERPOLATIONS = ("bilinear", "bicubic", "nearest")

# Images copied and resized at a time: enough to use all cores, small in memory.
_CHUNK = 64


def check_size(size):
    """Return ``size`` as a tuple of two positive ints, or raise ValueError."""
    sides = np.ravel(size).tolist()
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise ValueError(
            f"The image size must be (height, width), two positive integers, not {size!r}."
        )
    return tuple(sides)


def check_interpolation(interpolation):
    """Raise ValueError unless ``interpolation`` is one of INTERPOLATIONS."""
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {INTERPOLATIONS}, not {interpolation!r}.")


def resize_batch(images, size, interpolation="bilinear"):
    """Resize a batch of uint8 images as Pillow does, on its device.

    The aspect ratio is not kept: nothing is cropped or padded. The result for an image does not
    depend on the other images of the batch.

    Parameters
    ----------
    images : torch.Tensor of shape (n, c, h, w), dtype uint8
        Any memory format.
    size : tuple of (int, int)
        Height and width of the result.
    interpolation : {"bilinear", "bicubic", "nearest"}, default="bilinear"
        The first two are antialiased, as in Pillow.

    Returns
    -------
    torch.Tensor of shape (n, c, *size), dtype uint8
        ``images`` itself if it has that size.

    Raises
    ------
    ValueError
        If ``images``, ``size`` or ``interpolation`` is not as above.

    Examples
    --------
    >>> import torch
    >>> from skblood.images import resize_batch
    >>> resize_batch(torch.zeros(2, 3, 28, 28, dtype=torch.uint8), (64, 48)).shape
    torch.Size([2, 3, 64, 48])
    """
    size = check_size(size)
    check_interpolation(interpolation)
    _check(images, torch.uint8, "(n, c, h, w)")
    if tuple(images.shape[2:]) == size:
        return images
    if interpolation == "nearest":
        return _nearest(images, size)
    if images.device.type == "cpu":
        return functional.interpolate(images, size=size, mode=interpolation, antialias=True)
    return _resize_by_floats(images, size, interpolation)


@torch_defaults()
def resize_images(images, size, interpolation="bilinear"):
    """Resize a uint8 array of images; :func:`resize_batch` for NumPy.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8
        Any memory layout, including read-only arrays. Not changed.
    size : tuple of (int, int)
        Height and width of the result.
    interpolation : {"bilinear", "bicubic", "nearest"}, default="bilinear"
        The first two are antialiased, as in Pillow.

    Returns
    -------
    ndarray of shape (n, *size, c), dtype uint8
        ``images`` itself if it has that size.

    Raises
    ------
    ValueError
        If ``images``, ``size`` or ``interpolation`` is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import resize_images
    >>> resize_images(np.full((2, 28, 28, 3), 7, np.uint8), (14, 20)).shape
    (2, 14, 20, 3)
    """
    size = check_size(size)
    check_interpolation(interpolation)
    _check(images, np.uint8, "(n, h, w, c)")
    if images.shape[1:3] == size:
        return images
    resized = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        if not chunk.flags.writeable or min(chunk.strides) < 0:
            chunk = chunk.copy()  # torch takes no others
        chunk = torch.from_numpy(chunk).permute(0, 3, 1, 2)
        result = resize_batch(chunk, size, interpolation)
        resized[start : start + _CHUNK] = result.permute(0, 2, 3, 1).numpy()
    return resized


def _check(images, dtype, shape):
    if images.ndim != 4 or images.dtype != dtype:
        given = f"{images.dtype} of shape {tuple(images.shape)}"
        raise ValueError(f"Images to be resized are uint8 of shape {shape}, not {given}.")


def _nearest(images, size):
    """Select the pixel that holds the center of each new pixel, as Pillow does.

    torch's "nearest" selects the pixel of the corner. Its "nearest-exact" differs from Pillow where
    a center falls on a border between pixels (a fifth of them from 128 to 224), where rounding
    errors decide. Adding up steps as Pillow does gives the same errors.
    """
    layout = torch.channels_last
    keep = layout if images.is_contiguous(memory_format=layout) else torch.contiguous_format
    for axis, new in zip((2, 3), size, strict=True):
        step = images.shape[axis] / new
        steps = np.full(new, step)
        steps[0] = step * 0.5
        places = torch.from_numpy(np.cumsum(steps).astype(np.int64)).to(images.device)
        images = images.index_select(axis, places)
    return images.contiguous(memory_format=keep)


def _resize_by_floats(images, size, interpolation):
    """Resize on devices without a uint8 kernel, by the same two rounded passes as on the CPU.

    Rounding between the passes keeps nearly all pixels within one gray level of the CPU's and of
    Pillow's. A single float pass would not clip the overshoot of bicubic in between, and the
    difference grows to 25.
    """
    for shape in ((images.shape[2], size[1]), size):
        images = functional.interpolate(
            images.float(), size=shape, mode=interpolation, antialias=True
        )
        # Halves up, as in integer arithmetic; round() goes to the even number.
        images = images.add_(0.5).floor_().clamp_(0, 255)
    return images.to(torch.uint8)
