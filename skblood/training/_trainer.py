"""The trainer: networks trained with skorch, phase by phase."""

import copy
from dataclasses import dataclass, field
from functools import partial

import torch
from skorch.callbacks import LRScheduler
from skorch.callbacks.scoring import ScoringBase
from torch import nn

from skblood.images import torch_defaults
from skblood.inference import seeded
from skblood.networks import CellNetwork

from ._callbacks import BestEpoch, InGivenOrder, PhaseName, Progress, ValidationScore, make_schedule
from ._checkpoint import TrainingCheckpoint
from ._losses import WeightedLoss
from ._memory import MemoryAdvice
from ._net import TrainingNet
from ._samples import Samples


@dataclass
class Phase:
    """A part of the training, which starts with a fresh optimizer and schedule.

    Attributes
    ----------
    network : CellNetwork
    train, valid : Samples
        `valid` is None when there are no validation images.
    n_epochs : int
    criterion : torch.nn.Module
        Maps logits and ``(codes, weights)`` to the loss of a batch.
    lr : float
        The highest of the schedule.
    augment : callable or None
        See `TrainingNet`.
    name : str or None, default=None
        Written into the history.
    """

    network: CellNetwork
    train: Samples | None
    valid: Samples | None
    n_epochs: int
    criterion: nn.Module
    lr: float
    augment: object
    name: str | None = None

    @property
    def prepares(self):
        """Whether its network does not classify yet."""
        return not isinstance(self.criterion, WeightedLoss)


@dataclass
class TrainingResult:
    """What a training gives.

    Attributes
    ----------
    net : TrainingNet
    best_epoch : int
        The epoch, counted from 1, whose weights the network has.
    interrupt : KeyboardInterrupt or None
        Ctrl-C that ended the training after a complete epoch.
    """

    net: TrainingNet
    best_epoch: int
    interrupt: BaseException | None = None


