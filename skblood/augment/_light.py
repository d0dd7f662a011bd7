"""How a laboratory lights and exposes: lamp, white balance, tone curve."""

import torch

from ._augment import Augment, strengths, symmetric


class LightAugment(Augment):
    """Change lamp, white balance, exposure and tone curve of each image at random.

    Parameters
    ----------
    gamma : float, default=0.8
        Raise to a power between ``exp(-gamma)`` and ``exp(gamma)``; a third of it is drawn for
        each channel apart.
    balance : float, default=0.4
        Multiply each channel's mean by a factor between ``exp(-balance)`` and ``exp(balance)``.
    contrast : float, default=0.6
        Multiply the distances from the mean by a factor between ``exp(-contrast)`` and
        ``exp(contrast)``.
    brightness : float, default=0.25
        Add up to this.
    slope : float, default=0.2
        Let the light fall off across the image by up to this share to either side.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import LightAugment
    >>> changed = LightAugment()(torch.rand(4, 3, 32, 32))
    >>> bool((changed >= 0).all() and (changed <= 1).all())
    True
    """

    def __init__(self, *, gamma=0.8, balance=0.4, contrast=0.6, brightness=0.25, slope=0.2):
        super().__init__()
        self.gamma = gamma
        self.balance = balance
        self.contrast = contrast
        self.brightness = brightness
        self.slope = slope

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        n, c, height, width = images.shape
        device = images.device
        strength = strengths(n, device)

        def draw(most, channels=1):
            return most * strength * symmetric(n, channels, 1, 1, device=device)

        power = torch.exp(draw(self.gamma) + draw(self.gamma / 3, c))
        images = images.clamp(min=1e-4) ** power
        down = torch.linspace(-1, 1, height, device=device).view(1, 1, -1, 1)
        across = torch.linspace(-1, 1, width, device=device).view(1, 1, 1, -1)
        images = images * (1 + draw(self.slope) * down + draw(self.slope) * across)
        mean = images.mean((2, 3), keepdim=True)
        contrast, balance = torch.exp(draw(self.contrast)), torch.exp(draw(self.balance, c))
        # (images - mean) * contrast + mean * balance + brightness, in two passes.
        offset = mean * (balance - contrast) + draw(self.brightness)
        return (images * contrast).add_(offset).clamp_(0, 1)
