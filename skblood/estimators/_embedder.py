"""The features of a backbone, as a scikit-learn transformer."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skblood._sklearn import fit_context
from skblood.estimators._base import BACKBONE_CONSTRAINTS, STANDARDIZE_CONSTRAINT, CellModel
from skblood.estimators._docs import document
from skblood.estimators._training_set import channel_statistics
from skblood.images import content_keys
from skblood.inference import draw_seed, resolve_device, seeded
from skblood.networks import CellNetwork, create_backbone


@document
@dataclass(kw_only=True, repr=False, eq=False)
class CellEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CellModel):
    """Turn cell images into the features of a backbone.

    Nothing is trained: `fit` notes the shape of the images and builds the backbone. The features
    go where any table goes: into a logistic regression, a sampler, a clustering.

    Parameters
    ----------
    backbone : str, default="efficientnet_b0"
        As in `TransferCellClassifier`. Our own backbones have no published weights: without
        a file, their features are those of an untrained network.
    weights : "default", "pbc", None or path-like, default="default"
        As in `TransferCellClassifier`.
    {parameters}

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images that the backbone works on.
    n_features_in_ : int
        Width of a flattened image, as given to `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, when `X` was a DataFrame of numbers.
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

    backbone: str = field(default="efficientnet_b0", kw_only=False)
    weights: object = "default"
    standardize: str = "auto"

    _parameter_constraints = {
        **CellModel._parameter_constraints,
        "backbone": BACKBONE_CONSTRAINTS["backbone"],
        "weights": BACKBONE_CONSTRAINTS["weights"],
        "standardize": STANDARDIZE_CONSTRAINT,
    }

    def __sklearn_tags__(self):
        """Say that the features are float32, whatever the images are."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _backbone_names(self):
        return [self.backbone]

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Note the shape of the images and build the backbone.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `TransferCellClassifier.fit` takes.
        y : object, default=None
            Not used; there for Pipelines.

        Returns
        -------
        self : object
            The fitted embedder.

        Raises
        ------
        ValueError
            If X or a parameter is not as described.
        ConnectionError
            If published weights cannot be fetched.
        """
        with self._all_or_nothing():
            images = self._read_to_fit(X)
            device, seed = resolve_device(self.device), draw_seed(self.random_state)
            with seeded(seed, device):
                statistics = channel_statistics(images, np.arange(len(images)))
                self._adopt(self._make_network(statistics))
        return self

    def _make_network(self, statistics):
        backbone = create_backbone(
            self.backbone,
            weights=self.weights,
            trainable="head",
            image_shape=self.image_shape_,
            statistics=statistics,
            standardize=self.standardize,
        )
        return CellNetwork([backbone], nn.Identity(), self.image_size_, self.interpolation)

    def _blank_network(self):
        """Build the network that a fitted embedder has, for weights that are loaded afterwards."""
        n_channels = self.image_shape_[2]
        return self._make_network((np.zeros(n_channels), np.ones(n_channels)))

    def _adopt(self, network):
        device = resolve_device(self.device)
        self._n_features_out = network.backbones[0].num_features
        self.network_, self.device_ = network.to(device), str(device)

    def transform(self, X):
        """Return the features of each image.

        Parameters
        ----------
        X : array-like or sequence
            Images, in any form that `fit` takes.

        Returns
        -------
        features : ndarray of shape (n, d), dtype float32
        """
        check_is_fitted(self)
        images = self._read_to_predict(X)
        return self._encode(self.network_, images, content_keys(images))
