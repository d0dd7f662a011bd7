"""What is trained: the parameters of training, and the training of a network on images."""

import copy
import os
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real

import torch
from sklearn.base import clone
from sklearn.metrics import get_scorer_names
from torch import nn

from skblood._sklearn import Interval, StrOptions
from skblood.augment import POLICIES, make_augment
from skblood.estimators._base import CellModel
from skblood.estimators._identity import checkpoint_file
from skblood.inference import draw_seed, resolve_device, seeded
from skblood.networks import CellNetwork, Standardize, make_head
from skblood.training import (
    OPTIMIZERS,
    BestEpoch,
    Checkpoint,
    LearningRateSchedule,
    MemoryAdvice,
    Samples,
    TrainingInterrupted,
    TrainingNet,
    ValidationScore,
    WeightedLoss,
    show_progress,
)


@dataclass
class Phase:
    """A part of the training, which begins with a fresh optimizer and schedule.

    Attributes
    ----------
    network : CellNetwork
    train, valid : Samples
        `valid` is None when nothing validates.
    n_epochs : int
    criterion : torch.nn.Module
        Maps logits and ``(codes, weights)`` to the loss of a batch.
    lr : float
    augment : callable or None
        See `TrainingNet`.
    callbacks : tuple of skorch callbacks
    """

    network: CellNetwork
    train: Samples
    valid: Samples | None
    n_epochs: int
    criterion: nn.Module
    lr: float
    augment: object
    callbacks: tuple = ()


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
    checkpoint: object = None
    compile: bool = False

    _parameter_constraints = {
        **CellModel._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": [StrOptions(set(POLICIES)), callable, None],
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
        "checkpoint": [str, os.PathLike, None],
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

    def _epochs(self):
        """Return the number of epochs of each phase."""
        return [self.max_epochs]

    def _phases(self, data, network, device):
        """Yield the phases of training; each is asked for when the one before it is done.

        A fit that goes on from a checkpoint asks for all of them, too, but trains only what is
        left; the backbones of a phase that is done have its weights by then.
        """
        network, train, valid = self._to_device(data, network, device)
        for n_epochs in self._epochs():
            yield self._phase(network, train, valid, n_epochs)

    def _phase(self, network, train=None, valid=None, n_epochs=1):
        """Return a phase in which the network learns to classify."""
        criterion = WeightedLoss(self.loss, self.label_smoothing)
        settings = criterion, self._learning_rate(), self._augmentation()
        return Phase(network, train, valid, n_epochs, *settings)

    def _train(self, data, network):
        """Train `network`, or a new one if that is None, in as many phases as there are."""
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        checkpoint = Checkpoint(checkpoint_file(self, data, device, seed), seed)
        if self.early_stopping and data.valid_images is None:
            data = data.split(self.validation_fraction, checkpoint.seed)
        with MemoryAdvice(self.batch_size, self.image_shape_, device):
            with seeded(checkpoint.seed, device):
                self._train_phases(data, network, device, checkpoint)
        checkpoint.remove()

    def _train_phases(self, data, network, device, checkpoint):
        score = ValidationScore(self.scoring, self.classes_)
        best = BestEpoch(score.name, self.n_iter_no_change, self.tol)
        net = None
        try:
            for number, phase in enumerate(self._phases(data, network, device)):
                n_done = checkpoint.enter(number, phase.network)
                if n_done > phase.n_epochs:
                    continue
                n_steps = phase.n_epochs * len(phase.train.batches(self.batch_size, device))
                callbacks = [LearningRateSchedule(self.lr_schedule, n_steps)]
                callbacks += [*phase.callbacks, *([score] if phase.valid else [])]
                # The last ones: best ends the training, a checkpoint writes down what all hold.
                last = [best] if self.early_stopping and phase.valid else []
                last += [checkpoint]
                net = self._make_net(phase, device, net, n_done, callbacks, last)
                net.train_for(phase.train, phase.valid, phase.n_epochs - n_done)
        except KeyboardInterrupt as interrupt:
            # A phase that only prepares leaves nothing that could predict.
            if net is not None and net.history_ and isinstance(net.criterion, WeightedLoss):
                raise self._interrupted(net, device, data, best) from interrupt
            raise
        self._finish(net, device, data, best)

    def _interrupted(self, net, device, data, best):
        """Return what a fit that Ctrl-C ended raises: it holds a copy, fitted until then."""
        estimator = clone(self)
        learnt = {k: v for k, v in vars(self).items() if k not in self.get_params(deep=False)}
        vars(estimator).update(learnt)
        estimator._finish(net, device, data, best)
        how = (
            "set checkpoint= to a folder, and the same fit goes on from there next time"
            if self.checkpoint is None
            else f"the same fit goes on from here, from the checkpoint in {str(self.checkpoint)!r}"
        )
        return TrainingInterrupted(
            f"Training was interrupted after {len(net.history_)} of {sum(self._epochs())} epochs. "
            "What was learnt until then is in the attribute `estimator` of this exception, a "
            f"fitted {type(self).__name__}; {how}.",
            estimator,
        )

    def _finish(self, net, device, data, best):
        """Set the fitted attributes."""
        net.optimizer_.state.clear()  # twice the size of the network, and of no more use
        self._keep(net, device)
        self.training_data_ = data.describe()
        vars(self).pop("adaptation_", None)  # it spoke of the network before
        if getattr(best, "best_epoch_", 0):
            self.best_epoch_ = best.best_epoch_
        self._online = False

    def _keep(self, net, device):
        net.module_.eval()
        self.net_, self.history_, self.device_ = net, net.history_, str(device)
        self.n_iter_ = self.best_epoch_ = len(net.history_)

    def _to_device(self, data, network, device):
        """Return the network, made if need be, and the samples to train and validate on."""
        if network is None:
            network = self._make_network(data.channel_statistics())
        network.to(device, memory_format=torch.channels_last)
        if self.compile:
            network.compile()  # in place: a copy or a pickle of it is not compiled
        if network.frozen:
            data = data.encoded(partial(self._encode, network), self._views())
            if isinstance(network.scale, nn.Identity):
                network.scale = Standardize(*data.channel_statistics()).to(device)
        return network, *data.samples(self.class_weight, device)

    def _make_network(self, statistics):
        backbones = self._make_backbones(self.image_shape_, statistics)
        n_features = sum(backbone.num_features for backbone in backbones)
        head = self._make_head(n_features, len(self.classes_))
        return CellNetwork(backbones, head, self.image_size_, self.interpolation)

    def _blank_network(self):
        """Build the network that a fitted model has, for weights that are loaded afterwards."""
        n_channels = self.image_shape_[2]
        network = self._make_network((torch.zeros(n_channels), torch.ones(n_channels)))
        if network.frozen:
            n_features = sum(backbone.num_features for backbone in network.backbones)
            network.scale = Standardize(torch.zeros(n_features), torch.ones(n_features))
        return network.to(memory_format=torch.channels_last)

    def _adopt(self, network):
        """Take over a network that was trained elsewhere, beside the other fitted attributes."""
        device = resolve_device(self.device)
        net = self._make_net(self._phase(network.to(device)), device)
        net.history_ = self.history_
        self._keep(net, device)
        self._online = False  # partial_fit starts with a fresh optimizer

    def _make_net(self, phase, device, former=None, n_done=0, callbacks=(), last=()):
        """Return a net with a fresh optimizer, which goes on with the history of the former."""
        # The user's own callbacks are copied: skorch writes into them.
        callbacks = [*callbacks, *copy.deepcopy(self.callbacks or [])]
        callbacks += show_progress(self.verbose, phase.n_epochs, n_done)
        net = TrainingNet(
            phase.network,
            criterion=phase.criterion,
            optimizer=OPTIMIZERS[self.optimizer],
            lr=phase.lr,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            batch_size=self.batch_size,
            iterator_train__shuffle=self.shuffle,
            callbacks=[*callbacks, *last],
            device=str(device),
            augment=phase.augment,
            autocast_dtype=self._autocast_dtype(device),
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
        if not isinstance(self.augment, str):
            return self.augment
        takes = self._is_pixels and min(self.image_shape_[:2]) > 1
        return make_augment(self.augment) if takes else None
