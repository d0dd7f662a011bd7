"""scikit-learn-style classifiers of single blood-cell images.

The public names are loaded on first use (:pep:`562`), so that ``import skblood`` stays quick:
neither torch nor timm nor matplotlib is imported before something needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skblood import augment, datasets, evaluation, explain, uncertainty
    from skblood.adaptation import adapt
    from skblood.auditing import AuditReport, audit
    from skblood.estimators import (
        CellEmbedder,
        ContrastiveCellClassifier,
        HybridFeatureClassifier,
        MLPCellClassifier,
        TransferCellClassifier,
        reconfigure,
    )
    from skblood.inference import FeatureStore
    from skblood.io import (
        ModelFileError,
        export_onnx,
        load,
        load_info,
        load_pretrained,
        model_card,
        save,
    )
    from skblood.pretrained import TrainingOverlapWarning
    from skblood.training import NonFiniteLossError, TrainingCheckpoint, TrainingInterrupted

__version__ = "0.1.0.dev0"

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
    "__version__",
    "adapt",
    "audit",
    "augment",
    "datasets",
    "evaluation",
    "explain",
    "export_onnx",
    "load",
    "load_info",
    "load_pretrained",
    "model_card",
    "reconfigure",
    "save",
    "uncertainty",
]

_NAMES = {
    "adaptation": ("adapt",),
    "auditing": ("AuditReport", "audit"),
    "estimators": (
        "CellEmbedder ContrastiveCellClassifier HybridFeatureClassifier MLPCellClassifier "
        "TransferCellClassifier reconfigure"
    ).split(),
    "inference": ("FeatureStore",),
    "io": "ModelFileError export_onnx load load_info load_pretrained model_card save".split(),
    "pretrained": ("TrainingOverlapWarning",),
    "training": ("NonFiniteLossError", "TrainingCheckpoint", "TrainingInterrupted"),
}
_ROOMS = {name: room for room, names in _NAMES.items() for name in names}
_SUBPACKAGES = ("augment", "datasets", "evaluation", "explain", "uncertainty")


def __getattr__(name):
    if name in _ROOMS:
        value = getattr(import_module(f"skblood.{_ROOMS[name]}"), name)
        globals()[name] = value  # the next access does not come here
        return value
    if name in _SUBPACKAGES:
        return import_module(f"skblood.{name}")
    raise AttributeError(f"module 'skblood' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
