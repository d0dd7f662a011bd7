"""The reader of a model: X, in any form, as the images that its network takes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from skblood._typing import NDArray

from ._cell_images import CellImages
from ._depth import common_depth
from ._forms import classify, holds_arrays
from ._read import chunk_slices, read_chunks, read_images

# What pixels of 12 bits become if they are taken for 16; more are in any image that is not black.
_BLACK = 16
# Fewer black images may be blank, and no more are looked at.
_SEVERAL, _SAMPLE = 10, 256


class ImageLayout:
    """What a layout of images tells, made or in the making."""

    input_shape: Any
    image_shape: Any
    image_size: Any
    is_pixels: Any
    interpolation: Any
    bit_depth: Any

    @property
    def accepted_shape(self) -> tuple[int, int, int]:
        """Height, width and channels that X must have; with an `image_size`, those it becomes."""
        if self.image_size is not None:
            return self.image_shape
        return (*self.input_shape[:2], self.image_shape[2])

    def as_read(self, pixels: NDArray[Any], crop: float | None) -> CellImages:
        """Return pixels that were read at a crop as `CellImages`."""
        preprocessing = (self.accepted_shape, self.is_pixels, self.image_size, crop)
        return CellImages(pixels, (*preprocessing, self.interpolation), self.bit_depth)


class ImageReader:
    """Read X as images of one layout, cropped and no larger than the network's image size.

    Smaller images are resized batch by batch on the device.

    Parameters
    ----------
    spec : skblood.networks.NetworkSpec
    store : FeatureStore or None, default=None
        Keeps decoded files, if it has a folder.
    """

    def __init__(self, spec, store=None):
        self.spec = spec
        self.store = store

    def read(self, X, **options):
        """Read images like those of the fit, or check `CellImages`; see `read_chunks`.

        Returns
        -------
        images : list of CellImages
            One for each crop; of `CellImages`, only these.
        """
        (images,) = self.read_chunks(X, None, **options)
        return images

    def read_chunks(self, X, n, *, is_rows=False, crops=None, unreadable=None, progress=False):
        """Read images like those of the fit in chunks.

        Parameters
        ----------
        X : object
            Images in any form, or `CellImages`, which are one chunk.
        n : int or None
            Images of a chunk.
        is_rows : bool, default=False
            Whether X holds the unflattened rows of a table, which may be numbers and not pixels.
        crops : sequence of float, default=None
            Crops to read instead of that of the specification.
        unreadable : dict, default=None
            Takes position -> reason of what cannot be read, which is left out; None makes it an
            error.
        progress : bool, default=False

        Yields
        ------
        images : list of CellImages
            One for each crop; of `CellImages`, only these.

        Raises
        ------
        ValueError
            If the images differ from those of the fit in shape or kind, or cannot be read.
        """
        if isinstance(X, CellImages):
            yield [self._check_read(X)]
            return
        spec = self.spec
        crops = [spec.crop] if crops is None else list(crops)
        # Gray or color, as in the fit. Numbers have no color.
        channels = spec.image_shape[2] if spec.is_pixels and not is_rows else None
        shape = getattr(X, "shape", ())
        if channels == 3 and len(shape) == 3 and shape[0] in (3, 4):
            how = "permute" if isinstance(X, torch.Tensor) else "transpose"
            raise ValueError(
                f"X has shape {tuple(shape)}, which may be one color image, channels first: pass "
                f"X.{how}(1, 2, 0)[None]. If it holds {shape[0]} gray images, pass X[..., None]."
            )
        options = {"channels": channels, "unreadable": unreadable, "progress": progress}
        for i, arrays in enumerate(_read(spec, X, n, is_rows, crops, self.store, **options)):
            self._check(arrays[0])
            if i == 0:
                _warn_if_black(arrays[0])
            yield [
                spec.as_read(_crop_unresized(spec, array, crop), crop)
                for array, crop in zip(arrays, crops, strict=True)
            ]

    def _check_read(self, images):
        """Raise ValueError unless `CellImages` were read for a model like this one."""
        expected = self.spec.as_read(None, self.spec.crop).preprocessing
        if images.preprocessing != expected:
            raise ValueError(
                f"The images were read with another preprocessing, {images.preprocessing}, not "
                f"{expected} (shape, pixels, image_size, crop, interpolation). Read them again."
            )
        return images

    def _check(self, images):
        """Raise ValueError unless the images are like those of the fit."""
        spec = self.spec
        given, accepted = images.shape[1:], spec.accepted_shape
        same_size = spec.image_size is not None or given[:2] == accepted[:2]
        if not same_size or given[2] != accepted[2]:
            code = f"read_images(X, channels={accepted[2]})"
            code = code if same_size else f"resize_images({code}, {accepted[:2]})"
            raise ValueError(
                f"X holds images of shape {given} (h, w, c), but the model was fitted with "
                f"{accepted}. Pass {code}, of skblood.images, or fit with such images."
            )
        if (images.dtype == np.uint8) != spec.is_pixels:
            form = "uint8 pixels (0..255)" if spec.is_pixels else "rows of float features"
            raise ValueError(f"The model was fitted with {form}: give X in the form of the fit.")


class Layout(ImageLayout):
    """How X is read, until `fit` has made a specification of it.

    Parameters
    ----------
    image_size : tuple of (int, int) or None
    crop : float
    interpolation : str
    """

    def __init__(self, image_size, crop, interpolation):
        self.image_size = image_size
        self.crop = float(crop)
        self.interpolation = interpolation

    def read(self, X, **options):
        """Read the images of a fit; see `read_chunks`."""
        ((images, whole),) = self.read_chunks(X, None, **options)
        return images, whole

    def read_chunks(self, X, n, *, is_rows=False, whole=False, store=None, **options):
        """Read the images of a fit in chunks, and note their layout.

        Parameters
        ----------
        X : object
        n : int or None
            Images of a chunk; None reads all in one.
        is_rows : bool
            Whether X holds the unflattened rows of a table.
        whole : bool
            Read the images without the crop as well.
        store : FeatureStore or None
        **options
            `progress` and `unreadable` of `read_images`.

        Yields
        ------
        images : CellImages
        whole : ndarray or None
        """
        if is_rows and X.shape[1] == 1:
            # Rows of numbers have no size and are not cropped.
            self.image_size, self.crop = None, 1.0
        self.bit_depth = None if holds_arrays(X) else common_depth(classify(X)[1])
        crops = [self.crop, *([1.0] if whole else [])]
        for i, arrays in enumerate(_read(self, X, n, is_rows, crops, store, **options)):
            size = X.shape[1:3] if getattr(X, "ndim", 1) >= 3 else arrays[0].shape[1:3]
            shape = (*map(int, size), arrays[0].shape[3])
            if i == 0:
                self.input_shape = shape
                _warn_if_black(arrays[0])
            elif shape != self.input_shape:  # images of several sizes are resized
                self.input_shape = (*self.image_size, shape[2])
            images = _crop_unresized(self, arrays[0], self.crop)
            self.is_pixels = images.dtype == np.uint8
            self.image_shape = (*(self.image_size or images.shape[1:3]), images.shape[3])
            yield self.as_read(images, self.crop), arrays[1] if whole else None

    def take(self, images):
        """Note the layout of images that a model with the same parameters has read.

        Raises
        ------
        ValueError
            If they were read in another way.
        """
        shape, self.is_pixels, *settings = images.preprocessing
        if settings != [self.image_size, self.crop, self.interpolation]:
            raise ValueError(
                f"These images were read with image_size, crop and interpolation {settings}, not "
                f"{[self.image_size, self.crop, self.interpolation]}. Pass what X was read from."
            )
        self.input_shape, self.bit_depth = shape, images.bit_depth
        self.image_shape = images.shape[1:] if self.image_size is None else shape
        return images

    def as_fields(self):
        """Return the layout as fields of a specification."""
        return dict(vars(self))


def _warn_if_black(images):
    """Warn if integers that are far below 255 are taken for pixels."""
    some = images[:_SAMPLE]
    is_black = images.dtype == np.uint8 and images.shape[1] > 1 and (most := some.max()) <= _BLACK
    # A few may be blank, but not those that were floats in 0..1.
    if is_black and (
        len(some) >= _SEVERAL or (most == 1 and np.median(np.ptp(some, (1, 2, 3))) == 1)
    ):
        warnings.warn(
            f"The pixels are in 0..{most}, where 255 is white: these images are black. If they "
            "were converted to uint8 after a division, pass the floats in 0..1 instead, X / 255; "
            "of files with more than 8 bits, state bit_depth.",
            stacklevel=2,
        )


def _read(spec, X, n, is_rows, crops, store, **options):
    """Read X at several crops in chunks, resized if there is a size."""
    if spec.image_size is None:
        # Cropped by `_crop_unresized`, once it is known that their size is right.
        crops = [1.0] * len(crops)
        if is_rows:
            return ([X[rows]] * len(crops) for rows in chunk_slices(len(X), n))
    # A store in memory would hold a second copy of the images.
    store = None if store is None or store.location is None else store
    options |= {"size": spec.image_size, "interpolation": spec.interpolation, "store": store}
    return read_chunks(X, n, crops=crops, bit_depth=spec.bit_depth, **options)


def _crop_unresized(spec, array, crop):
    """Crop images, unless that was done before they were resized."""
    return array if spec.image_size is not None or crop == 1 else read_images(array, crop=crop)
