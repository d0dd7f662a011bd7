"""Base of the classifiers: fit, partial_fit, predict."""

import warnings
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.metrics import accuracy_score, get_scorer_names
from sklearn.utils import check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skblood._labels import sort_labels
from skblood._sklearn import Interval, StrOptions, check_sample_weight, fit_context
from skblood.augment import POLICIES, make_augment
from skblood.images import CellImages, ImageReader, is_table, read_table
from skblood.inference import Predictor, draw_seed, pass_dtype, resolve_device
from skblood.networks import (
    HeadSpec,
    NetworkSpec,
    Standardize,
    check_layer_sizes,
    configure_network,
    create_network,
)
from skblood.pretrained import (
    TrainingOverlapWarning,
    fit_overlap_message,
    score_overlap_message,
    starts_from_pretrained,
)
from skblood.training import (
    OPTIMIZERS,
    Phase,
    Trainer,
    TrainingInterrupted,
    TrainingSet,
    WeightedLoss,
    decision_values,
    fit_key,
)

from ._base import CellModel, describe_settings, with_standardization
from ._targets import code_targets, read_targets
from ._warm_start import continue_network

# Epochs without improvement after which early stopping ends a training.
_PATIENCE = 10


def _supports_partial_fit(self):
    if self._partial_fit_refusal:
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit: {self._partial_fit_refusal}"
        )
    return True


