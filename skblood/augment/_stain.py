"""Stain augmentation: random mixing of color channels and optical densities."""

import torch

from ._augment import Augment, draw_uniform


class StainAugment(Augment):
    """Mix the color channels of each image at random, in intensity and in optical density.

    The spectral sensitivities of camera sensors overlap, so the channels of another camera are
    mixtures of those of this one. Dyes absorb: their amounts add up in the optical density (the
    negative logarithm of the transmitted light), where another stain is a mixture. Both keep white
    as it is, because the weights of a mixture sum to 1.

    Parameters
    ----------
    mix : float, default=0.5
        Standard deviation of the weights that mix the channels, around the identity.
    density : float, default=0.5
        The same for the optical densities.
    pale : float, default=1.0
        Move the colors towards gray by up to this share.

    Notes
    -----
    Mixing in the optical density is the color augmentation of Tellez et al. 2019 (Medical Image
    Analysis 58:101544) without their fixed stain vectors (Ruifrok & Johnston 2001), which are
    those of hematoxylin and eosin and not of the Romanowsky stains of blood.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import StainAugment
    >>> white = torch.ones(2, 3, 8, 8)
    >>> torch.allclose(StainAugment()(white), white, atol=1e-5)
    True
    """

    def __init__(self, *, mix=0.5, density=0.5, pale=1.0):
        super().__init__(mix=mix, density=density, pale=pale)

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
        strength = draw_uniform(images)[:, 0]
        mixture = _draw_mixtures(images, self.mix * strength)
        pale = self.pale * strength * torch.rand_like(strength)
        mixture = mixture * (1 - pale) + pale / images.shape[1]
        images = _apply_mixtures(mixture, images).clamp_(1 / 255, 1)
        mixture = _draw_mixtures(images, self.density * strength)
        return _apply_mixtures(mixture, images.log_()).clamp_(max=0).exp_()


def _draw_mixtures(images, deviation):
    """Return random matrices ``(n, c, c)`` around the identity whose rows sum to 1."""
    n, c = images.shape[:2]
    noise = torch.randn(n, c, c, device=images.device) * deviation
    return torch.eye(c, device=images.device) + noise - noise.mean(2, keepdim=True)


def _apply_mixtures(mixtures, images):
    return torch.bmm(mixtures, images.flatten(2)).view_as(images)
