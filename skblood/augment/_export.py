"""Export augmentation: mild changes by other software of the same laboratory."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from ._augment import BELOW_ONE, SHARE, Augment, change_share, draw_symmetric, draw_uniform
from ._frame import FrameAugment
from ._optics import OpticsAugment, compress

# Smaller side, in pixels, from which images are changed.
_SMALLEST = 48
# Width of an image, in pixels, at which details of color are those of 3 x 3 pixels.
_SIDE = 64


class ExportAugment(Augment):
    """Scale, refocus, compress and add noise to a share of the images, all mildly.

    Training images come from one microscope through one codec and one resizing filter, and a
    network learns their traces. Cells that another program has cut out, resized or compressed
    are then recognized worse, though no reader sees a difference. The strongest trace is the
    detail of color, which most codecs store at half the resolution and coarsely: it is multiplied
    by 0 to 2, and compressed.

    Images of less than 48 px are left as they are: no trace is left in them that would matter,
    and interpolation would remove their details.

    Parameters
    ----------
    share : float in [0, 1], default=0.3
        Share of the images that are changed.
    scale : float in [0, 1), default=0.1
        Shrink by up to this share, or enlarge as much.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    See Also
    --------
    OpticsAugment : The changes of focus, noise and compression.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import ExportAugment
    >>> ExportAugment()(torch.rand(4, 3, 64, 64)).shape
    torch.Size([4, 3, 64, 64])
    """

    _parameter_constraints = {"share": SHARE, "scale": BELOW_ONE}

    def __init__(self, *, share: float = 0.3, scale: float = 0.1) -> None:
        super().__init__(share=share, scale=scale)
        self.changes = nn.Sequential(
            FrameAugment(scale=(1 - scale, 1 / (1 - scale)), stretch=0.0),
            OpticsAugment(blur=0.012, sharpen=0.5, noise=0.01, share=0.4),
        )

    def _change(self, images):
        if min(images.shape[2:]) < _SMALLEST:
            return images
        return change_share(self._export, images.clone(), self.share)

    def _export(self, images):
        """Blur, sharpen or compress the color only, then make the other changes."""
        gray = images.mean(1, keepdim=True)
        color = images - gray
        radius = round(min(images.shape[2:]) / _SIDE)
        smooth = F.avg_pool2d(color, 2 * radius + 1, 1, radius, count_include_pad=False)
        color = color + draw_symmetric(images) * (color - smooth)
        color = change_share(self._compress, color, 0.5)
        return self.changes((gray + color).clamp_(0, 1))

    def _compress(self, color):
        # JPEG's table for color is up to three times as coarse as that for brightness.
        return compress(color, 0.02 + 2 * draw_uniform(color))
