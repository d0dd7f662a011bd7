"""Augmentation for cells of one laboratory: flips, shifts and mild colors."""

from __future__ import annotations

from numbers import Real

import torch

from skblood._deprecation import former_parameters
from skblood._sklearn import Interval

from ._augment import BELOW_ONE, SHARE, Augment, draw_symmetric, draw_uniform
from ._frame import resample


class CellAugment(Augment):
    """Random changes that keep the class of a cell, drawn for each image.

    Flips, quarter turns and shifts by whole pixels need no interpolation, which would make
    training images less sharp than the images to be predicted, small ones above all. Other
    rotations and scaling interpolate, and are off by default. At the end each color channel is
    multiplied by its own factor, and contrast and brightness vary.

    Parameters
    ----------
    flip : bool, default=True
        Flip and, if the image is square, rotate by quarter turns.
    shift : float in [0, 1], default=0.08
        Shift by up to this share of the side, rounded to whole pixels, in either direction on
        both axes. The image is continued by reflection.
    rotation : float in [0, 360], default=0.0
        Rotate by up to this many degrees in either direction.
    scale : float in [0, 1), default=0.0
        Enlarge or shrink by up to this share.
    color : float in [0, 1], default=0.05
        Multiply the mean of each channel, and the contrast of all, by factors in ``1 - color`` to
        ``1 + color``; add up to half of `color` to the brightness.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import CellAugment
    >>> augment = CellAugment(shift=0.0, color=0.0)  # flips and quarter turns only
    >>> batch = torch.rand(4, 3, 32, 32)
    >>> augment(batch).shape
    torch.Size([4, 3, 32, 32])
    """

    _parameter_constraints = {
        "flip": ["boolean"],
        "shift": SHARE,
        "rotation": [Interval(Real, 0, 360, closed="both")],
        "scale": BELOW_ONE,
        "color": SHARE,
    }

    @former_parameters(colour="color", since="0.1")
    def __init__(
        self,
        *,
        flip: bool = True,
        shift: float = 0.08,
        rotation: float = 0.0,
        scale: float = 0.0,
        color: float = 0.05,
    ) -> None:
        super().__init__(flip=flip, shift=shift, rotation=rotation, scale=scale, color=color)

    def _change(self, images):
        if self.flip or self.shift:
            images = self._move(images)
        if self.rotation or self.scale:
            angle = torch.deg2rad(self.rotation * draw_symmetric(images).flatten())
            size = 1 + self.scale * draw_symmetric(images).flatten()
            images = resample(images, angle, size, size)
        if self.color:
            images = self._change_color(images)
        return images

    def _move(self, images):
        """Shift, flip and rotate in one step: gather each pixel from its old position."""
        n, c, height, width = images.shape
        rows, columns = (self._source_positions(images, side) for side in (height, width))
        places = rows[:, :, None] * width + columns[:, None, :]
        if self.flip and height == width:
            transposed = draw_uniform(images)[:, 0] < 0.5
            places = torch.where(transposed, places.transpose(1, 2), places)
        pixels = images.permute(0, 2, 3, 1).reshape(n * height * width, c)
        first = torch.arange(n, device=images.device)[:, None, None] * (height * width)
        moved = pixels.index_select(0, (places + first).flatten())
        return moved.view(n, height, width, c).permute(0, 3, 1, 2)

    def _source_positions(self, images, side):
        """Return, for each image, the position along an axis from which each pixel comes."""
        positions = torch.arange(side, device=images.device).expand(len(images), side)
        if self.shift:
            shift = self.shift * side * draw_symmetric(images).view(-1, 1)
            # Positions beyond a border are reflected at its pixel.
            positions = (positions - shift.round().long()).abs()
            positions = torch.minimum(positions, 2 * (side - 1) - positions).clamp(min=0)
        if self.flip:
            flipped = draw_uniform(images).view(-1, 1) < 0.5
            positions = torch.where(flipped, positions.flip(1), positions)
        return positions

    def _change_color(self, images):
        mean = images.mean((2, 3), keepdim=True)
        gain = 1 + self.color * draw_symmetric(images, images.shape[1])
        contrast = 1 + self.color * draw_symmetric(images)
        brightness = self.color / 2 * draw_symmetric(images)
        # (images - mean) * contrast + mean * gain + brightness, with fewer copies.
        changed = images * contrast
        return changed.add_(mean * (gain - contrast) + brightness).clamp_(0, 1)