class CellClassifier(ClassifierMixin, CellModel):
    """Base of the classifiers: reads images, trains a network, predicts with it."""

    _parameter_constraints = {
        **CellModel._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": [StrOptions(set(POLICIES)), callable, None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "lr_schedule": [StrOptions({"onecycle", "cosine"}), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions({"cross_entropy", "focal"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "early_stopping": ["boolean", Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
    }

    # Why an estimator has no partial_fit; "" if it has.
    _partial_fit_refusal = ""

    def __getstate__(self):
        """Leave the network out of the predictor: a copy or a pickle has it in `net_`."""
        state = super().__getstate__()
        if "net_" in state:
            state = {**state, "predictor_": state["predictor_"].without_network()}
        return state

    def __setstate__(self, state):
        """Give the predictor the network of `net_`."""
        super().__setstate__(state)
        if hasattr(self, "net_"):
            self.predictor_.network = self.net_.module_

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, groups=None, X_val=None, y_val=None):
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
            Only the ratios of the weights count. A weight of 2 is the same as a copy of the image,
            and 0 leaves it out. In units of the mean weight of the distinct images, an image of
            weight w is drawn ``max(1, round(w))`` times an epoch.
        groups : array-like of shape (n,), default=None
            Patients, slides, or cells that were photographed several times. With
            ``early_stopping``, all images of a group are on one side of the validation split.
        X_val, y_val : like `X` and `y`, default=None
            Images to validate on after each epoch. With ``early_stopping`` they replace the part
            of `X` that would be set aside.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described, or image files cannot be read.
        NonFiniteLossError
            If the loss becomes infinite or NaN. It is a ValueError, too.
        MemoryError
            If the device has too little memory for the training.
        TrainingInterrupted
            On Ctrl-C, after at least one complete epoch. It is a KeyboardInterrupt, and holds a
            fitted copy.

        Warns
        -----
        UserWarning
            If `X_val` holds images of `X`, or a checkpoint is damaged or cannot be written.
        TrainingOverlapWarning
            If ``weights="pbc"``, and these weights were trained on some of the images.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together.")
        labels = read_targets(self, y)
        specs, weights = self._backbones()
        names = [each.name for each in specs]
        overlaps = "pbc" in [each.weights for each in specs]
        images, whole, layout, columns = self._read_to_fit(X, names, whole=overlaps)
        check_consistent_length(images, labels)
        classes, codes = code_targets(labels)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, images, dtype=np.float64)
        data = TrainingSet.plan(images, codes, classes, sample_weight=sample_weight, groups=groups)
        spec, network = self._make_spec(layout, classes, specs), None
        if self.warm_start and hasattr(self, "net_"):
            spec, network = continue_network(self.spec_, self.net_.module_, spec)
        valid_whole = None
        if X_val is not None:
            data, valid_whole = self._add_validation(data, spec, columns, X_val, y_val, overlaps)
            if spec.is_pixels and (n := data.count_leaked()):
                warnings.warn(
                    f"{n} of the {len(data.valid_codes)} images of X_val are images of X, too: "
                    "scores on them are too high. Leave them out of one of the two.",
                    UserWarning,
                    stacklevel=3,
                )
        if overlaps and spec.is_pixels and (message := fit_overlap_message(whole, valid_whole)):
            warnings.warn(message, TrainingOverlapWarning, stacklevel=3)
        self._train(spec, weights, network, data, columns)
        return self

    @available_if(_supports_partial_fit)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch at the constant learning rate `lr`, without a checkpoint.

        Parameters
        ----------
        X, y
            As in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur. Needed in the first call.
        sample_weight : array-like of shape (n,), default=None
            Factors of the images' losses; they are not divided by their mean, so that weights
            count across calls.

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
        fitted = hasattr(self, "net_")
        if not fitted and classes is None:
            raise ValueError("classes must be given in the first call to partial_fit.")
        if classes is not None:
            classes = sort_labels(read_targets(self, classes, "classes"), "classes")
            if fitted and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"classes={classes.tolist()} differ from those of the first call, "
                    f"{self.classes_.tolist()}."
                )
        self._train_one_epoch(X, y, sample_weight, self.classes_ if fitted else classes)
        return self

    def score(self, X, y, sample_weight=None):
        """Return the accuracy.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.
        y : array-like of shape (n,)
            Their labels.
        sample_weight : array-like of shape (n,), default=None
            Weights of the images.

        Returns
        -------
        score : float
            Share of the images whose label is predicted.

        Warns
        -----
        TrainingOverlapWarning
            If the model started from the weights "pbc", and these were trained on some of the
            images.
        """
        images, message = self.read_to_score(X)
        if message:
            warnings.warn(message, TrainingOverlapWarning, stacklevel=2)
        return accuracy_score(y, self.predict(images), sample_weight=sample_weight)

    def read_to_score(self, X):
        """Read images on which the classifier is to be scored.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.

        Returns
        -------
        images : CellImages
        message : str or None
            Text of a `TrainingOverlapWarning`, if the pretrained weights that the model started
            from were trained on some of the images.
        """
        check_is_fitted(self)
        spec = self.spec_
        if isinstance(X, CellImages) or not (spec.is_pixels and starts_from_pretrained(spec)):
            return self.read_images(X), None
        images, whole = self._read(X, spec, crops=[spec.crop, 1.0])
        return images, score_overlap_message(whole.pixels)

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
        images = self.read_images(X)
        return self.predictor_.logits(images)

    def _backbones(self):
        """Return the specification of each backbone, and the weights it starts from."""
        raise NotImplementedError

    def _head(self):
        """Return the specification of the head."""
        sizes = check_layer_sizes(self.hidden_layer_sizes)
        return HeadSpec(sizes, float(self.dropout))

    def _n_epochs(self):
        """Return the number of epochs of each phase."""
        return [int(self.max_epochs)]

    def _make_spec(self, layout, classes, backbones):
        """Return the specification that the parameters ask for."""
        frozen = all(each.trained == "head" for each in backbones)
        return NetworkSpec(
            backbones=tuple(backbones),
            head=replace(self._head(), standardize_features=frozen),
            classes=tuple(classes.tolist()),
            precision=self.precision,
            **layout.as_fields(),
        )

    def _add_validation(self, data, spec, columns, X_val, y_val, overlaps):
        """Return the training set with validation images, and these without the crop."""
        try:
            labels = read_targets(self, y_val, "y_val")
            rows = read_table(columns, X_val, reset=False) if is_table(X_val) else None
            crops = [spec.crop, *([1.0] if overlaps else [])]
            reader = ImageReader(spec, self._store())
            images = reader.read(X_val, rows=rows, crops=crops, progress=self.verbose == 1)
            check_consistent_length(images[0], labels)
            _, codes = code_targets(labels, data.classes)
        except ValueError as error:
            raise ValueError(f"X_val or y_val: {error}") from error
        return data.validated_on(images[0], codes), images[-1].pixels if overlaps else None

    def _make_trainer(self, spec, classes, device, seed):
        patience = None
        if self.early_stopping:
            # True is an int, too.
            named = not isinstance(self.early_stopping, bool | np.bool_)
            patience = int(self.early_stopping) if named else _PATIENCE
        return Trainer(
            classes=classes,
            image_shape=spec.image_shape,
            device=device,
            dtype=pass_dtype(spec, device),
            seed=seed,
            optimizer=self.optimizer,
            patience=patience,
            weight_decay=self.weight_decay,
            lr_schedule=self.lr_schedule,
            batch_size=int(self.batch_size),
            scoring=self.scoring,
            callbacks=self.callbacks,
            verbose=self.verbose,
        )

    def _train(self, spec, weights, network, data, columns):
        """Train a network, or a new one if that is None, and set the fitted attributes."""
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        trainer = self._make_trainer(spec, data.classes, device, seed)
        if trainer.checkpoint is not None:
            parameters = self.get_params(deep=False)
            name = type(self).__name__
            key = fit_key(name, parameters, data, device, trainer.dtype, seed)
            trainer.seed = trainer.checkpoint.open(name, key, seed)
        if self.early_stopping and data.valid_images is None:
            data = data.split(self.validation_fraction, trainer.seed)
        result = trainer.train(partial(self._phases, spec, weights, network, data, device))
        summary = data.describe()
        if result.interrupt is None:
            self._keep_result(result, spec, data.classes, summary, columns)
            return
        fitted = clone(self)._keep_result(result, spec, data.classes, summary, columns)
        how = (
            "with callbacks=[TrainingCheckpoint(folder)], the same fit resumes after an interrupt"
            if trainer.checkpoint is None
            else f"the same fit resumes from the checkpoint in {str(trainer.checkpoint.folder)!r}"
        )
        raise TrainingInterrupted(
            f"Training was interrupted after {fitted.n_iter_} of {sum(self._n_epochs())} epochs. "
            "The attribute `estimator` of this exception is the model so far, a fitted "
            f"{type(self).__name__}; {how}.",
            fitted,
        ) from result.interrupt

    def _train_one_epoch(self, X, y, sample_weight, classes):
        """Train for one epoch; the optimizer is kept from call to call."""
        labels = read_targets(self, y)
        former = getattr(self, "net_", None)
        if former is None:
            specs, weights = self._backbones()
            images, _, layout, columns = self._read_to_fit(X, [each.name for each in specs])
            spec = self._make_spec(layout, classes, specs)
        else:
            images, spec, weights, columns = self.read_images(X), self.spec_, None, self
        check_consistent_length(images, labels)
        _, codes = code_targets(labels, classes)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, images, dtype=np.float64)
        data = TrainingSet.plan(images, codes, classes, sample_weight=sample_weight, relative=False)
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        trainer = self._make_trainer(spec, classes, device, seed)

        def phase(network):
            network, train, _ = self._to_device(
                spec, weights, network, data, device, relative=False
            )
            return self._phase(spec, network, train)

        result = trainer.train_epoch(phase, former, self._learning_rate(spec))
        summary = data.describe(None if former is None else self.training_data_)
        self._keep_result(result, spec, classes, summary, columns)
        self.fit_settings_["early_stopping"] = "False"

    def _phases(self, spec, weights, network, data, device):
        """Yield the phases of training, each when the one before it is complete."""
        network, train, valid = self._to_device(spec, weights, network, data, device)
        for n_epochs in self._n_epochs():
            yield self._phase(spec, network, train, valid, n_epochs)

    def _phase(self, spec, network, train, valid=None, n_epochs=1, **options):
        """Return a phase in which the network learns to classify."""
        criterion = WeightedLoss(self.loss, self.label_smoothing)
        lr, augment = self._learning_rate(spec), self._augmentation(spec)
        return Phase(network, train, valid, n_epochs, criterion, lr, augment, **options)

    def _to_device(self, spec, weights, network, data, device, relative=True):
        """Return the network, created if needed, and the samples for training and validation."""
        created = network is None
        if created:
            network = create_network(spec, weights, data.channel_statistics())
        network.to(device, memory_format=torch.channels_last)
        if network.frozen:
            data = data.encoded(self._predictor(network, spec, device).features)
            if created and isinstance(network.scale, nn.Identity):
                network.scale = Standardize(*data.channel_statistics()).to(device)
        return network, *data.samples(self.class_weight, device, relative=relative)

    def _predictor(self, network, spec, device):
        return Predictor(network, spec, device, self._store())

    def _learning_rate(self, spec):
        if self.lr != "auto":
            return self.lr
        fine_tunes = any(b.weights is not None and b.trained != "head" for b in spec.backbones)
        return 5e-4 if fine_tunes else 3e-3

    def _augmentation(self, spec):
        if not isinstance(self.augment, str):
            return self.augment
        takes_images = spec.is_pixels and min(spec.image_shape[:2]) > 1
        return make_augment(self.augment) if takes_images else None

    def _keep_result(self, result, spec, classes, training_data, columns):
        """Set the fitted attributes."""
        net, network = result.net, result.net.module_
        head = replace(spec.head, standardize_features=isinstance(network.scale, Standardize))
        spec = replace(spec, backbones=with_standardization(spec.backbones, network), head=head)
        configure_network(network, spec)
        predictor = self._predictor(network, spec, torch.device(net.device))
        return self._set_fitted(
            columns,
            classes_=classes,
            spec_=spec,
            predictor_=predictor,
            net_=net,
            history_=net.history_,
            n_iter_=len(net.history_),
            best_epoch_=result.best_epoch,
            image_shape_=spec.image_shape,
            training_data_=training_data,
            fit_settings_=describe_settings(self),
            device_=str(net.device),
        )
