"""Backbones: a name becomes a network, its feature width and its preprocessing."""

from skblood.backbones._backbone import Backbone, Standardize, create_backbone
from skblood.backbones._cellnet import CellNet
from skblood.backbones._config import OWN_BACKBONES, BackboneConfig, backbone_config

__all__ = [
    "OWN_BACKBONES",
    "Backbone",
    "BackboneConfig",
    "CellNet",
    "Standardize",
    "backbone_config",
    "create_backbone",
]
