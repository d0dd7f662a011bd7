"""The features of a backbone, as a scikit-learn transformer."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from torch import nn

from skblood import _typing as t
from skblood._sklearn import fit_context, num_samples
from skblood._writing import show_progress
from skblood.images import CellImages, ImageChunks, holds_arrays, torch_defaults
from skblood.inference import Predictor, draw_seed, resolve_device, seeded
from skblood.networks import NetworkSpec, backbone_config, create_network
from skblood.training import channel_statistics

from ._base import BACKBONE_CONSTRAINTS, PREPROCESSING_CONSTRAINTS, CellModel, backbone_spec
from ._docs import document


@document
class CellEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CellModel):
    """Transformer of cell images into the features of a backbone.

    Nothing is trained: `fit` records the shape of the images and builds the backbone. The features
    are a table, for a logistic regression, a sampler or a clustering.

    Parameters
    ----------
    backbone : str, default="efficientnet_b0"
        As in `TransferCellClassifier`. The backbones of skblood have no published weights: their
        features are those of an untrained network, unless `weights` names a file or a pretrained
        model.
    weights : "default", "pbc", "blood8-2", None or path-like, default="default"
        As in `TransferCellClassifier`.
    {parameters}

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images that the backbone works on.
    n_features_in_ : int
        Number of columns of `X`, if it was a table or a DataFrame. Image arrays and lists of
        images have none.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns, if `X` was a DataFrame.
    spec_ : skblood.networks.NetworkSpec
        What the network is and what images it takes; everything after `fit` reads it.
    predictor_ : skblood.inference.Predictor
        Applies the network to images.
    network_ : torch.nn.Module
        The backbone with its preprocessing.
    device_ : str
        The device that it was built on.

    See Also
    --------
    TransferCellClassifier : With ``trainable="head"``, a dense head on the same features.

    Examples
    --------
    >>> from skblood import CellEmbedder
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(16, image_size=28, random_state=0)
    >>> CellEmbedder("cellnet_t", random_state=0).fit_transform(X).shape
    (16, 48)
    """

    network_: Any

    _parameter_constraints = {
        **CellModel._parameter_constraints,
        **PREPROCESSING_CONSTRAINTS,
        "backbone": BACKBONE_CONSTRAINTS["backbone"],
        "weights": BACKBONE_CONSTRAINTS["weights"],
    }

    def __init__(
        self,
        backbone: str = "efficientnet_b0",
        *,
        weights: t.Weights = "default",
        standardize: t.Standardization = "auto",
        image_shape: t.ImageShape = None,
        image_size: t.ImageSize = None,
        crop: float = 1.0,
        interpolation: t.Interpolation = "bilinear",
        memory: t.Memory = None,
        device: str = "auto",
        precision: t.Precision = "auto",
        random_state: t.RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.standardize = standardize
        self.image_shape = image_shape
        self.image_size = image_size
        self.crop = crop
        self.interpolation = interpolation
        self.memory = memory
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        """Return tags: the features are float32, whatever the images are."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: t.Images, y: Any = None) -> Self:
        """Record the shape of the images and build the backbone.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `TransferCellClassifier.fit` takes.
        y : object, default=None
            Ignored; for compatibility with Pipelines.

        Returns
        -------
        self : object
            The fitted embedder.

        Raises
        ------
        ValueError
            If X or a parameter is not as described.
        ConnectionError
            If published weights cannot be downloaded.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: t.Images, y: Any = None) -> t.Floats32:
        """Fit, and return the features of the same images, which are read once.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.
        y : object, default=None
            Ignored; for compatibility with Pipelines.

        Returns
        -------
        features : ndarray of shape (n, d), dtype float32
        """
        self._validate_params()
        with show_progress(self.verbose == 1):
            return self._fit(X, Predictor.features)  # read once, and the output is wrapped once

    def transform(self, X: t.Images) -> t.Floats32:
        """Return the features of each image.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.

        Returns
        -------
        features : ndarray of shape (n, d), dtype float32

        Raises
        ------
        ValueError
            If the images differ from those of the fit, cannot be read, or have features that are
            not finite.
        """
        with show_progress(self.verbose == 1):
            return self.predictor_.features(self.iter_images(X))

    @torch_defaults()
    def _fit(self, X, step=None):
        """Fit, and return the result of a method of the predictor for the images, if any."""
        backbone = backbone_spec(self.backbone, self.weights, "head", self.standardize)
        layout, columns, read = self._open_to_fit(X, [backbone])
        device = resolve_device(self.device)
        chunks = iter(read(self._chunk_size(X, backbone, layout, device)))
        images, _ = next(chunks)
        spec, seed = self._make_spec(backbone, layout), draw_seed(self.random_state)
        with seeded(seed, device):
            statistics = channel_statistics(images.pixels, np.arange(len(images)))
            network = create_network(spec, [self.weights], statistics)
        predictor = Predictor(network, spec, device, self._store())
        images = chain([images], (some for some, _ in chunks))
        if step is None:
            result = deque(images, maxlen=0)
        else:
            result = step(predictor, ImageChunks(num_samples(X), lambda: images))
        predictor.spec = spec = self._make_spec(backbone, layout)  # as all images have told
        fitted = {"spec_": spec, "predictor_": predictor, "network_": network}
        self._set_fitted(columns, **fitted, device_=str(device))
        self._n_features_out = network.backbones[0].num_features
        return result

    def _make_spec(self, backbone, layout):
        settings = layout.as_fields()
        return NetworkSpec((backbone,), None, None, precision=self.precision, **settings)

    def _chunk_size(self, X, backbone, layout, device):
        """Return how many images to read at a time; None for all, which the network depends on."""
        is_known = backbone.standardize == "image" or backbone_config(backbone.name).mean
        # Channels of a list of arrays are known when all are read.
        is_list = not isinstance(X, CellImages) and not hasattr(X, "shape") and holds_arrays(X)
        if not is_known or layout.image_size is None or is_list:
            return None
        shape = (*layout.image_size, 3)
        spec = NetworkSpec((backbone,), None, None, image_shape=shape, input_shape=shape)
        return Predictor(nn.Identity(), spec, device).chunk_size
