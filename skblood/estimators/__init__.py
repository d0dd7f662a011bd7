"""The estimators: one public class a module."""

from ._backbone_classifier import BackboneClassifier
from ._base import CellModel
from ._classifier import CellClassifier
from ._contrastive import ContrastiveCellClassifier
from ._embedder import CellEmbedder
from ._hybrid import HybridFeatureClassifier
from ._mlp import MLPCellClassifier
from ._transfer import TransferCellClassifier

__all__ = [
    "BackboneClassifier",
    "CellClassifier",
    "CellEmbedder",
    "CellModel",
    "ContrastiveCellClassifier",
    "HybridFeatureClassifier",
    "MLPCellClassifier",
    "TransferCellClassifier",
]
