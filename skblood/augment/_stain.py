"""How a laboratory stains: other dyes, other amounts of them, seen by other sensors."""

import torch

from ._augment import Augment, strengths


class StainAugment(Augment):
    """Mix the colours of each image at random, where light adds up and where dyes do.

    A camera's sensors answer to colours that overlap, so the channels of another camera are
    mixtures of those of this one. Dyes multiply: their amounts add up in the optical density, the
    negative logarithm of the light that passes, and another stain is a mixture there. Both leave
    white as it is, since the mixtures have weights of sum one.

    Parameters
    ----------
    mix : float, default=0.5
        Standard deviation of the weights that mix the channels, around the identity.
    density : float, default=0.5
        The same for the optical densities.
    pale : float, default=1.0
        Take away up to this share of the colour, towards gray.

    Notes
    -----
    Mixing in the optical density is the colour augmentation of Tellez et al. 2019 (Medical Image
    Analysis 58:101544) without their fixed stain vectors (Ruifrok & Johnston 2001), which are
    those of haematoxylin and eosin and not of the Romanowsky stains of blood.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import StainAugment
    >>> white = torch.ones(2, 3, 8, 8)
    >>> torch.allclose(StainAugment()(white), white, atol=1e-5)
    True
    """

    def __init__(self, *, mix=0.5, density=0.5, pale=1.0):
        super().__init__()
        self.mix = mix
        self.density = density
        self.pale = pale

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        n, c = images.shape[:2]
        strength = strengths(n, images.device)[:, :, :, 0]
        light = _mixtures(n, c, self.mix * strength)
        pale = self.pale * strength * torch.rand_like(strength)
        light = light * (1 - pale) + pale / c
        images = _apply(light, images).clamp_(1 / 255, 1)
        density = _mixtures(n, c, self.density * strength)
        return _apply(density, images.log_()).clamp_(max=0).exp_()


def _mixtures(n, c, deviation):
    """Return matrices ``(n, c, c)`` around the identity whose rows have the sum one."""
    noise = torch.randn(n, c, c, device=deviation.device) * deviation
    return torch.eye(c, device=deviation.device) + noise - noise.mean(2, keepdim=True)


def _apply(mixtures, images):
    return torch.bmm(mixtures, images.flatten(2)).view_as(images)
