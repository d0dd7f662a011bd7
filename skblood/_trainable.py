"""What is trained: the parameters of training, and the training of a network on images."""

import copy
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real

import torch
from sklearn.metrics import get_scorer_names

from skblood._base import CellModel
from skblood._sklearn import Interval, StrOptions
from skblood.augment import CellAugment
from skblood.backbones import Standardize
from skblood.training import (
    OPTIMIZERS,
    BestEpoch,
    CellNetwork,
    LearningRateSchedule,
    Progress,
    TrainingNet,
    ValidationScore,
    WeightedLoss,
    autocast_dtype,
    draw_seed,
    make_head,
    resolve_device,
    seeded,
)


@dataclass(kw_only=True, repr=False, eq=False)
class TrainableModel(CellModel):
    """A model that trains a network; a subclass says which backbones and which head."""

    hidden_layer_sizes: tuple = (256,)
    dropout: float = 0.3
    augment: object = "cells"
    optimizer: str = "adamw"
    lr: float | str = "auto"
    weight_decay: float = 0.02
    momentum: float = 0.9
    lr_schedule: str | None = "onecycle"
    batch_size: int = 64
    max_epochs: int = 20
    shuffle: bool = True
    loss: str = "cross_entropy"
    label_smoothing: float = 0.1
    class_weight: object = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    tol: float = 1e-4
    scoring: object = "f1_macro"
    callbacks: list | None = None
    warm_start: bool = False
    compile: bool = False

    _parameter_constraints = {
        **CellModel._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": [StrOptions({"cells"}), callable, None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "lr_schedule": [StrOptions({"onecycle", "cosine"}), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "loss": [StrOptions({"cross_entropy", "focal"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "compile": ["boolean"],
    }

    def _make_backbones(self, image_shape, statistics):
        """Build the backbones for images of a shape and with these channel statistics."""
        raise NotImplementedError

    def _make_head(self, n_features, n_classes):
        return make_head(n_features, self.hidden_layer_sizes, n_classes, dropout=self.dropout)

    def _fine_tunes(self):
        """Say whether weights are trained that were pretrained."""
        return False

    def _views(self):
        """Return the views of each image that a head is trained on, 0 being the image itself."""
        return range(1)

    def _phases(self):
        """Return the number of epochs of each phase; every phase has a fresh optimizer."""
        return [self.max_epochs]

    def _train(self, data, network):
        """Train `network`, or a new one if that is None, in as many phases as there are."""
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        if self.early_stopping and data.valid_images is None:
            data = data.split(self.validation_fraction, seed)
        with seeded(seed, device):
            network, train, valid = self._to_device(data, network, device)
            score = ValidationScore(self.scoring, self.classes_)
            best = BestEpoch(score.name, self.n_iter_no_change, self.tol)
            net = None
            for n_epochs in self._phases():
                n_steps = n_epochs * len(train.batches(self.batch_size, device))
                callbacks = [LearningRateSchedule(self.lr_schedule, n_steps)]
                callbacks += [score] if valid else []
                # The last one, since it ends the training.
                last = [best] if self.early_stopping else []
                net = self._make_net(network, device, net, n_epochs, callbacks, last)
                net.train_for(train, valid, n_epochs)
        net.optimizer_.state.clear()  # twice the size of the network, and of no more use
        self._keep(net, device)
        self.training_data_ = data.describe()
        if self.early_stopping:
            self.best_epoch_ = best.best_epoch_
        self._online = False

    def _keep(self, net, device):
        net.module_.eval()
        self.net_, self.history_, self.device_ = net, net.history_, str(device)
        self.n_iter_ = self.best_epoch_ = len(net.history_)

    def _to_device(self, data, network, device):
        """Return the network, made if need be, and the samples to train and validate on."""
        fresh = network is None
        if fresh:
            network = self._make_network(data)
        network.to(device, memory_format=torch.channels_last)
        if self.compile:
            network.compile()  # in place: a copy or a pickle of it is not compiled
        if network.frozen:
            data = data.encoded(partial(self._encode, network), self._views())
            if fresh:
                network.scale = Standardize(*data.channel_statistics()).to(device)
        return network, *data.samples(self.class_weight, device)

    def _make_network(self, data):
        backbones = self._make_backbones(self.image_shape_, data.channel_statistics())
        n_features = sum(backbone.num_features for backbone in backbones)
        head = self._make_head(n_features, len(self.classes_))
        return CellNetwork(backbones, head, self.image_size_, self.interpolation)

    def _make_net(self, network, device, former, n_epochs, callbacks=(), last=()):
        """Return a net with a fresh optimizer, which goes on with the history of the former."""
        # The user's own callbacks are copied: skorch writes into them.
        callbacks = [*callbacks, *copy.deepcopy(self.callbacks or [])]
        callbacks += [Progress(n_epochs)] if self.verbose else []
        net = TrainingNet(
            network,
            criterion=WeightedLoss(self.loss, self.label_smoothing),
            optimizer=OPTIMIZERS[self.optimizer],
            lr=self._learning_rate(),
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            batch_size=self.batch_size,
            iterator_train__shuffle=self.shuffle,
            callbacks=[*callbacks, *last],
            device=str(device),
            augment=self._augmentation(),
            autocast_dtype=autocast_dtype(self.precision, device),
            train_split=None,
            verbose=0,
        )
        net.initialize()
        net.module = CellNetwork  # the network is net.module_; a pickle would hold it twice
        if former is not None:
            net.history_ = former.history_
        return net

    def _learning_rate(self):
        if self.lr == "auto":
            return 5e-4 if self._fine_tunes() else 3e-3
        return self.lr

    def _augmentation(self):
        if self.augment == "cells":
            return CellAugment() if self._is_pixels and min(self.image_shape_[:2]) > 1 else None
        return self.augment
