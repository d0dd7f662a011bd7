"""The frame of a laboratory: the crop at which its cells are as large as a model expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skblood._typing import Images, Model
from skblood.images import (
    CellImages,
    image_items,
    is_table,
    read_images,
    read_table,
    resize_images,
    unflatten_rows,
)

from ._measure import measure_cells

# Training cells of each class, and of all classes, that are measured at most.
_PER_CLASS, _SAMPLE = 32, 512
# Images of a laboratory that are measured at most, and the side at which they are kept.
_MOST_IMAGES, _SIDE = 512, 192
# With fewer white cells, nothing is concluded.
_FEWEST = 5
# Smaller images show no nucleus.
_SMALLEST = 16
MEASURED_CROPS = (0.2, 2.0)
_N_STEPS = 3
_N_DRAWS = 500
# Frames that differ by less are the same one: so much does the median depend on the mix of classes.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class CellFrame:
    """How large the cells of a laboratory are, and how large a model expects them.

    Attributes
    ----------
    crop : float
        Share of each side to keep, for all images of the laboratory. That of the model if the
        measured one does not clearly differ from it.
    measured : float
        The crop at which the cells are as large as those of the training.
    interval : tuple of (float, float)
        Confidence interval of 95 % of `measured`, by bootstrap over the cells.
    size : float
        Median size of the white cells (`CellMeasurements.size`), as a share of the side of the
        whole images.
    expected : float
        That of the training cells, as a share of the side of what the model sees.
    n_cells : int
        Number of white cells that were measured.
    """

    crop: float
    measured: float
    interval: tuple[float, float]
    size: float
    expected: float
    n_cells: int

    def __str__(self) -> str:
        if self.n_cells < _FEWEST:
            return f"too few white cells to measure ({self.n_cells}): crop={self.crop:g}"
        low, high = self.interval
        return (
            f"cells fill {self.size:.2f} of the side, the model expects {self.expected:.2f}: "
            f"crop={self.crop:g} (measured {self.measured:.2f}, 95 % interval {low:.2f} to "
            f"{high:.2f}, {self.n_cells} cells)"
        )


def expected_size(images, rows, codes):
    """Return the median size of training cells, all classes counting alike.

    Parameters
    ----------
    images : CellImages
        As the model takes them.
    rows : ndarray of shape (m,)
        Positions of the images to measure; of many, a sample.
    codes : ndarray of shape (n,)
        Class of each image.

    Returns
    -------
    size : float or None
        As a share of the side; see `CellMeasurements.size`. None if the images show no cells.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(rows)
    by_class = [rows[codes[rows] == code][:_PER_CLASS] for code in np.unique(codes[rows])]
    rows = rng.permutation(np.concatenate(by_class))[:_SAMPLE]
    pixels = images.pixels
    if pixels.dtype != np.uint8 or min(pixels.shape[1:3]) < _SMALLEST:
        return None
    cells = measure_cells(CellImages(pixels[np.sort(rows)]))
    found = cells.white_cell_sizes
    return round(float(np.median(found)), 4) if len(found) >= _FEWEST else None


def measured_rows(n):
    """Return the positions of the images that are measured, sorted: of many, a sample."""
    return np.sort(np.random.default_rng(0).permutation(n)[:_MOST_IMAGES])


