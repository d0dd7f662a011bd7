"""Review of labels by people: one HTML page, whose answers are a table that the package reads."""

from ._review import review

__all__ = ["review"]
