"""Base of the classifiers: fit, partial_fit, predict."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skblood._labels import check_complete, describe_unknown, match_labels, sort_labels
from skblood._sklearn import (
    CallbackSupportMixin,
    check_sample_weight,
    fit_context,
)
from skblood._typing import ArrayLike, Floats, Images, NDArray, Prior, RandomState
from skblood._writing import show_progress
from skblood.images import CellStream, StreamedImages
from skblood.networks import HeadSpec, check_layer_sizes
from skblood.pretrained import TrainingOverlapWarning, overlap_message, pretrained_weights
from skblood.training import TrainingNet, decision_values, plan_training

from ._base import TRAINING_CONSTRAINTS, CellModel, backbone_spec
from ._fit_tasks import FitTasks
from ._fitting import Fitting, make_spec, warn_if_diverged
from ._scoring import predict_to_score
from ._targets import code_targets, read_targets
from ._warm_start import check_continued, continue_network


class CellClassifier(ClassifierMixin, CallbackSupportMixin, CellModel):
    """Base of the classifiers: reads images, trains a network, predicts with it."""

    classes_: NDArray[Any]
    net_: TrainingNet
    history_: Any
    n_iter_: int
    best_epoch_: int
    training_data_: dict[str, Any]
    adaptation_: Any

    _parameter_constraints = {**CellModel._parameter_constraints, **TRAINING_CONSTRAINTS}

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Images,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        X_val: Images | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train on images.

        Parameters
        ----------
        X : array-like or sequence
            Images: arrays ``(n, h, w, c)`` or ``(n, h, w)``, rows of flattened pixels, paths,
            PIL images, arrays of different sizes, or a DataFrame column of paths. uint8 means
            0..255, a float image means 0..1. Or `skblood.streaming.ShardedCells`, of which any
            number is read anew in each epoch.
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
            If `X_val` holds images of `X`, the last step made weights infinite or NaN, stored
            images or features are damaged, or a checkpoint is damaged or cannot be written.
        TrainingOverlapWarning
            If `weights` are those of a pretrained model, which was trained on some of the images.

        Notes
        -----
        Processes that torchrun or ``accelerate launch`` started train one model together, each on
        its GPU: `batch_size` counts the images of all. All must be given the same images, labels
        and parameters, else a ValueError is raised; an ImportError, if accelerate is not installed.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together.")
        tasks = FitTasks(self, X, y, sample_weight) if hasattr(self, "_skl_callbacks") else None
        labels = read_targets(self, y)
        specs, weights = self._backbones()
        pretrained = pretrained_weights(specs)
        overlaps = bool(pretrained)
        options = {"whole": overlaps, "streams": True}
        images, whole, layout, columns = self._read_to_fit(X, specs, **options)
        data = self._plan(images, labels, None, sample_weight, groups=groups)
        spec, network = make_spec(self, layout, data.classes, specs), None
        if self.warm_start and hasattr(self, "net_"):
            check_continued(data.codes, self)
            spec, network = continue_network(self.spec_, self.net_.module_, spec)
        valid_whole = None
        if X_val is not None:
            data, valid_whole = self._add_validation(data, spec, columns, X_val, y_val, overlaps)
            if spec.is_pixels and (n := data.count_leaked()):
                warnings.warn(
                    f"{n} of the {len(data.valid_codes)} images of X_val are images of X, too: "
                    "scores on them are too high. Leave them out of one of the two.",
                    stacklevel=3,
                )
        name = "a sample of X" if isinstance(images, StreamedImages) else "X"
        if spec.is_pixels and (message := overlap_message(pretrained, whole, valid_whole, name)):
            warnings.warn(message, TrainingOverlapWarning, stacklevel=3)
        fitting = Fitting(self, spec, weights, data.classes)
        if tasks is not None:
            tasks.follow(fitting)
        result, data = fitting.train(data, network)
        if result.interrupt is not None:
            raise fitting.interrupted(result, data.describe(), columns) from result.interrupt
        if tasks is not None:
            tasks.end(result.net)
        return self._replace_fitted(network is not None, columns, fitting, result, data.describe())

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Images,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
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
            another label or one that :func:`skblood.reconfigure` ruled out, or
            ``class_weight="balanced"``, which needs all labels at once.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all labels at once, which partial_fit never has. "
                "Give class_weight as a dict."
            )
        net = getattr(self, "net_", None)
        if net is None and classes is None:
            raise ValueError("classes must be given in the first call to partial_fit.")
        if classes is not None:
            classes = sort_labels(read_targets(self, classes, "classes"), "classes")
            known = classes if net is None else self.classes_
            if set(match_labels(classes, known, "classes")) != set(known.tolist()):
                raise ValueError(
                    f"classes={classes.tolist()} differ from those of the first call, "
                    f"{self.classes_.tolist()}."
                )
        labels, former = read_targets(self, y), None
        if net is None:
            specs, weights = self._backbones()
            images, _, layout, columns = self._read_to_fit(X, specs)
            spec = make_spec(self, layout, classes, specs)
        else:
            classes, former = self.classes_, self.training_data_
            images, spec, weights, columns = self.read_images(X), self.spec_, None, self
        data = self._plan(images, labels, classes, sample_weight, relative=False)
        check_continued(data.codes, self)
        fitting = Fitting(self, spec, weights, classes)
        result = fitting.train_one_epoch(data, net)  # the optimizer is kept from call to call
        self._replace_fitted(net is not None, columns, fitting, result, data.describe(former))
        self.fit_settings_["early_stopping"] = "False"
        return self

    def adapt(
        self,
        X: Images,
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        prior: Prior = None,
        random_state: RandomState = None,
        verbose: int | None = None,
    ) -> Self:
        """Return a classifier adapted to the cells of another laboratory; this one stays as it is.

        Parameters
        ----------
        X : array-like or sequence
            Cells of the laboratory, in any form that `fit` takes.
        y : array-like of shape (n,), default=None
            Their labels; None, NaN, or -1 (unless it is a class) marks a cell without a label.
        groups, classes, prior, random_state, verbose
            As in :func:`skblood.adapt`, which says what is done and which errors are raised.

        Returns
        -------
        adapted : object
            A new fitted estimator with the attribute `adaptation_`, an account of the steps.
        """
        options = {"groups": groups, "classes": classes, "prior": prior, "verbose": verbose}
        # By name: the room of the adaptation stands on this one.
        room = import_module("skblood.adaptation")
        return room.adapt(self, X, y, **options, random_state=random_state)

    def score(self, X: Images, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
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
            If the model started from pretrained weights, and these were trained on some of the
            images.
        UserWarning
            If labels are no class of the model; they count as wrong.
        """
        check_is_fitted(self)
        labels = np.array(match_labels(y, self.classes_), dtype=object)
        check_complete(labels, "y", "Leave these images out.")
        check_consistent_length(self.iter_images(X), labels)
        probabilities, message = predict_to_score(self, X)
        if message:
            warnings.warn(message, TrainingOverlapWarning, stacklevel=2)
        if unknown := describe_unknown(labels, self.classes_):
            warnings.warn(f"{unknown} They count as wrong.", stacklevel=2)
        correct = labels == self.classes_[probabilities.argmax(axis=1)]  # text and numbers differ
        return accuracy_score(np.ones_like(correct), correct, sample_weight=sample_weight)

    def decision_function(self, X: Images) -> Floats:
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

    def predict_proba(self, X: Images) -> Floats:
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

    def predict(self, X: Images) -> NDArray[Any]:
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
        logits = self._logits(X)  # first: it says whether the classifier is fitted
        return self.classes_[np.argmax(logits, axis=1)]

    def _logits(self, X):
        with show_progress(self.verbose == 1):
            images = self.iter_images(X)  # first: it says whether the classifier is fitted
            return self.predictor_.logits(images)

    def _backbones(self):
        """Return the specification of each backbone, and the weights it starts from."""
        spec = backbone_spec(self.backbone, self.weights, self.trainable, self.standardize)
        return [spec], [self.weights]

    def _head(self):
        """Return the specification of the head."""
        return HeadSpec(check_layer_sizes(self.hidden_layer_sizes), float(self.dropout))

    def _n_epochs(self):
        """Return the number of epochs of each phase."""
        return [int(self.max_epochs)]

    def _add_validation(self, data, spec, columns, X_val, y_val, overlaps):
        """Return the training set with validation images, and these without the crop."""
        try:
            labels = read_targets(self, y_val, "y_val")
            X_val = list(X_val) if isinstance(X_val, CellStream) else X_val
            crops = [spec.crop, *([1.0] if overlaps else [])]
            images = columns._read(X_val, spec, self._store(), crops=crops)
            check_consistent_length(images[0], labels)
            _, codes = code_targets(labels, data.classes)
        except ValueError as error:
            raise ValueError(f"X_val or y_val: {error}") from error
        return data.validated_on(images[0], codes), images[-1].pixels if overlaps else None

    def _plan(self, images, labels, classes, sample_weight, **options):
        """Return the training set of images and labels that were read."""
        check_consistent_length(images, labels)
        classes, codes = code_targets(labels, classes)
        sample_weight = check_sample_weight(
            sample_weight, images, dtype=np.float64, ensure_non_negative=True
        )
        return plan_training(images, codes, classes, sample_weight=sample_weight, **options)

    def _phases(self, fitting, data, network):
        """Yield the phases of training, each when the one before it is complete."""
        network, train, valid = fitting.prepare(data, network)
        n_epochs = self._n_epochs()
        names = ("training", "refinement") if len(n_epochs) > 1 else (None,)
        for name, n in zip(names, n_epochs, strict=True):
            yield fitting.phase(network, train, valid, n, name)

    def _learning_rate(self, spec):
        fine_tunes = any(b.weights is not None and b.trained != "head" for b in spec.backbones)
        return self.lr if self.lr != "auto" else 5e-4 if fine_tunes else 3e-3

    def _replace_fitted(self, continued, columns, fitting, result, summary):
        """Set the fitted attributes; a network that was adapted stays one when it is continued."""
        warn_if_diverged(result.net.module_, self.lr)
        attributes = fitting.attributes(result, summary)
        if continued and hasattr(self, "adaptation_"):
            attributes["adaptation_"] = self.adaptation_
        return self._set_fitted(columns, **attributes)
