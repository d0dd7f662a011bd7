"""Why a cell got its label: where the network looked, and which known cells look like it."""

from skblood.explain._display import ExplanationDisplay
from skblood.explain._grad_cam import grad_cam
from skblood.explain._neighbors import NearestCells

__all__ = ["ExplanationDisplay", "NearestCells", "grad_cam"]
