"""Explanations of predictions: class activation maps and nearest training cells."""

from ._display import ExplanationDisplay
from ._grad_cam import grad_cam
from ._neighbors import NearestCells

__all__ = ["ExplanationDisplay", "NearestCells", "grad_cam"]
