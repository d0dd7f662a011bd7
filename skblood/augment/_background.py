"""Background augmentation: the color of plasma and glass, and fading red cells."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from skblood._deprecation import former_parameters

from ._augment import SHARE, Augment, coordinates, draw_symmetric, draw_uniform

_BLOCKS = 8  # along each side; the brightest block is taken as the empty background


class BackgroundAugment(Augment):
    """Change the surroundings of the cell in each image, and not the cell.

    In the images of one laboratory red cells surround the white cell; in those of another they
    were lysed, overexposed or cut away by a segmentation. The cell is approximated by a disc
    around the center of the dark pixels, slightly larger than these. The background is whatever is
    bright in all channels, up to a threshold that is drawn for each image, because pale red cells
    count as background in some laboratories only.

    Parameters
    ----------
    fade : float in [0, 1], default=0.5
        Share of the images in which the surroundings of the cell fade towards the empty
        background, by a random amount in 0..1.
    color : float in [0, 1], default=0.4
        Multiply each channel of the background by a factor between ``1 - color`` and 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import BackgroundAugment
    >>> dark = torch.zeros(2, 3, 8, 8)
    >>> torch.allclose(BackgroundAugment()(dark), dark)
    True
    """

    _parameter_constraints = {"fade": SHARE, "color": SHARE}

    @former_parameters(colour="color", since="0.1")
    def __init__(self, *, fade: float = 0.5, color: float = 0.4) -> None:
        super().__init__(fade=fade, color=color)

    def _change(self, images):
        if self.fade:
            empty = F.adaptive_avg_pool2d(images, _BLOCKS).amax((2, 3), keepdim=True)
            chosen = draw_uniform(images) < self.fade
            amount = draw_uniform(images) * chosen * (1 - _mask_cells(images, empty))
            images = torch.lerp(images, empty.expand_as(images), amount)
        darkest = images.amin(1, keepdim=True)
        brightest = darkest.amax((2, 3), keepdim=True).clamp(min=1e-3)
        threshold = 0.75 + 0.1 * draw_symmetric(images)
        background = torch.sigmoid((darkest / brightest - threshold) * 20)
        loss = self.color * draw_uniform(images) * draw_uniform(images, images.shape[1])
        return images * (1 - loss * background)


def _mask_cells(images, empty):
    """Return a soft mask of the cells, ``(n, 1, h, w)``."""
    rows, columns = coordinates(images)
    # The nucleus is darkest, and the cell lies near the center of its image.
    weight = (empty - images).clamp(min=0).mean(1, keepdim=True) ** 2
    weight = weight * torch.exp(-2 * (rows**2 + columns**2)) + 1e-8
    weight = weight / weight.sum((2, 3), keepdim=True)
    row, column = ((weight * axis).sum((2, 3), keepdim=True) for axis in (rows, columns))
    square = (rows - row) ** 2 + (columns - column) ** 2
    # The mean squared distance from the center of a disc is half its squared radius.
    radius = (2 * (weight * square).sum((2, 3), keepdim=True)).sqrt()
    radius = radius * (1.3 + 0.2 * draw_symmetric(images))
    return torch.sigmoid((radius - square.sqrt()) * 25)
