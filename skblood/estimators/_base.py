"""What classifiers and embedder share: how X is read and how the backbones are built."""

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from types import SimpleNamespace

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skblood._sklearn import Interval, StrOptions
from skblood.images import (
    CROP_RANGE,
    INTERPOLATIONS,
    CellImages,
    check_crop,
    holds_arrays,
    is_table,
    read_images,
    read_table,
    resolve_row_shape,
    unflatten_rows,
)
from skblood.inference import (
    FeatureStore,
    autocast_dtype,
    encode_images,
    forward_all,
    resolve_device,
)
from skblood.networks import (
    BackboneSpec,
    HeadSpec,
    ImageStandardize,
    NetworkSpec,
    backbone_config,
)

# Images in one forward pass of a prediction, at most, and pixels on a CPU, whose cache is small.
_PREDICT_BATCH = {"cpu": 64, "mps": 64, "cuda": 256}
_PREDICT_PIXELS = 2**19

# Images that are wider leave each stage but the last of a network, which halves their size five
# times, with maps that are wider than one pixel.
_NARROW = 16

# What a backbone's settings may be; HybridFeatureClassifier takes several of each.
BACKBONE_CONSTRAINTS = {
    "backbone": [str],
    "weights": [str, os.PathLike, None],
    "trainable": [StrOptions({"all", "head"}), Interval(Integral, 1, None, closed="left")],
}

# What pixels are standardised by, which all backbones of a model share.
STANDARDIZE_CONSTRAINT = [StrOptions({"auto", "image"})]


