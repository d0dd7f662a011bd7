"""Crop augmentation: random scale and aspect ratio."""

import math

import torch
from torch.nn import functional as F

from ._augment import Augment, draw_symmetric, draw_uniform


class FrameAugment(Augment):
    """Enlarge or shrink each image, and change its aspect ratio a little, by random amounts.

    Laboratories crop their cells differently: some to the bounding box of the cell, some to a box
    three times as wide. The image is continued by reflection.

    Parameters
    ----------
    scale : (float, float), default=(0.55, 1.5)
        Smallest and largest factor of the size of the cell.
    stretch : float, default=0.08
        Stretch one axis, and shrink the other, by up to this share.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import FrameAugment
    >>> FrameAugment(scale=(0.5, 2.0))(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, *, scale=(0.55, 1.5), stretch=0.08):
        super().__init__(scale=scale, stretch=stretch)

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        low, high = (math.log(factor) for factor in self.scale)
        strength = draw_uniform(images).flatten()
        size = torch.exp(strength * (low + (high - low) * draw_uniform(images).flatten()))
        stretch = torch.exp(self.stretch * strength * draw_symmetric(images).flatten())
        return resample(images, torch.zeros_like(size), size * stretch, size / stretch)


def resample(images, angle, height_factor, width_factor):
    """Rotate and scale each image by its own amounts, continuing it by reflection.

    Parameters
    ----------
    images : torch.Tensor of shape (n, c, h, w)
    angle : torch.Tensor of shape (n,)
        In radians.
    height_factor, width_factor : torch.Tensor of shape (n,)

    Returns
    -------
    torch.Tensor of shape (n, c, h, w)
    """
    height, width = images.shape[2:]
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # The unit of affine_grid is half a side, and so depends on the axis.
    rows = [
        torch.stack([cos / width_factor, -sin / width_factor * height / width, zero], 1),
        torch.stack([sin / height_factor * width / height, cos / height_factor, zero], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
