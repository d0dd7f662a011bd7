"""All that differs from one laboratory to the next."""

import torch
from torch import nn

from ._augment import Augment
from ._background import BackgroundAugment
from ._cells import CellAugment
from ._frame import FrameAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._stain import StainAugment


class LaboratoryAugment(Augment):
    """Show a share of the cells as other laboratories might, and all in any orientation.

    The frame, what is around the cell, the stain, the light and the optics change, one after the
    other. The other cells stay as they are: the laboratory at hand is to be known best.

    Parameters
    ----------
    share : float, default=0.8
        Share of the images that are changed by more than moves.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import LaboratoryAugment
    >>> LaboratoryAugment()(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, *, share=0.8):
        super().__init__()
        self.share = share
        self.moves = CellAugment(colour=0.0)
        self.changes = nn.Sequential(
            FrameAugment(), BackgroundAugment(), StainAugment(), LightAugment(), OpticsAugment()
        )

    def forward(self, images):
        """Change images of a batch ``(n, c, h, w)`` in 0..1."""
        images = self.moves(images)
        chosen = torch.nonzero(torch.rand(len(images), device=images.device) < self.share).flatten()
        if len(chosen):
            images[chosen] = self.changes(images[chosen])
        return images
