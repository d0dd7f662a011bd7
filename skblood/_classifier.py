"""The classifier's half of the contract: its parameters, fit, partial_fit, predict."""

import copy
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import get_scorer_names
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skblood._base import CellModel
from skblood._sklearn import Interval, StrOptions, check_sample_weight, fit_context
from skblood._targets import code_targets, read_targets
from skblood._training_set import TrainingSet, check_classes_left, leave_out
from skblood.augment import CellAugment
from skblood.backbones import Standardize
from skblood.images import content_keys
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
    decision_values,
    draw_seed,
    make_head,
    resolve_device,
    seeded,
)


@dataclass(kw_only=True, repr=False, eq=False)
class CellClassifier(ClassifierMixin, CellModel):
    """A classifier of cell images; a subclass says which backbones and which head."""

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
    on_error: str = "raise"

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
        "on_error": [StrOptions({"raise", "skip"})],
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train on images.

        Parameters
        ----------
        X : array-like or sequence
            Images: arrays ``(n, h, w, c)`` or ``(n, h, w)``, rows of flattened pixels, paths,
            PIL images, arrays of different sizes, or a DataFrame column of paths. uint8 means
            0..255, a float image means 0..1.
        y : array-like of shape (n,) or (n, 1)
            Labels: strings or integers.
        sample_weight : array-like of shape (n,), default=None
            An image of weight w is visited ceil(w) times an epoch, each visit weighing
            w / ceil(w); so whole numbers count copies, and 0 leaves an image out.
        X_val, y_val : like `X` and `y`, default=None
            Images to validate on after each epoch. With ``early_stopping=True`` they replace the
            part of `X` that would be set aside.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described. The message says what was given, what is
            allowed and what to do.

        Warns
        -----
        UserWarning
            If images are left out (``on_error="skip"``), or `X_val` holds images of `X`.
        """
        with self._all_or_nothing():
            former = self.net_.module_ if self.warm_start and hasattr(self, "net_") else None
            before = self._contract() if former is not None else None
            data = self._read_training_set(X, y, sample_weight, X_val, y_val)
            if former is not None and self._contract() != before:
                raise ValueError(
                    "warm_start=True goes on training the former network, which was fitted on "
                    f"classes and image shape {before}; now they are {self._contract()}. Give "
                    "the same ones, or set warm_start=False."
                )
            self._train(data, copy.deepcopy(former))
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch at the constant learning rate `lr`.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur. Needed in the first call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or differs from the former ones, `y` holds
            another label, or ``class_weight="balanced"``, which needs all labels at once.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which never sees all "
                "labels at once. Give class_weight as a dict."
            )
        with self._all_or_nothing():
            fitted = hasattr(self, "net_")
            if not fitted and classes is None:
                raise ValueError("classes must be given in the first call to partial_fit.")
            if classes is not None:
                classes = np.unique(classes)
                if fitted and not np.array_equal(classes, self.classes_):
                    raise ValueError(
                        f"classes={classes.tolist()} differ from those of the first call, "
                        f"{self.classes_.tolist()}."
                    )
            self._train_online(X, y, sample_weight, self.classes_ if fitted else classes)
        return self

    def decision_function(self, X):
        """Return the logits.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.

        Returns
        -------
        values : ndarray of shape (n, n_classes), or (n,) for two classes
            The logits in the order of `classes_`; for two classes, that of the second minus that
            of the first.
        """
        return decision_values(self._logits(X))

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes. One that cannot be read is an error.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes), dtype float64
            Rows sum to 1; columns are in the order of `classes_`.
        """
        return softmax(self._logits(X), axis=1)

    def predict(self, X):
        """Return the most probable label of each image.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.

        Returns
        -------
        labels : ndarray of shape (n,)
            Of the dtype of `classes_`.
        """
        logits = self._logits(X)
        return self.classes_[np.argmax(logits, axis=1)]

    def _logits(self, X):
        check_is_fitted(self)
        images = self._read_to_predict(X)
        network = self.net_.module_
        if network.frozen:
            images = self._encode(network, images, content_keys(images))
        return self._forward_all(network, network.forward, images).astype(np.float64)

    def _contract(self):
        return self.classes_.tolist(), self.image_shape_

    def _read_training_set(self, X, y, sample_weight, X_val=None, y_val=None):
        """Read and check all that `fit` is given."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together.")
        labels = read_targets(self, y)
        images, y, sample_weight = self._read_labelled(self._read_to_fit, X, labels, sample_weight)
        check_classes_left(labels, y)
        data = self._plan(images, y, sample_weight)
        if X_val is None:
            return data
        try:
            y_val = read_targets(self, y_val, "y_val")
            valid_images, y_val, _ = self._read_labelled(self._read_to_predict, X_val, y_val)
            check_consistent_length(valid_images, y_val)
            _, codes = code_targets(y_val, self.classes_)
        except ValueError as error:
            raise ValueError(f"X_val or y_val: {error}") from error
        data = data.validated_on(valid_images, codes)
        if self._is_pixels:
            data.warn_of_leak(self.image_size_, self.interpolation)
        return data

    def _read_labelled(self, read, X, y, sample_weight=None):
        """Read images; what cannot be read is left out with its label, if `on_error` says so."""
        unreadable = {} if self.on_error == "skip" else None
        images = read(X, unreadable)
        return images, *leave_out(unreadable, images, y, sample_weight)

    def _plan(self, images, y, sample_weight, classes=None):
        check_consistent_length(images, y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, images, dtype=np.float64)
        self.classes_, codes = code_targets(y, classes)
        return TrainingSet.plan(images, codes, self.classes_, sample_weight, self.shuffle)

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
        if self.early_stopping:
            self.best_epoch_ = best.best_epoch_
        self._online = False

    def _train_online(self, X, y, sample_weight, classes):
        """Train for one epoch; the optimizer lives on from call to call."""
        y = read_targets(self, y)
        fitted = hasattr(self, "net_")
        read = self._read_to_predict if fitted else self._read_to_fit
        images, y, sample_weight = self._read_labelled(read, X, y, sample_weight)
        data = self._plan(images, y, sample_weight, classes)
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        with seeded(seed + (self.n_iter_ if fitted else 0), device):
            # A copy, so that an interrupted call leaves the fitted network as it was.
            net = copy.deepcopy(self.net_) if fitted else None
            network, train, _ = self._to_device(data, net and net.module_, device)
            if not fitted or not self._online:
                net = self._make_net(network, device, net, n_epochs=1)
            for group in net.optimizer_.param_groups:
                group["lr"] = self._learning_rate()
            net.train_for(train, None, 1)
        self._keep(net, device)
        self._online = True

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
