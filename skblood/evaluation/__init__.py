"""Looking at a dataset, at what a classifier has learned, and at the cells it gets wrong."""

from skblood.evaluation._cell_grid import CellGridDisplay
from skblood.evaluation._cell_sample import CellSampleDisplay
from skblood.evaluation._class_distribution import ClassDistributionDisplay
from skblood.evaluation._history import HistoryDisplay

__all__ = ["CellGridDisplay", "CellSampleDisplay", "ClassDistributionDisplay", "HistoryDisplay"]
