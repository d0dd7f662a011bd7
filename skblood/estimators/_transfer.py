"""Classifier on one backbone."""

from __future__ import annotations

from skblood import _typing as t

from ._base import BACKBONE_CONSTRAINTS, PREPROCESSING_CONSTRAINTS
from ._classifier import CellClassifier
from ._docs import document


@document
class TransferCellClassifier(CellClassifier):
    """Classifier of cell images: a convolutional or transformer backbone and a dense head.

    The default backbone, ``"cellnet_s"``, is small, works at the images' own size and is trained
    from scratch; backbones of timm and torchvision start from their published weights.

    Parameters
    ----------
    backbone : str, default="cellnet_s"
        A name of `timm.list_models`, ``"torchvision/<name>"`` with a name of torchvision's
        classification models, or one of skblood: ``"cellnet_s"`` (630,000 parameters, for images
        of 28 to 128 px), ``"cellnet_t"`` (56,000 parameters, for tests) and ``"cell_lite0"`` (the
        first 925,000 parameters of EfficientNet-Lite0).
    weights : "default", "pbc", "blood8-2", None or path-like, default="default"
        Published weights, loaded through timm or torchvision (the backbones of skblood have none
        and start at random); "blood8-2" or "pbc", those of a pretrained model, for "cell_lite0"
        or "cellnet_s" only; None, random weights; or the path of a ``.safetensors`` or ``.pth``
        file.
    trainable : "all", "head" or int, default="all"
        Train the whole network; only the head, for which each image passes the backbone once (see
        `memory`); or the head and the last `trainable` stages of the backbone. Frozen layers stay
        in evaluation mode, statistics of batch normalization included. With ``warm_start=True``
        it may change from fit to fit (gradual unfreezing).
    {shared}

    See Also
    --------
    MLPCellClassifier : A multi-layer perceptron on the pixels.
    HybridFeatureClassifier : Several backbones, their features concatenated.
    CellEmbedder : The features of a backbone, without a classifier.
    load_pretrained : The pretrained models, whose weights are "blood8-2" and "pbc".
    reconfigure : Another crop, or test-time augmentation, for a fitted model.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> clf.fit(X, y).predict_proba(X[:2]).shape
    (2, 8)
    """

    _parameter_constraints = {
        **CellClassifier._parameter_constraints,
        **BACKBONE_CONSTRAINTS,
        **PREPROCESSING_CONSTRAINTS,
    }

    def __init__(
        self,
        backbone: str = "cellnet_s",
        *,
        weights: t.Weights = "default",
        trainable: t.Trainable = "all",
        hidden_layer_sizes: t.LayerSizes = (256,),
        dropout: float = 0.3,
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
        self.backbone = backbone
        self.weights = weights
        self.trainable = trainable
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
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
