"""skorch callbacks of our own: schedule, score, best epoch, progress."""

import copy
import sys

import numpy as np
from sklearn.metrics import get_scorer
from skorch.callbacks import Callback, PassthroughScoring
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from tqdm.auto import tqdm

from ._outputs import PredictedClassifier


class StopTraining(Exception):
    """Raised by a callback to end the training in good order."""


class LearningRateSchedule(Callback):
    """Change the learning rate batch by batch, over one phase of training.

    skorch's own LRScheduler takes the length of the history for the age of the optimizer, which
    it is not in a second phase.

    Parameters
    ----------
    lr_schedule : {"onecycle", "cosine"} or None
        Up and down (Smith 2018), down along a cosine, or constant.
    n_steps : int
        Batches in this phase.
    """

    def __init__(self, lr_schedule, n_steps):
        self.lr_schedule = lr_schedule
        self.n_steps = n_steps

    def on_train_begin(self, net, **kwargs):
        """Take hold of the optimizer."""
        self.scheduler_ = None
        if self.lr_schedule == "onecycle":
            # The momentum is the user's; it is not cycled along with the rate.
            self.scheduler_ = OneCycleLR(
                net.optimizer_, max_lr=net.lr, total_steps=self.n_steps, cycle_momentum=False
            )
        elif self.lr_schedule == "cosine":
            self.scheduler_ = CosineAnnealingLR(net.optimizer_, T_max=self.n_steps)

    def on_batch_begin(self, net, training=None, **kwargs):
        """Note the rate that this batch is trained with."""
        if training:
            net.history.record_batch("lr", net.optimizer_.param_groups[0]["lr"])

    def on_batch_end(self, net, training=None, **kwargs):
        """Move on by a training batch."""
        if training and self.scheduler_ is not None:
            self.scheduler_.step()

    def on_train_end(self, net, **kwargs):
        """Let the optimizer go."""
        self.scheduler_ = None

    def state_dict(self):
        """Return how far the schedule has come."""
        return self.scheduler_ and self.scheduler_.state_dict()

    def load_state_dict(self, state):
        """Go on from there."""
        if self.scheduler_ is not None:
            self.scheduler_.load_state_dict(state)


class MeanLoss(PassthroughScoring):
    """The mean loss of an epoch's batches; a state tells which was the lowest before."""

    def state_dict(self):
        """Return the lowest one so far."""
        return float(self.best_score_)

    def load_state_dict(self, state):
        """Go on from there."""
        self.best_score_ = state


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

    @property
    def name(self):
        """The name of the score in the history."""
        return f"valid_{self.scoring if isinstance(self.scoring, str) else 'score'}"

    def on_epoch_begin(self, net, **kwargs):
        """Forget the predictions of the epoch before."""
        self.logits_, self.codes_ = [], []

    def on_batch_end(self, net, batch=None, training=None, y_pred=None, **kwargs):
        """Keep the predictions for the validation images."""
        if not training:
            _, (codes, _) = batch
            self.logits_.append(y_pred.float().cpu().numpy())
            self.codes_.append(codes.cpu().numpy())

    def on_epoch_end(self, net, **kwargs):
        """Score them."""
        predicted = PredictedClassifier(np.concatenate(self.logits_), self.classes)
        truth = self.classes[np.concatenate(self.codes_)]
        scorer = get_scorer(self.scoring)
        score = float(scorer(predicted, truth, truth))
        if not np.isfinite(score):
            raise ValueError(
                f"scoring={self.scoring!r} gave {score} on the validation images. Use a scorer "
                "that is defined on them, such as 'f1_macro', or give more validation images."
            )
        net.history.record(self.name, score)
        self.logits_, self.codes_ = [], []


