"""Backbones: a name becomes a network, its feature width and its preprocessing."""

from ._backbone import Backbone, ImageStandardize, Standardize, create_backbone, fine_tunes
from ._build import PIXELS, build_network, configure_network, create_network
from ._cellnet import CellNet
from ._config import OWN_BACKBONES, BackboneConfig, backbone_config, resolve_weights
from ._module import (
    ACTIVATIONS,
    CellNetwork,
    check_layer_sizes,
    dihedral_views,
    hash_weights,
    make_head,
)
from ._paper_nets import PlainCNN
from ._spec import BackboneSpec, HeadSpec, NetworkSpec
from ._unet import UNet
from ._weights import READY_WEIGHTS, without_weights

__all__ = [
    "ACTIVATIONS",
    "OWN_BACKBONES",
    "PIXELS",
    "READY_WEIGHTS",
    "Backbone",
    "BackboneConfig",
    "BackboneSpec",
    "CellNet",
    "CellNetwork",
    "HeadSpec",
    "ImageStandardize",
    "NetworkSpec",
    "PlainCNN",
    "Standardize",
    "UNet",
    "backbone_config",
    "build_network",
    "check_layer_sizes",
    "configure_network",
    "create_backbone",
    "create_network",
    "dihedral_views",
    "fine_tunes",
    "hash_weights",
    "make_head",
    "resolve_weights",
    "without_weights",
]
