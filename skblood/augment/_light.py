"""Light augmentation: random lamp, white balance, exposure and tone curve."""

import torch

from ._augment import Augment, coordinates, draw_symmetric, draw_uniform


class LightAugment(Augment):
    """Change lamp, white balance, exposure and tone curve of each image at random.

    Parameters
    ----------
    gamma : float, default=0.8
        Raise to a power between ``exp(-gamma)`` and ``exp(gamma)``, and each channel to another
        between the cube roots of these.
    balance : float, default=0.4
        Multiply the mean of each channel by a factor between ``exp(-balance)`` and
        ``exp(balance)``.
    contrast : float, default=0.6
        Multiply the differences from the mean by a factor between ``exp(-contrast)`` and
        ``exp(contrast)``.
    brightness : float, default=0.25
        Add up to this, or subtract it.
    slope : float, default=0.2
        Make opposite sides of the image brighter and darker by up to this share.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import LightAugment
    >>> changed = LightAugment()(torch.rand(4, 3, 32, 32))
    >>> bool((changed >= 0).all() and (changed <= 1).all())
    True
    """

    def __init__(self, *, gamma=0.8, balance=0.4, contrast=0.6, brightness=0.25, slope=0.2):
        super().__init__(
            gamma=gamma, balance=balance, contrast=contrast, brightness=brightness, slope=slope
        )

    def forward(self, images):
        """Change each image of a batch ``(n, c, h, w)`` in 0..1."""
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
