"""What happens between the lens and the file: focus, sharpening, noise, compression."""

import math

import torch
from torch.nn import functional as F

from ._augment import Augment

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

# Standard deviation in pixels of a Gaussian that leaves an image all but as it was.
_SHARP = 0.3


class OpticsAugment(Augment):
    """Blur, sharpen, compress and add noise, to a random part of the images each.

    Parameters
    ----------
    blur : float, default=0.026
        Standard deviation of the Gaussian that blurs, at most, as a share of the image's smaller
        side. The default is a little more than what enlarging an image of 28 pixels does.
    sharpen : float, default=1.0
        Add up to this multiple of what the blur would take away.
    noise : float, default=0.04
        Standard deviation of the noise, at most.
    compression : float, default=0.5
        Quantise the 8x8 blocks of a JPEG by up to this multiple of the table for quality 50.
    share : float, default=0.5
        Share of the images that each of the four is done to.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import OpticsAugment
    >>> OpticsAugment(share=1.0)(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, *, blur=0.026, sharpen=1.0, noise=0.04, compression=0.5, share=0.5):
        super().__init__()
        self.blur = blur
        self.sharpen = sharpen
        self.noise = noise
        self.compression = compression
        self.share = share

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        images = images.clone()
        changes = [self._focus, self._add_noise, *([self._compress] if self.compression else [])]
        for change in changes:
            chosen = self._choose(len(images), images.device)
            if len(chosen):
                images[chosen] = change(images[chosen])
        return images.clamp_(0, 1)

    def _choose(self, n, device):
        return torch.nonzero(torch.rand(n, device=device) < self.share).flatten()

    def _focus(self, images):
        """Blur one half of the images, sharpen the other."""
        n, device = len(images), images.device
        blur = self.blur * min(images.shape[2:])
        deviation = _SHARP + max(blur - _SHARP, 0) * torch.rand(n, device=device)
        detail = images - _blurred(images, deviation)
        amount = self.sharpen * torch.rand(n, 1, 1, 1, device=device)
        blurred = torch.rand(n, 1, 1, 1, device=device) < 0.5
        return images + torch.where(blurred, -1.0, amount) * detail

    def _add_noise(self, images):
        amount = self.noise * torch.rand(len(images), 1, 1, 1, device=images.device)
        return images + amount * torch.randn_like(images)

    def _compress(self, images):
        height, width = images.shape[2:]
        padded = F.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)
        cosines = _cosines(images.device)
        strength = self.compression * (0.02 + torch.rand(len(images), device=images.device))
        quanta = torch.tensor(_QUANTA, device=images.device) / 255
        quanta = quanta * strength.view(-1, 1, 1, 1, 1, 1)
        waves = cosines @ blocks @ cosines.T
        blocks = cosines.T @ ((waves / quanta).round() * quanta) @ cosines
        pixels = blocks.permute(0, 1, 2, 4, 3, 5).reshape(padded.shape)
        return pixels[:, :, :height, :width]


def _blurred(images, deviation):
    """Blur each image by a Gaussian of its own standard deviation, in pixels."""
    n, c, height, width = images.shape
    # A mirror shows no more than the image holds.
    radius = max(0, min(math.ceil(3 * float(deviation.max())), height - 1, width - 1))
    steps = torch.arange(-radius, radius + 1, device=images.device)
    kernels = torch.exp(-((steps / deviation[:, None]) ** 2) / 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(c, 0)
    one = images.reshape(1, n * c, height, width)
    one = F.pad(one, (radius,) * 4, mode="reflect")
    one = F.conv2d(one, kernels[:, None, None, :], groups=n * c)
    return F.conv2d(one, kernels[:, None, :, None], groups=n * c).view_as(images)


def _cosines(device):
    """Return the orthonormal discrete cosine transform of eight values."""
    i = torch.arange(8, device=device)
    cosines = torch.cos((2 * i[None] + 1) * i[:, None] * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    return cosines
