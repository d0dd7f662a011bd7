"""Types of the public signatures.

Imports nothing that takes time: types of pandas, matplotlib, PyTorch and scikit-learn are for type
checkers only, so the names below are for annotations under ``from __future__ import annotations``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import pandas as pd
    import torch
    from sklearn.metrics import ConfusionMatrixDisplay
    from sklearn.utils import Bunch

    from skblood import inference
    from skblood.auditing import AuditReport
    from skblood.estimators import CellClassifier, CellModel, TransferCellClassifier
    from skblood.evaluation import EvaluationReport
    from skblood.images import CellImages, CellStream, ImageChunks

Floats: TypeAlias = NDArray[np.float64]
Floats32: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
UInt8s: TypeAlias = NDArray[np.uint8]

StrPath: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.random.RandomState | None
Axes: TypeAlias = "matplotlib.axes.Axes"
Figure: TypeAlias = "matplotlib.figure.Figure | matplotlib.figure.SubFigure"
DataFrame: TypeAlias = "pd.DataFrame"
Tensor: TypeAlias = "torch.Tensor"

# Images in any form that the estimators take: arrays, rows, paths, PIL images, columns of a table.
Images: TypeAlias = (
    "ArrayLike | Sequence[Any] | pd.Series[Any] | DataFrame | CellImages | CellStream"
)
ReadImages: TypeAlias = "CellImages | ImageChunks"
Files: TypeAlias = StrPath | Sequence[StrPath]

# Names of classes that the rooms which use them may not import, or only later.
FeatureStore: TypeAlias = "inference.FeatureStore"
Audit: TypeAlias = "AuditReport"
Classifier: TypeAlias = "CellClassifier"
ConfusionDisplay: TypeAlias = "ConfusionMatrixDisplay"
Model: TypeAlias = "CellModel"
Pretrained: TypeAlias = "TransferCellClassifier"
Report: TypeAlias = "EvaluationReport"
Reports: TypeAlias = "EvaluationReport | Mapping[str, EvaluationReport] | None"
Result: TypeAlias = "Bunch"
# A function that returns a changed copy of an estimator returns the class that it was given.
ClassifierT = TypeVar("ClassifierT", bound="CellClassifier")
ModelT = TypeVar("ModelT", bound="CellModel")

Activation: TypeAlias = Literal["relu", "gelu", "tanh", "silu"]
Policy: TypeAlias = Literal["cells", "stain", "laboratory"]
AugmentPolicy: TypeAlias = "Policy | Callable[[torch.Tensor], torch.Tensor] | None"
Callbacks: TypeAlias = list[Any] | None
ClassWeight: TypeAlias = Literal["balanced"] | dict[Any, Any] | None
ImageShape: TypeAlias = Sequence[int] | None
ImageSize: TypeAlias = int | Sequence[int] | None
Interpolation: TypeAlias = Literal["bilinear", "bicubic", "nearest"]
LayerSizes: TypeAlias = Sequence[int]
LearningRate: TypeAlias = float | Literal["auto"]
Loss: TypeAlias = Literal["cross_entropy", "focal"]
OnError: TypeAlias = Literal["raise", "skip"]
Memory: TypeAlias = "StrPath | inference.FeatureStore | None"
Optimizer: TypeAlias = Literal["adam", "adamw", "sgd", "rmsprop"] | Callable[..., Any]
Order: TypeAlias = Literal["doubt", "neighbors", "query", "given", "random"]
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]
Prior: TypeAlias = (
    Literal["blood", "equal", "training"]
    | Mapping[Any, float]
    | Sequence[float]
    | NDArray[Any]
    | None
)
Regression: TypeAlias = Literal["passing-bablok", "deming"]
Schedule: TypeAlias = Literal["onecycle", "cosine"] | None
Scoring: TypeAlias = str | Callable[..., float]
Standardization: TypeAlias = Literal["auto", "image"]
Task: TypeAlias = Literal["predict", "embed"]
Trainable: TypeAlias = Literal["all", "head"] | int
Weights: TypeAlias = Literal["default", "pbc", "blood8-2"] | StrPath | None
