"""Classifier on the pixels themselves."""

from __future__ import annotations

from dataclasses import replace

from skblood import _typing as t
from skblood._sklearn import StrOptions
from skblood.networks import ACTIVATIONS, PIXELS, BackboneSpec

from ._classifier import CellClassifier
from ._docs import document


@document
class MLPCellClassifier(CellClassifier):
    """Multi-layer perceptron on the pixels of cell images.

    The baseline of the field. It also classifies tables of numbers: rows that are no square images
    are features, which are standardized by their mean and standard deviation over the training
    rows.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(1024, 512)
        Units of each hidden layer. Each is followed by batch normalization, the activation and
        dropout.
    activation : {{"relu", "gelu", "tanh", "silu"}}, default="relu"
        Activation of the hidden layers.
    dropout : float in [0, 1), default=0.1
        Share of units dropped after each hidden layer.
    max_epochs : int, default=40
        Maximum number of passes over the training images.
    {shared}

    See Also
    --------
    TransferCellClassifier : A convolutional or transformer backbone and a dense head.

    Examples
    --------
    >>> from skblood import MLPCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = MLPCellClassifier(hidden_layer_sizes=(64,), max_epochs=3, random_state=0)
    >>> clf.fit(X, y).predict(X).shape
    (160,)
    """

    _parameter_constraints = {
        **CellClassifier._parameter_constraints,
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    _odd_rows = "keep"

    def __init__(
        self,
        hidden_layer_sizes: t.LayerSizes = (1024, 512),
        *,
        activation: t.Activation = "relu",
        dropout: float = 0.1,
        image_shape: t.ImageShape = None,
        image_size: t.ImageSize = None,
        augment: t.AugmentPolicy = "cells",
        optimizer: t.Optimizer = "adamw",
        lr: t.LearningRate = "auto",
        weight_decay: float = 0.02,
        lr_schedule: t.Schedule = "onecycle",
        batch_size: int = 64,
        max_epochs: int = 40,
        loss: t.Loss = "cross_entropy",
        label_smoothing: float = 0.1,
        class_weight: t.ClassWeight = None,
        early_stopping: bool | int = False,
        validation_fraction: float = 0.1,
        scoring: t.Scoring = "f1_macro",
        callbacks: t.Callbacks = None,
        warm_start: bool = False,
        device: str = "auto",
        precision: t.Precision = "auto",
        random_state: t.RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.image_shape = image_shape
        self.image_size = image_size
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
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def _backbones(self):
        return [BackboneSpec(PIXELS)], [None]

    def _head(self):
        return replace(super()._head(), activation=self.activation, batch_norm=True)
