"""The graph that is exported: from the values of X to the results of a model, as one module."""

import torch
from torch import nn

from skblood.images import crop_places

from ._onnx_resize import resize


class Graph(nn.Module):
    """uint8 images, or rows of numbers, to probabilities or features.

    Parameters
    ----------
    network : CellNetwork
    spec : NetworkSpec
    """

    def __init__(self, network, spec):
        super().__init__()
        self.network = network
        self.spec = spec

    def forward(self, x):
        """Map images ``(n, h, w, c)``, or rows ``(n, d)``, to ``(n, n_classes)`` or features."""
        if not self.spec.is_pixels:
            x = x.reshape(-1, *self.spec.image_shape)
        x = x.permute(0, 3, 1, 2)
        if self.spec.is_pixels:
            x = self._prepare(x)
        out = self.network(x)
        return out if self.spec.head is None else out.softmax(1)

    def _prepare(self, images):
        """Crop, resize and scale images of any size."""
        spec = self.spec
        for axis in (2, 3) if spec.crop != 1 else ():
            places = crop_places(images.shape[axis], spec.crop, torch.arange)
            images = images.index_select(axis, places)
        if spec.image_size is not None:
            images = resize(images, spec.image_size, spec.interpolation)
        return images.float() / 255
