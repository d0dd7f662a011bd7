"""The estimators: one public class a module, and functions that make fitted ones."""

from ._base import CellModel
from ._classifier import CellClassifier
from ._contrastive import ContrastiveCellClassifier
from ._embedder import CellEmbedder
from ._fitted import attach_network, reconfigure, replace_network
from ._hybrid import HybridFeatureClassifier
from ._mlp import MLPCellClassifier
from ._prior import (
    assumed_prior,
    check_possible,
    class_factors,
    describe_prior,
    given_factors,
    read_prior,
    training_shares,
)
from ._scoring import predict_to_score
from ._transfer import TransferCellClassifier
