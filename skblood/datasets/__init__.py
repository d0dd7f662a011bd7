"""Data sets of blood-cell images: load, fetch, merge, split and draw.

Loaded on first use: the header of a table needs neither pandas nor scikit-learn.
"""

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_blood_cells": ["make_blood_cells"],
        "_csv": ["load_csv", "read_table", "refuse_predictions"],
        "_folders": ["IMAGE_EXTENSIONS", "find_images", "load_image_folder", "visible_folders"],
        "_load": ["load_cells"],
        "_medmnist": ["fetch_bloodmnist", "load_npz"],
        "_merge": ["merge_datasets"],
        "_pbc": ["fetch_pbc"],
        "_raabin": ["load_raabin_wbc"],
        "_split": ["train_val_test_split"],
        "_unreadable": ["find_unreadable"],
        "_table": ["read_header"],
    },
)

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
