"""Simulated laboratories: the same cells as another stain, lamp, camera and frame would show them.

They are for choosing how to train, so none of their changes is one of `skblood.augment`'s: hue is
turned in YIQ, densities are brought to fixed statistics, tones go through S-curves or a palette or
take up a dye, frames through the resolution of another camera. Each is one laboratory: all of its
images are changed alike.
"""

import math

import torch
from torch.nn import functional as F

_LUMA = [0.299, 0.587, 0.114]
_YIQ = [_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]


def _per_channel(values):
    return torch.tensor(values).view(1, 3, 1, 1)


def _turned(images, degrees, saturation):
    """Turn the hue, and multiply the saturation."""
    to_yiq = torch.tensor(_YIQ)
    angle = math.radians(degrees)
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return torch.einsum("ij,njhw->nihw", matrix, images).clamp(0, 1)


def _restained(images, mean, deviation):
    """Give the optical densities of each image these statistics (after Reinhard et al. 2001)."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)
    density = -torch.log10(linear * 0.98 + 0.02)
    centred = density - density.mean((2, 3), keepdim=True)
    scaled = centred / density.std((2, 3), keepdim=True).clamp(min=1e-3)
    density = scaled * _per_channel(deviation) + _per_channel(mean)
    linear = ((10 ** -density.clamp(min=0) - 0.02) / 0.98).clamp(0, 1)
    bright = 1.055 * linear.clamp(min=1e-8) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, linear * 12.92, bright).clamp(0, 1)


def _toned(images, steepness, middle):
    """Pass each channel through an S-curve of its own."""
    steepness, middle = _per_channel(steepness), _per_channel(middle)

    def curve(values):
        return torch.sigmoid(steepness * (values - middle))

    low, high = curve(torch.zeros(1)), curve(torch.ones(1))
    return ((curve(images) - low) / (high - low)).clamp(0, 1)


def _painted(images, colours, kept):
    """Give each brightness, from the darkest to the brightest, the colour of a palette."""
    luma = (images * _per_channel(_LUMA)).sum(1, keepdim=True)
    low, high = luma.amin((2, 3), keepdim=True), luma.amax((2, 3), keepdim=True)
    colours = torch.tensor(colours)
    place = (luma - low) / (high - low + 1e-6) * (len(colours) - 1)
    first = place.floor().clamp(0, len(colours) - 2).long()
    below, above = (colours[first[:, 0] + i].permute(0, 3, 1, 2) for i in (0, 1))
    painted = below + (above - below) * (place - first)
    return (painted + kept * (images - luma)).clamp(0, 1)


def _overexposed(images, gain, background):
    """Expose until red cells are gone, as where they were lysed, before a lit screen."""
    return (images * gain).clamp(0, 1) * _per_channel(background)


def _coarse(images, factor, noise, generator):
    """Show the images by a camera of fewer pixels, which has noise."""
    size = images.shape[2:]
    small = F.interpolate(images, scale_factor=1 / factor, mode="bilinear", antialias=True)
    images = F.interpolate(small, size=size, mode="bicubic").clamp(0, 1)
    return (images + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _framed(images, factor):
    """Enlarge the cells by a factor; what comes in beyond the border is mirrored."""
    theta = torch.eye(2, 3).repeat(len(images), 1, 1) / factor
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _dyed(images, colour, nuclei=(0.5, 0.1, 0.3), share=0.0):
    """Let what is of a middle tone, as cytoplasm and red cells are, take up another dye.

    A share of the nuclei's colour gives way to another one.
    """
    luma = (images * _per_channel(_LUMA)).sum(1, keepdim=True)
    smooth = F.avg_pool2d(F.pad(luma, (2, 2, 2, 2), mode="reflect"), 5, stride=1)
    low, high = smooth.amin((2, 3), keepdim=True), smooth.amax((2, 3), keepdim=True)
    tone = (smooth - low) / (high - low + 1e-3)
    dark = share * torch.exp(-(((tone - 0.1) / 0.2) ** 2) / 2)
    images = torch.lerp(images, luma / 2 + 0.8 * _per_channel(nuclei), dark)
    middle = 0.8 * torch.exp(-(((tone - 0.55) / 0.2) ** 2) / 2)
    return torch.lerp(images, images * _per_channel(colour), middle).clamp(0, 1)


_PALETTE = [[0.15, 0.08, 0.35], [0.55, 0.35, 0.55], [0.80, 0.72, 0.62], [0.95, 0.92, 0.80]]

# Name -> what maps float32 images (n, 3, h, w) in 0..1 and a generator to those that the
# laboratory would have taken. Nothing given is changed.
SIMULATED = {
    "hue_plus": lambda x, g: _turned(x, 35, 0.8),
    "hue_minus": lambda x, g: _turned(x, -35, 1.2),
    "yellow": lambda x, g: _restained(x, [0.25, 0.28, 0.42], [0.16, 0.20, 0.12]),
    "blue": lambda x, g: _restained(x, [0.45, 0.40, 0.25], [0.30, 0.22, 0.12]),
    "film": lambda x, g: _toned(x, [6.0, 3.0, 7.0], [0.60, 0.50, 0.45]),
    "palette": lambda x, g: _painted(x, _PALETTE, 0.4),
    "eosin": lambda x, g: _dyed(x, [1.0, 0.60, 0.62]),
    "rapid": lambda x, g: _dyed(x * _per_channel([1.0, 0.98, 0.75]), [0.95, 0.60, 0.45], share=0.6),
    "lysed": lambda x, g: _overexposed(_turned(x, 20, 1.3), 1.5, [1.0, 0.97, 0.60]),
    "camera": lambda x, g: _coarse(_toned(x, [2.0] * 3, [0.4, 0.5, 0.6]), 2.0, 0.03, g),
    "tight_dark": lambda x, g: _framed(x * _per_channel([0.75, 0.72, 0.60]), 1.35),
    "wide_gray": lambda x, g: _framed(_turned(x, 15, 0.35), 0.62),
}
