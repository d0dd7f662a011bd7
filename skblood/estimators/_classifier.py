"""The classifier's half of the contract: its parameters, fit, partial_fit, predict."""

import copy
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skblood._sklearn import StrOptions, check_sample_weight, fit_context
from skblood.estimators._targets import code_targets, read_targets, sort_labels
from skblood.estimators._trainable import TrainableModel
from skblood.estimators._training_set import TrainingSet, check_classes_left, leave_out
from skblood.images import content_keys, is_table, read_table, unflatten_rows
from skblood.inference import draw_seed, resolve_device, seeded
from skblood.pretrained import starts_from_ready, warn_before_fit, warn_of_score
from skblood.training import MemoryAdvice, decision_values


@dataclass(kw_only=True, repr=False, eq=False)
class CellClassifier(ClassifierMixin, TrainableModel):
    """A classifier of cell images."""

    on_error: str = "raise"

    _parameter_constraints = {
        **TrainableModel._parameter_constraints,
        "on_error": [StrOptions({"raise", "skip"})],
    }

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
        NonFiniteLossError
            If the loss becomes infinite or not a number. It is a ValueError, too.
        MemoryError
            If the device has no memory for the training. The message says what to lower.
        TrainingInterrupted
            At Ctrl-C, when an epoch or more are complete. It is a KeyboardInterrupt, and holds a
            fitted copy.

        Warns
        -----
        UserWarning
            If images are left out (``on_error="skip"``), `X_val` holds images of `X`, or a
            checkpoint is damaged or cannot be written.
        SeenImagesWarning
            If ``weights="pbc"``, and these weights were trained on some of the images.
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
            if self._may_have_seen():
                valid = None if X_val is None else self._uncropped(X_val, data.valid_images)
                warn_before_fit(self._uncropped(X, data.images), valid)
            self._train(data, copy.deepcopy(former))
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch at the constant learning rate `lr`, without a checkpoint.

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
                classes = sort_labels(read_targets(self, classes, "classes"), "classes")
                if fitted and not np.array_equal(classes, self.classes_):
                    raise ValueError(
                        f"classes={classes.tolist()} differ from those of the first call, "
                        f"{self.classes_.tolist()}."
                    )
            self._train_online(X, y, sample_weight, self.classes_ if fitted else classes)
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
            The share of the images whose label is predicted.

        Warns
        -----
        SeenImagesWarning
            If the model started from the weights "pbc", and these were trained on some of the
            images.
        """
        return super().score(self._read_to_score(X), y, sample_weight)

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
        logits = self._forward_all(network, network.forward, images)
        odd = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        if len(odd):
            raise ValueError(
                f"The network gives no finite number for {len(odd)} of {len(logits)} images, the "
                f"first being X[{odd[0]}]. Either their values are far from all that it was "
                "trained on, or the last batch of the training broke it: then fit with a lower lr."
            )
        return logits.astype(np.float64)

    def _read_to_score(self, X):
        """Return X, and warn of images that the weights were trained on, if they are known."""
        check_is_fitted(self)
        if not self._may_have_seen():
            return X
        if self.crop_ == 1:
            X = self._read_to_predict(X)  # once for both; what is cropped would be cropped again
        warn_of_score(self._uncropped(X, X))
        return X

    def _uncropped(self, X, images):
        """Return the images of X in the frame that they were given in; `images` may be cropped."""
        if self.crop_ == 1:
            return images
        if is_table(X):
            X = unflatten_rows(read_table(self, X, reset=False), self._fold_shape)
        return self._read(X, crop=1.0, channels=self.image_shape_[2], unreadable={})

    def _may_have_seen(self):
        return self._is_pixels and starts_from_ready(self)

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

    def _train_online(self, X, y, sample_weight, classes):
        """Train for one epoch; the optimizer lives on from call to call."""
        y = read_targets(self, y)
        fitted = hasattr(self, "net_")
        read = self._read_to_predict if fitted else self._read_to_fit
        images, y, sample_weight = self._read_labelled(read, X, y, sample_weight)
        data = self._plan(images, y, sample_weight, classes)
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        with (
            MemoryAdvice(self.batch_size, self.image_shape_, device),
            seeded(seed + (self.n_iter_ if fitted else 0), device),
        ):
            # A copy, so that an interrupted call leaves the fitted network as it was.
            net = copy.deepcopy(self.net_) if fitted else None
            network, train, _ = self._to_device(data, net and net.module_, device)
            if not fitted or not self._online:
                net = self._make_net(self._phase(network), device, net)
            for group in net.optimizer_.param_groups:
                group["lr"] = self._learning_rate()
            net.train_for(train, None, 1)
        self._keep(net, device)
        self.training_data_ = data.describe(self.training_data_ if fitted else None)
        self._online = True
