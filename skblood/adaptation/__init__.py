"""Adaptation of fitted classifiers to the images of another laboratory."""

from ._account import Adaptation
from ._adapt import adapt
from ._partial_labels import check_classifier
from ._query import CellQuery, query

__all__ = ["Adaptation", "CellQuery", "adapt", "query"]
