"""One fit of a classifier: from its parameters to a trainer, phases and a trained network."""

import warnings
from dataclasses import replace

import numpy as np
import torch

from skblood.augment import make_augment
from skblood.inference import Predictor, draw_seed, pass_dtype, resolve_device
from skblood.networks import NetworkSpec, Standardize, configure_network, create_network
from skblood.training import (
    Phase,
    Trainer,
    TrainingInterrupted,
    WeightedLoss,
    fit_key,
    join_processes,
)

# Epochs without improvement after which early stopping ends a training.
_PATIENCE = 10
# Weights above this overflow when they are multiplied with one another.
_TOO_LARGE = 1e18
# Parameters that the trainer is given as they are.
_OF_TRAINER = ("optimizer", "weight_decay", "lr_schedule", "scoring", "callbacks", "verbose")


def make_spec(estimator, layout, classes, backbones):
    """Return the specification that the parameters ask for."""
    frozen = all(each.trained == "head" for each in backbones)
    return NetworkSpec(
        backbones=tuple(backbones),
        head=replace(estimator._head(), standardize_features=frozen),
        classes=tuple(classes.tolist()),
        precision=estimator.precision,
        **layout.as_fields(),
    )


def warn_if_diverged(network, lr):
    """Warn, on behalf of `fit`, if the last step left weights that are NaN or too large to use."""
    if not all((each.abs() < _TOO_LARGE).all() for each in network.state_dict().values()):
        warnings.warn(
            "The fitted network has weights that are not finite, or too large to predict with: its "
            f"training diverged. Set a lower lr (now {lr}).",
            stacklevel=5,
        )


class Fitting:
    """One fit of a classifier.

    Parameters
    ----------
    estimator : CellClassifier
        Its parameters are read; nothing is set.
    spec : NetworkSpec
    weights : list
        What each backbone of a new network starts from.
    classes : ndarray of shape (n_classes,)

    Attributes
    ----------
    device : torch.device
    trainer : Trainer
    """

    def __init__(self, estimator, spec, weights, classes):
        self.estimator, self.spec, self.weights = estimator, spec, weights
        self.processes = processes = join_processes(estimator.device)
        self.device = processes.device if processes else resolve_device(estimator.device)
        seed = draw_seed(estimator.random_state)
        patience = estimator.early_stopping
        if isinstance(patience, bool | np.bool_):
            patience = _PATIENCE if patience else None
        self.trainer = Trainer(
            classes=classes,
            image_shape=spec.image_shape,
            device=self.device,
            dtype=pass_dtype(spec, self.device),
            seed=processes.broadcast(seed) if processes else seed,
            processes=processes,
            patience=patience and int(patience),
            batch_size=int(estimator.batch_size),
            **{name: getattr(estimator, name) for name in _OF_TRAINER},
        )

    def train(self, data, network):
        """Train a network, or a new one if that is None.

        Returns
        -------
        result : TrainingResult
        data : TrainingSet
            As it was trained on, with validation images set aside.
        """
        estimator, trainer = self.estimator, self.trainer
        if trainer.checkpoint is not None:
            name, parameters = type(estimator).__name__, estimator.get_params(deep=False)
            key = fit_key(name, parameters, data, self.device, trainer.dtype, trainer.seed)
            trainer.seed = trainer.checkpoint.open(name, key, trainer.seed, self.processes)
        if estimator.early_stopping and data.valid_images is None:
            data = data.split(estimator.validation_fraction, trainer.seed)
        self._check_processes(data)
        return trainer.train(lambda: estimator._phases(self, data, network)), data

    def _check_processes(self, data):
        """Raise ValueError if processes cannot train together on this."""
        if self.processes is not None:
            n_epochs, batch_size = self.estimator._n_epochs(), self.trainer.batch_size
            self.processes.check_equal((data.hash(), repr(self.spec), n_epochs, batch_size))
            self.processes.check_size(len(data.rows), batch_size)

    def train_one_epoch(self, data, net):
        """Train for one epoch at a constant rate, on a copy of the network of `net`, if any."""

        def phase(network):
            network, train, _ = self.prepare(data, network, relative=False)
            return self.phase(network, train, None, 1)

        self._check_processes(data)
        return self.trainer.train_epoch(phase, net, self.estimator._learning_rate(self.spec))

    def prepare(self, data, network, *, new_features=False, relative=True):
        """Return the network, created if it is None, and the samples, all on the device.

        Features of frozen backbones are standardized anew if they are `new_features`.
        """
        if network is None:
            network, new_features = self.create_network(data), True
        network.to(self.device, memory_format=torch.channels_last)
        if network.frozen:
            data = data.encoded(self.predictor(network).features)
            if new_features:
                network.scale = Standardize(*data.channel_statistics()).to(self.device)
        class_weight = self.estimator.class_weight
        return network, *data.samples(class_weight, self.device, relative=relative)

    def create_network(self, data):
        """Return a new network."""
        return create_network(self.spec, self.weights, data.channel_statistics())

    def phase(self, network, train, valid, n_epochs, name=None):
        """Return a phase in which the network learns to classify, and its name in the history."""
        criterion = WeightedLoss(self.estimator.loss, self.estimator.label_smoothing)
        lr, augment = self.estimator._learning_rate(self.spec), self.augmentation
        return Phase(network, train, valid, n_epochs, criterion, lr, augment, name)

    def predictor(self, network):
        """Return what applies the network to images."""
        return Predictor(network, self.spec, self.device, self.estimator._feature_store())

    @property
    def augmentation(self):
        """What changes training images, or None."""
        augment, spec = self.estimator.augment, self.spec
        if not isinstance(augment, str):
            return augment
        takes_images = spec.is_pixels and min(spec.image_shape[:2]) > 1
        return make_augment(augment) if takes_images else None

    def attributes(self, result, summary):
        """Return the fitted attributes of a training; see `CellModel._set_fitted`.

        Parameters
        ----------
        result : TrainingResult
        summary : dict
            Of the training data.
        """
        net, network = result.net, result.net.module_
        scaled = isinstance(network.scale, Standardize)
        head = replace(self.spec.head, standardize_features=scaled)
        self.spec = replace(self.spec, head=head)
        configure_network(network, self.spec)
        return {
            "classes_": self.trainer.classes,
            "spec_": self.spec,
            "predictor_": self.predictor(network),
            "net_": net,
            "history_": net.history_,
            "n_iter_": len(net.history_),
            "best_epoch_": result.best_epoch,
            "training_data_": summary,
            "device_": str(net.device),
        }

    def interrupted(self, result, summary, columns):
        """Return the exception of an interrupted fit, with a fitted copy."""
        estimator, checkpoint = self.estimator, self.trainer.checkpoint
        # Callbacks may not survive a clone.
        fitted = type(estimator)(**estimator.get_params(deep=False))
        fitted._set_fitted(columns, **self.attributes(result, summary))
        how = "With callbacks=[TrainingCheckpoint(folder)], fits resume after an interrupt."
        if checkpoint is not None:
            how = f"The same fit resumes from the checkpoint in {str(checkpoint.folder)!r}."
        return TrainingInterrupted(
            f"Training was interrupted after {fitted.n_iter_} of {sum(estimator._n_epochs())} "
            f"epochs. `estimator` of this exception is the model so far. {how}",
            fitted,
        )
