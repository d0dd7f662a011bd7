"""The U-Net, used to classify."""

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn
from torch.nn import functional as F

from ._headed import HeadedNetwork

# timm finds this table by its name.
default_cfgs = generate_default_cfgs({"unet_classifier": {}})


class UNet(HeadedNetwork):
    """An encoder, and a decoder that is given the encoder's maps (Ronneberger et al. 2015).

    Unlike the original, the convolutions are padded and normalised by batch, and the map is
    enlarged by repetition before a convolution, so that any size comes back to itself. Instead of
    being a mask, the last map is averaged.

    Parameters
    ----------
    widths : tuple of int
        Channels of the encoder from the top to the bottom, each level half as large as the one
        above.
    in_chans : int, default=3
        Channels of the input.
    num_classes : int, default=0
        Outputs of the classifier; 0 gives pooled features.
    img_size : tuple of (int, int), default=(64, 64)
        Height and width of the input, which may be any.
    """

    def __init__(self, widths, in_chans=3, num_classes=0, img_size=(64, 64)):
        super().__init__()
        self.num_features = widths[0]
        self.encoder = nn.ModuleList()
        for width in widths:
            self.encoder.append(_two_convolutions(in_chans, width))
            in_chans = width
        self.decoder = nn.ModuleList(_Level(width) for width in widths[-2::-1])
        self.reset_classifier(num_classes)

    def forward_features(self, x):
        """Return the last feature map, ``(n, c, h, w)``, of the size of the images."""
        skipped = []
        for level in self.encoder:
            x = level(F.max_pool2d(x, 2, ceil_mode=True) if skipped else x)
            skipped.append(x)
        for level, skip in zip(self.decoder, skipped[-2::-1], strict=True):
            x = level(x, skip)
        return x

    def forward(self, x):
        """Map images ``(n, in_chans, h, w)`` to features or logits."""
        return self.head(self.forward_features(x).mean((2, 3)))


class _Level(nn.Module):
    """A level of the decoder: the map from below, enlarged, beside that of the encoder."""

    def __init__(self, channels):
        super().__init__()
        self.narrow = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.convolutions = _two_convolutions(2 * channels, channels)

    def forward(self, x, skip):
        """Map ``(n, 2 c, h', w')`` and the encoder's ``(n, c, h, w)`` to ``(n, c, h, w)``."""
        x = self.narrow(F.interpolate(x, size=skip.shape[2:]))
        return self.convolutions(torch.cat([skip, x], dim=1))


def _two_convolutions(in_channels, channels):
    layers = []
    for n_inputs in (in_channels, channels):
        layers += [
            nn.Conv2d(n_inputs, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


@register_model
def unet_classifier(pretrained=False, **kwargs):
    """U-Net of half the original's widths, 8.6 million parameters, for images of any size.

    Battu et al. 2024 used a U-Net to classify; its widths are not known to us.
    """
    return build_model_with_cfg(
        UNet, "unet_classifier", pretrained, widths=(32, 64, 128, 256, 512), **kwargs
    )
