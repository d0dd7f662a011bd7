"""Data augmentation of cell images: random changes of a whole batch, on its device."""

from ._background import BackgroundAugment
from ._cell_augment import CellAugment
from ._frame import FrameAugment
from ._laboratory import LaboratoryAugment
from ._light import LightAugment
from ._optics import OpticsAugment
from ._policies import AUGMENTS as AUGMENTS
from ._policies import POLICIES as POLICIES
from ._policies import augment_images, make_augment
from ._policies import is_own as is_own
from ._stain import StainAugment

__all__ = [
    "BackgroundAugment",
    "CellAugment",
    "FrameAugment",
    "LaboratoryAugment",
    "LightAugment",
    "OpticsAugment",
    "StainAugment",
    "augment_images",
    "make_augment",
]
