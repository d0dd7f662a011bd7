"""Augmentation of a whole batch of cell images, on its device."""

from ._background import BackgroundAugment
from ._cells import CellAugment
from ._frame import FrameAugment
from ._laboratory import LaboratoryAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._policies import AUGMENTS, POLICIES, is_own, make_augment
from ._stain import StainAugment

__all__ = [
    "AUGMENTS",
    "POLICIES",
    "BackgroundAugment",
    "CellAugment",
    "FrameAugment",
    "LaboratoryAugment",
    "LightAugment",
    "OpticsAugment",
    "StainAugment",
    "is_own",
    "make_augment",
]
