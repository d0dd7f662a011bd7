"""Classifier whose backbone is trained by supervised contrastive learning."""

from __future__ import annotations

from numbers import Integral, Real

import torch
from torch import nn

from skblood import _typing as t
from skblood._sklearn import Interval, StrOptions
from skblood.networks import CellNetwork, make_head
from skblood.training import Phase, StreamedSet, SupervisedContrastiveLoss

from ._base import BACKBONE_CONSTRAINTS, PREPROCESSING_CONSTRAINTS
from ._classifier import CellClassifier
from ._docs import document


@document
class ContrastiveCellClassifier(CellClassifier):
    """Classifier on features of supervised contrastive learning (Khosla et al. 2020).

    In the first phase, of `pretrain_epochs`, two augmentations of each image pass the backbone and
    a projection head; the loss pulls projections of one class together and pushes those of
    different classes apart. In the second phase, of `max_epochs`, the projection head is dropped,
    the backbone is frozen, and a head is trained on the features of the images.

    Parameters
    ----------
    backbone : str, default="cellnet_s"
        As in `TransferCellClassifier`. Battu et al. 2024 took ``"resnetv2_50"``.
    weights : "default", "pbc", "blood8-2", None or path-like, default="default"
        Initial weights of the backbone, as in `TransferCellClassifier`.
    trainable : "all" or int, default="all"
        Train the whole backbone in the first phase, or its last `trainable` stages.
    projection_dim : int, default=128
        Outputs of the projection head, which has one hidden layer as wide as the features.
    temperature : float, default=0.1
        Divisor of the similarities. The smaller it is, the more weight the nearest cells of other
        classes have.
    pretrain_epochs : int, default=20
        Epochs of the first phase.
    pretrain_lr : float or "auto", default="auto"
        Highest learning rate of the first phase. "auto" is 5e-4 for a pretrained backbone, else
        3e-3.
    hidden_layer_sizes : tuple of int, default=()
        Units of each hidden layer (ReLU) of the head; () makes it linear.
    dropout : float in [0, 1), default=0.0
        Share of units dropped after each hidden layer; without one, of the features.
    lr : float or "auto", default="auto"
        Highest learning rate of the head. "auto" is 3e-3.
    max_epochs : int, default=20
        Maximum number of epochs of the second phase.
    early_stopping : bool or int, default=False
        As in `TransferCellClassifier`, for the second phase; the first phase always has all its
        epochs. A part of `X` that is set aside is set aside in both phases.
    memory : None, str, path-like or `skblood.FeatureStore`, default=None
        As in `TransferCellClassifier`, for decoded image files only: the features of this backbone
        are of no use to another fit.
    warm_start : bool, default=False
        Continue from the fitted backbone and head when `fit` is called again, with a fresh
        projection head and fresh optimizers.
    {shared}

    See Also
    --------
    TransferCellClassifier : Trains backbone and head together, by cross-entropy.

    Notes
    -----
    In the first phase, sample and class weights multiply the loss of an image as an anchor; the
    images that it is compared with count equally. `loss`, `label_smoothing` and validation apply
    to the second phase only. In `history_`, ``phase`` is "contrastive" or "head"; the losses of
    the two phases cannot be compared.

    `partial_fit` is not supported: a head that learns from new images cannot change the backbone.

    A larger `batch_size` gives each image more others to be compared with.

    References
    ----------
    Khosla et al. 2020: Supervised contrastive learning, NeurIPS 33, equation 2.

    Examples
    --------
    >>> from skblood import ContrastiveCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = ContrastiveCellClassifier(
    ...     "cellnet_t", pretrain_epochs=2, max_epochs=3, random_state=0
    ... )
    >>> clf.fit(X, y).predict_proba(X[:2]).shape
    (2, 8)
    >>> clf.history_[:, "phase"]
    ['contrastive', 'contrastive', 'head', 'head', 'head']
    """

    _parameter_constraints = {
        **CellClassifier._parameter_constraints,
        **BACKBONE_CONSTRAINTS,
        **PREPROCESSING_CONSTRAINTS,
        "trainable": [StrOptions({"all"}), Interval(Integral, 1, None, closed="left")],
        "projection_dim": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "pretrain_epochs": [Interval(Integral, 1, None, closed="left")],
        "pretrain_lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        backbone: str = "cellnet_s",
        *,
        weights: t.Weights = "default",
        trainable: t.Trainable = "all",
        projection_dim: int = 128,
        temperature: float = 0.1,
        pretrain_epochs: int = 20,
        pretrain_lr: t.LearningRate = "auto",
        hidden_layer_sizes: t.LayerSizes = (),
        dropout: float = 0.0,
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
        self.projection_dim = projection_dim
        self.temperature = temperature
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
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

    @property
    def partial_fit(self):
        """Not supported."""
        raise AttributeError(
            "There is no partial_fit: it cannot change the backbone. Call fit on all images "
            "(warm_start=True)."
        )

    def _n_epochs(self):
        return [int(self.pretrain_epochs), int(self.max_epochs)]

    def _feature_store(self):
        # The backbone is new in each fit, and so are its features.
        return None

    def _learning_rate(self, spec):
        return 3e-3 if self.lr == "auto" else self.lr

    def _phases(self, fitting, data, network):
        if isinstance(data, StreamedSet):
            data.encoded(None)  # raises now, not after the first phase
        if network is None:
            network = fitting.create_network(data)
        yield self._contrastive_phase(fitting, data, network.backbones)
        for backbone in network.backbones:
            backbone.train_only("head")
        prepared = fitting.prepare(data, network, new_features=True)
        yield fitting.phase(*prepared, int(self.max_epochs), "head")

    def _contrastive_phase(self, fitting, data, backbones):
        spec, device = fitting.spec, fitting.device
        for backbone, each in zip(backbones, spec.backbones, strict=True):
            backbone.train_only(each.trained)
        width = sum(backbone.num_features for backbone in backbones)
        projection = make_head(width, (width,), int(self.projection_dim), dropout=0.0)
        network = CellNetwork(backbones, projection, spec.image_size, spec.interpolation)
        network.to(device, memory_format=torch.channels_last)
        lr = self.pretrain_lr
        if lr == "auto":
            lr = 5e-4 if spec.backbones[0].weights is not None else 3e-3
        train, _ = data.samples(self.class_weight, device)
        augment, n_epochs = fitting.augmentation or nn.Identity(), int(self.pretrain_epochs)

        def views(images):
            return torch.cat([augment(images), augment(images)])

        criterion = SupervisedContrastiveLoss(self.temperature)
        return Phase(network, train, None, n_epochs, criterion, lr, views, "contrastive")
