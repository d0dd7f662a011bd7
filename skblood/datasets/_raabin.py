"""Raabin-WBC, as published: three folders of five classes each, or of two."""

import warnings
from pathlib import Path

import numpy as np

from skblood.datasets._bunch import as_dataset
from skblood.datasets._folders import (
    check_folder,
    count_labels,
    list_class_folders,
    visible_folders,
)

CLASSES = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
# Images of each split, as counted by Kouzehkanan et al. (2022).
_PUBLISHED = {"train": 10_175, "test_a": 4_339, "test_b": 2_119}
_URL = "https://raabindata.com/free-data/"
_LAYOUT = (
    f"download Train, TestA and TestB of the double-labeled cropped cells from {_URL}, and extract "
    "them into one folder: Train/Basophil/..., TestA/Basophil/..., TestB/Lymphocyte/..."
)
_DESCRIPTION = f"""Raabin-WBC: white blood cells of normal peripheral blood, cropped, 5 classes.

Source: {_URL}, double-labeled cropped cells. Train and Test-A were taken with one camera and
microscope, Test-B with others. The terms of the source hold; skblood does not distribute it.

Citation: Z. M. Kouzehkanan et al. (2022). A large dataset of white blood cells containing cell
locations and types, along with segmented nuclei and cytoplasm. Scientific Reports 12:1123.
"""


def load_raabin_wbc(path, *, split=None, return_X_y=False):
    """Find the images of Raabin-WBC in a folder that you have downloaded.

    Raabin-WBC [1]_ holds 16,633 cropped white blood cells of five classes. Nothing is downloaded
    and nothing is decoded.

    Parameters
    ----------
    path : str or path-like
        Folder that holds the published folders ``Train``, ``TestA`` and ``TestB``, each with one
        folder per class; case, hyphens and underscores in their names do not matter.
    split : {"train", "test_a", "test_b"}, default=None
        Split to read; None reads the three of them, in this order. Test-B was taken with another
        camera and microscope, and does not hold all five classes.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

        data, paths : ndarray of str of shape (n_images,)
            Paths, sorted by split, class and name. They are relative if `path` is.
        target : ndarray of str of shape (n_images,)
            Classes, by the names that BloodMNIST has for them: basophil, eosinophil, lymphocyte,
            monocyte, neutrophil.
        target_names : ndarray of str of shape (5,)
            These five.
        frame : DataFrame with n_images rows
            Columns ``path``, ``label`` and ``split``.
        DESCR : str
            Source, citation, and the images found, by class.
    (data, target) : tuple
        If `return_X_y` is True.

    Warns
    -----
    UserWarning
        If the numbers of images are not those published: a copy in part, or another one.

    Raises
    ------
    FileNotFoundError
        If `path` is not there, or holds no folder of the split. The message says where to get it.
    NotADirectoryError
        If `path` is a file.
    ValueError
        If `split` is none of the above, a class folder is empty, or there are other classes.

    See Also
    --------
    merge_datasets : To be trained on together with BloodMNIST.

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
    import pandas as pd

    if split is not None and split not in _PUBLISHED:
        raise ValueError(f"`split` must be None or one of {tuple(_PUBLISHED)}, got {split!r}.")
    path = Path(path).expanduser()
    check_folder(path, _LAYOUT)
    splits = list(_PUBLISHED) if split is None else [split]
    parts = [_read_split(path, name) for name in splits]
    X, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    labels = dict(zip(splits, (part[1] for part in parts), strict=True))
    _warn_of_other_counts(path, labels)
    found = [f"{name}: {count_labels(each)}." for name, each in labels.items()]
    return as_dataset(
        X,
        y,
        description="\n".join([_DESCRIPTION, "Found:", *found]),
        return_X_y=return_X_y,
        target_names=CLASSES,
        frame=pd.DataFrame(
            {"path": X, "label": y, "split": np.repeat(splits, list(map(len, labels.values())))}
        ),
    )


def _read_split(path, split):
    """Return the paths and the labels, in lower case, of one split."""
    folders = {_plain(folder.name): folder for folder in visible_folders(path)}
    if _plain(split) not in folders:
        raise FileNotFoundError(
            f"{str(path)!r} holds no folder of the split {split!r}; it holds "
            f"{[folder.name for folder in folders.values()]}. Name the `split` that you have, or "
            f"{_LAYOUT}"
        )
    X, y = list_class_folders(folders[_plain(split)])
    y = np.char.lower(y)
    if unknown := set(y.tolist()) - set(CLASSES):
        raise ValueError(
            f"{str(folders[_plain(split)])!r} holds the classes {sorted(unknown)}, which are not "
            f"among those of Raabin-WBC, {list(CLASSES)}. Other folders are read by "
            "load_image_folder."
        )
    return X, y


def _plain(name):
    return "".join(filter(str.isalnum, name)).lower()


def _warn_of_other_counts(path, labels):
    """Warn, with stacklevel of the loader's caller, unless as many are there as were published."""
    different = [
        f"{split} {len(found)} instead of {_PUBLISHED[split]}"
        for split, found in labels.items()
        if len(found) != _PUBLISHED[split]
    ]
    if different:
        warnings.warn(
            f"{str(path)!r} does not hold as many images as Raabin-WBC was published with: "
            f"{', '.join(different)}. Is it whole?",
            stacklevel=3,
        )
