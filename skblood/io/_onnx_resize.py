"""Resizing as `skblood.images.resize_batch` does, in operations that a graph can hold.

torch resizes uint8 images in integers: weights rounded to so many bits that the largest fits into
16, and a uint8 image between the two passes. ONNX's Resize computes in floats, in one pass, and
differs by a grey level here and there; so both passes are spelt out, as products with a matrix
that the graph makes of the size of the images. float64 holds all of these integers, so that each
pixel is that of `resize_batch`, to the bit.
"""

import torch

_RESOLUTION = 15  # bits of the largest weight
_MOST_BITS = 22


def resize(images, size, interpolation):
    """Resize a batch of any size, which the graph need not know.

    Parameters
    ----------
    images : torch.Tensor of shape (n, c, h, w), dtype uint8
    size : tuple of (int, int)
    interpolation : {"bilinear", "bicubic", "nearest"}

    Returns
    -------
    torch.Tensor of shape (n, c, *size), dtype float64
        Whole numbers from 0 to 255.
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
    """Return the whole-numbered weights ``(new, old)`` of the pixels of a side, and their sum."""
    places = torch.arange(old, dtype=torch.float64)
    old = places.new_ones(()) * old  # in the graph from here on, whatever the size
    scale = old / new
    stretch = scale.clamp(min=1.0)
    centres = (torch.arange(new, dtype=torch.float64)[:, None] + 0.5) * scale
    first = (centres - radius * stretch + 0.5).floor()
    last = torch.minimum((centres + radius * stretch + 0.5).floor(), old)
    inside = (places >= first) & (places < last)
    weights = kernel((places + 0.5 - centres) / stretch) * inside
    weights = weights / weights.sum(1, keepdim=True)
    units = 2.0 ** torch.arange(1, _MOST_BITS + 1, dtype=torch.float64)
    fits = weights.max() * units + 0.5 < 2**_RESOLUTION
    unit = torch.where(fits, units, 1.0).max()
    # Halves go away from zero.
    return weights.sign() * (weights.abs() * unit + 0.5).floor(), unit


def _triangle(x):
    return (1 - x.abs()).clamp(min=0)


def _cubic(x):
    """Return Keys' cubic with a = -0.5, by the expressions of torch and Pillow."""
    a, x = -0.5, x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _nearest(old, new):
    """Return the pixels of a side that are taken: steps are added up, as `resize_batch` does."""
    step = torch.ones(new, dtype=torch.float64) * old / new
    step = torch.where(torch.arange(new) == 0, step * 0.5, step)
    return step.cumsum(0).long()