class BestEpoch(Callback):
    """Keep the weights of the best epoch, restore them, and stop when nothing gets better.

    The best epoch has the highest score; among equals, the lowest validation loss.

    Parameters
    ----------
    score_name : str
        The name of the score in the history.
    n_iter_no_change : int
        Epochs without an improvement of at least `tol` after which training stops.
    tol : float
        The improvement of the score that counts.
    """

    def __init__(self, score_name, n_iter_no_change, tol):
        self.score_name = score_name
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol

    def on_train_begin(self, net, **kwargs):
        """Count anew; a second phase of training still has to beat the best of the first."""
        if not hasattr(self, "best_"):
            self.best_, self.best_epoch_, self.best_state_ = (-np.inf, -np.inf), 0, None
        self.reference_, self.misses_ = self.best_[0], 0

    def on_epoch_end(self, net, **kwargs):
        """Compare the epoch with the best one so far."""
        last = net.history[-1]
        score, loss = last[self.score_name], float(last["valid_loss"])
        if (score, -loss) > self.best_:
            self.best_, self.best_epoch_ = (score, -loss), len(net.history)
            self.best_state_ = copy.deepcopy(net.module_.state_dict())
        if score > self.reference_ + self.tol:
            self.reference_, self.misses_ = score, 0
        else:
            self.misses_ += 1
        if self.misses_ >= self.n_iter_no_change:
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        """Restore the best weights."""
        if self.best_state_ is not None:
            net.module_.load_state_dict(self.best_state_)

    def __getstate__(self):
        """Leave out the weights: the network has them."""
        return {**vars(self), "best_state_": None}

    def state_dict(self):
        """Return what was learnt about the epochs so far."""
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def load_state_dict(self, state):
        """Go on from there."""
        vars(self).update(state)


class Progress(Callback):
    """A bar over all batches of the training, with the time left and the latest figures.

    Parameters
    ----------
    n_epochs : int
        Epochs at most.
    n_done : int, default=0
        Epochs that were trained before.
    """

    def __init__(self, n_epochs, n_done=0):
        self.n_epochs = n_epochs
        self.n_done = n_done

    def on_train_begin(self, net, X=None, **kwargs):
        """Open the bar."""
        train, _ = X
        n_batches = len(net.get_iterator(train, training=True))
        self.epoch_ = self.n_done
        self.bar_ = tqdm(
            total=self.n_epochs * n_batches,
            initial=self.n_done * n_batches,
            unit="batch",
            dynamic_ncols=True,
        )

    def on_epoch_begin(self, net, **kwargs):
        """Name the epoch."""
        self.epoch_ += 1
        self.bar_.set_description(f"epoch {self.epoch_}/{self.n_epochs}", refresh=False)

    def on_batch_end(self, net, training=None, **kwargs):
        """Advance by a training batch."""
        if training:
            self.bar_.update()

    def on_epoch_end(self, net, **kwargs):
        """Show the losses and the score."""
        self.bar_.set_postfix(_figures(net.history[-1]))

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self.bar_.close()
        del self.bar_  # it holds a stream, which cannot be pickled


class EpochLines(Callback):
    """A line on the standard error for each epoch, for logs, where a bar is litter.

    Parameters
    ----------
    n_epochs, n_done : int
        As in `Progress`.
    """

    def __init__(self, n_epochs, n_done=0):
        self.n_epochs = n_epochs
        self.n_done = n_done

    def on_train_begin(self, net, **kwargs):
        """Count anew, in each phase of the training."""
        self.epoch_ = self.n_done

    def on_epoch_end(self, net, **kwargs):
        """Print the losses, the score and the seconds."""
        self.epoch_ += 1
        last = net.history[-1]
        figures = ", ".join(f"{name} {value}" for name, value in _figures(last).items())
        line = f"epoch {self.epoch_}/{self.n_epochs}: {figures} ({last['dur']:.1f} s)"
        print(line, file=sys.stderr, flush=True)


def show_progress(verbose, n_epochs, n_done):
    """Return the callbacks that show the progress: none, a bar, or, above 1, lines."""
    shown = [Progress, EpochLines][verbose > 1](n_epochs, n_done)
    return [shown] if verbose else []


def _figures(epoch):
    """Return the losses and the score of an epoch, as they are shown."""
    shown = {k: v for k, v in epoch.items() if k.startswith(("train_", "valid_"))}
    return {k: f"{v:.4g}" for k, v in shown.items() if isinstance(v, float)}
