"""What classifiers and the embedder share: reading images, and the fitted state."""

from __future__ import annotations

import copy
import math
import os
import re
from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names
from sklearn.utils.validation import check_is_fitted, validate_data

from skblood._deprecation import former_attribute
from skblood._sklearn import Interval, LinksToPage, StrOptions, VisualBlock, num_samples
from skblood._typing import Images, NDArray
from skblood.augment import POLICIES
from skblood.images import (
    CROP_RANGE,
    INTERPOLATIONS,
    CellImages,
    CellStream,
    ImageChunks,
    ImageReader,
    Layout,
    StreamedImages,
    is_table,
    read_table,
    unflatten_rows,
)
from skblood.inference import FeatureStore, Predictor, relocate
from skblood.networks import (
    PIXELS,
    PRETRAINED_WEIGHTS,
    BackboneSpec,
    NetworkSpec,
    backbone_config,
    identify_weights,
    resolve_weights,
)
from skblood.training import OPTIMIZERS

from ._warm_start import continued_frame

# Constraints of a backbone's parameters; HybridFeatureClassifier takes several of each.
BACKBONE_CONSTRAINTS = {
    "backbone": [str],
    "weights": [str, os.PathLike, None],
    "trainable": [StrOptions({"all", "head"}), Interval(Integral, 1, None, closed="left")],
}
# Constraints of the parameters of preprocessing that an MLP does not have.
PREPROCESSING_CONSTRAINTS = {
    "standardize": [StrOptions({"auto", "image"})],
    "crop": [Interval(Real, *CROP_RANGE, closed="both")],
    "interpolation": [StrOptions(set(INTERPOLATIONS))],
    # Where decoded files and the features of frozen backbones are kept.
    "memory": [str, os.PathLike, FeatureStore, None],
}
# Constraints of the parameters of training, which the embedder does not have.
TRAINING_CONSTRAINTS = {
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

# What scikit-learn knows of the columns of X.
_OF_COLUMNS = ("n_features_in_", "feature_names_in_")
# What the text of a parameter is shown without: addresses in memory and line breaks. Of an object
# whose text is nothing but its class and address, the name of the class is left.
_LEFT_OUT = re.compile(r"<[\w.]*?(\w+) object at 0x[0-9a-fA-F]+>| at 0x[0-9a-fA-F]+|\n *")


class CellModel(LinksToPage, BaseEstimator):
    """Base of all estimators: reads images, and predicts by what `fit` has written down.

    Everything after `fit` uses `spec_` and `predictor_`, never the constructor's parameters: they
    are for the next fit.
    """

    spec_: NetworkSpec
    predictor_: Predictor
    image_shape_: tuple[int, int, int]
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    fit_settings_: dict[str, str]
    device_: str

    _parameter_constraints: dict[str, Any] = {
        "image_shape": ["array-like", None],
        "image_size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    crop_ = former_attribute("crop_", "spec_.crop", since="0.1")
    image_size_ = former_attribute("image_size_", "spec_.image_size", since="0.1")

    # What to do with a table whose rows unflatten to no image: "error", or "keep" the numbers.
    _odd_rows = "error"

    def __dir__(self):
        """Return the attributes without former names, which diagrams in notebooks would list."""
        return sorted({*super().__dir__()} - {"crop_", "image_size_"})

    def __copy__(self):
        """Return an estimator with the same attributes, predictor and network included."""
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __getstate__(self):
        """Take a bare network off the GPU: another process may have another one, or none."""
        state = super().__getstate__()
        if "network_" in state and state["predictor_"].device.type != "cpu":
            state["network_"] = copy.deepcopy(state["network_"]).cpu()
        return state

    def __setstate__(self, state):
        """Give the predictor the network of the estimator, on the device of this process."""
        super().__setstate__(state)
        net = getattr(self, "net_", None)
        network = getattr(self, "network_", None) if net is None else net.module_
        if network is not None:
            device = relocate(self.predictor_.device, is_named=self.device != "auto")
            if net is not None:
                net.device = str(device)
            self.predictor_.device, self.predictor_.network = device, network.to(device)

    def _sk_visual_block_(self):
        """Return the block of a diagram; below its name, what was fitted."""
        caption = None
        if spec := getattr(self, "spec_", None):
            size = "x".join(map(str, spec.image_size or spec.image_shape[:2]))
            names = " + ".join(backbone.name for backbone in spec.backbones)
            caption = f"{names}, {size} px"
            caption += f", {len(spec.classes)} classes" if spec.head else ""
        name = type(self).__name__
        return VisualBlock("single", self, names=name, name_caption=caption, name_details=str(self))

    def __sklearn_tags__(self):
        """Return tags: X may be a table or images."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def read_images(
        self,
        X: Images,
        *,
        crops: Sequence[float] | None = None,
        unreadable: dict[int, str] | None = None,
    ) -> CellImages | list[CellImages]:
        """Read images as `predict` does, to be given to several methods in place of X.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.
        crops : sequence of float, default=None
            Crops to read instead of that of the fit, from a single pass over the files; see
            :func:`skblood.reconfigure`.
        unreadable : dict, default=None
            Takes position -> reason of files that cannot be read, which are left out; None makes
            them an error.

        Returns
        -------
        images : CellImages, or with `crops` a list of CellImages
            `X` itself, if it holds read images. Every method and function that takes the X of this
            estimator takes them.

        Raises
        ------
        ValueError
            If the images differ from those of the fit, or cannot be read.
        """
        if not hasattr(self, "spec_"):
            check_is_fitted(self)
        store = self.predictor_.store
        images = self._read(X, self.spec_, store, crops=crops, unreadable=unreadable)
        if crops is None:
            return images[0]
        spec = self.spec_.with_crop(self.spec_.crop)
        pairs = zip(images, crops, strict=True)
        return [spec.as_read(each.pixels, crop) for each, crop in pairs]

    def iter_images(self, X: Images, *, crops: Sequence[float] | None = None) -> ImageChunks:
        """Read images as `predict` does, a few thousand at a time.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.
        crops : sequence of float, default=None
            As of `read_images`.

        Returns
        -------
        images : ImageChunks
            An iterable of `CellImages`, or with `crops` of lists of them, with the number of images
            as its length. Files are read anew each time.

        Raises
        ------
        ValueError
            As by `read_images`; what is found while reading, is raised by the iterator.

        Examples
        --------
        >>> from skblood import CellEmbedder
        >>> from skblood.datasets import make_blood_cells
        >>> X, _ = make_blood_cells(16, image_size=28, random_state=0)
        >>> embedder = CellEmbedder("cellnet_t", random_state=0).fit(X)
        >>> [embedder.transform(images).shape for images in embedder.iter_images(X)]
        [(16, 48)]
        """
        if not hasattr(self, "spec_"):
            check_is_fitted(self)
        X, is_rows = self._unflatten(X, self.spec_)
        reader, n = ImageReader(self.spec_, self.predictor_.store), self.predictor_.chunk_size

        def read():
            chunks = reader.read_chunks(X, n, is_rows=is_rows, crops=crops)
            return chunks if crops is not None else (images for (images,) in chunks)

        return ImageChunks(num_samples(X), read)

    def _read(self, X, spec, store, **options):
        """Read images for a specification; see `ImageReader.read`."""
        X, is_rows = self._unflatten(X, spec)
        reader = ImageReader(spec, store)
        return reader.read(X, is_rows=is_rows, progress=self.verbose == 1, **options)

    def _unflatten(self, X, spec):
        """Return X, whose rows are unflattened if it is a table, and whether it is one."""
        if not is_table(X):
            return X, False
        return unflatten_rows(self._read_rows(X, spec), spec.input_shape), True

    def _read_rows(self, X, spec):
        """Read a table, which has the columns of the fit, or one for each value of an image."""
        width = math.prod(spec.input_shape)
        if getattr(self, "n_features_in_", None) == width:  # fitted with a table
            return read_table(self, X, reset=False)
        rows = read_table(None, X)
        if rows.shape[1] != width:
            raise ValueError(
                f"X has {rows.shape[1]} columns, but the images of the fit have {width} values, "
                f"{spec.input_shape} (h, w, c). Give images, or rows of that many values."
            )
        return rows

    def _read_to_fit(self, X, backbones, *, whole=False, streams=False):
        """Read X, and note what later calls are held to.

        Parameters
        ----------
        X, backbones, streams
            As of `_open_to_fit`.
        whole : bool, default=False
            Read the images without the crop as well.

        Returns
        -------
        images : CellImages or StreamedImages
        whole : ndarray or None
        layout : Layout
        columns : CellModel
        """
        layout, columns, read = self._open_to_fit(X, backbones, streams)
        ((images, whole),) = read(None, whole=whole)
        return images, whole, layout, columns

    def _open_to_fit(self, X, backbones, streams=False):
        """Open X, to be read by a fit.

        Parameters
        ----------
        X : object
        backbones : list of BackboneSpec
            Their configuration gives the image size.
        streams : bool, default=False
            Take a CellStream, too, of which only a sample is read.

        Returns
        -------
        layout : Layout
            Complete when X is read.
        columns : CellModel
            A copy of the estimator with `n_features_in_` and `feature_names_in_`, if X has
            columns: a fit that fails leaves the estimator unchanged.
        read : callable
            Reads chunks of so many images; see `Layout.read_chunks`.
        """
        size = resolve_image_size(self.image_size, [each.name for each in backbones])
        crop, interpolation = getattr(self, "crop", 1.0), getattr(self, "interpolation", "bilinear")
        frame = continued_frame(self, size, crop)
        layout, columns = Layout(*frame, interpolation), copy.copy(self)
        for name in _OF_COLUMNS:
            vars(columns).pop(name, None)
        if isinstance(X, CellImages):
            images = layout.take(X)
            return layout, columns, lambda n, **options: [(images, images.pixels)]
        if streams and isinstance(X, CellStream):
            return layout, columns, partial(_open_stream, X, layout)
        if is_rows := is_table(X):
            rows = read_table(columns, X, ensure_min_samples=1)
            X = unflatten_rows(rows, self.image_shape, features=self._odd_rows)
        elif len(getattr(X, "shape", ())) == 2:
            # Image arrays and lists have no columns, and n_features_in_ is only defined for tables.
            validate_data(columns, X, skip_check_array=True)
        options = {"is_rows": is_rows, "store": self._store(), "progress": self.verbose == 1}
        return layout, columns, partial(layout.read_chunks, X, **options)

    def _store(self):
        memory = getattr(self, "memory", None)
        return memory if isinstance(memory, FeatureStore) else FeatureStore(memory)

    def _feature_store(self):
        """Return where the features of frozen backbones are kept, or None."""
        return self._store()

    def _set_fitted(self, columns, **attributes):
        """Replace all attributes of an earlier fit by these, and those that all estimators have."""
        attributes["image_shape_"] = attributes["spec_"].image_shape
        attributes["fit_settings_"] = {  # for the model card
            name: _LEFT_OUT.sub(r"\1", repr(value))
            for name, value in self.get_params(deep=False).items()
            if name not in ("memory", "verbose", "weights")
        }
        found = [name for name in _OF_COLUMNS if hasattr(columns, name)]
        attributes |= {name: getattr(columns, name) for name in found}
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        vars(self).update(attributes)
        return self


def _open_stream(stream, layout, _n, *, whole=False):
    images = StreamedImages(stream, layout, whole=whole)
    return [(images, images.sample_whole)]


def resolve_image_size(image_size, names):
    """Return the height and width that the network works at; None if images keep their own.

    Parameters
    ----------
    image_size : int, (int, int) or None
        The parameter.
    names : list of str
        Backbones, the largest of whose sizes is the default.
    """
    if image_size is None:
        sizes = [backbone_config(name).image_size for name in names if name != PIXELS]
        return max((size for size in sizes if size is not None), default=None)
    pair = np.ravel(image_size).tolist()
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or any(type(v) is not int or v < 1 for v in pair):
        raise ValueError(
            f"image_size={image_size!r} must be a positive int, a pair (height, width), or None."
        )
    return tuple(pair)


def backbone_spec(name, weights, trainable, standardize):
    """Return the specification of a backbone that is to be fitted."""
    source, digest = resolve_weights(name, weights), None
    if source not in (None, "default", *PRETRAINED_WEIGHTS):
        file_name, digest = identify_weights(source)
        source = f"file:{file_name}"
    if isinstance(trainable, bool | np.bool_):
        raise ValueError(f"trainable={trainable} must be 'all', 'head' or a number of stages.")
    trained = trainable if isinstance(trainable, str) else int(trainable)
    # Pretrained models were trained on images that are standardized by themselves.
    by_image = standardize == "image" or source in PRETRAINED_WEIGHTS
    return BackboneSpec(str(name), source, trained, "image" if by_image else "channel", digest)
