"""Measurement of the cell in each image, and of the crop at which cells suit a model."""

from ._frame import (
    MEASURED_CROPS,
    CellFrame,
    expected_size,
    measure_frame,
    measured_crop,
    measured_rows,
)
from ._measure import CellMeasurements, measure_cells
