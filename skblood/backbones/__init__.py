"""Backbones: a name becomes a network, its feature width and its preprocessing."""

from ._backbone import Backbone, ImageStandardize, Standardize, create_backbone, fine_tunes
from ._cellnet import CellNet
from ._config import OWN_BACKBONES, BackboneConfig, backbone_config, resolve_weights
from ._paper_nets import PlainCNN
from ._unet import UNet
from ._weights import without_weights

__all__ = [
    "OWN_BACKBONES",
    "Backbone",
    "BackboneConfig",
    "CellNet",
    "ImageStandardize",
    "PlainCNN",
    "Standardize",
    "UNet",
    "backbone_config",
    "create_backbone",
    "fine_tunes",
    "resolve_weights",
    "without_weights",
]
