"""The networks that are measured, and images to measure them with."""

from dataclasses import dataclass

import numpy as np
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from skblood import MLPCellClassifier, TransferCellClassifier
from skblood.datasets import make_blood_cells

# timm finds this table by its name.
default_cfgs = generate_default_cfgs({"plain_cnn": {}})


class PlainCNN(nn.Module):
    """Three 3x3 convolutions of 32, 64 and 128 channels, as in Batista & Silva 2025."""

    def __init__(self, in_chans=3, num_classes=0):
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Sequential()
        for width in (32, 64, 128):
            self.features += nn.Sequential(
                nn.Conv2d(in_chans, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            )
            in_chans = width

    def forward(self, x):
        """Map images ``(n, in_chans, h, w)`` to the flattened map of ``h / 8 * w / 8 * 128``."""
        return self.features(x).flatten(1)


@register_model
def plain_cnn(pretrained=False, **kwargs):
    """Build it, so that TransferCellClassifier finds it by its name."""
    return build_model_with_cfg(PlainCNN, "plain_cnn", pretrained, **kwargs)


@dataclass(frozen=True)
class Network:
    """A network as skblood builds it, and the images that it is measured on.

    Attributes
    ----------
    what : str
        For a reader.
    image_size : int
        Height and width of the images.
    n_images : int
        Images in the full form; the short form has an eighth.
    backbone : str or None
        None is a multi-layer perceptron on the pixels.
    hidden_layer_sizes : tuple of int or None
        None is the estimator's default.
    """

    what: str
    image_size: int
    n_images: int
    backbone: str | None = None
    hidden_layer_sizes: tuple | None = None

    def estimator(self, **options):
        """Return the unfitted classifier."""
        if self.hidden_layer_sizes is not None:
            options["hidden_layer_sizes"] = self.hidden_layer_sizes
        if self.backbone is None:
            return MLPCellClassifier(random_state=0, **options)
        return TransferCellClassifier(
            self.backbone, weights=None, image_size=self.image_size, random_state=0, **options
        )

    def images(self, quick):
        """Return (X, y), synthetic cells."""
        n = self.n_images // 8 if quick else self.n_images
        return make_blood_cells(n, image_size=self.image_size, random_state=0)

    def fitted(self, device):
        """Return the classifier, fitted on a few images: its network is what is wanted."""
        X, y = make_blood_cells(64, image_size=self.image_size, random_state=1)
        return self.estimator(max_epochs=1, device=device).fit(X, y)


def noise(n, image_size):
    """Return `n` images of noise, which are quicker to make than cells, and labels."""
    images = np.random.default_rng(0).integers(
        0, 256, (n, image_size, image_size, 3), dtype=np.uint8
    )
    return images, np.arange(n) % 8


def module_of(classifier):
    """Return the network of a fitted classifier: images ``(n, c, h, w)`` in 0..1 to logits."""
    return classifier.net_.module_


NETWORKS = {
    "mlp_28": Network("MLP, 1024 units, 28 px", 28, 10_000, hidden_layer_sizes=(1024,)),
    "cnn_28": Network("CNN 32-64-128, dense 128, 28 px", 28, 10_000, "plain_cnn", (128,)),
    "cellnet_64": Network("cellnet_s, 64 px", 64, 4_000, "cellnet_s"),
    "mobilenet_128": Network("mobilenetv2_100, 128 px", 128, 1_000, "mobilenetv2_100"),
    "squeezenet_128": Network("squeezenet1_0, 128 px", 128, 1_000, "torchvision/squeezenet1_0"),
    "resnet50_224": Network("resnet50, 224 px", 224, 240, "resnet50"),
}
