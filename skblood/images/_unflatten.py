"""Rows of a table as images: their shape, and the conversion."""

from math import isqrt, prod

import numpy as np

from ._arrays import CHANNELS
from ._channels import convert_channels
from ._pixels import as_uint8

# Smaller squares are more likely tables that have this width by chance.
_MIN_SIDE = 8


def resolve_row_shape(n_features, image_shape=None, features="error"):
    """Return the shape of the images whose flattened pixels are the rows of a table.

    Parameters
    ----------
    n_features : int
        Width of the rows.
    image_shape : tuple of int, default=None
        (height, width, channels), or (height, width) for gray. One of them may be -1 and is
        inferred, as in numpy's reshape. None means a square RGB image of at least 8 x 8 pixels,
        else a square gray one.
    features : {"error", "keep"}, default="error"
        Without ``image_shape``, if neither square fits: raise, or use each row as one pixel with
        ``n_features`` channels.

    Returns
    -------
    tuple of (int, int, int)
        Height, width and channels; their product is ``n_features``.

    Raises
    ------
    ValueError
        If ``image_shape`` is invalid, or the rows do not have that many features.

    Examples
    --------
    >>> from skblood.images import resolve_row_shape
    >>> resolve_row_shape(2352)
    (28, 28, 3)
    >>> resolve_row_shape(2352, (-1, 42, 1))
    (56, 42, 1)
    """
    square = _square_shape(n_features)
    if image_shape is None:
        if square or features == "keep":
            return square or (1, 1, n_features)
        raise ValueError(
            f"Rows of {n_features} features are neither square RGB nor square gray images of at "
            f"least {_MIN_SIDE} x {_MIN_SIDE} pixels. Set image_shape=(height, width, channels)."
        )
    shape = _check_image_shape(image_shape)
    known = prod(side for side in shape if side != -1)
    inferred, rest = divmod(n_features, known)
    if rest == 0 and (-1 in shape or inferred == 1):
        return tuple(inferred if side == -1 else side for side in shape)
    takes = f"a multiple of {known}" if -1 in shape else known
    raise ValueError(
        f"Rows of {n_features} features do not have image_shape={image_shape}, which takes "
        f"{takes}. Correct it; image_shape=(1, -1, 1) uses rows as features."
    )


def unflatten_rows(rows, image_shape=None, *, features="error"):
    """Convert the rows of a table to images.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features), numeric and finite
        Flattened images, or features. Not changed.
    image_shape : tuple of int, default=None
        As in :func:`resolve_row_shape`.
    features : {"error", "keep"}, default="error"
        As in :func:`resolve_row_shape`.

    Returns
    -------
    ndarray of shape (n, h, w, c), dtype uint8 or float32
        uint8 images in 0..255; a view of ``rows`` if they are uint8. RGBA is blended with white, so
        that c is 1 or 3. Images of height 1 are features instead: c is any, uint8 stays uint8, and
        other dtypes become float32, of any range.

    Raises
    ------
    ValueError
        If the rows do not have that shape, or if images are neither uint8 nor floats in 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import unflatten_rows
    >>> unflatten_rows(np.zeros((5, 2352))).shape
    (5, 28, 28, 3)
    >>> unflatten_rows(np.ones((5, 7)), features="keep").dtype
    dtype('float32')
    """
    shape = resolve_row_shape(rows.shape[1], image_shape, features)
    if shape[0] == 1:
        return _to_features(rows).reshape(len(rows), *shape)
    if shape[2] not in CHANNELS:
        raise ValueError(f"image_shape={image_shape} must have 1, 3 or 4 channels.")
    return convert_channels(as_uint8(rows).reshape(len(rows), *shape))


def _square_shape(n_features):
    """Return the shape of a square RGB or gray image with this number of pixels, or None."""
    for channels in (3, 1):
        side = isqrt(n_features // channels)
        if side >= _MIN_SIDE and channels * side**2 == n_features:
            return side, side, channels
    return None


def _check_image_shape(image_shape):
    """Return (height, width, channels), one of them maybe -1."""
    sides = np.ravel(image_shape).tolist()
    integers = all(type(side) is int and (side >= 1 or side == -1) for side in sides)
    if len(sides) not in (2, 3) or not integers or sides.count(-1) > 1:
        raise ValueError(
            "image_shape must be (height, width, channels) or (height, width), integers of at "
            f"least 1, one of which may be -1; not {image_shape!r}."
        )
    return (*sides, 1)[:3]


def _to_features(rows):
    if rows.dtype == np.uint8:
        return rows
    with np.errstate(over="ignore"):
        values = rows.astype(np.float32, copy=False)
    if n_large := np.count_nonzero(~np.isfinite(values)):
        raise ValueError(
            f"{n_large} values of {rows.dtype} exceed the range of float32, in which features are "
            "computed. Scale them first, e.g. by sklearn.preprocessing.StandardScaler."
        )
    return values
