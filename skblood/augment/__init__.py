"""Data augmentation of cell images: random changes of a whole batch, on its device."""

from ._background import BackgroundAugment
from ._cell_augment import CellAugment
from ._frame import FrameAugment
from ._laboratory import LaboratoryAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._policies import AUGMENTS, POLICIES, augment_images, is_own, make_augment
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
    "augment_images",
    "is_own",
    "make_augment",
]
