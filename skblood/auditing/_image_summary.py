"""Summary of images for the audit: gray thumbnail, content, size and contrast of each."""

import numpy as np

from skblood.images import (
    CellImages,
    content_keys,
    convert_channels,
    image_items,
    is_table,
    map_images,
    read_table,
    resize_images,
    unflatten_rows,
)

from ._descriptors import SIDE

# Gray thumbnail, content (equal for identical pixels only), height and width, and the standard
# deviation of the pixels in the channel where it is largest.
_FIELDS = [
    ("position", int),
    ("picture", np.uint8, (SIDE, SIDE)),
    ("content", np.uint64, 4),
    ("size", int, 2),
    ("contrast", float),
]


def list_images(X, image_shape=None):
    """Return X as an array (n, h, w, c) or, if it holds files or the like, as a list."""
    if isinstance(X, CellImages):
        X = X.pixels
    if is_table(X):
        return unflatten_rows(read_table(None, X, input_name="X"), image_shape)
    return image_items(X)


def summarize_images(images):
    """Summarize images, decoding each once and keeping none.

    Returns
    -------
    summary : structured ndarray of shape (n_readable,)
        With the fields `position` (in `images`), `picture`, `content`, `size` and `contrast`.
    unreadable : dict of int to str
        Position -> why the image cannot be read.

    Raises
    ------
    ValueError
        If none can be read.
    """
    rows, unreadable = map_images(_summarize_image, list(images))
    if len(unreadable) == len(images):
        raise ValueError(f"None of the {len(images)} images can be read; first: {unreadable[0]}")
    readable = [(i, *row) for i, row in enumerate(rows) if i not in unreadable]
    return np.array(readable, _FIELDS), unreadable


def _summarize_image(image):
    height, width, n_channels = image.shape
    picture = convert_channels(resize_images(image[None], (SIDE, SIDE)), 1)[0, ..., 0]
    contrast = image.reshape(-1, n_channels).std(axis=0).max()
    # Images of other sizes may have the same bytes.
    content = (*content_keys([image])[0], height, width)
    return picture, content, (height, width), contrast
