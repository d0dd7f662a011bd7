"""Adaptation of fitted classifiers to the images of another laboratory."""

from ._account import Adaptation
from ._adapt import adapt

__all__ = ["Adaptation", "adapt"]
