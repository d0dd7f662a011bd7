"""Augmentation policies by name."""

from torch import nn

from ._background import BackgroundAugment
from ._cells import CellAugment
from ._frame import FrameAugment
from ._laboratory import LaboratoryAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._stain import StainAugment

AUGMENTS = (
    BackgroundAugment,
    CellAugment,
    FrameAugment,
    LaboratoryAugment,
    LightAugment,
    OpticsAugment,
    StainAugment,
)


def _stain():
    return nn.Sequential(CellAugment(colour=0.0), StainAugment(), LightAugment())


POLICIES = {"cells": CellAugment, "stain": _stain, "laboratory": LaboratoryAugment}


def make_augment(policy):
    """Make the augmentation of a policy.

    Parameters
    ----------
    policy : {"cells", "stain", "laboratory"}
        What ``augment=`` of the estimators takes: moves and mild colours; moves, other stains and
        other light; or all that differs from one laboratory to the next.

    Returns
    -------
    augment : torch.nn.Module
        Maps a float batch ``(n, c, h, w)`` in 0..1 to one of the same shape.

    Raises
    ------
    ValueError
        If the policy is none of these.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import make_augment
    >>> make_augment("stain")(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """
    if policy not in POLICIES:
        names = ", ".join(repr(name) for name in POLICIES)
        raise ValueError(f"policy={policy!r} is not known. Choose one of {names}.")
    return POLICIES[policy]()


def is_own(augment):
    """Say whether it is one of ours, or a sequence of such: its `repr` says all that it does."""
    if type(augment) is nn.Sequential:
        return all(is_own(part) for part in augment)
    return type(augment) in AUGMENTS
