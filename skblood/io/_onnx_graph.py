"""The graph that is exported: from the values of X to the results of a model, as one module.

Resizing equals `skblood.images.resize_batch` in every pixel. torch resizes uint8 images in
integers: weights are rounded to as many bits as the largest allows in 16, and the image between the
two passes is uint8. ONNX's Resize computes in floats, in one pass, and differs by a gray level in
some pixels. So both passes are written out, as products with a matrix that the graph computes from
the size of the images. float64 holds these integers exactly.
"""

import torch
from torch import nn

from skblood.images import crop_places

_RESOLUTION = 15  # bits of the largest weight
_MOST_BITS = 22


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
        if self.spec.is_pixels:
            x = self._prepare(x.permute(0, 3, 1, 2))
        else:
            x = x.reshape(-1, *self.spec.image_shape).permute(0, 3, 1, 2)
        out = self.network(x)
        if self.spec.class_factors is not None:
            out = out + out.new_tensor(self.spec.log_factors)
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


def resize(images, size, interpolation):
    """Resize a batch whose size the graph does not know.

    Parameters
    ----------
    images : torch.Tensor of shape (n, c, h, w), dtype uint8
    size : tuple of (int, int)
    interpolation : {"bilinear", "bicubic", "nearest"}

    Returns
    -------
    torch.Tensor of shape (n, c, *size), dtype float64
        Integers from 0 to 255.
    """
    height, width = size
    if interpolation == "nearest":
        images = images.index_select(3, _nearest(images.shape[3], width))
        return images.index_select(2, _nearest(images.shape[2], height)).double()
    kernel = {"bilinear": (_triangle, 1.0), "bicubic": (_cubic, 2.0)}[interpolation]
    weights, unit = _weights(images.shape[3], width, *kernel)
    images = _rounded(images.double() @ weights.T, unit)
    weights, unit = _weights(images.shape[2], height, *kernel)
    return _rounded(weights @ images, unit)


def _rounded(sums, unit):
    return (sums / unit + 0.5).floor().clamp(0, 255)


def _weights(old, new, kernel, radius):
    """Return the integer weights ``(new, old)`` of the pixels along a side, and their sum."""
    places = torch.arange(old, dtype=torch.float64)
    old = places.new_ones(()) * old  # in the graph from here on, whatever the size
    scale = old / new
    stretch = scale.clamp(min=1.0)
    centers = (torch.arange(new, dtype=torch.float64)[:, None] + 0.5) * scale
    first = (centers - radius * stretch + 0.5).floor()
    last = torch.minimum((centers + radius * stretch + 0.5).floor(), old)
    inside = (places >= first) & (places < last)
    weights = kernel((places + 0.5 - centers) / stretch) * inside
    weights = weights / weights.sum(1, keepdim=True)
    units = 2.0 ** torch.arange(1, _MOST_BITS + 1, dtype=torch.float64)
    fits = weights.max() * units + 0.5 < 2**_RESOLUTION
    unit = torch.where(fits, units, 1.0).max()
    # Halves are rounded away from zero.
    return weights.sign() * (weights.abs() * unit + 0.5).floor(), unit


def _triangle(x):
    return (1 - x.abs()).clamp(min=0)


def _cubic(x):
    """Return Keys' cubic with a = -0.5, in the order of operations of torch and Pillow."""
    a, x = -0.5, x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _nearest(old, new):
    """Return the chosen pixels along a side; steps are summed up, as `resize_batch` does."""
    step = torch.ones(new, dtype=torch.float64) * old / new
    step = torch.where(torch.arange(new) == 0, step * 0.5, step)
    return step.cumsum(0).long()
