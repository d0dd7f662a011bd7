"""Augmentation for transfer to other laboratories: all other augmentations in sequence."""

from torch import nn

from ._augment import Augment, change_share
from ._background import BackgroundAugment
from ._cell_augment import CellAugment
from ._frame import FrameAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._stain import StainAugment


class LaboratoryAugment(Augment):
    """Flip and shift all images, and change a share of them as another laboratory might.

    Crop, background, stain, light and optics of these change, in this order. The other images
    keep them, so that accuracy in the laboratory of the training images stays high.

    Parameters
    ----------
    share : float, default=0.8
        Share of the images that are changed by more than flips and shifts.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import LaboratoryAugment
    >>> LaboratoryAugment()(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, *, share=0.8):
        super().__init__(share=share)
        self.moves = CellAugment(color=0.0)
        self.changes = nn.Sequential(
            FrameAugment(), BackgroundAugment(), StainAugment(), LightAugment(), OpticsAugment()
        )

    def forward(self, images):
        """Change images of a batch ``(n, c, h, w)`` in 0..1."""
        return change_share(self.changes, self.moves(images), self.share)
