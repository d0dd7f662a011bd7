"""What a cell lies on: plasma and glass of other colours, red cells that are not there."""

import torch
from torch.nn import functional as F

from ._augment import Augment, strengths, symmetric

_BLOCKS = 8  # of each side, among which the brightest one is taken for empty


class BackgroundAugment(Augment):
    """Change what is around the cell of each image, and leave the cell as it is.

    Red cells crowd around a white cell in one laboratory; in another they were lysed, washed out
    by the exposure or cut away by a segmentation. The cell is taken to be a disc around the centre
    of what is dark, somewhat larger than that. Background is what is bright in all channels; where
    it ends is drawn anew for each image, since pale red cells belong to it in one laboratory and
    not in another.

    Parameters
    ----------
    fade : float, default=0.5
        Share of the images in which what is around the cell fades towards the empty background,
        by any amount from nothing to all.
    colour : float, default=0.4
        Multiply each channel of the background by a factor between ``1 - colour`` and 1.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import BackgroundAugment
    >>> dark = torch.zeros(2, 3, 8, 8)
    >>> torch.allclose(BackgroundAugment()(dark), dark)
    True
    """

    def __init__(self, *, fade=0.5, colour=0.4):
        super().__init__()
        self.fade = fade
        self.colour = colour

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        if self.fade:
            images = self._fade(images)
        return self._tint(images)

    def _fade(self, images):
        n, device = len(images), images.device
        empty = F.adaptive_avg_pool2d(images, _BLOCKS).amax((2, 3), keepdim=True)
        chosen = torch.rand(n, 1, 1, 1, device=device) < self.fade
        amount = torch.rand(n, 1, 1, 1, device=device) * chosen
        return torch.lerp(images, empty.expand_as(images), amount * (1 - _cells(images, empty)))

    def _tint(self, images):
        n, c = images.shape[:2]
        device = images.device
        darkest = images.amin(1, keepdim=True)
        brightest = darkest.amax((2, 3), keepdim=True).clamp(min=1e-3)
        border = 0.75 + 0.1 * symmetric(n, 1, 1, 1, device=device)
        background = torch.sigmoid((darkest / brightest - border) * 20)
        loss = self.colour * strengths(n, device) * torch.rand(n, c, 1, 1, device=device)
        return images * (1 - loss * background)


def _cells(images, empty):
    """Return where the cells are, softly, as ``(n, 1, h, w)``."""
    n, _, height, width = images.shape
    device = images.device
    down = torch.linspace(-1, 1, height, device=device).view(1, 1, -1, 1)
    across = torch.linspace(-1, 1, width, device=device).view(1, 1, 1, -1)
    # Nuclei are darkest, and a cell that was cut out lies near the middle.
    weight = (empty - images).clamp(min=0).mean(1, keepdim=True) ** 2
    weight = weight * torch.exp(-2 * (down**2 + across**2)) + 1e-8
    weight = weight / weight.sum((2, 3), keepdim=True)
    row, column = ((weight * axis).sum((2, 3), keepdim=True) for axis in (down, across))
    square = (down - row) ** 2 + (across - column) ** 2
    # Of a disc, the mean of the squares is half the square of the radius.
    radius = (2 * (weight * square).sum((2, 3), keepdim=True)).sqrt()
    radius = radius * (1.3 + 0.2 * symmetric(n, 1, 1, 1, device=device))
    return torch.sigmoid((radius - square.sqrt()) * 25)
