"""The augmentation that suits cells of one laboratory."""

import torch

from ._augment import Augment, symmetric
from ._frame import resample


class CellAugment(Augment):
    """Random changes that leave a cell's class as it is, drawn for each image.

    A smear has no up and no left, so flips and quarter turns come first; shifts by whole pixels
    follow. Neither interpolates: blurred training images would differ from the sharp ones to be
    predicted, above all small ones. Turns in between and changes of size do interpolate, and are
    off by default. Last comes the stain: each colour channel is multiplied by a factor of its own,
    and contrast and brightness vary.

    Parameters
    ----------
    flip : bool, default=True
        Flip and, if the image is square, turn by quarter turns.
    shift : float, default=0.08
        Shift by up to this share of the side, rounded to whole pixels, in either direction and on
        both axes; what comes in is the mirrored border.
    rotation : float, default=0.0
        Turn by up to this many degrees in either direction.
    scale : float, default=0.0
        Enlarge or shrink by up to this share.
    colour : float, default=0.05
        Multiply each channel's mean, and the contrast of all, by factors within ``1 - colour`` and
        ``1 + colour``; add up to half of `colour` to the brightness.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import CellAugment
    >>> augment = CellAugment(shift=0.0, colour=0.0)  # flips and quarter turns alone
    >>> batch = torch.rand(4, 3, 32, 32)
    >>> augment(batch).shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, *, flip=True, shift=0.08, rotation=0.0, scale=0.0, colour=0.05):
        super().__init__()
        self.flip = flip
        self.shift = shift
        self.rotation = rotation
        self.scale = scale
        self.colour = colour

    def forward(self, images):
        """Change each image of a batch.

        Parameters
        ----------
        images : torch.Tensor of shape (n, c, h, w)
            Float, in 0..1. Not modified.

        Returns
        -------
        changed : torch.Tensor of shape (n, c, h, w)
        """
        if self.flip or self.shift:
            images = self._move(images)
        if self.rotation or self.scale:
            images = self._turn_and_scale(images)
        if self.colour:
            images = self._stain(images)
        return images

    def _move(self, images):
        """Shift, flip and turn, all in one: each pixel is fetched from where it was."""
        n, c, height, width = images.shape
        device = images.device
        rows, columns = (self._positions(n, side, device) for side in (height, width))
        places = rows[:, :, None] * width + columns[:, None, :]
        if self.flip and height == width:
            turned = torch.rand(n, 1, 1, device=device) < 0.5
            places = torch.where(turned, places.transpose(1, 2), places)
        pixels = images.permute(0, 2, 3, 1).reshape(n * height * width, c)
        first = torch.arange(n, device=device)[:, None, None] * (height * width)
        moved = pixels.index_select(0, (places + first).flatten())
        return moved.view(n, height, width, c).permute(0, 3, 1, 2)

    def _positions(self, n, side, device):
        """Return the position along an axis, for each image, that each pixel comes from."""
        positions = torch.arange(side, device=device).expand(n, side)
        if self.shift:
            shift = (self.shift * side * symmetric(n, 1, device=device)).round().long()
            positions = _mirrored(positions - shift, side)
        if self.flip:
            flipped = torch.rand(n, 1, device=device) < 0.5
            positions = torch.where(flipped, positions.flip(1), positions)
        return positions

    def _turn_and_scale(self, images):
        n, device = len(images), images.device
        angle = torch.deg2rad(self.rotation * symmetric(n, device=device))
        size = 1 + self.scale * symmetric(n, device=device)
        return resample(images, angle, size, size)

    def _stain(self, images):
        n, c = images.shape[:2]
        device = images.device
        mean = images.mean((2, 3), keepdim=True)
        gain = 1 + self.colour * symmetric(n, c, 1, 1, device=device)
        contrast = 1 + self.colour * symmetric(n, 1, 1, 1, device=device)
        brightness = self.colour / 2 * symmetric(n, 1, 1, 1, device=device)
        # (images - mean) * contrast + mean * gain + brightness, without a copy at each step.
        changed = images * contrast
        return changed.add_(mean * (gain - contrast) + brightness).clamp_(0, 1)


def _mirrored(positions, side):
    """Bring positions beyond a border back to where a mirror on it shows them."""
    positions = positions.abs()
    return torch.minimum(positions, 2 * (side - 1) - positions).clamp(min=0)
