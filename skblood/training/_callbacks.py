"""skorch callbacks: learning-rate schedule, validation score, best epoch, progress."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, OneCycleLR
from tqdm.auto import tqdm

from ._outputs import PredictedClassifier

# Steps of a training below which a schedule would not reach its highest rate.
_SHORT = 10
# Improvement of the validation score that counts.
_TOLERANCE = 1e-4


class StopTraining(Exception):
    """Raised by a callback to end the training normally."""


class InGivenOrder(Callback):
    """Train on the images in the order in which they were given, in every epoch.

    By default images are drawn in random order. For the systems of papers that did not shuffle.

    Examples
    --------
    >>> from skblood import MLPCellClassifier
    >>> from skblood.training import InGivenOrder
    >>> clf = MLPCellClassifier(callbacks=[InGivenOrder()])
    """

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Switch shuffling off."""
        net.iterator_train__shuffle = False


class PhaseName(Callback):
    """Write the name of a phase of training into the history.

    Parameters
    ----------
    name : str
        Recorded as ``phase``.
    """

    def __init__(self, name):
        self.name = name

    def on_epoch_begin(self, net, **kwargs):
        """Name the epoch."""
        net.history.record("phase", self.name)


def make_schedule(lr_schedule, lr, n_steps):
    """Return the callback that sets the learning rate of each batch of a phase.

    Parameters
    ----------
    lr_schedule : {"onecycle", "cosine"} or None
        One-cycle (Smith 2018), cosine annealing, or constant; constant below ten batches.
    lr : float
        The highest rate.
    n_steps : int
        Batches in this phase.
    """
    if lr_schedule is None or n_steps < _SHORT:
        policy, settings = ConstantLR, {"factor": 1.0}
    elif lr_schedule == "onecycle":
        # The momentum is the user's; it is not cycled along with the rate.
        settings = {"max_lr": lr, "total_steps": n_steps, "cycle_momentum": False}
        policy = OneCycleLR
    else:
        policy, settings = CosineAnnealingLR, {"T_max": n_steps}
    return LRScheduler(policy, event_name=None, step_every="batch", **settings)


class ValidationScore(Callback):
    """Score the validation images after each epoch.

    Parameters
    ----------
    scoring : str or callable
        A scikit-learn scorer. Recorded as ``valid_<scoring>``, or ``valid_score`` for a callable.
    classes : ndarray of shape (n_classes,)
        The labels, in the order of the logits.
    """

    def __init__(self, scoring, classes):
        self.scoring = scoring
        self.classes = classes
        self.name = f"valid_{scoring if isinstance(scoring, str) else 'score'}"
        self.logits_, self.codes_ = [], []

    def on_batch_end(self, net, batch=None, training=None, y_pred=None, **kwargs):
        """Keep the predictions for the validation images."""
        if not training:
            self.logits_.append(y_pred.float().cpu().numpy())
            self.codes_.append(batch[1][0].cpu().numpy())

    def on_epoch_end(self, net, **kwargs):
        """Score the predictions, and forget them."""
        predicted = PredictedClassifier(np.concatenate(self.logits_), self.classes)
        truth = self.classes[np.concatenate(self.codes_)]
        score = float(get_scorer(self.scoring)(predicted, np.arange(len(truth)), truth))
        if not np.isfinite(score):
            raise ValueError(
                f"scoring={self.scoring!r} gave {score} on the validation images. Use another "
                "scorer, such as 'f1_macro', or give more validation images."
            )
        net.history.record(self.name, score)
        self.logits_, self.codes_ = [], []


class BestEpoch(Callback):
    """Stop when nothing improves, and restore the weights of the best epoch.

    The best epoch has the highest score; among equals, the lowest validation loss.

    Parameters
    ----------
    score_name : str
        Name of the score in the history.
    patience : int
        Epochs without an improvement of the score by 1e-4 after which training stops.
    """

    def __init__(self, score_name, patience):
        self.score_name = score_name
        self.patience = patience
        self.best_, self.best_epoch_, self.best_state_ = (-np.inf, -np.inf), 0, None

    def on_train_begin(self, net, **kwargs):
        """Reset the count; a second phase still has to beat the best epoch of the first."""
        self.reference_, self.misses_ = self.best_[0], 0

    def on_epoch_end(self, net, **kwargs):
        """Compare the epoch with the best one so far."""
        last = net.history[-1]
        score, loss = last[self.score_name], float(last["valid_loss"])
        if (score, -loss) > self.best_:
            self.best_, self.best_epoch_ = (score, -loss), len(net.history)
            self.best_state_ = copy.deepcopy(net.module_.state_dict())
        if score > self.reference_ + _TOLERANCE:
            self.reference_, self.misses_ = score, 0
        else:
            self.misses_ += 1
        if self.misses_ >= self.patience:
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        """Restore the best weights."""
        if self.best_state_ is not None:
            net.module_.load_state_dict(self.best_state_)

    def __getstate__(self):
        """Leave out the weights: the network has them."""
        return {**vars(self), "best_state_": None}

    def state_dict(self):
        """Return what is known of the epochs so far."""
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def load_state_dict(self, state):
        """Restore it."""
        vars(self).update(state)


class Progress(Callback):
    """Show the progress on the standard error.

    Parameters
    ----------
    n_epochs : int
        Epochs at most.
    n_done : int, default=0
        Epochs that were trained before.
    lines : bool, default=False
        Print a line for each epoch, for logs, instead of a progress bar.
    """

    def __init__(self, n_epochs, n_done=0, lines=False):
        self.n_epochs = n_epochs
        self.n_done = n_done
        self.lines = lines

    def on_train_begin(self, net, X=None, **kwargs):
        """Open the bar."""
        n_batches = len(net.get_iterator(X[0], training=True))
        self.epoch_ = self.n_done
        self.bar_ = tqdm(
            total=self.n_epochs * n_batches,
            initial=self.n_done * n_batches,
            unit="batch",
            dynamic_ncols=True,
            disable=self.lines,
        )

    def on_epoch_begin(self, net, **kwargs):
        """Show which epoch it is."""
        self.epoch_ += 1
        self.bar_.set_description(f"epoch {self.epoch_}/{self.n_epochs}", refresh=False)

    def on_batch_end(self, net, training=None, **kwargs):
        """Advance by a training batch."""
        if training:
            self.bar_.update()

    def on_epoch_end(self, net, **kwargs):
        """Show the losses and the score."""
        last = net.history[-1]
        names = [k for k in last if k.startswith(("train_", "valid_"))]
        figures = {k: f"{last[k]:.4g}" for k in names if isinstance(last[k], float)}
        self.bar_.set_postfix(figures)
        if self.lines:
            text = ", ".join(f"{name} {value}" for name, value in figures.items())
            line = f"epoch {self.epoch_}/{self.n_epochs}: {text} ({last['dur']:.1f} s)"
            print(line, file=sys.stderr, flush=True)

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self.bar_.close()
        del self.bar_  # it holds a stream, which cannot be pickled
