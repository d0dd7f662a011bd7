"""Another frame around the same centre: images cut at their edges, or continued beyond them."""

from numbers import Real

import numpy as np

# The narrowest and the widest frame: hardly a pixel is left, or hardly the image among its mirrors.
CROP_RANGE = (0.01, 4)


def check_crop(crop):
    """Raise ValueError unless ``crop`` is a share of the sides that can be kept."""
    least, most = CROP_RANGE
    if not isinstance(crop, Real) or not least <= crop <= most:
        raise ValueError(
            f"crop must be a number in {least}..{most}, the share of each side that is kept (above "
            f"1, images are continued by their mirror images), not {crop!r}."
        )


def crop_image(image, crop):
    """Return an image as it is within another frame around its centre.

    Parameters
    ----------
    image : ndarray of shape (h, w, c)
    crop : float
        The share of each side that is kept; above 1 the image is continued by its mirror images.

    Returns
    -------
    ndarray of shape (new_h, new_w, c)
        A copy, or `image` itself for 1. Each side is ``max(1, round(crop * side))``, computed with
        thousandths and halves up.
    """
    if crop == 1:
        return image
    height, width = image.shape[:2]
    return image[crop_places(height, crop)][:, crop_places(width, crop)]


def crop_places(side, crop, arange=np.arange):
    """Return which pixels of a side are in the frame, in their order.

    The centre of an odd number of pixels cut off or added is half a pixel towards the start: of
    pixels cut off, the end loses one more; of pixels added, the start gets one more.

    Parameters
    ----------
    side : int
        Or what stands for any in the graph of a network.
    crop : float
        As in :func:`crop_image`.
    arange : callable
        That of NumPy or of torch.

    Returns
    -------
    places : ndarray or torch.Tensor of shape (new,), dtype int64
    """
    # Whole numbers of 0 or more throughout, and no comparison: a graph divides those as Python
    # does, and need not know the side.
    new = (side * round(crop * 1000) + 500) // 1000
    new = new + 1 // (new + 1)  # at least 1
    # An image and its mirror image recur without end; the frame is around the fifth image.
    period = arange(1) + 2 * side  # an array, as a graph divides arrays by arrays only
    places = (arange(new) + (9 * side - new) // 2) % period
    last = 2 * side - 1
    return (last - abs(2 * places - last)) // 2
