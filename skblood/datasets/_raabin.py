"""The Raabin-WBC data set: white blood cells of five classes, in three splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np

from skblood._typing import StrPath
from skblood.datasets._bunch import Dataset, as_dataset, read_description, warn_if_incomplete
from skblood.datasets._folders import check_exists, list_class_folders, visible_folders

CLASSES = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
# Images of each split (Kouzehkanan et al. 2022).
_PUBLISHED = {"train": 10_175, "test_a": 4_339, "test_b": 2_119}
_URL = "https://raabindata.com/free-data/"
_LAYOUT = (
    f"Train/Basophil, TestA/Basophil, TestB/Lymphocyte, ...: download the double-labeled cropped "
    f"cells from {_URL}, and extract them into one folder"
)


def load_raabin_wbc(
    path: StrPath,
    *,
    split: Literal["train", "test_a", "test_b"] | None = None,
    return_X_y: bool = False,
) -> Dataset:
    """Find the images of Raabin-WBC in a downloaded folder.

    Raabin-WBC [1]_ holds 16,633 cropped white blood cells of five classes. It must be downloaded
    by hand. The images are not decoded.

    Parameters
    ----------
    path : str or path-like
        Folder that holds the published folders ``Train``, ``TestA`` and ``TestB``, each with one
        folder per class. Case, hyphens and underscores in their names are ignored.
    split : {"train", "test_a", "test_b"}, default=None
        Split to read; None reads all three, in this order. Test-B was taken with another camera
        and microscope, and does not hold all five classes.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data, paths : ndarray of str of shape (n_images,)
            Paths, sorted by split, class and name. They are relative if `path` is.
        target : ndarray of str of shape (n_images,)
            Classes, named as in BloodMNIST: basophil, eosinophil, lymphocyte, monocyte,
            neutrophil.
        target_names : ndarray of str of shape (5,)
            These five classes.
        frame : DataFrame with n_images rows
            Columns ``path``, ``label`` and ``split``.
        DESCR : str
            Source, citation, and the number of images of each class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path` does not exist or lacks the folder of a split, or there is no such split. The
        message says where to get the folders.
    NotADirectoryError
        If `path` is a file.
    ValueError
        If a class folder is empty, or a class is unknown.

    Warns
    -----
    UserWarning
        If the number of images of a split differs from the published one.

    See Also
    --------
    merge_datasets : Merge it with BloodMNIST.

    References
    ----------
    .. [1] Kouzehkanan et al. (2022). A large dataset of white blood cells containing cell
       locations and types, along with segmented nuclei and cytoplasm. Scientific Reports 12:1123.

    Examples
    --------
    >>> from skblood.datasets import load_raabin_wbc
    >>> cells = load_raabin_wbc("raabin-wbc", split="train")  # doctest: +SKIP
    >>> cells.data.shape, cells.target_names.tolist()  # doctest: +SKIP
    ((10175,), ['basophil', 'eosinophil', 'lymphocyte', 'monocyte', 'neutrophil'])
    """
    path = Path(path).expanduser()
    check_exists(path, _LAYOUT)
    splits = list(_PUBLISHED) if split is None else [split]
    found = {_plain(folder.name): folder for folder in visible_folders(path)}
    if missing := [name for name in splits if name not in _PUBLISHED or _plain(name) not in found]:
        raise FileNotFoundError(
            f"{str(path)!r} has no folder of {missing}; it has {list(found)}. Expected {_LAYOUT}"
        )
    parts = [list_class_folders(found[_plain(name)]) for name in splits]
    X, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    y = np.char.lower(y)
    if unknown := set(y.tolist()) - set(CLASSES):
        raise ValueError(
            f"{str(path)!r} has the classes {sorted(unknown)}, which are not among {CLASSES}. Use "
            "load_image_folder."
        )
    column = np.repeat(splits, [len(labels) for _, labels in parts])
    warn_if_incomplete(path, Counter(column.tolist()), {name: _PUBLISHED[name] for name in splits})
    frame = {"path": X, "label": y, "split": column}
    description = read_description("raabin_wbc")
    return as_dataset(X, y, description, return_X_y, target_names=CLASSES, frame=frame)


def _plain(name):
    return "".join(filter(str.isalnum, name)).lower()
