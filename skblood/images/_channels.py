"""Conversion of uint8 images to gray or RGB, with transparency on white."""

import numpy as np

# Pixels converted at a time: the sums need four times the memory of the images.
_CHUNK = 2**20

# The weights of Pillow's "L", ITU-R 601-2 luma, in 1/65536.
_LUMA = np.array([19595, 38470, 7471], np.uint32)


def check_channels(channels):
    """Raise ValueError unless ``channels`` is None, 1 or 3."""
    if channels is not None and channels not in (1, 3):
        raise ValueError(f"channels must be None, 1 (gray) or 3 (RGB), not {channels!r}.")


def convert_channels(images, channels=None):
    """Convert uint8 images to gray or RGB.

    Parameters
    ----------
    images : ndarray of shape (..., c), dtype uint8
        c is 1 (gray), 3 (RGB) or 4 (RGBA). Not changed.
    channels : {None, 1, 3}, default=None
        1 converts RGB to gray by the luma of Pillow's "L" (ITU-R 601-2), 3 repeats gray, None keeps
        both. RGBA is blended with white in each case.

    Returns
    -------
    ndarray of shape (..., channels), dtype uint8
        ``images`` itself if there is nothing to do.

    Raises
    ------
    ValueError
        If ``channels`` is anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import convert_channels
    >>> convert_channels(np.array([[[200, 0, 0, 255]]], np.uint8), 1)
    array([[[60]]], dtype=uint8)
    """
    check_channels(channels)
    if images.shape[-1] == 4:
        images = _by_pixel(_on_white, images, 3)
    if channels == 1 and images.shape[-1] == 3:
        return _by_pixel(_luma, images, 1)
    if channels == 3 and images.shape[-1] == 1:
        return np.repeat(images, 3, axis=-1)
    return images


def _by_pixel(convert, images, channels):
    """Apply ``convert`` to all pixels, some images at a time."""
    converted = np.empty((*images.shape[:-1], channels), np.uint8)
    step = max(1, _CHUNK // max(1, images[:1, ..., 0].size))
    for start in range(0, len(images), step):
        converted[start : start + step] = convert(images[start : start + step])
    return converted


def _on_white(rgba):
    color, alpha = rgba[..., :3].astype(np.uint16), rgba[..., 3:].astype(np.uint16)
    # 255 * 255 + 127 still fits uint16.
    return (color * alpha + 255 * (255 - alpha) + 127) // 255


def _luma(rgb):
    return (rgb @ _LUMA + 0x8000)[..., None] >> 16