@dataclass(kw_only=True)
class Trainer:
    """Train networks with skorch.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    image_shape : tuple of (int, int, int)
    device : torch.device
    dtype : torch.dtype
        Precision of passes over pixels.
    seed : int
    optimizer : str or callable
        See `make_optimizer`.
    processes : Processes or None, default=None
        Those that train together.
    patience : int or None, default=None
        Epochs without improvement after which training stops; None trains all epochs and keeps
        the last weights.
    weight_decay, lr_schedule, batch_size, scoring, callbacks, verbose
        As the parameters of the estimators.
    """

    classes: object
    image_shape: tuple
    device: torch.device
    dtype: torch.dtype
    seed: int
    processes: object = None
    optimizer: object = "adamw"
    weight_decay: float = 0.0
    lr_schedule: str | None = None
    batch_size: int = 64
    patience: int | None = None
    scoring: object = "f1_macro"
    callbacks: list = field(default_factory=list)
    verbose: int = 0

    def __post_init__(self):
        # skorch writes into callbacks, and those are the user's.
        self.callbacks = [_copy(c[1] if isinstance(c, tuple) else c) for c in self.callbacks or []]
        for callback in self.callbacks:
            if isinstance(callback, ScoringBase):
                callback.target_extractor = partial(_extract_codes, callback.target_extractor)
        checkpoints = [c for c in self.callbacks if isinstance(c, TrainingCheckpoint)]
        self.checkpoint = checkpoints[0] if checkpoints else None
        stateless = (TrainingCheckpoint, InGivenOrder)
        others = {type(c).__name__ for c in self.callbacks if not isinstance(c, stateless)}
        if checkpoints and others:
            raise ValueError(
                f"TrainingCheckpoint cannot be used with other callbacks ({', '.join(others)}), "
                "whose state it does not save. Leave one of them out."
            )
        if self.lr_schedule is not None and any(isinstance(c, LRScheduler) for c in self.callbacks):
            raise ValueError(
                f"lr_schedule={self.lr_schedule!r} sets the learning rate of each batch, so that "
                "LRScheduler in callbacks has no effect of its own. Set lr_schedule=None."
            )
        self._advice = MemoryAdvice(self.batch_size, self.image_shape, self.device)

    @torch_defaults()
    def train(self, phases):
        """Train one phase after the other.

        Parameters
        ----------
        phases : callable
            Returns an iterator of Phase; called with the generators seeded, and asked for a phase
            when the one before it is complete. A training that resumes from a checkpoint asks for
            all phases, but trains only what is left.

        Returns
        -------
        result : TrainingResult
        """
        with self._advice, seeded(self.seed, self.device):
            result = self._train_phases(phases())
        is_main = self.processes is None or self.processes.is_main
        if self.checkpoint is not None and result.interrupt is None and is_main:
            self.checkpoint.remove()
        return result

    @torch_defaults()
    def train_epoch(self, phase, former, lr):
        """Train one epoch at a constant learning rate, on a copy of the net of the last call.

        Parameters
        ----------
        phase : callable
            Maps the network of the former net, or None, to a Phase.
        former : TrainingNet or None
            Continues with its optimizer, if that is still there.
        lr : float
        """
        n_done = 0 if former is None else len(former.history_)
        with self._advice, seeded(self.seed + n_done, self.device):
            # A copy, so that an interrupted call leaves the fitted network unchanged.
            net = copy.deepcopy(former)
            phase = phase(None if net is None else net.module_)
            last = None if net is None else net.optimizer_
            net = self.make_net(phase, net, self._user_callbacks(phase))
            if last is not None and type(net.optimizer_) is type(last):
                settings = net.optimizer_.state_dict()["param_groups"]  # those of now
                state = {"state": last.state_dict()["state"], "param_groups": settings}
                net.optimizer_.load_state_dict(state)
            for group in net.optimizer_.param_groups:
                group["lr"] = lr
            net.train_for(phase.train, None, 1, self.processes)
        return TrainingResult(net, len(net.history_))

    def make_net(self, phase, former=None, callbacks=()):
        """Return a net with a fresh optimizer, which continues the history of the former net."""
        net = TrainingNet(
            phase.network,
            criterion=phase.criterion,
            optimizer=self.optimizer,
            lr=phase.lr,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            callbacks=list(callbacks),
            device=str(self.device),
            augment=phase.augment,
            autocast_dtype=self.dtype,
        )
        net.initialize()
        net.module = CellNetwork  # the network is net.module_; a pickle would hold it twice
        if former is not None:
            net.history_ = former.history_
        return net

    def _train_phases(self, phases):
        score = ValidationScore(self.scoring, self.classes)
        best = BestEpoch(score.name, self.patience)
        net, interrupt, n_preparing = None, None, 0
        try:
            for number, phase in enumerate(phases):
                if phase.prepares:
                    n_preparing += phase.n_epochs
                n_done = 0
                if self.checkpoint is not None:
                    n_done = self.checkpoint.enter(number, phase.network)
                if n_done <= phase.n_epochs:
                    net = self.make_net(phase, net, self._callbacks(phase, n_done, score, best))
                    n_left = phase.n_epochs - n_done
                    net.train_for(phase.train, phase.valid, n_left, self.processes)
        except KeyboardInterrupt as error:
            # A phase that only prepares leaves nothing that could predict.
            if net is None or len(net.history_) <= n_preparing:
                raise
            interrupt = error
        net.optimizer_.state.clear()  # twice the size of the network
        return TrainingResult(net, best.best_epoch_ or len(net.history_), interrupt)

    def _callbacks(self, phase, n_done, score, best):
        """Return the callbacks of a phase in the order in which they are called."""
        batches = phase.train.batches(self.batch_size, self.device, processes=self.processes)
        n_steps = phase.n_epochs * len(batches)
        callbacks = [make_schedule(self.lr_schedule, phase.lr, n_steps)]
        if phase.name is not None:
            callbacks.append(PhaseName(phase.name))
        if phase.valid is not None:
            callbacks.append(score)
        callbacks += self._user_callbacks(phase, n_done)
        if self.patience is not None and phase.valid is not None:
            callbacks.append(best)
        if self.checkpoint is not None:
            callbacks.append(self.checkpoint)  # last, since it saves the state of the others
        return callbacks

    def _user_callbacks(self, phase, n_done=0):
        """Return the callbacks that the user asked for, the progress included."""
        callbacks = [c for c in self.callbacks if c is not self.checkpoint]
        if phase.prepares:
            callbacks = [c for c in callbacks if not _needs_predictions(c)]
        elif phase.valid is None:
            _check_monitors(callbacks)
        if self.verbose and (self.processes is None or self.processes.is_main):
            callbacks.append(Progress(phase.n_epochs, n_done, lines=self.verbose > 1))
        return callbacks


def _copy(callback):
    """Return a copy, deep unless the callback holds what cannot be copied, such as a lock."""
    try:
        return copy.deepcopy(callback)
    except TypeError:
        return copy.copy(callback)


def _extract_codes(extractor, target):
    """Return what a score takes of a target ``(codes, weights)``."""
    return extractor(target[0])


def _needs_predictions(callback):
    """Return whether a callback computes a score, or watches one or the validation loss."""
    watches_other = getattr(callback, "monitor", "train_loss") != "train_loss"
    return isinstance(callback, ScoringBase) or watches_other


def _check_monitors(callbacks):
    """Raise ValueError if a callback watches validation images, of which there are none."""
    for callback in callbacks:
        if str(monitor := getattr(callback, "monitor", "")).startswith("valid"):
            raise ValueError(
                f"{type(callback).__name__} in callbacks has monitor={monitor!r}, but there are no "
                "validation images. Use fit with X_val and y_val, or early_stopping, or "
                "monitor='train_loss'."
            )
