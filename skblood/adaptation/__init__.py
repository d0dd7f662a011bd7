"""A fitted classifier adapted to the cells of another laboratory."""

from ._adapt import adapt
from ._report import Adaptation

__all__ = ["Adaptation", "adapt"]
