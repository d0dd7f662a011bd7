"""The whole way from what X holds to what a model answers, as one module."""

import torch
from torch import nn

from skblood.images import crop_places
from skblood.io._onnx_resize import resize


class Graph(nn.Module):
    """uint8 images, or rows of numbers, to probabilities or features.

    Parameters
    ----------
    network : CellNetwork
    image_shape : tuple of (int, int, int)
        Height, width and channels that the network was fitted on.
    is_pixels : bool
        Whether it takes images; else rows of float32.
    classifies : bool
        Whether its outputs are logits, to be turned into probabilities.
    crop : float
        The share of each side of an image that is kept.
    """

    def __init__(self, network, image_shape, is_pixels, classifies, crop):
        super().__init__()
        self.network = network
        self.image_shape = image_shape
        self.is_pixels = is_pixels
        self.classifies = classifies
        self.crop = crop

    def forward(self, x):
        """Map images ``(n, h, w, c)``, or rows ``(n, d)``, to ``(n, n_classes)`` or features."""
        if not self.is_pixels:
            x = x.reshape(-1, *self.image_shape)
        x = x.permute(0, 3, 1, 2)
        if self.is_pixels:
            x = self._scaled(x)
        out = self.network(x)
        return out.softmax(1) if self.classifies else out

    def _scaled(self, images):
        """Crop as reading does, and do what `CellNetwork.prepare` does, for any size."""
        network = self.network
        for axis in (2, 3) if self.crop != 1 else ():
            places = crop_places(images.shape[axis], self.crop, torch.arange)
            images = images.index_select(axis, places)
        if network.image_size is not None:
            images = resize(images, network.image_size, network.interpolation)
        return images.float() / 255
