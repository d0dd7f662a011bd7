"""Measurement of the cell in each image, and of the crop at which cells suit a model."""

from ._frame import CellFrame, expected_size, measure_frame, measured_crop
from ._measure import CellMeasurements, measure_cells