@dataclass(kw_only=True, repr=False, eq=False)
class CellModel(BaseEstimator):
    """A model of cell images.

    The dataclass writes the constructor that scikit-learn asks for: keyword arguments with
    defaults, each stored under its own name, and nothing else. A subclass adds its parameters,
    or another default, as further fields.
    """

    image_shape: tuple | None = None
    crop: float = 1.0
    image_size: int | tuple | None = None
    interpolation: str = "bilinear"
    device: str = "auto"
    precision: str = "auto"
    memory: object = None
    random_state: object = None
    verbose: int = 0

    _parameter_constraints = {
        "image_shape": ["array-like", None],
        "crop": [Interval(Real, *CROP_RANGE, closed="both")],
        "image_size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "interpolation": [StrOptions(set(INTERPOLATIONS))],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        # Where decoded files and the features of frozen backbones are kept.
        "memory": [str, os.PathLike, FeatureStore, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What a table means whose rows fold to no image: an error, or (for a network without
    # geometry) numbers to be kept as they are.
    _odd_rows = "error"

    def __sklearn_tags__(self):
        """Say that X may be a table or images."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _backbone_names(self):
        """Return the names of the backbones, whose configuration decides the image size."""
        raise NotImplementedError

    @property
    def _network(self):
        """The fitted network, preprocessing included."""
        return self.net_.module_ if hasattr(self, "net_") else self.network_

    def _read_to_fit(self, X, unreadable=None):
        """Read X, and set what later calls are held to.

        Parameters
        ----------
        X : array-like or sequence
        unreadable : dict, default=None
            Takes what cannot be read, and is left out then; None makes it an error.

        Returns
        -------
        images : ndarray of shape (n, h, w, c), dtype uint8 or float32
            Cropped, and no larger than the network's image size; smaller ones are resized batch
            by batch.
        """
        self.image_size_, self.crop_ = self._resolve_image_size(), float(self.crop)
        if is_table(X):
            rows = read_table(self, X, ensure_min_samples=1)
            self._fold_shape = resolve_row_shape(rows.shape[1], self.image_shape, self._odd_rows)
            if self._fold_shape[0] == 1:
                # Rows of numbers have no size to be brought to, and no frame.
                self.image_size_, self.crop_ = None, 1.0
            images = self._shrink(unflatten_rows(rows, self._fold_shape))
        else:
            images = self._read(X, unreadable=unreadable)
            size = X.shape[1:3] if getattr(X, "ndim", 1) >= 3 else images.shape[1:3]
            self._fold_shape = (*map(int, size), images.shape[3])
            self.n_features_in_ = math.prod(self._fold_shape)
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        images = self._crop_own_size(images)
        self._is_pixels = images.dtype == np.uint8
        size = images.shape[1:3] if self.image_size_ is None else self.image_size_
        self.image_shape_ = (*size, images.shape[3])
        return images

    def read_images(self, X):
        """Read X as `predict` does; the result goes into any method in place of X."""
        return X if isinstance(X, CellImages) else CellImages(self._read_to_predict(X))

    @property
    def spec_(self):
        """Facade: what `fit` will write down."""
        network = self._network
        names = self._backbone_names() or ["pixels"]
        return NetworkSpec(
            tuple(
                BackboneSpec(
                    name,
                    None,
                    "head" if each.frozen else "all",
                    "image" if isinstance(each.standardize, ImageStandardize) else "channel",
                )
                for name, each in zip(names, network.backbones, strict=True)
            ),
            HeadSpec() if hasattr(self, "classes_") else None,
            tuple(self.classes_.tolist()) if hasattr(self, "classes_") else None,
            self._given_shape if self.image_size_ is None else self._fold_shape,
            self.image_shape_,
            self._is_pixels,
            self.image_size_,
            self.crop_,
            network.interpolation,
            network.predict_views,
            self.precision,
        )

    @property
    def predictor_(self):
        """Facade: the passes of the fitted network over images."""
        network = self._network

        def run(step, images):
            images = images.pixels if isinstance(images, CellImages) else images
            return self._forward_all(network, step, images)

        def features(images):
            if network.frozen:
                return self._encode(network, images.pixels, images.keys)
            return run(network.encode, images)

        def penultimate(images):
            known = features(images) if network.frozen else images
            return run(network.penultimate, known)

        device = resolve_device(self.device)
        return SimpleNamespace(
            network=network,
            device=device,
            run=run,
            features=features,
            penultimate=penultimate,
            max_batch=self._predict_batch(device),
            logits=lambda images: self._logits(images),
        )

    def _read_to_predict(self, X, unreadable=None):
        """Read X as images like those of fit, or say what differs; see `_read_to_fit`."""
        if isinstance(X, CellImages):
            return X.pixels
        if is_table(X):
            rows = read_table(self, X, reset=False)
            images = self._shrink(unflatten_rows(rows, self._fold_shape))
        else:
            # A file is decoded as gray or colour, as fit had it; an array is one or the other.
            channels = None if holds_arrays(X) else self.image_shape_[2]
            images = self._read(X, channels=channels, unreadable=unreadable)
        self._check_like_fitted(images)
        return self._crop_own_size(images)

    def _check_like_fitted(self, images):
        given, fitted = images.shape[1:], self._given_shape
        same_size = self.image_size_ is not None or given[:2] == fitted[:2]
        if not same_size or given[2] != fitted[2]:
            raise ValueError(
                f"X holds images of shape {given} (height, width, channels), but "
                f"{type(self).__name__} was fitted with {fitted}. Bring them to that shape, or "
                "fit with image_size=, which brings images of any size to one."
            )
        if (images.dtype == np.uint8) != self._is_pixels:
            kinds = {True: "uint8 pixels (0..255)", False: "rows of float features"}
            raise ValueError(
                f"X holds {kinds[not self._is_pixels]}, but {type(self).__name__} was fitted "
                f"with {kinds[self._is_pixels]}. Give X in the form that fit was given."
            )

    @property
    def _given_shape(self):
        """The shape that images must be given in; where there is a size, what they become."""
        if self.image_size_ is not None:
            return self.image_shape_
        return (*self._fold_shape[:2], self.image_shape_[2])

    def _reframe(self, crop):
        """Let a fitted model look at another share of images; its network stays as it is.

        A network that worked at the images' own size goes on at the size that it was fitted at.

        Parameters
        ----------
        crop : float
            Replaces the parameter, and what `fit` made of it.
        """
        check_crop(crop)
        if self._fold_shape[0] == 1:
            raise ValueError(
                f"{type(self).__name__} was fitted with rows of numbers, which cannot be cropped. "
                "Leave the crop out, or fit with images."
            )
        self.crop, self.crop_ = crop, float(crop)
        if self.image_size_ is None:
            size = self.image_shape_[:2]
            self.image_size = self.image_size_ = self._network.image_size = size

    @contextmanager
    def _all_or_nothing(self):
        """Leave the estimator as it was when a fit fails or is interrupted."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _shrink(self, images):
        return images if self.image_size_ is None else self._read(images)

    def _crop_own_size(self, images):
        """Crop images that are not resized: when it is known that their size is the right one."""
        if self.image_size_ is not None or self.crop_ == 1:
            return images
        return self._read(images, crop=self.crop_)

    def _read(self, X, *, crop=None, **options):
        """Read X, resized and cropped if there is a size; `crop` is for where there is none."""
        store = self._store()
        return read_images(
            X,
            crop=crop or (1.0 if self.image_size_ is None else self.crop_),
            size=self.image_size_,
            interpolation=self.interpolation,
            # A store in memory would be a second copy of what the fit holds.
            store=None if store.location is None else store,
            progress=self.verbose == 1,
            **options,
        )

    def _store(self):
        return self.memory if isinstance(self.memory, FeatureStore) else FeatureStore(self.memory)

    def _feature_store(self):
        """Return where the features of frozen backbones are kept, or None for nowhere."""
        return self._store()

    def _resolve_image_size(self):
        """Return the height and width that the network works at; None is the images' own."""
        if self.image_size is not None:
            pair = np.ravel(self.image_size).tolist()
            pair = pair * 2 if len(pair) == 1 else pair
            if len(pair) != 2 or any(type(v) is not int or v < 1 for v in pair):
                raise ValueError(
                    f"image_size={self.image_size!r} must be a positive int, a pair "
                    "(height, width) of them, or None."
                )
            return tuple(pair)
        sizes = [backbone_config(name).image_size for name in self._backbone_names()]
        return max((size for size in sizes if size is not None), default=None)

    def _forward_all(self, network, step, images):
        """Apply a step of the network to all images."""
        device = resolve_device(self.device)
        dtype = self._autocast_dtype(device)
        network.to(device)
        return forward_all(network, step, images, self._predict_batch(device), device, dtype)

    def _autocast_dtype(self, device):
        """Return the precision of passes over pixels."""
        height, width, _ = self.image_shape_
        # On CPUs with AMX, oneDNN's bfloat16 convolutions with a stride give what happens to be in
        # memory (seen in torch 2.15): where the map that they make is one pixel wide and higher
        # than that, and for the gradient where the map that they take is one pixel wide.
        if device.type == "cpu" and (height > width or width <= _NARROW):
            return torch.float32
        return autocast_dtype(self.precision, device)

    def _predict_batch(self, device):
        """Return the images in one forward pass, always as many; see forward_all for why."""
        batch_size = _PREDICT_BATCH[device.type]
        if device.type == "cpu":
            height, width, _ = self.image_shape_
            batch_size = min(batch_size, max(16, _PREDICT_PIXELS // (height * width)))
        return batch_size

    def _encode(self, network, images, keys, view=0):
        """Return the features that frozen backbones give, computing only what is not known."""
        device = resolve_device(self.device)
        return encode_images(
            images,
            keys,
            network,
            partial(self._forward_all, network, network.encode),
            store=self._feature_store(),
            settings=(
                tuple(self._backbone_names()),
                self.image_size_,
                self.interpolation,
                self._autocast_dtype(device),
                device.type,
            ),
            augment=self._augmentation() if view else None,
            view=view,
        )
