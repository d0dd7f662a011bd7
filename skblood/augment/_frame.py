"""How a laboratory cuts its cells out: nearer or farther, a little stretched."""

import math

import torch
from torch.nn import functional as F

from ._augment import Augment, strengths, symmetric


class FrameAugment(Augment):
    """Enlarge or shrink each image, and stretch it a little, by random amounts.

    Laboratories cut out their cells by frames of their own: a box that the cell just fits in, or
    one three times as wide. What comes in at the border is the mirrored image.

    Parameters
    ----------
    scale : (float, float), default=(0.55, 1.5)
        The smallest and the largest factor that the cell's size is multiplied by.
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
        super().__init__()
        self.scale = scale
        self.stretch = stretch

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        n, device = len(images), images.device
        low, high = (math.log(factor) for factor in self.scale)
        strength = strengths(n, device).flatten()
        size = torch.exp(strength * (low + (high - low) * torch.rand(n, device=device)))
        stretch = torch.exp(self.stretch * strength * symmetric(n, device=device))
        return resample(images, torch.zeros_like(size), size * stretch, size / stretch)


def resample(images, angle, height_factor, width_factor):
    """Enlarge each image by factors of its own, and turn it; the border is mirrored.

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
    # affine_grid counts in half sides, which differ between the axes.
    rows = [
        torch.stack([cos / width_factor, -sin / width_factor * height / width, zero], 1),
        torch.stack([sin / height_factor * width / height, cos / height_factor, zero], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
