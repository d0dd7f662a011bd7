"""Augmentation policies by name."""

from torch import nn

from ._background import BackgroundAugment
from ._cells import CellAugment
from ._frame import FrameAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._stain import StainAugment

AUGMENTS = (
    BackgroundAugment,
    CellAugment,
    FrameAugment,
    LightAugment,
    OpticsAugment,
    StainAugment,
)


def _cells():
    return CellAugment()


def _stain():
    return nn.Sequential(CellAugment(colour=0.0), StainAugment(), LightAugment())


def _laboratory():
    moves = CellAugment(colour=0.0)
    return nn.Sequential(moves, FrameAugment(), StainAugment(), LightAugment(), OpticsAugment())


POLICIES = {"cells": _cells, "stain": _stain, "laboratory": _laboratory}


def make_augment(policy):
    """Return the augmentation of a policy: a torch module for batches ``(n, c, h, w)`` in 0..1."""
    if policy not in POLICIES:
        names = ", ".join(repr(name) for name in POLICIES)
        raise ValueError(f"policy={policy!r} is not known. Choose one of {names}.")
    return POLICIES[policy]()


def is_own(augment):
    """Say whether it is one of ours, or a sequence of such: its `repr` says all that it does."""
    if type(augment) is nn.Sequential:
        return all(is_own(part) for part in augment)
    return type(augment) in AUGMENTS
