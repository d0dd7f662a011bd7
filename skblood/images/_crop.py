"""Central crops of images, with mirror padding for crops larger than the image."""

from numbers import Real

import numpy as np

# Fraction of each side, from hardly a pixel to four times the side.
CROP_RANGE = (0.01, 4)


def check_crop(crop):
    """Raise ValueError unless ``crop`` is a number in 0.01..4."""
    least, most = CROP_RANGE
    if not isinstance(crop, Real) or not least <= crop <= most:
        raise ValueError(
            f"crop must be a number in {least}..{most}, the fraction of each side that is kept, "
            f"not {crop!r}."
        )


def crop_image(image, crop):
    """Crop an image around its center, or pad it by reflection.

    Parameters
    ----------
    image : ndarray of shape (h, w, c)
    crop : float
        Fraction of each side that is kept; above 1, the image is padded by reflection.

    Returns
    -------
    ndarray of shape (new_h, new_w, c)
        A copy, or `image` itself for 1. Each side is ``max(1, round(crop * side))``, with `crop`
        rounded to thousandths, and halves rounded up.
    """
    if crop == 1:
        return image
    height, width = image.shape[:2]
    return image[crop_places(height, crop)][:, crop_places(width, crop)]


def crop_places(side, crop, arange=np.arange):
    """Return the positions of the pixels of a side that a crop keeps, in order.

    If an odd number of pixels is cut off, the end loses one more; if it is added, the start gets
    one more.

    Parameters
    ----------
    side : int
        Or a symbolic size in the graph of a network.
    crop : float
        As in :func:`crop_image`.
    arange : callable
        ``np.arange`` or ``torch.arange``.

    Returns
    -------
    places : ndarray or torch.Tensor of shape (new,), dtype int64
    """
    # Non-negative integers and no comparison: a graph divides those as Python does, and need not
    # know the side.
    new = (side * round(crop * 1000) + 500) // 1000
    new = new + 1 // (new + 1)  # at least 1
    # The image and its reflection alternate without end; the crop is around the fifth image.
    period = arange(1) + 2 * side  # an array: a graph divides arrays by arrays only
    places = (arange(new) + (9 * side - new) // 2) % period
    last = 2 * side - 1
    return (last - abs(2 * places - last)) // 2
