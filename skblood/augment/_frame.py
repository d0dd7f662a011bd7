"""Crop augmentation: random scale and aspect ratio."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import torch
from torch.nn import functional as F

from ._augment import SHARE, Augment, draw_symmetric, draw_uniform


class FrameAugment(Augment):
    """Enlarge or shrink each image, and change its aspect ratio a little, by random amounts.

    Laboratories crop their cells differently: some to the bounding box of the cell, some to a box
    three times as wide. The image is continued by reflection.

    Parameters
    ----------
    scale : pair of float, 0 < smallest <= largest, default=(0.55, 1.5)
        Smallest and largest factor of the size of the cell.
    stretch : float in [0, 1], default=0.08
        Stretch one axis, and shrink the other, by up to this share.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import FrameAugment
    >>> FrameAugment(scale=(0.5, 2.0))(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    _parameter_constraints = {"scale": ["array-like"], "stretch": SHARE}

    def __init__(self, *, scale: tuple[float, float] = (0.55, 1.5), stretch: float = 0.08) -> None:
        super().__init__(scale=scale, stretch=stretch)
        factors = np.ravel(scale).tolist()
        numbers = len(factors) == 2 and all(isinstance(f, Real) for f in factors)
        if not numbers or not 0 < factors[0] <= factors[1] < math.inf:
            raise ValueError(
                f"scale={scale!r} must be a pair of positive numbers, the smallest and the largest "
                "factor of the size, the smaller one first; (1.0, 1.0) keeps the size."
            )

    def _change(self, images):
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
