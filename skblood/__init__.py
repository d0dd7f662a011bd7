"""scikit-learn-style classifiers of single blood-cell images.

The public names are loaded on first use (:pep:`562`), so that ``import skblood`` stays quick:
neither torch nor timm nor matplotlib is imported before something needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skblood import augment, datasets, evaluation, explain, uncertainty
    from skblood._adapt._adapt import adapt
    from skblood._audit import AuditReport, audit
    from skblood._card import model_card
    from skblood._contrastive import ContrastiveCellClassifier
    from skblood._embedder import CellEmbedder
    from skblood._exceptions import NonFiniteLossError, TrainingInterrupted
    from skblood._export import export_onnx
    from skblood._hybrid import HybridFeatureClassifier
    from skblood._mlp import MLPCellClassifier
    from skblood._persistence import ModelFileError, load, load_info, save
    from skblood._transfer import TransferCellClassifier
    from skblood.features import FeatureStore
    from skblood.pretrained import SeenImagesWarning, load_pretrained

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
    "SeenImagesWarning",
    "TrainingInterrupted",
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
    "save",
    "uncertainty",
]

_MODULES = {
    "AuditReport": "skblood._audit",
    "CellEmbedder": "skblood._embedder",
    "ContrastiveCellClassifier": "skblood._contrastive",
    "FeatureStore": "skblood.features",
    "HybridFeatureClassifier": "skblood._hybrid",
    "MLPCellClassifier": "skblood._mlp",
    "ModelFileError": "skblood._persistence",
    "NonFiniteLossError": "skblood._exceptions",
    "SeenImagesWarning": "skblood.pretrained",
    "TrainingInterrupted": "skblood._exceptions",
    "TransferCellClassifier": "skblood._transfer",
    "adapt": "skblood._adapt._adapt",
    "audit": "skblood._audit",
    "export_onnx": "skblood._export",
    "load": "skblood._persistence",
    "load_info": "skblood._persistence",
    "load_pretrained": "skblood.pretrained",
    "model_card": "skblood._card",
    "save": "skblood._persistence",
}
_SUBPACKAGES = ("augment", "datasets", "evaluation", "explain", "uncertainty")


def __getattr__(name):
    if name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value  # the next access does not come here
        return value
    if name in _SUBPACKAGES:
        return import_module(f"skblood.{name}")
    raise AttributeError(f"module 'skblood' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
