"""Backbones: standardization, freezing and feature width."""

from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F

from ._config import backbone_config
from ._sources import build_body
from ._weights import PRETRAINED_WEIGHTS

# Spots along a side of an image, among which the darkest and the brightest are found.
_SPOTS = 16
# Added to their distance, in 0..1, so that noise in blank images is not amplified.
_LEAST_RANGE = 0.05


class Standardize(nn.Module):
    """Subtract a mean and divide by a standard deviation, per channel.

    Parameters
    ----------
    mean, std : array-like of float
        One value per channel. A `std` of 0 (a channel that never varies) counts as 1.
    """

    def __init__(self, mean, std):
        super().__init__()
        mean, std = (torch.as_tensor(each, dtype=torch.float32) for each in (mean, std))
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(std > 0, std, torch.ones_like(std)))

    def forward(self, x):
        """Standardize axis 1 of ``(n, c)`` or ``(n, c, h, w)``."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return (x - self.mean.view(shape)) / self.std.view(shape)


class ImageStandardize(Standardize):
    """Scale each channel of an image so that its darkest and brightest spot become -2 and 2.

    These spots are the nucleus and the empty background. Unlike a mean, they do not depend on the
    size of the cell.

    Parameters
    ----------
    n_channels : int
    """

    def __init__(self, n_channels):
        super().__init__([0.0] * n_channels, [1.0] * n_channels)

    def forward(self, x):
        """Standardize ``(n, c, h, w)``."""
        # Spots, since single pixels are noise.
        spot = [max(1, side // _SPOTS) for side in x.shape[2:]]
        spots = F.avg_pool2d(x, spot)
        low, high = spots.amin((2, 3), keepdim=True), spots.amax((2, 3), keepdim=True)
        return 4 * (x - low) / (high - low + _LEAST_RANGE) - 2


class Backbone(nn.Module):
    """Images in 0..1 to features: standardization, then a network without its classifier.

    Parameters
    ----------
    body : torch.nn.Module
        Maps normalized images to ``(n, d)``.
    standardize : Standardize
        The normalization that the body was, or will be, trained with.
    in_channels : int
        Channels that the body takes; gray images are repeated to them.
    stages : list of list of str
        Parameter names of the body by stage, from input to output.
    trainable : "all", "head" or int
        See `train_only`.
    """

    def __init__(self, body, standardize, in_channels, stages=(), trainable="all"):
        super().__init__()
        self.body = body
        self.standardize = standardize
        self.in_channels = in_channels
        self.stages = stages
        self.train_only(trainable)

    def train_only(self, trainable, fixed_statistics=False):
        """Freeze all parameters of the body but those that are to be trained.

        Parameters
        ----------
        trainable : "all", "head" or int
            All of the body, none of it, or its last stages.
        fixed_statistics : bool, default=False
            Keep the statistics of BatchNorm also where the parameters are trained.

        Raises
        ------
        ValueError
            If the body has fewer stages.
        """
        n_stages = len(self.stages)
        if isinstance(trainable, Integral) and trainable > n_stages:
            raise ValueError(
                f"trainable={trainable}, but the backbone has {n_stages} stages. Use fewer."
            )
        self.frozen = trainable == "head"
        keep = {"all": n_stages, "head": 0}.get(trainable, trainable)
        frozen_names = {name for stage in self.stages[: n_stages - keep] for name in stage}
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(name not in frozen_names)
        self._frozen_modules = []
        for module in self.body.modules():
            trained = [parameter.requires_grad for parameter in module.parameters()]
            fixed = fixed_statistics and isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
            if fixed or (trained and not any(trained)):
                self._frozen_modules.append(module)

    def train(self, mode=True):
        """Set the mode; what is frozen stays in evaluation mode, BatchNorm statistics included."""
        super().train(mode)
        for module in self._frozen_modules:
            module.eval()
        return self

    def forward(self, x):
        """Map ``(n, c, h, w)`` in 0..1 to features ``(n, d)``."""
        x = self.standardize(x)
        if x.shape[1] == 1 and self.in_channels == 3:
            x = x.expand(-1, 3, -1, -1)
        return self.body(x)


def create_backbone(
    name,
    *,
    weights="default",
    trainable="all",
    image_shape=(224, 224, 3),
    statistics=None,
    standardize="auto",
    load=True,
    n_features=None,
):
    """Build a backbone.

    Parameters
    ----------
    name : str
        A name of timm, ``"torchvision/<name>"``, or one of our own.
    weights : "default", "pbc", "blood8-2", None or path-like, default="default"
        Published weights (our own networks have none and start at random), those of a pretrained
        model, random weights, or those of a ``.safetensors`` or ``.pth`` file.
    trainable : "all", "head" or int, default="all"
        Train all of it, nothing of it, or its last `trainable` stages.
    image_shape : tuple of (int, int, int), default=(224, 224, 3)
        Height, width and channels of the images that it will be given.
    statistics : tuple of (array-like, array-like), default=None
        Mean and standard deviation per channel of the training images in 0..1, for a backbone
        that brings none. Given for a backbone that does bring some, they are not used.
    standardize : {"auto", "image"}, default="auto"
        By these means and deviations, or each image by its own darkest and brightest spot.
    load : bool, default=True
        False builds the network that takes these weights, but reads nothing.
    n_features : int, default=None
        The number of features, where it is known; None finds it by a pass of one blank image.

    Returns
    -------
    backbone : Backbone

    Raises
    ------
    ValueError
        If the name is unknown, the weights do not fit, the backbone has fewer stages than
        `trainable`, or it does not take images of this shape.
    ConnectionError
        If published weights cannot be fetched.
    """
    *image_size, n_channels = image_shape
    config = backbone_config(name)
    body = build_body(name, weights, n_channels, tuple(image_size), load)
    if n_channels not in (body.in_channels, 1):
        raise ValueError(
            f"backbone={name!r} takes images of {body.in_channels} channels (or gray ones), not of "
            f"shape {tuple(image_shape)} (height, width, channels)."
        )
    if standardize == "image" or weights in PRETRAINED_WEIGHTS:  # as these were trained
        scale = ImageStandardize(n_channels)
    else:
        published = None if config.mean is None else (config.mean, config.std)
        default = [0.5] * n_channels, [0.25] * n_channels
        scale = Standardize(*(published or statistics or default))
    backbone = Backbone(body.module, scale, body.in_channels, body.stages, trainable)
    backbone.num_features = n_features or _feature_width(backbone, name, image_shape)
    return backbone


@torch.no_grad()
def _feature_width(backbone, name, image_shape):
    height, width, n_channels = image_shape
    backbone.eval()
    try:
        return backbone(torch.zeros(1, n_channels, height, width)).shape[1]
    # Networks raise these for images of a shape that they do not take.
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(
            f"backbone={name!r} does not take images of {height}x{width} px: "
            f"{str(error).rstrip('.')}. Set image_size to another, often a larger size."
        ) from error
