"""What the audit keeps of each image: a small gray picture, a key of its pixels, size, contrast."""

import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from skblood.auditing._near import SIDE
from skblood.images import (
    content_keys,
    convert_channels,
    is_table,
    map_images,
    read_images,
    read_table,
    resize_images,
    unflatten_rows,
)


@dataclass
class Intake:
    """What is known of n images.

    Attributes
    ----------
    pictures : ndarray of shape (n, SIDE, SIDE), dtype uint8
        The images, gray and small; black where an image cannot be read.
    contents : ndarray of int of shape (n,)
        The same for images of the same pixels; -1 where an image cannot be read.
    sizes : ndarray of int of shape (n, 2)
        Height and width.
    contrast : ndarray of shape (n,)
        Standard deviation of the pixels, in the channel where it is largest.
    unreadable : dict of int to str
        Position -> why the image cannot be read.
    """

    pictures: np.ndarray
    contents: np.ndarray
    sizes: np.ndarray
    contrast: np.ndarray
    unreadable: dict


def as_images(X, image_shape=None):
    """Return X as an array (n, h, w, c), or, of files and the like, as a list that is not read."""
    if is_table(X):
        return unflatten_rows(read_table(None, X, dtype=None, input_name="X"), image_shape)
    if getattr(X, "ndim", 0) >= 3 or isinstance(X, (str, os.PathLike, Image.Image)):
        return read_images(X)  # which refuses a single one
    return np.asarray(X, dtype=object).ravel().tolist() if hasattr(X, "__array__") else list(X)


def take_in(images):
    """Look at each image once, without keeping it.

    Raises
    ------
    ValueError
        If none can be read.
    """
    if isinstance(images, list):
        looks, unreadable = map_images(_describe, images)
    else:
        looks, unreadable = [_describe(image) for image in images], {}
    if len(unreadable) == len(looks):
        raise ValueError(
            f"None of the {len(looks)} images of X can be read; of the first: {unreadable[0]}"
        )
    return _collect(looks, unreadable)


def _describe(image):
    key = content_keys([image])[0]
    contrast = image.reshape(-1, image.shape[2]).std(axis=0).max()
    picture = convert_channels(resize_images(image[None], (SIDE, SIDE)), 1)[0, ..., 0]
    return picture, (*key.tolist(), *image.shape), contrast


def _collect(looks, unreadable):
    pictures = np.zeros((len(looks), SIDE, SIDE), np.uint8)
    contents, sizes = np.full(len(looks), -1), np.zeros((len(looks), 2), dtype=int)
    contrast, known = np.zeros(len(looks)), {}
    for i, look in enumerate(looks):
        if i not in unreadable:
            pictures[i], key, contrast[i] = look
            contents[i], sizes[i] = known.setdefault(key, len(known)), key[2:4]
    return Intake(pictures, contents, sizes, contrast, unreadable)
