"""Images that were read once, to be given to several functions."""

from functools import cached_property

import numpy as np

from ._content import content_keys


class CellImages:
    """Images as a fitted model takes them: read, cropped and resized.

    ``model.read_images(X)`` makes one. Every method and function that takes the X of that model
    takes it in place of X, and reads nothing again.

    Parameters
    ----------
    pixels : ndarray of shape (n, h, w, c), dtype uint8 or float32
    preprocessing : tuple
        What the pixels depend on besides the images given: input shape, size, crop, interpolation.

    Attributes
    ----------
    keys : ndarray of shape (n, 2), dtype uint64
        Content of each image; equal for identical images only.
    """

    def __init__(self, pixels, preprocessing=()):
        self.pixels = pixels
        self.preprocessing = preprocessing

    @cached_property
    def keys(self):
        """128-bit hash of each image, computed on first use."""
        return content_keys(self.pixels)

    @property
    def shape(self):
        """Shape of the pixels, so that scikit-learn can count the images."""
        return self.pixels.shape

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, rows):
        """Return some of the images, by a slice, a mask or positions."""
        if isinstance(rows, int | np.integer):
            raise TypeError("Select images by a slice, a mask or a list of positions, not by one.")
        return CellImages(self.pixels[rows], self.preprocessing)
