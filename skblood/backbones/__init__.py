"""Backbones: a name becomes a network, its feature width and its preprocessing."""

from ._backbone import Backbone, Standardize, create_backbone, fine_tunes
from ._cellnet import CellNet
from ._config import OWN_BACKBONES, BackboneConfig, backbone_config

__all__ = [
    "OWN_BACKBONES",
    "Backbone",
    "BackboneConfig",
    "CellNet",
    "Standardize",
    "backbone_config",
    "create_backbone",
    "fine_tunes",
]
