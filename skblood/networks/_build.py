"""From a specification to the network."""

import torch
from torch import nn

from ._backbone import Backbone, Standardize, create_backbone
from ._module import CellNetwork, make_head

PIXELS = "pixels"


def build_network(spec):
    """Build the network of a specification with random weights; no file is read.

    Parameters
    ----------
    spec : NetworkSpec

    Returns
    -------
    network : CellNetwork
        For weights that are loaded afterwards, statistics of standardization included.
    """
    n_channels = spec.image_shape[2]
    blank = torch.zeros(n_channels), torch.ones(n_channels)
    weights = [each.weights for each in spec.backbones]
    network = create_network(spec, weights, blank, load=False)
    if spec.head is not None and spec.head.standardize_features:
        n_features = sum(backbone.num_features for backbone in network.backbones)
        network.scale = Standardize(torch.zeros(n_features), torch.ones(n_features))
    return network.to(memory_format=torch.channels_last)


def create_network(spec, weights, statistics, load=True):
    """Create the network of a specification and load pretrained weights.

    Parameters
    ----------
    spec : NetworkSpec
    weights : list of "default", "pbc", None or path-like
        What each backbone starts from; see `create_backbone`.
    statistics : tuple of (array-like, array-like)
        Mean and standard deviation per channel of the training images, for backbones that bring
        none.
    load : bool, default=True
        False reads no weights.

    Returns
    -------
    network : CellNetwork
    """
    backbones = [
        _create(each, source, spec.image_shape, statistics, load)
        for each, source in zip(spec.backbones, weights, strict=True)
    ]
    head = nn.Identity()
    if spec.head is not None:
        head = make_head(
            sum(backbone.num_features for backbone in backbones),
            spec.head.hidden_layer_sizes,
            len(spec.classes),
            dropout=spec.head.dropout,
            activation=spec.head.activation,
            batch_norm=spec.head.batch_norm,
        )
    network = CellNetwork(backbones, head)
    configure_network(network, spec)
    return network


def configure_network(network, spec):
    """Set, in place, what a network has of its specification beside its layers."""
    network.image_size = spec.image_size
    network.interpolation = spec.interpolation
    network.dihedral_views = spec.dihedral_views
    for backbone, each in zip(network.backbones, spec.backbones, strict=True):
        backbone.train_only(each.trained)


def _create(backbone_spec, weights, image_shape, statistics, load):
    if backbone_spec.name == PIXELS:
        backbone = Backbone(nn.Flatten(), Standardize(*statistics), image_shape[2])
        backbone.num_features = image_shape[0] * image_shape[1] * image_shape[2]
        return backbone
    return create_backbone(
        backbone_spec.name,
        weights=weights,
        trainable=backbone_spec.trained,
        image_shape=image_shape,
        statistics=statistics,
        standardize=backbone_spec.standardize,
        load=load,
    )
