"""Data augmentation of cell images: random changes of a whole batch, on its device."""

from ._background import BackgroundAugment
from ._cell_augment import CellAugment
from ._color import LightAugment, StainAugment
from ._export import ExportAugment
from ._frame import FrameAugment
from ._optics import OpticsAugment
from ._policies import AUGMENTS, POLICIES, LaboratoryAugment, augment_images, is_own, make_augment

__all__ = [
    "BackgroundAugment",
    "CellAugment",
    "ExportAugment",
    "FrameAugment",
    "LaboratoryAugment",
    "LightAugment",
    "OpticsAugment",
    "StainAugment",
    "augment_images",
    "make_augment",
]
