"""Our own small networks for cell images, registered with timm."""

import timm
import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

# timm finds this table by its name. There is no `url`: these networks have no published weights.
default_cfgs = generate_default_cfgs(
    {"cellnet_t": {}, "cellnet_s": {}, "cell_lite0": {"classifier": "classifier"}}
)


class HeadedNetwork(nn.Module):
    """What timm asks of a network: `num_features`, and a classifier `head` that may be left out.

    A subclass sets `num_features` and calls `reset_classifier` in its constructor.
    """

    def get_classifier(self):
        """Return the classifier layer."""
        return self.head

    def reset_classifier(self, num_classes):
        """Replace the classifier by a fresh one of `num_classes` outputs."""
        self.num_classes = num_classes
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization beside a shortcut.

    The shortcut of a block that changes the shape averages before it projects
    ("ResNet-D", He et al. 2019), so no pixel is skipped; the second
    normalization starts at zero, so a fresh block starts as its shortcut.
    """

    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                # ceil_mode keeps an odd or a one-pixel side as wide as the strided convolution's.
                nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(in_channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x):
        """Map ``(n, in_channels, h, w)`` to ``(n, channels, h / stride, w / stride)``."""
        out = self.act(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.act(out + self.shortcut(x))


class CellNet(HeadedNetwork):
    """A residual network that works at the native resolution of cell images.

    Parameters
    ----------
    widths : tuple of int
        Channels of each stage; every stage but the first halves the resolution.
    depths : tuple of int
        Residual blocks of each stage.
    in_chans : int, default=3
        Channels of the input.
    num_classes : int, default=0
        Outputs of the classifier; 0 gives pooled features.
    img_size : tuple of (int, int), default=(64, 64)
        Height and width of the input. Below 48 px the stem keeps the resolution, above
        it halves it, so that the first stage always works on 24 to 64 positions a side.
        Any other size can be fed; the parameters have the same shapes for all sizes.
    """

    def __init__(self, widths, depths, in_chans=3, num_classes=0, img_size=(64, 64)):
        super().__init__()
        self.num_features = self.head_hidden_size = widths[-1]
        stride = 1 if min(img_size) < 48 else 2
        self.stem = nn.Sequential(
            nn.Conv2d(in_chans, widths[0], 3, stride, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.Sequential()
        in_channels = widths[0]
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = nn.Sequential()
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                blocks.append(ResidualBlock(in_channels, width, stride))
                in_channels = width
            self.stages.append(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reset_classifier(num_classes)

    def group_matcher(self, coarse=False):
        """Tell timm which parameters belong to the stem and to each stage."""
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}

    def forward_features(self, x):
        """Return the last feature map, ``(n, c, h, w)``."""
        return self.stages(self.stem(x))

    def forward_head(self, x, pre_logits=False):
        """Pool the feature map and, unless `pre_logits`, classify it."""
        x = torch.flatten(self.pool(x), 1)
        return x if pre_logits else self.head(x)

    def forward(self, x):
        """Map images ``(n, in_chans, h, w)`` to features or logits."""
        return self.forward_head(self.forward_features(x))


@register_model
def cellnet_t(pretrained=False, **kwargs):
    """About 56,000 parameters: for tests, demos and quick looks."""
    kwargs = {"widths": (16, 32, 48), "depths": (1, 1, 1), **kwargs}
    return build_model_with_cfg(CellNet, "cellnet_t", pretrained, **kwargs)


@register_model
def cellnet_s(pretrained=False, **kwargs):
    """About 630,000 parameters, for images of 28 to 128 px."""
    # Multiples of 16: with 24 channels a CPU's vectors stay half empty, and it takes twice as long.
    kwargs = {"widths": (16, 32, 64, 192), "depths": (2, 2, 2, 1), **kwargs}
    return build_model_with_cfg(CellNet, "cellnet_s", pretrained, **kwargs)


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
