"""Networks of papers on blood cells, registered with timm: plain CNNs and a U-Net."""

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn
from torch.nn import functional as F

from ._cellnet import HeadedNetwork

# timm finds this table by its name. There is no `url`: their weights were not published.
_NAMES = ("cnn_asghar", "cnn_batista", "cnn_battu", "unet_classifier")
default_cfgs = generate_default_cfgs({name: {} for name in _NAMES})


class PlainCNN(HeadedNetwork):
    """3x3 convolutions with ReLU and max-pooling, and the last map flattened, as in Keras.

    Parameters
    ----------
    widths : tuple of tuple of int
        Channels of each convolution; a max-pooling, which halves the map, ends each inner tuple.
    in_chans : int, default=3
        Channels of the input.
    num_classes : int, default=0
        Outputs of the classifier; 0 gives the flattened map.
    img_size : tuple of (int, int), default=(64, 64)
        Height and width of the input. The convolutions have the same shapes for all sizes; the
        features grow with the size.

    Raises
    ------
    ValueError
        If nothing would be left of images of this size.
    """

    def __init__(self, widths, in_chans=3, num_classes=0, img_size=(64, 64)):
        super().__init__()
        least = 2 ** len(widths)
        if min(img_size) < least:
            raise ValueError(
                f"it halves images {len(widths)} times; a side needs {least} px or more."
            )
        self.features = nn.Sequential()
        for block in widths:
            layers = nn.Sequential()
            for width in block:
                convolution = nn.Conv2d(in_chans, width, 3, padding=1)
                # Without normalization, torch's own start loses the image within seven layers.
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                layers.extend([convolution, nn.ReLU(inplace=True)])
                in_chans = width
            self.features.append(layers.append(nn.MaxPool2d(2)))
        height, width = img_size
        self.num_features = in_chans * (height // least) * (width // least)
        self.reset_classifier(num_classes)

    def forward(self, x):
        """Map images ``(n, in_chans, h, w)`` to features or logits."""
        return self.head(self.features(x).flatten(1))


def _create(variant, pretrained, widths, **kwargs):
    return build_model_with_cfg(PlainCNN, variant, pretrained, widths=widths, **kwargs)


@register_model
def cnn_batista(pretrained=False, **kwargs):
    """CNN of Batista & Silva 2025, for 28 px: 32, 64 and 128 channels, each with a max-pooling.

    Images come to it in [-1, 1]. The paper's dense layer and dropout are
    ``hidden_layer_sizes=(128,), dropout=0.3`` of the classifier.
    """
    return _create("cnn_batista", pretrained, ((32,), (64,), (128,)), **kwargs)


@register_model
def cnn_asghar(pretrained=False, **kwargs):
    """CNN of Asghar et al. 2023, for 100 px: convolutions of 32, 64, 64, 64, 128, 256, 256.

    Where the max-poolings stand is not known to us. One behind each run of equal widths gives the
    22 layers that the paper counts: 7 convolutions, 7 ReLU, 4 max-poolings, dropout, flattening, a
    dense layer and the output. The dense layer and the dropout are
    ``hidden_layer_sizes=(128,), dropout=0.25`` of the classifier.
    """
    return _create("cnn_asghar", pretrained, ((32,), (64, 64, 64), (128,), (256, 256)), **kwargs)


@register_model
def cnn_battu(pretrained=False, **kwargs):
    """CNN in the place of that of Battu et al. 2024, whose layers are not known to us, for 128 px.

    It is the textbook's network for images of that size: 32, 64, 128 and 128 channels, each with
    a max-pooling (Chollet 2017, Deep Learning with Python, section 5.2). The textbook's dense
    layer is ``hidden_layer_sizes=(512,)`` of the classifier.
    """
    return _create("cnn_battu", pretrained, ((32,), (64,), (128,), (128,)), **kwargs)


class UNet(HeadedNetwork):
    """An encoder, and a decoder that is given the encoder's maps (Ronneberger et al. 2015).

    Unlike the original, the convolutions are padded and batch-normalized, and the map is
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
        convolution = nn.Conv2d(n_inputs, channels, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


@register_model
def unet_classifier(pretrained=False, **kwargs):
    """U-Net of half the original's widths, 8.6 million parameters, for images of any size.

    Battu et al. 2024 used a U-Net to classify; its widths are not known to us.
    """
    kwargs = {"widths": (32, 64, 128, 256, 512), **kwargs}
    return build_model_with_cfg(UNet, "unet_classifier", pretrained, **kwargs)
