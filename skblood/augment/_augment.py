"""Base class and random draws of the augmentations."""

import inspect

import torch
from torch import nn


class Augment(nn.Module):
    """Random changes of a batch ``(n, c, h, w)`` in 0..1, drawn for each image.

    A subclass does not modify its input.

    Parameters
    ----------
    **parameters
        All parameters of the subclass; each is stored under its own name.
    """

    def __init__(self, **parameters):
        super().__init__()
        for name, value in parameters.items():
            setattr(self, name, value)

    def get_params(self):
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def extra_repr(self):
        """Return the parameters, for `repr`."""
        return ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())


def draw_uniform(images, n_channels=1):
    """Draw from 0..1 for each image, as ``(n, n_channels, 1, 1)``."""
    return torch.rand(len(images), n_channels, 1, 1, device=images.device)


def draw_symmetric(images, n_channels=1):
    """Draw from -1..1 for each image, as ``(n, n_channels, 1, 1)``."""
    return 2 * draw_uniform(images, n_channels) - 1


def change_share(change, images, share):
    """Apply a change to a random share of the images, in place, and return all."""
    chosen = torch.nonzero(torch.rand(len(images), device=images.device) < share).flatten()
    if len(chosen):
        images[chosen] = change(images[chosen])
    return images


def coordinates(images):
    """Return the rows, (1, 1, h, 1), and columns, (1, 1, 1, w), of the pixels in -1..1."""
    height, width = images.shape[2:]
    rows = torch.linspace(-1, 1, height, device=images.device).view(1, 1, -1, 1)
    return rows, torch.linspace(-1, 1, width, device=images.device).view(1, 1, 1, -1)
