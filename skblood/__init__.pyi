"""Public names, for lazy loading and for static tools."""

from . import augment, datasets, distributed, evaluation, explain, streaming, uncertainty
from .adaptation import adapt, query
from .auditing import AuditReport, audit
from .cells import measure_cells, measured_crop
from .estimators import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
    reconfigure,
)
from .inference import FeatureStore
from .io import (
    ModelFileError,
    export_onnx,
    load,
    load_info,
    load_pretrained,
    model_card,
    push_to_hub,
    save,
)
from .pretrained import TrainingOverlapWarning
from .reviewing import review
from .training import NonFiniteLossError, TrainingCheckpoint, TrainingInterrupted

__version__: str

__all__ = [
    "AuditReport",
    "CellEmbedder",
    "ContrastiveCellClassifier",
    "FeatureStore",
    "HybridFeatureClassifier",
    "MLPCellClassifier",
    "ModelFileError",
    "NonFiniteLossError",
    "TrainingCheckpoint",
    "TrainingInterrupted",
    "TrainingOverlapWarning",
    "TransferCellClassifier",
    "adapt",
    "audit",
    "augment",
    "datasets",
    "distributed",
    "evaluation",
    "explain",
    "export_onnx",
    "load",
    "load_info",
    "load_pretrained",
    "measure_cells",
    "measured_crop",
    "model_card",
    "push_to_hub",
    "query",
    "reconfigure",
    "review",
    "save",
    "streaming",
    "uncertainty",
]
