"""Base class and random draws of the augmentations."""

from __future__ import annotations

import inspect
from numbers import Real
from typing import Any

import torch
from torch import nn

from skblood._sklearn import Interval, validate_parameter_constraints

SHARE = [Interval(Real, 0, 1, closed="both")]
BELOW_ONE = [Interval(Real, 0, 1, closed="left")]
STRENGTH = [Interval(Real, 0, None, closed="left")]


class Augment(nn.Module):
    """Random changes of a batch ``(n, c, h, w)`` in 0..1, drawn for each image.

    A subclass defines `_change`, which takes float32 and does not modify its input, and
    `_parameter_constraints`, as estimators do.

    Parameters
    ----------
    **parameters
        All parameters of the subclass; each is checked, and stored under its own name.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.
    """

    def __init__(self, **parameters: Any) -> None:
        super().__init__()
        name = type(self).__name__
        validate_parameter_constraints(self._parameter_constraints, parameters, name)
        for name, value in parameters.items():
            setattr(self, name, value)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Change each image of a batch.

        Parameters
        ----------
        images : torch.Tensor of shape (n, c, h, w)
            Of any float dtype, in 0..1. Not modified.

        Returns
        -------
        changed : torch.Tensor of shape (n, c, h, w)
            Of the same dtype.

        Raises
        ------
        ValueError
            If `images` is no such tensor.
        """
        dtype = getattr(images, "dtype", None)
        if not isinstance(images, torch.Tensor) or images.ndim != 4 or not dtype.is_floating_point:
            shape = f" of dtype {dtype}, shape {tuple(images.shape)}" if dtype else ""
            raise ValueError(
                f"{type(self).__name__} changes torch tensors of a float dtype, shape (n, c, h, w) "
                f"and values in 0..1; got a {type(images).__name__}{shape}. Convert the images, "
                "or give arrays of uint8, shape (n, h, w, c), to skblood.augment.augment_images."
            )
        with torch.autocast(images.device.type, enabled=False):  # bfloat16 would lose gray levels
            return self._change(images.float()).to(dtype)

    def get_params(self) -> dict[str, Any]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def extra_repr(self) -> str:
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
