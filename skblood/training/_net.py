"""The skorch net that trains a network on samples."""

import math
from contextlib import closing, nullcontext, suppress
from functools import partial

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, EpochTimer, LRScheduler, PassthroughScoring
from skorch.history import History

from skblood.inference import autocast, relocate

from ._callbacks import StopTraining, ValidationScore
from ._depthwise import DepthwiseGradients
from ._exceptions import NonFiniteLossError
from ._processes import GO_ON, INTERRUPT, STOP

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
    "rmsprop": partial(torch.optim.RMSprop, momentum=0.9),
}


def make_optimizer(optimizer, parameters, lr, weight_decay, device):
    """Create an optimizer; biases and normalization layers have no weight decay.

    Parameters
    ----------
    optimizer : str or callable
        A key of `OPTIMIZERS`, or a torch optimizer class or a partial of one.
    parameters : list of torch.nn.Parameter
    lr, weight_decay : float
    device : torch.device
    """
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if not isinstance(optimizer, str):
        return optimizer(groups, lr=lr)
    # A single kernel for all parameters, where torch has one.
    fused = {"fused": True} if optimizer != "rmsprop" and device.type != "mps" else {}
    return OPTIMIZERS[optimizer](groups, lr=lr, **fused)


class TrainingNet(ClassifierMixin, NeuralNet):
    """A skorch net whose data are `Samples` and whose batches are made on the device.

    To skorch's callbacks it is a classifier of class codes; they score the logits that training and
    validation have computed.

    Parameters
    ----------
    module : CellNetwork
        The network.
    augment : callable or None
        Maps a float batch ``(n, c, h, w)`` in 0..1 to one of the same shape, in training only.
    autocast_dtype : torch.dtype
        The precision of passes over pixels.
    weight_decay : float
    **kwargs
        Those of `skorch.NeuralNet`.
    """

    def __init__(self, module, *, augment, autocast_dtype, weight_decay, **kwargs):
        softmax = partial(torch.softmax, dim=1)
        options = {"train_split": None, "predict_nonlinearity": softmax, "use_caching": True}
        super().__init__(module, verbose=0, **options, **kwargs)
        # A torch module among its attributes would be trained, too; a bound method is not.
        self.augment = augment.forward if isinstance(augment, torch.nn.Module) else augment
        self.autocast_dtype = autocast_dtype
        self.weight_decay = weight_decay
        self.iterator_train__shuffle = True
        self.processes = None

    def __setstate__(self, state):
        """Load the tensors onto the device that this process has."""
        device = relocate(state["device"], is_named=False)
        super().__setstate__({**state, "device": str(device)})

    @property
    def classes_(self):
        """Class codes."""
        return np.arange(self.module_.head[-1].out_features)

    def predict(self, X):
        """Return class codes."""
        return self.predict_proba(X).argmax(axis=1)

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring("valid_loss")),
        ]

    def initialize_optimizer(self, *args, **kwargs):
        """Create the optimizer."""
        trained = [p for p in self.module_.parameters() if p.requires_grad]
        self.optimizer_ = make_optimizer(
            self.optimizer, trained, self.lr, self.weight_decay, torch.device(self.device)
        )
        return self

    def train_for(self, train, valid, n_epochs, processes=None):
        """Train for at most `n_epochs`, together with the other processes, if there are any.

        Ctrl-C is raised, not swallowed as in skorch, and the incomplete epoch leaves no row in the
        history. Callbacks end the training by StopTraining or, as skorch's EarlyStopping, by a
        KeyboardInterrupt of their own.
        """
        samples, self.processes = (train, valid), processes
        together = nullcontext() if processes is None else processes.training(self.module_)
        # skorch's LRScheduler takes the length of the history for the age of the optimizer.
        former, self.history_ = self.history_, History()
        self.notify("on_train_begin", X=samples, y=None)
        if not self.history_:  # no checkpoint has restored one
            self.history_ = former
        try:
            with together, suppress(StopTraining):
                self.fit_loop(samples, epochs=n_epochs)
        except KeyboardInterrupt:
            callbacks = [callback for _, callback in self.callbacks_]
            if any(isinstance(c, EarlyStopping) and c.misses_ >= c.patience for c in callbacks):
                return self
            # What is recorded last of all in an epoch.
            names = [c.name for c in callbacks if isinstance(c, ValidationScore)] or ["train_loss"]
            if self.history and names[-1] not in self.history[-1]:
                self.history.pop()
            raise
        finally:
            self.notify("on_train_end", X=samples, y=None)
            self.processes = None  # it cannot be pickled
            for _, callback in self.callbacks_:
                if isinstance(callback, LRScheduler):
                    callback.lr_scheduler_ = None  # a pickle would hold the weights twice
        return self

    def get_split_datasets(self, X, y=None, **kwargs):
        """Return the training and the validation samples, which were split before."""
        return X

    def get_iterator(self, dataset, training=False):
        """Return the batches of an epoch."""
        shuffle = training and self.iterator_train__shuffle
        device = torch.device(self.device)
        return dataset.batches(self.batch_size, device, shuffle, self.processes)

    def notify(self, method_name, **kwargs):
        """Call the callbacks; one that ends the training ends it in all processes."""
        if method_name != "on_epoch_end" or self.processes is None:
            return super().notify(method_name, **kwargs)
        ended = None
        try:
            super().notify(method_name, **kwargs)
        except (StopTraining, KeyboardInterrupt) as error:
            ended = error
        wish = {type(None): GO_ON, StopTraining: STOP}.get(type(ended), INTERRUPT)
        agreed = self.processes.agree(wish)
        self.history[-1]["dur"] = self.processes.broadcast(self.history[-1].get("dur"))
        if agreed:
            raise ended or (StopTraining if agreed == STOP else KeyboardInterrupt)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run through the batches; their losses go into the history when all are done.

        skorch asks for each loss at once, and so waits for the device at each batch.
        """
        if iterator is None:
            return
        if training and self.processes is not None:
            self.processes.vary_randomness()
        if training:
            self._set_training(True)  # here and not at each batch: it visits each layer
        losses, sizes = [], []
        with closing(iter(iterator)) as batches:  # a thread may read them
            for batch in batches:
                self.notify("on_batch_begin", batch=batch, training=training)
                if training:
                    self.history.record_batch("lr", self.optimizer_.param_groups[0]["lr"])
                step = step_fn(batch, **fit_params)
                losses.append(step["loss"].detach())
                sizes.append(len(batch[1][0]))
                self.notify("on_batch_end", batch=batch, training=training, **step)
                if self.processes is not None and self.processes.agree():
                    raise KeyboardInterrupt
        losses = torch.stack(losses).tolist()
        rows = self.history[-1]["batches"][-len(losses) :]
        for row, loss, size in zip(rows, losses, sizes, strict=True):
            row[f"{prefix}_loss"], row[f"{prefix}_batch_size"] = loss, size
        self.history.record(f"{prefix}_batch_count", len(losses))
        odd = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if odd is not None:
            kind = {"train": "training", "valid": "validation"}[prefix]
            rate = rows[odd].get("lr", self.optimizer_.param_groups[0]["lr"])
            instead = "" if self.autocast_dtype == torch.float32 else " or precision='float32'"
            raise NonFiniteLossError(
                f"The {kind} loss is {losses[odd]} in epoch {len(self.history)}, batch {odd + 1} "
                f"of {len(iterator)}, at a learning rate of {rate:.3g}. Set a lower lr (now "
                f"{self.lr:g}){instead}, or check the images at this error's `positions`.",
                iterator.positions(odd),
            )

    def train_step_single(self, batch, **kwargs):
        """Do the forward and the backward pass of a batch."""
        images, target = batch
        x = self.module_.prepare(images)
        if self.augment is not None and x.ndim == 4:
            x = self.augment(x)
        device = torch.device(self.device)
        forward = self.module_ if self.processes is None else self.processes.forward
        gradients = DepthwiseGradients() if device.type == "cpu" else nullcontext()
        with autocast(images, self.autocast_dtype, device), gradients:
            logits = forward(x)
        n_processes = 1
        if self.processes is not None:
            # The loss of the whole batch, whose gradients for the own part are averaged with those
            # of the other processes for theirs.
            logits, n_processes = self.processes.gather(logits, len(images)), self.processes.size
        loss = self.get_loss(logits, target, training=True)
        (n_processes * loss).backward()
        return {"loss": loss, "y_pred": logits}

    def infer(self, x, **kwargs):
        """Do the forward pass of a batch as prediction does."""
        with autocast(x, self.autocast_dtype, torch.device(self.device)):
            logits = self.module_(self.module_.prepare(x))
        return logits if self.processes is None else self.processes.gather(logits, len(x))
