"""Data sets of blood-cell images: load, fetch, merge, split and draw."""

from skblood.datasets._blood_cells import make_blood_cells
from skblood.datasets._csv import load_csv, read_table
from skblood.datasets._folders import (
    IMAGE_EXTENSIONS,
    find_images,
    load_image_folder,
    visible_folders,
)
from skblood.datasets._load import load_cells
from skblood.datasets._medmnist import fetch_bloodmnist, load_npz
from skblood.datasets._merge import merge_datasets
from skblood.datasets._pbc import fetch_pbc
from skblood.datasets._raabin import load_raabin_wbc
from skblood.datasets._split import train_val_test_split
from skblood.datasets._unreadable import find_unreadable

__all__ = [
    "fetch_bloodmnist",
    "fetch_pbc",
    "find_unreadable",
    "load_cells",
    "load_csv",
    "load_image_folder",
    "load_npz",
    "load_raabin_wbc",
    "make_blood_cells",
    "merge_datasets",
    "train_val_test_split",
]
