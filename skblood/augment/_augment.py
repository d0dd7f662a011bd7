"""What the augmentations share."""

import inspect

import torch
from torch import nn


class Augment(nn.Module):
    """Random changes of a batch ``(n, c, h, w)`` in 0..1, drawn for each image.

    A subclass stores its parameters under their own names, and never writes to what it is given.
    """

    def get_params(self):
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def extra_repr(self):
        """Return the parameters, for `repr`."""
        return ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())


def symmetric(*shape, device):
    """Draw from -1..1."""
    return 2 * torch.rand(shape, device=device) - 1


def strengths(n, device):
    """Draw how strongly each image is changed, in 0..1, as ``(n, 1, 1, 1)``.

    Most of a batch stays close to the images as they are, which the network must go on knowing,
    and a part of it comes from far away.
    """
    return torch.rand(n, 1, 1, 1, device=device)
