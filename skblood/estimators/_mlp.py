"""The classifier on the pixels themselves."""

from dataclasses import dataclass, field

from torch import nn

from skblood._sklearn import StrOptions
from skblood.estimators._classifier import CellClassifier
from skblood.estimators._docs import document
from skblood.networks import ACTIVATIONS, Backbone, Standardize, make_head


@document
@dataclass(kw_only=True, repr=False, eq=False)
class MLPCellClassifier(CellClassifier):
    """Classify cell images by a multi-layer perceptron on their pixels.

    The baseline of the field, and a classifier of any table of numbers: rows that fold to no
    square image are taken as features, each standardised by its mean and standard deviation
    among the training rows.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(1024, 512)
        Units of each hidden layer. Each is followed by batch normalisation, the activation and
        dropout.
    activation : {{"relu", "gelu", "tanh", "silu"}}, default="relu"
        Activation of the hidden layers.
    dropout : float in [0, 1), default=0.1
        Share of units dropped after each hidden layer.
    max_epochs : int, default=40
        Passes over the training images, at most.
    {shared}

    See Also
    --------
    TransferCellClassifier : A convolutional or transformer backbone and a dense head.

    Examples
    --------
    >>> from skblood import MLPCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = MLPCellClassifier(hidden_layer_sizes=(64,), max_epochs=3, random_state=0)
    >>> clf.fit(X, y).predict(X).shape
    (160,)
    """

    hidden_layer_sizes: tuple = field(default=(1024, 512), kw_only=False)
    dropout: float = 0.1
    max_epochs: int = 40
    activation: str = "relu"

    _parameter_constraints = {
        **CellClassifier._parameter_constraints,
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    _odd_rows = "keep"

    def _backbone_names(self):
        return []

    def _make_backbones(self, image_shape, statistics):
        height, width, n_channels = image_shape
        pixels = Backbone(nn.Flatten(), Standardize(*statistics), n_channels)
        pixels.num_features = height * width * n_channels
        return [pixels]

    def _make_head(self, n_features, n_classes):
        return make_head(
            n_features,
            self.hidden_layer_sizes,
            n_classes,
            dropout=self.dropout,
            activation=self.activation,
            batch_norm=True,
        )
