"""Sizes and places of the cells in images, by thresholds and without a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skblood._typing import Floats, Images
from skblood.images import CellImages, is_table, read_chunks, resize_images

from ._segment import (
    SIDE,
    cell_radii,
    darkness_levels,
    find_nuclei,
    measure_masks,
    red_cell_diameters,
)

# Images that are measured, and read, at a time.
_BATCH, _CHUNK = 64, 1024
# A nucleus is not in the middle if its center is farther off, in sides, or if it holds more of the
# border of the image.
_OFF_CENTER, _ON_BORDER = 0.2, 0.05
# A body below this share of the median of the others is no white cell.
_SMALL = 0.6


@dataclass(frozen=True)
class CellMeasurements:
    """Measurements of the cell in each image, as arrays with one row an image.

    A side is the geometric mean of height and width. NaN is what is not seen.

    Attributes
    ----------
    nucleus_diameter : ndarray of shape (n,), dtype float64
        Diameter of the circle that has the area of the nucleus, as a share of the side.
    cell_diameter : ndarray of shape (n,), dtype float64
        Diameter of the cell, as a share of the side.
    red_cell_diameter : ndarray of shape (n,), dtype float64
        Median diameter of the whole red cells in the image, as a share of the side. On a smear
        they have about 7.2 micrometres.
    center : ndarray of shape (n, 2), dtype float64
        Center of the nucleus: x to the right and y down, from the middle of the image, as shares
        of width and height.
    is_white_cell : ndarray of shape (n,), dtype bool
        Whether a nucleus is seen in the middle that is not much smaller than those of the other
        images, as platelets are.
    """

    nucleus_diameter: np.ndarray
    cell_diameter: np.ndarray
    red_cell_diameter: np.ndarray
    center: np.ndarray
    is_white_cell: np.ndarray

    @property
    def size(self) -> Floats:
        """Geometric mean of the diameters of nucleus and cell, as a share of the side.

        It varies less between the kinds of white cells than either: cells with a small nucleus
        have much cytoplasm.
        """
        return np.sqrt(self.nucleus_diameter * self.cell_diameter)

    @property
    def white_cell_sizes(self) -> Floats:
        """Sizes of the white cells whose edge is seen, ndarray of shape (m,)."""
        return self.size[self.is_white_cell & np.isfinite(self.size)]

    def __len__(self) -> int:
        return len(self.nucleus_diameter)


def measure_cells(X: Images) -> CellMeasurements:
    """Measure the cell in the middle of each image: nucleus, cell and red cells around it.

    No model is needed, and no color is fixed. The pixels of an image are split into dark, medium
    and light ones by their own histogram (Otsu for three classes [1]_, in the mean of red and
    green, which chromatin takes up most). The nucleus is the most central large dark body, with all
    its lobes. The cell ends where the background begins in most directions.

    Parameters
    ----------
    X : array-like or sequence
        Images of single cells: arrays ``(n, h, w, c)`` or ``(n, h, w)``, paths, PIL images, or
        `CellImages`. Images of any size are resized to 96 x 96 pixels.

    Returns
    -------
    measurements : CellMeasurements

    Raises
    ------
    ValueError
        If X holds no images, or some cannot be read.

    See Also
    --------
    measured_crop : The crop at which cells are as large as those that a model was trained on.

    Notes
    -----
    Single measurements may be far off, where a nucleus touches another one, or where it is so pale
    that the whole cell is dark against the background. Rely on medians over many images.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
       Systems, Man, and Cybernetics 9(1), 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import measure_cells
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(40, random_state=0)
    >>> cells = measure_cells(X)
    >>> cells.center.shape
    (40, 2)
    >>> is_lymphocyte = y == "lymphocyte"
    >>> float(np.median(cells.nucleus_diameter[is_lymphocyte])).__round__(1)
    0.4
    """
    if isinstance(X, CellImages):
        X = X.pixels
        if X.dtype != np.uint8:
            raise ValueError("measure_cells takes images, not rows of features.")
    elif is_table(X):
        raise ValueError("measure_cells takes images, not a table: reshape its rows to (n, h, w).")
    parts = [
        _measure(images[start : start + _BATCH])
        for (images,) in read_chunks(X, _CHUNK, size=(SIDE, SIDE))
        for start in range(0, len(images), _BATCH)
    ]
    area, center, on_border, cell, red_cell = map(np.concatenate, zip(*parts, strict=True))
    nucleus = np.where(area > 0, 2 * np.sqrt(area / np.pi), np.nan)
    is_white_cell = (np.hypot(*center.T) < _OFF_CENTER) & (on_border < _ON_BORDER) & (area > 0)
    for _ in range(3):  # without small bodies, the median is that of the others
        if is_white_cell.any():
            is_white_cell &= nucleus > _SMALL * np.median(nucleus[is_white_cell])
    return CellMeasurements(nucleus, cell, red_cell, center, is_white_cell)


def _measure(images):
    levels = darkness_levels(resize_images(images, (SIDE, SIDE)))
    nuclei = find_nuclei(levels)
    area, center, on_border = measure_masks(nuclei)
    center = np.where(area[:, None] > 0, center, np.nan)
    cell = 2 * cell_radii(levels, np.nan_to_num(center))
    cell[area == 0] = np.nan
    return area, center, on_border, cell, red_cell_diameters(levels, nuclei)