def measure_frame(model: Model, X: Images) -> CellFrame:
    """Measure which crop makes the cells of a laboratory as large as a model expects them.

    Parameters
    ----------
    model : fitted classifier
        Of skblood.
    X : array-like or sequence
        Images of one laboratory, in any form that the model takes but `CellImages`, which are
        cropped already. At most 512 of them are measured. Those that cannot be read are left out.

    Returns
    -------
    frame : CellFrame

    Raises
    ------
    TypeError
        If the model is no estimator.
    ValueError
        If the model does not know how large its training cells were, or X is not as described.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    measured_crop : Only the crop.
    """
    check_is_fitted(model)
    expected = getattr(model, "training_data_", {}).get("cell_size")
    if expected is None:
        raise ValueError(
            "The model does not know how large the cells of its training were: it was fitted with "
            "rows of numbers, images without cells, or an earlier version. Set crop yourself."
        )
    spec = model.spec_
    frames = _read_frames(spec, X)
    crop, whole = 1.0, None
    for _ in range(_N_STEPS):
        cells = measure_cells(CellImages(_as_seen(frames, crop, spec)))
        found = cells.white_cell_sizes
        if len(found) < _FEWEST:
            return CellFrame(spec.crop, spec.crop, MEASURED_CROPS, np.nan, expected, len(found))
        whole = np.median(found) if whole is None else whole
        seen, former = found / expected, crop
        crop = float(np.clip(former * np.median(seen), *MEASURED_CROPS))
    draws = np.random.default_rng(0).integers(len(seen), size=(_N_DRAWS, len(seen)))
    low, high = former * np.quantile(np.median(seen[draws], axis=1), (0.025, 0.975))
    is_same = low / (1 + _TOLERANCE) <= spec.crop <= high * (1 + _TOLERANCE)
    chosen, interval = spec.crop if is_same else round(crop, 3), (float(low), float(high))
    return CellFrame(chosen, crop, interval, float(whole), expected, len(found))


def measured_crop(model: Model, X: Images) -> float:
    """Return the crop at which the cells of a laboratory are as large as a model expects them.

    Laboratories cut the images of their cells differently, and a classifier that was trained on
    cells of one size is wrong about those of another one. The median size of the white cells
    (:func:`measure_cells`), divided by that of the training cells, is the crop for all images of
    the laboratory. Neither labels nor predictions are needed.

    Parameters
    ----------
    model : fitted classifier
        Of skblood.
    X : array-like or sequence
        Images of one laboratory, in any form that the model takes but `CellImages`, which are
        cropped already. Of more than 512 images, as many are measured. Those that cannot be read
        are left out.

    Returns
    -------
    crop : float in [0.2, 2]
        Share of each side to keep. The crop of the model itself if the images show fewer than five
        white cells, or if it is within 5 % of the 95 % interval of the measured one.

    Raises
    ------
    TypeError
        If the model is no estimator.
    ValueError
        If the model does not know how large its training cells were, or X is not as described.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    reconfigure : Gives a model another crop.
    adapt : Takes the measured crop, and adapts the network.
    skblood.cells.measure_frame : Also says how far the measurement can be trusted.

    Notes
    -----
    The measurement is repeated in the crop found, until the cells have the expected size as the
    model sees them. The classes need not have the shares of the training; but if most of the cells
    are of one small kind, such as lymphocytes, the crop comes out up to a tenth too small.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import TransferCellClassifier, measured_crop, reconfigure
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=32, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(X, y)
    >>> X_new, _ = make_blood_cells(80, image_size=32, random_state=1)
    >>> wide = np.pad(X_new, ((0, 0), (16, 16), (16, 16), (0, 0)), mode="edge")
    >>> crop = measured_crop(clf, wide)
    >>> round(crop, 1)
    0.5
    >>> adjusted = reconfigure(clf, crop=crop)
    """
    return measure_frame(model, X).crop


def _read_frames(spec, X):
    """Return the whole images of a laboratory, or a sample of them."""
    if isinstance(X, CellImages):
        raise ValueError("X was read before, at the crop of the model: give the images themselves.")
    if is_table(X):
        items = unflatten_rows(read_table(None, X), spec.input_shape)
    else:
        items = image_items(X)
    if len(items) > _MOST_IMAGES:
        rows = measured_rows(len(items))
        items = items[rows] if isinstance(items, np.ndarray) else [items[row] for row in rows]
    options = {"channels": spec.image_shape[2], "bit_depth": spec.bit_depth}
    return read_images(items, size=(_SIDE, _SIDE), unreadable={}, **options)


def _as_seen(frames, crop, spec):
    """Return the images at a crop, no finer than the model sees them."""
    images, size = read_images(frames, crop=crop), spec.image_shape[:2]
    return resize_images(images, size) if size[0] < images.shape[1] else images
