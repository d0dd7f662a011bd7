"""From a specification to the network."""

import math
from dataclasses import asdict

import torch
from torch import nn

from ._backbone import Backbone, Standardize, create_backbone
from ._module import CellNetwork, make_head

PIXELS = "pixels"


def build_network(spec, widths=None):
    """Build the network of a specification with random weights; no file is read.

    Parameters
    ----------
    spec : NetworkSpec
    widths : list of int, default=None
        The number of features of each backbone; None finds it by a pass of one blank image.

    Returns
    -------
    network : CellNetwork
        For weights that are loaded afterwards, statistics of standardization included.
    """
    n_channels = spec.image_shape[2]
    blank = torch.zeros(n_channels), torch.ones(n_channels)
    weights = [each.weights for each in spec.backbones]
    network = create_network(spec, weights, blank, load=False, widths=widths)
    if spec.head is not None and spec.head.standardize_features:
        n_features = sum(backbone.num_features for backbone in network.backbones)
        network.scale = Standardize(torch.zeros(n_features), torch.ones(n_features))
    return network.to(memory_format=torch.channels_last)


def create_network(spec, weights, statistics, load=True, widths=None):
    """Create the network of a specification and load pretrained weights.

    Parameters
    ----------
    spec : NetworkSpec
    weights : list of "default", "pbc", "blood8-2", None or path-like
        What each backbone starts from; see `create_backbone`.
    statistics : tuple of (array-like, array-like)
        Mean and standard deviation per channel of the training images, for backbones that bring
        none.
    load : bool, default=True
        False reads no weights.
    widths : list of int, default=None
        See `build_network`.

    Returns
    -------
    network : CellNetwork
    """
    options = {"image_shape": spec.image_shape, "statistics": statistics, "load": load}
    backbones, head = [], nn.Identity()
    widths = widths or [None] * len(weights)
    for each, source, width in zip(spec.backbones, weights, widths, strict=True):
        if each.name == PIXELS:
            backbone = Backbone(nn.Flatten(), Standardize(*statistics), spec.image_shape[2])
            backbone.num_features = math.prod(spec.image_shape)
        else:
            own = {"weights": source, "standardize": each.standardize, "n_features": width}
            backbone = create_backbone(each.name, **own, **options)
        backbones.append(backbone)
    if spec.head is not None:
        options = asdict(spec.head)
        del options["standardize_features"]
        n_features = sum(backbone.num_features for backbone in backbones)
        head = make_head(n_features, n_outputs=len(spec.classes), **options)
    network = CellNetwork(backbones, head)
    configure_network(network, spec)
    return network


def configure_network(network, spec):
    """Set, in place, what a network has of its specification beside its layers."""
    network.image_size = spec.image_size
    network.interpolation = spec.interpolation
    network.dihedral_views, network.view_crops = spec.dihedral_views, spec.view_crops
    # A head of standardized features was trained on those of the pretrained statistics.
    fixed_statistics = spec.head is not None and spec.head.standardize_features
    for backbone, each in zip(network.backbones, spec.backbones, strict=True):
        backbone.train_only(each.trained, fixed_statistics)
