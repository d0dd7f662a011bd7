"""Looking at what a classifier has learned and at the cells it gets wrong."""

from skblood.evaluation._cell_grid import CellGridDisplay
from skblood.evaluation._history import HistoryDisplay

__all__ = ["CellGridDisplay", "HistoryDisplay"]
