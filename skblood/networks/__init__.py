"""Backbones: a name becomes a network, its feature width and its preprocessing."""

from ._backbone import Backbone, ImageStandardize, Standardize, create_backbone
from ._build import PIXELS, build_network, configure_network, create_network
from ._cellnet import CellNet, cell_lite0
from ._config import OWN_BACKBONES, BackboneConfig, backbone_config, resolve_weights
from ._hooks import batch_norms, hooked
from ._module import ACTIVATIONS, CellNetwork, check_layer_sizes, hash_weights, make_head
from ._paper_nets import PlainCNN, UNet
from ._spec import MAX_VIEW_CROPS, VIEW_CROP_RANGE, BackboneSpec, HeadSpec, NetworkSpec
from ._weights import PRETRAINED_WEIGHTS, identify_weights
