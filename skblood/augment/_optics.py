"""Optics augmentation: random focus, sharpening, noise and JPEG compression."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.fft import dct
from torch.nn import functional as F

from ._augment import SHARE, STRENGTH, Augment, change_share, draw_uniform

# Luminance table of the JPEG standard (ITU-T T.81, table K.1), for a quality of 50.
_QUANTA = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
]

# Matrix of the orthonormal discrete cosine transform of eight values.
_COSINES = dct(np.eye(8), axis=0, norm="ortho").astype(np.float32)

# Standard deviation, in pixels, of a Gaussian that hardly changes an image.
_SHARP = 0.3


class OpticsAugment(Augment):
    """Blur or sharpen, add noise and compress: each to a random share of the images.

    Parameters
    ----------
    blur : float in [0, 1], default=0.026
        Largest standard deviation of the Gaussian blur, as a share of the smaller side of the
        image. The default blurs slightly more than enlarging an image of 28 pixels does.
    sharpen : float >= 0, default=1.0
        Add up to this multiple of the details that the blur would remove.
    noise : float in [0, 1], default=0.04
        Largest standard deviation of the Gaussian noise.
    compression : float >= 0, default=0.5
        Quantize the 8 x 8 blocks of a JPEG by up to this multiple of the table for quality 50.
    share : float in [0, 1], default=0.5
        Share of the images to which each of the three steps is applied.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import OpticsAugment
    >>> OpticsAugment(share=1.0)(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    _parameter_constraints = {
        "blur": SHARE,
        "sharpen": STRENGTH,
        "noise": SHARE,
        "compression": STRENGTH,
        "share": SHARE,
    }

    def __init__(
        self,
        *,
        blur: float = 0.026,
        sharpen: float = 1.0,
        noise: float = 0.04,
        compression: float = 0.5,
        share: float = 0.5,
    ) -> None:
        super().__init__(
            blur=blur, sharpen=sharpen, noise=noise, compression=compression, share=share
        )

    def _change(self, images):
        images = images.clone()
        for change in (self._focus, self._add_noise, *[self._compress] * bool(self.compression)):
            images = change_share(change, images, self.share)
        return images.clamp_(0, 1)

    def _focus(self, images):
        """Blur one half of the images and sharpen the other."""
        blur = self.blur * min(images.shape[2:])
        deviation = _SHARP + max(blur - _SHARP, 0) * draw_uniform(images).flatten()
        detail = images - _blur(images, deviation)
        amount = self.sharpen * draw_uniform(images)
        blurred = draw_uniform(images) < 0.5
        return images + torch.where(blurred, -1.0, amount) * detail

    def _add_noise(self, images):
        return images + self.noise * draw_uniform(images) * torch.randn_like(images)

    def _compress(self, images):
        return compress(images, self.compression * (0.02 + draw_uniform(images)))


def compress(images, strength):
    """Round the frequencies of each block of 8 x 8 to multiples of a share of the table.

    Parameters
    ----------
    images : torch.Tensor of shape (n, c, h, w)
    strength : torch.Tensor of shape (n, 1, 1, 1)
        The share of the table, for each image.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)
    cosines = torch.tensor(_COSINES, device=images.device)
    quanta = torch.tensor(_QUANTA, device=images.device) / 255 * strength[..., None, None]
    waves = cosines @ blocks @ cosines.T
    blocks = cosines.T @ ((waves / quanta).round() * quanta) @ cosines
    pixels = blocks.permute(0, 1, 2, 4, 3, 5).reshape(padded.shape)
    return pixels[:, :, :height, :width]


def _blur(images, deviation):
    """Blur each image by a Gaussian of its own standard deviation, in pixels."""
    n, c, height, width = images.shape
    # Reflection continues an image by less than its side.
    radius = min(math.ceil(3 * float(deviation.max())), height - 1, width - 1)
    steps = torch.arange(-radius, radius + 1, device=images.device)
    kernels = torch.exp(-((steps / deviation[:, None]) ** 2) / 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(c, 0)
    one = F.pad(images.reshape(1, n * c, height, width), (radius,) * 4, mode="reflect")
    one = F.conv2d(one, kernels[:, None, None, :], groups=n * c)
    return F.conv2d(one, kernels[:, None, :, None], groups=n * c).view_as(images)
