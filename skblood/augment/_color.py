"""Color augmentations: stain and light, drawn at random for each image."""

from __future__ import annotations

import torch

from ._augment import SHARE, STRENGTH, Augment, coordinates, draw_symmetric, draw_uniform


class StainAugment(Augment):
    """Mix the color channels of each image at random, in intensity and in optical density.

    The spectral sensitivities of camera sensors overlap, so the channels of another camera are
    mixtures of those of this one. Dyes absorb: their amounts add up in the optical density (the
    negative logarithm of the transmitted light), where another stain is a mixture. Both keep white
    as it is, because the weights of a mixture sum to 1.

    Parameters
    ----------
    mix : float >= 0, default=0.5
        Standard deviation of the weights that mix the channels, around the identity.
    density : float >= 0, default=0.5
        The same for the optical densities.
    pale : float in [0, 1], default=1.0
        Move the colors towards gray by up to this share.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

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

    _parameter_constraints = {"mix": STRENGTH, "density": STRENGTH, "pale": SHARE}

    def __init__(self, *, mix: float = 0.5, density: float = 0.5, pale: float = 1.0) -> None:
        super().__init__(mix=mix, density=density, pale=pale)

    def _change(self, images):
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


class LightAugment(Augment):
    """Change lamp, white balance, exposure and tone curve of each image at random.

    Parameters
    ----------
    gamma : float >= 0, default=0.8
        Raise to a power between ``exp(-gamma)`` and ``exp(gamma)``, and each channel to another
        between the cube roots of these.
    balance : float >= 0, default=0.4
        Multiply the mean of each channel by a factor between ``exp(-balance)`` and
        ``exp(balance)``.
    contrast : float >= 0, default=0.6
        Multiply the differences from the mean by a factor between ``exp(-contrast)`` and
        ``exp(contrast)``.
    brightness : float in [0, 1], default=0.25
        Add up to this, or subtract it.
    slope : float in [0, 1], default=0.2
        Make opposite sides of the image brighter and darker by up to this share.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import LightAugment
    >>> changed = LightAugment()(torch.rand(4, 3, 32, 32))
    >>> bool((changed >= 0).all() and (changed <= 1).all())
    True
    """

    _parameter_constraints = {
        "gamma": STRENGTH,
        "balance": STRENGTH,
        "contrast": STRENGTH,
        "brightness": SHARE,
        "slope": SHARE,
    }

    def __init__(
        self,
        *,
        gamma: float = 0.8,
        balance: float = 0.4,
        contrast: float = 0.6,
        brightness: float = 0.25,
        slope: float = 0.2,
    ) -> None:
        super().__init__(
            gamma=gamma, balance=balance, contrast=contrast, brightness=brightness, slope=slope
        )

    def _change(self, images):
        n_channels = images.shape[1]
        strength = draw_uniform(images)

        def draw(most, n_channels=1):
            return most * strength * draw_symmetric(images, n_channels)

        power = torch.exp(draw(self.gamma) + draw(self.gamma / 3, n_channels))
        images = images.clamp(min=1e-4) ** power
        rows, columns = coordinates(images)
        images = images * (1 + draw(self.slope) * rows + draw(self.slope) * columns)
        mean = images.mean((2, 3), keepdim=True)
        contrast = torch.exp(draw(self.contrast))
        balance = torch.exp(draw(self.balance, n_channels))
        # (images - mean) * contrast + mean * balance + brightness, with fewer copies.
        offset = mean * (balance - contrast) + draw(self.brightness)
        return (images * contrast).add_(offset).clamp_(0, 1)
