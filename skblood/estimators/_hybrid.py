"""Classifier on the features of several backbones."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from skblood import _typing as t
from skblood._sklearn import Interval, validate_parameter_constraints

from ._base import BACKBONE_CONSTRAINTS, PREPROCESSING_CONSTRAINTS, backbone_spec
from ._classifier import CellClassifier
from ._docs import document


@document
class HybridFeatureClassifier(CellClassifier):
    """Classifier on the concatenated features of several backbones.

    The system of Battu et al. (2024): pooled features, a dense layer with dropout, and a second
    phase of training with a fresh optimizer. Each backbone standardizes the images in its own way;
    all work at one image size.

    Parameters
    ----------
    backbones : sequence of str, default=("inception_v3", "legacy_xception")
        Two or more names, each as in `TransferCellClassifier`.
    weights : str, None, path-like, or a sequence of these, default="default"
        As in `TransferCellClassifier`; a sequence has one entry for each backbone.
    trainable : "all", "head", int, or a sequence of these, default="all"
        As in `TransferCellClassifier`; a sequence has one entry for each backbone.
    hidden_layer_sizes : tuple of int, default=(512,)
        Units of each hidden layer on the concatenated features.
    dropout : float in [0, 1), default=0.5
        Share of units dropped after each hidden layer.
    refine_epochs : int, default=5
        Epochs of the second phase, which starts with a fresh optimizer and learning-rate schedule;
        0 leaves it out.
    {shared}

    See Also
    --------
    TransferCellClassifier : One backbone.

    References
    ----------
    Battu et al. 2024: hybrid of InceptionV3 and Xception, dense layer of 512 units, dropout 0.5,
    Adam with learning rate 1e-4, 10 epochs, then 5 more.

    Examples
    --------
    >>> from skblood import HybridFeatureClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = HybridFeatureClassifier(
    ...     ("cellnet_t", "cellnet_t"), max_epochs=2, refine_epochs=1, random_state=0
    ... )
    >>> clf.fit(X, y).n_iter_
    3
    """

    _parameter_constraints = {
        **CellClassifier._parameter_constraints,
        **PREPROCESSING_CONSTRAINTS,
        "backbones": ["array-like"],
        "weights": [*BACKBONE_CONSTRAINTS["weights"], "array-like"],
        "trainable": [*BACKBONE_CONSTRAINTS["trainable"], "array-like"],
        "refine_epochs": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        backbones: Sequence[str] = ("inception_v3", "legacy_xception"),
        *,
        weights: t.Weights | Sequence[t.Weights] = "default",
        trainable: t.Trainable | Sequence[t.Trainable] = "all",
        hidden_layer_sizes: t.LayerSizes = (512,),
        dropout: float = 0.5,
        refine_epochs: int = 5,
        standardize: t.Standardization = "auto",
        image_shape: t.ImageShape = None,
        image_size: t.ImageSize = None,
        crop: float = 1.0,
        interpolation: t.Interpolation = "bilinear",
        augment: t.AugmentPolicy = "cells",
        optimizer: t.Optimizer = "adamw",
        lr: t.LearningRate = "auto",
        weight_decay: float = 0.02,
        lr_schedule: t.Schedule = "onecycle",
        batch_size: int = 64,
        max_epochs: int = 20,
        loss: t.Loss = "cross_entropy",
        label_smoothing: float = 0.1,
        class_weight: t.ClassWeight = None,
        early_stopping: bool | int = False,
        validation_fraction: float = 0.1,
        scoring: t.Scoring = "f1_macro",
        callbacks: t.Callbacks = None,
        warm_start: bool = False,
        memory: t.Memory = None,
        device: str = "auto",
        precision: t.Precision = "auto",
        random_state: t.RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.backbones = backbones
        self.weights = weights
        self.trainable = trainable
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.refine_epochs = refine_epochs
        self.standardize = standardize
        self.image_shape = image_shape
        self.image_size = image_size
        self.crop = crop
        self.interpolation = interpolation
        self.augment = augment
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.memory = memory
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def _n_epochs(self):
        return [int(n) for n in (self.max_epochs, self.refine_epochs) if n]

    def _backbones(self):
        if isinstance(self.backbones, str) or len(self.backbones) < 2:
            raise ValueError(
                f"backbones={self.backbones!r} must be two or more names of backbones; "
                "for one, use TransferCellClassifier."
            )
        given, n_backbones = {"backbone": self.backbones}, len(self.backbones)
        for name in ("weights", "trainable"):
            value = getattr(self, name)
            if isinstance(value, str) or not hasattr(value, "__len__"):
                value = [value] * n_backbones
            if len(value) != n_backbones:
                raise ValueError(
                    f"{name}={value!r} has {len(value)} entries for {n_backbones} backbones; give "
                    "one for all, or one for each."
                )
            given[name] = list(value)
        specs = []
        for settings in zip(*given.values(), strict=True):
            named = dict(zip(given, settings, strict=True))
            validate_parameter_constraints(BACKBONE_CONSTRAINTS, named, type(self).__name__)
            specs.append(backbone_spec(*settings, self.standardize))
        return specs, given["weights"]
