"""Reading of the target cells: each image once, at the crop of the model and the measured one."""

from functools import partial

import numpy as np

from skblood.cells import MEASURED_CROPS, measure_frame, measured_rows
from skblood.images import (
    CellImages,
    holds_arrays,
    image_items,
    is_table,
    map_images,
    resize_images,
)


def read_cells(model, X):
    """Read the cells, and measure at which crop they are as large as those of the training.

    Files and PIL images are decoded once: those that are measured are kept until they are cropped.

    Parameters
    ----------
    model : CellClassifier
    X : array-like or sequence

    Returns
    -------
    own : CellImages
        At the crop of the model.
    measured : CellImages or None
        At the measured crop. None if it is that of the model, or was not measured.
    frame : CellFrame or None
        The measurement.

    Raises
    ------
    ValueError
        If an image cannot be read, or does not suit the model.
    """
    if isinstance(X, CellImages) or model.training_data_.get("cell_size") is None:
        return model.read_images(X), None, None
    if is_table(X) or holds_arrays(X):
        frame = measure_frame(model, X)
        own, *measured = model.read_images(X, crops=_crops(model, frame))
        return own, *(measured or [None]), frame
    spec, items = model.spec_, image_items(X)
    rows = measured_rows(len(items))
    rest = np.setdiff1d(np.arange(len(items)), rows)
    options = {"channels": spec.image_shape[2], "bit_depth": spec.bit_depth}
    kept, bad = map_images(partial(_reduce, spec=spec), [items[row] for row in rows], **options)
    if bad:
        model.read_images(items)  # raises an error that names all of them
    frame = measure_frame(model, kept)
    crops = _crops(model, frame)
    own, *measured = model.read_images(kept, crops=crops)
    if len(rest):
        more = model.read_images([items[row] for row in rest], crops=crops)
        order = np.argsort(np.concatenate([rows, rest]))
        pairs = zip([own, *measured], more, strict=True)
        own, *measured = [_join(*pair, order, spec) for pair in pairs]
    return own, *(measured or [None]), frame


def _crops(model, frame):
    own = model.spec_.crop
    return [own] if frame.crop == own else [own, frame.crop]


def _reduce(image, spec):
    """Return an image no larger than is needed at the smallest crop."""
    most = [round(side / MEASURED_CROPS[0]) for side in spec.image_shape[:2]]
    size = tuple(map(min, image.shape[:2], most))
    return image if size == image.shape[:2] else resize_images(image[None], size)[0]


def _join(one, other, order, spec):
    """Return the images of both, in the order of their positions."""
    parts = [one.pixels, other.pixels]
    if parts[0].shape[1:] != parts[1].shape[1:]:
        parts = [resize_images(each, spec.image_size, spec.interpolation) for each in parts]
    return CellImages(np.concatenate(parts)[order], one.preprocessing, one.bit_depth)
