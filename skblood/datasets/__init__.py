"""Blood-cell images: from folders, from files in the MedMNIST format, and synthetic ones."""

from skblood.datasets._blood_cells import make_blood_cells
from skblood.datasets._folders import load_image_folder
from skblood.datasets._medmnist import fetch_bloodmnist, load_npz

__all__ = [
    "fetch_bloodmnist",
    "load_image_folder",
    "load_npz",
    "make_blood_cells",
]
