"""Rows of a 2-D table, folded into images."""

from math import isqrt, prod
from numbers import Integral

import numpy as np

from ._arrays import CHANNELS
from ._channels import convert_channels
from ._pixels import as_uint8

# Squares smaller than this are more likely to be tables that have this width by chance.
_MIN_SIDE = 8


def resolve_row_shape(n_features, image_shape=None, features="error"):
    """Return the image shape into which rows of a given width fold.

    Parameters
    ----------
    n_features : int
        Width of the rows.
    image_shape : tuple of int, default=None
        (height, width, channels), or (height, width) for gray. One of them may be -1: what is
        left, as in numpy's reshape. None means a square RGB image of at least 8 x 8 pixels, else
        a square gray one.
    features : {"error", "keep"}, default="error"
        What to do without ``image_shape`` if neither square fits: raise, or take each row as one
        pixel with ``n_features`` channels.

    Returns
    -------
    tuple of (int, int, int)
        Height, width and channels; their product is ``n_features``.

    Raises
    ------
    ValueError
        If the rows do not fold so.

    Examples
    --------
    >>> from skblood.images import resolve_row_shape
    >>> resolve_row_shape(2352)
    (28, 28, 3)
    >>> resolve_row_shape(2352, (-1, 42, 1))
    (56, 42, 1)
    """
    if image_shape is not None:
        return _explicit_fold(n_features, image_shape)
    for channels in (3, 1):
        side = isqrt(n_features // channels)
        if side >= _MIN_SIDE and channels * side**2 == n_features:
            return side, side, channels
    if features == "keep":
        return 1, 1, n_features
    raise ValueError(
        f"Rows of {n_features} features are neither square RGB nor square gray images of at least "
        f"{_MIN_SIDE} x {_MIN_SIDE} pixels. {_nearest_squares(n_features)} Set "
        "image_shape=(height, width, channels) if they are other images."
    )


def unflatten_rows(rows, image_shape=None, *, features="error"):
    """Fold rows of a table into images.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features), numeric and finite
        Flattened images, or features. It is not changed.
    image_shape : tuple of int, default=None
        As in :func:`resolve_row_shape`.
    features : {"error", "keep"}, default="error"
        As in :func:`resolve_row_shape`.

    Returns
    -------
    ndarray of shape (n, h, w, c), dtype uint8 or float32
        uint8 images in 0..255; a view of ``rows`` if they are uint8. RGBA is laid on white, so
        that c is 1 or 3. A fold of height 1 is no image but features: c is any, uint8 stays uint8,
        and other dtypes become float32, of any range.

    Raises
    ------
    ValueError
        If the rows do not fold so, or if images are neither uint8 nor floats in 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import unflatten_rows
    >>> unflatten_rows(np.zeros((5, 2352))).shape
    (5, 28, 28, 3)
    >>> unflatten_rows(np.ones((5, 7)), features="keep").dtype
    dtype('float32')
    """
    fold = resolve_row_shape(rows.shape[1], image_shape, features)
    if fold[0] == 1:
        return _as_features(rows).reshape(len(rows), *fold)
    if fold[2] not in CHANNELS:
        raise ValueError(
            f"image_shape={image_shape} folds rows of {rows.shape[1]} features into images {fold} "
            f"of {fold[2]} channels; images have 1, 3 or 4."
        )
    return convert_channels(as_uint8(rows).reshape(len(rows), *fold))


def _explicit_fold(n_features, image_shape):
    sizes = _check_image_shape(image_shape)
    known = prod(size for size in sizes if size != -1)
    if -1 in sizes and n_features % known == 0:
        sizes = tuple(n_features // known if size == -1 else size for size in sizes)
    elif -1 in sizes or known != n_features:
        takes = f"a multiple of {known}" if -1 in sizes else known
        raise ValueError(
            f"Rows of {n_features} features do not fold into image_shape={image_shape}, which "
            f"takes {takes}. {_what_fits(n_features)}"
        )
    return sizes


def _check_image_shape(image_shape):
    """Return (height, width, channels), one of them maybe -1."""
    try:
        sizes = tuple(image_shape)
    except TypeError:
        sizes = ()
    numbers = all(isinstance(s, Integral) and (s >= 1 or s == -1) for s in sizes)
    if len(sizes) not in (2, 3) or not numbers or sizes.count(-1) > 1:
        raise ValueError(
            "image_shape must be (height, width, channels) or (height, width), integers of at "
            f"least 1, one of which may be -1; not {image_shape!r}."
        )
    return (*map(int, sizes), 1)[:3]


def _what_fits(n_features):
    """Say which image shape would fit rows of this width."""
    try:
        return f"image_shape={resolve_row_shape(n_features)} would fit."
    except ValueError:
        return f"{_nearest_squares(n_features)} image_shape=(1, -1, 1) takes rows as features."


def _nearest_squares(n_features):
    widths = []
    for channels, name in ((3, "RGB"), (1, "gray")):
        side = max(_MIN_SIDE, round((n_features / channels) ** 0.5))
        widths.append(f"{channels * side**2} ({side} x {side} {name})")
    return f"The nearest squares have {' and '.join(widths)} features."


def _as_features(rows):
    if rows.dtype == np.uint8:
        return rows
    with np.errstate(over="ignore"):
        values = rows.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(
            f"Features are computed in float32, and {(~finite).sum()} values of {rows.dtype} do "
            f"not fit: they exceed {np.finfo(np.float32).max:.3g}. Scale the features first, e.g. "
            "by sklearn.preprocessing.StandardScaler."
        )
    return values
