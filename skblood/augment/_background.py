"""What a cell lies on: plasma and glass in other colours than the cell's own change."""

import torch

from ._augment import Augment, strengths, symmetric


class BackgroundAugment(Augment):
    """Give the background of each image another colour, and leave the cell as it is.

    Background is what is bright in all channels; where it ends is drawn anew for each image, since
    pale red cells belong to it in one laboratory and not in another.

    Parameters
    ----------
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

    def __init__(self, *, colour=0.4):
        super().__init__()
        self.colour = colour

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        n, c = images.shape[:2]
        device = images.device
        strength = strengths(n, device)
        darkest = images.amin(1, keepdim=True)
        brightest = darkest.amax((2, 3), keepdim=True).clamp(min=1e-3)
        border = 0.75 + 0.1 * symmetric(n, 1, 1, 1, device=device)
        background = torch.sigmoid((darkest / brightest - border) * 20)
        loss = self.colour * strength * torch.rand(n, c, 1, 1, device=device)
        return images * (1 - loss * background)
