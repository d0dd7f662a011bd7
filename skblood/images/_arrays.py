"""Numeric arrays to uint8 images with a channel axis."""

import numpy as np

from ._channels import convert_channels
from ._pixels import as_uint8, to_numpy

# Gray, RGB, RGBA.
CHANNELS = (1, 3, 4)


def stack_to_images(X, channels=None):
    """Return an array (n, h, w) or (n, h, w, c), or nested lists, as uint8 images (n, h, w, c)."""
    try:
        X = np.asarray(X) if isinstance(X, list) else to_numpy(X)
    except (ValueError, TypeError, RuntimeError) as error:  # the last two from tensors in lists
        if not isinstance(X, list):
            raise
        raise ValueError(
            "The nested lists do not form one array. Pass a list of arrays if the images differ "
            "in size: [np.asarray(image) for image in X]."
        ) from error
    if hint := _shape_hint(X.shape, X.shape[1:]):
        raise ValueError(
            f"X has shape {X.shape}. An array of images has shape (n, h, w) or (n, h, w, c) with "
            f"c = 1, 3 or 4. {hint}"
        )
    return convert_channels(as_uint8(X if X.ndim == 4 else X[..., None]), channels)


def array_to_image(array, position, channels=None):
    """Return the array at a position of a list as one uint8 image (h, w, c)."""
    array = to_numpy(array)
    if hint := _shape_hint(array.shape, array.shape):
        raise ValueError(
            f"The image at position {position} has shape {array.shape}. An image in a list has "
            f"shape (h, w) or (h, w, c) with c = 1, 3 or 4. {hint}"
        )
    try:
        image = as_uint8(array[None] if array.ndim == 3 else array[None, ..., None])
    except ValueError as error:
        raise ValueError(f"The image at position {position}: {error}") from error
    return convert_channels(image, channels)[0]


def _shape_hint(shape, image):
    """Say what to do about an array whose images have the shape `image`; None if it is right."""
    is_stack = len(shape) > len(image)
    if 0 in shape:
        return "It holds no pixels. Pass at least one image, and leave empty ones out."
    if is_stack and len(shape) == 3 and shape[2] in CHANNELS:
        return (
            "It looks like a single image. Pass X[None], or X[..., None] if it holds gray images "
            f"that are {shape[2]} pixels wide."
        )
    if len(image) == 2 or (len(image) == 3 and image[2] in CHANNELS):
        return None
    if len(image) == 3 and image[0] in CHANNELS:
        x, axes = ("X", "(0, 2, 3, 1)") if is_stack else ("x", "(1, 2, 0)")
        return f"The channels come first: pass {x}.transpose{axes}; of a tensor, {x}.permute{axes}."
    if not is_stack and len(shape) == 4:
        return "It is a batch: pass np.concatenate(X)."
    return "Select the axes and channels to use, e.g. X[..., :3]."
