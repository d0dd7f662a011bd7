"""The first layers of EfficientNet-Lite0 as a network for small images, registered with timm."""

import timm
from timm.models import generate_default_cfgs, register_model
from torch import nn

# timm finds this table by its name. There is no `url`: this network has no published weights.
default_cfgs = generate_default_cfgs({"cell_lite0": {"classifier": "classifier"}})


@register_model
def cell_lite0(pretrained=False, img_size=None, **kwargs):
    """EfficientNet-Lite0 without its last four blocks: 925,000 parameters, 192 features.

    Its names are those of timm's ``tf_efficientnet_lite0``, whose ImageNet weights it takes. The
    blocks that it lacks hold four fifths of the parameters, for what cells of 112 px do not show.
    """
    del img_size  # it is the same network for all sizes
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, **kwargs)
    network.blocks = network.blocks[:6]
    network.blocks[5] = network.blocks[5][:1]
    network.conv_head = network.bn2 = nn.Identity()
    network.num_features = network.head_hidden_size = 192
    network.reset_classifier(network.num_classes)
    network.pretrained_cfg = default_cfgs["cell_lite0"].default.to_dict()
    return network
