"""Numeric arrays to uint8 images with a channel axis."""

import numpy as np
import torch

from ._channels import convert_channels
from ._pixels import as_uint8, to_numpy

# Gray, RGB, RGBA.
CHANNELS = (1, 3, 4)


def stack_to_images(X, channels=None):
    """Return an array (n, h, w) or (n, h, w, c), or nested lists, as uint8 images (n, h, w, c)."""
    try:
        images = to_numpy(X)
    except (ValueError, TypeError, RuntimeError) as error:  # the last two from tensors in lists
        if not isinstance(X, list):
            raise
        raise ValueError("The nested lists form no array. Pass a list of arrays.") from error
    if images.ndim == 3 and images.shape[2] in CHANNELS:
        raise ValueError(
            f"X has shape {images.shape}, which looks like a single image. Pass X[None], or "
            f"X[..., None] if it holds gray images that are {images.shape[2]} pixels wide."
        )
    return _to_images(images, channels, X)


def array_to_image(array, position, channels=None):
    """Return the array at a position of a list as one uint8 image (h, w, c)."""
    image = to_numpy(array)
    try:
        return _to_images(image[None], channels, array)[0]
    except ValueError as error:
        raise ValueError(f"The image at position {position}: {error}") from error


def _to_images(images, channels, given):
    """Convert images of shape (n, h, w) or (n, h, w, c); `given` is what the user has."""
    shape = images.shape[1:]
    if 0 in images.shape or len(shape) not in (2, 3) or (*shape, 1)[2] not in CHANNELS:
        how = "permute" if isinstance(given, torch.Tensor) else "transpose"
        code = f"X.{how}(0, 2, 3, 1)" if np.ndim(given) == 4 else f"[x.{how}(1, 2, 0) for x in X]"
        raise ValueError(
            "Images have shape (h, w) or (h, w, c) with c = 1, 3 or 4, the channels last, but "
            f"there are {len(images)} of shape {shape}. "
            f"{f'Pass {code}' if shape[0] in CHANNELS else 'Convert them'}."
        )
    return convert_channels(as_uint8(images if images.ndim == 4 else images[..., None]), channels)
