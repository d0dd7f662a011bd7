"""Numeric arrays, whole or in a list, to uint8 images with a channel axis."""

import numpy as np

from ._channels import convert_channels
from ._pixels import as_uint8, to_numpy

# Gray, RGB, RGBA.
CHANNELS = (1, 3, 4)


def stack_to_images(X, channels=None):
    """Return a numeric array of three or more axes as uint8 images (n, h, w, c)."""
    X = _join(X) if isinstance(X, list) else to_numpy(X)
    _check_stack(X.shape)
    images = X if X.ndim == 4 else X[..., None]
    return convert_channels(as_uint8(images), channels)


def array_to_image(array, position, channels=None):
    """Return the array at ``position`` of a list as one uint8 image (h, w, c)."""
    array = to_numpy(array)
    _check_single(array.shape, position)
    image = array if array.ndim == 3 else array[..., None]
    try:
        return convert_channels(as_uint8(image[None]), channels)[0]
    except ValueError as error:
        raise ValueError(f"The image at position {position}: {error}") from error


def _join(lists):
    try:
        return np.asarray(lists)
    except (ValueError, TypeError, RuntimeError) as error:  # the last two of odd tensors in them
        raise ValueError(
            "The nested lists do not form one array, as images of different sizes do not. "
            "Pass a list of arrays: [np.asarray(image) for image in X]."
        ) from error


def _check_stack(shape):
    """Raise ValueError unless ``shape`` is (n, h, w) or (n, h, w, 1, 3 or 4)."""
    if 0 in shape:
        problem = "and so holds no pixels. Pass at least one image"
    elif len(shape) == 3 and shape[2] in CHANNELS:
        problem = (
            "which looks like a single image. Pass X[None] for one image, or X[..., None] for "
            f"{shape[0]} gray images that are {shape[2]} pixels wide"
        )
    elif len(shape) not in (3, 4):
        problem = f"which has {len(shape)} axes. Pass one frame or plane per image"
    elif len(shape) == 4 and shape[3] not in CHANNELS and shape[1] in CHANNELS:
        problem = (
            "where the channels come first. Pass X.transpose(0, 2, 3, 1), or "
            "X.permute(0, 2, 3, 1) of a tensor"
        )
    elif len(shape) == 4 and shape[3] not in CHANNELS:
        problem = f"with {shape[3]} channels. Pick the channels to use, e.g. X[..., :3]"
    else:
        return
    raise ValueError(
        f"X has shape {shape}, {problem}. An array of images has shape (n, h, w) or (n, h, w, c) "
        "with c = 1, 3 or 4."
    )


def _check_single(shape, position):
    """Raise ValueError unless ``shape`` is (h, w) or (h, w, 1, 3 or 4)."""
    if len(shape) in (2, 3) and 0 not in shape and (len(shape) == 2 or shape[2] in CHANNELS):
        return
    if 0 in shape:
        hint = "It holds no pixels: leave it out."
    elif len(shape) == 3 and shape[0] in CHANNELS:
        hint = "Its channels come first: pass x.transpose(1, 2, 0)."
    elif len(shape) == 4:
        hint = "It is a batch: pass np.concatenate(X)."
    else:
        hint = "Pick the axes and channels to use, e.g. x[..., :3]."
    raise ValueError(
        f"The image at position {position} has shape {shape}; an image in a list is (h, w) or "
        f"(h, w, c) with c = 1, 3 or 4. {hint}"
    )
