"""Image folders with one sub-folder per class."""

import os
from pathlib import Path

import numpy as np

from skblood.datasets._bunch import as_dataset

IMAGE_EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SPLIT_NAMES = ("train", "val", "valid", "validation", "test")
ALL_SPLITS = "all"
_LAYOUT = "expected one sub-folder per class with images in it, e.g. {}/neutrophil/cell_001.png"


def load_image_folder(path, *, split=None, extensions=IMAGE_EXTENSIONS, return_X_y=False):
    """Find the images of a folder that holds one sub-folder per class.

    Nothing is decoded: `data` holds the paths, which every estimator and every splitter of
    scikit-learn takes as they are.

    Parameters
    ----------
    path : str or path-like
        Folder whose sub-folders are named after the classes. An image may lie deeper
        (``neutrophil/slide_3/cell.png``); its class is the first level. Files directly in
        `path`, hidden files and folders (``.DS_Store``) and files with other extensions are
        left out.
    split : str, default=None
        For a folder that holds one such folder per split (``train``, ``val``, ``test``): the name
        of the split to read, or "all" for all of them.
    extensions : tuple of str, default=(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", \
".tiff", ".webp")
        Extensions of the files that count as images, in upper or lower case.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

        data, paths : ndarray of str of shape (n_images,)
            Paths, sorted by class and then by name, so that the order is the same on every
            machine; with ``split="all"``, one split after the other. They are relative if `path`
            is.
        target : ndarray of str of shape (n_images,)
            Names of the sub-folders.
        target_names : ndarray of str of shape (n_classes,)
            The classes, sorted.
        frame : DataFrame with n_images rows
            Columns ``path``, ``label`` and, with ``split="all"``, ``split``.
        DESCR : str
            The folder and the number of images in it, by class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path`, or the split asked for, is not there.
    NotADirectoryError
        If `path` is a file.
    ValueError
        If there is no class folder, a class folder holds no image, or the folder holds splits and
        `split` was not given.

    See Also
    --------
    load_csv : Paths and labels of a table.
    load_npz : Images and labels of one file in the MedMNIST format.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("monocyte/b.png", "monocyte/a.png", "platelet/c.png"):
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         Image.new("RGB", (32, 32)).save(file)
    ...     cells = load_image_folder(folder)
    >>> [Path(x).name for x in cells.data]
    ['a.png', 'b.png', 'c.png']
    >>> cells.target.tolist()
    ['monocyte', 'monocyte', 'platelet']
    """
    import pandas as pd

    path = Path(path).expanduser()
    folders = _resolve_folders(path, split)
    found = [list_class_folders(folder, _check_extensions(extensions)) for folder in folders]
    X, y = (np.concatenate(parts) for parts in zip(*found, strict=True))
    frame = pd.DataFrame({"path": X, "label": y})
    if split == ALL_SPLITS:
        names = [folder.name for folder in folders]
        frame["split"] = np.repeat(names, [len(labels) for _, labels in found])
    named = "" if split is None else f", split {split!r}"
    return as_dataset(
        X,
        y,
        description=f"Image folder {str(path)!r}{named}: {count_labels(y)}.",
        return_X_y=return_X_y,
        frame=frame,
    )


def list_class_folders(folder, extensions=IMAGE_EXTENSIONS):
    """Return paths and labels of a folder with one sub-folder per class, sorted by both."""
    class_folders = visible_folders(folder)
    if not class_folders:
        _raise_no_class_folder(folder)
    paths, labels = [], []
    for class_folder in class_folders:
        found = find_images(class_folder, extensions)
        if not found:
            raise ValueError(
                f"The class folder {str(class_folder)!r} holds no image (a file that ends in "
                f"{', '.join(extensions)}). Remove or fill it, or pass `extensions`."
            )
        paths += found
        labels += [class_folder.name] * len(found)
    return np.array(paths), np.array(labels)


def count_labels(y):
    """Say how many images there are of each class."""
    counts = zip(*np.unique(y, return_counts=True), strict=True)
    return f"{len(y)} images ({', '.join(f'{label} {count}' for label, count in counts)})"


def _resolve_folders(folder, split):
    """Return the folders of the classes: `folder`, or its split, or all of its splits."""
    check_folder(folder, _LAYOUT.format(folder.name))
    splits = list_splits(folder)
    names = [f.name for f in splits]
    if split is None:
        if splits:
            raise ValueError(
                f"{str(folder)!r} holds the splits {names}, each with its class folders. Choose "
                f"one, e.g. load_image_folder(..., split={names[0]!r}), or split='all'."
            )
        return [folder]
    if split == ALL_SPLITS and splits:
        return sorted(splits, key=lambda f: SPLIT_NAMES.index(f.name.lower()))
    if split not in [f.name for f in visible_folders(folder)]:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no split {split!r}. It holds "
            f"{names or 'no folder of class folders'}; without `split` the folder itself is read."
        )
    return [folder / split]


def list_splits(folder):
    """Return the folders of the splits that a folder holds, sorted by name."""
    # A class may be called "test" as well: only a folder of folders is taken for a split.
    inside = visible_folders(folder)
    return [f for f in inside if f.name.lower() in SPLIT_NAMES and visible_folders(f)]


def check_folder(folder, layout):
    """Raise unless the folder is there; `layout` says what it should hold."""
    if not folder.exists():
        raise FileNotFoundError(
            f"There is no folder {str(folder)!r} (working directory: {os.getcwd()!r}); {layout}"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is a file; {layout}")


def _check_extensions(extensions):
    """Return the extensions in lower case, each with its dot."""
    if isinstance(extensions, str):
        raise TypeError(
            f"`extensions` must be a sequence of str, got {extensions!r}; write ({extensions!r},)."
        )
    wrong = [e for e in extensions if not e.startswith(".")]
    if wrong:
        raise ValueError(f"Every extension starts with a dot (e.g. '.png'), got {wrong}.")
    return tuple(e.lower() for e in extensions)


def visible_folders(folder):
    """Return the folders in a folder, sorted; hidden ones are left out."""
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def find_images(folder, extensions):
    """Return the image files below `folder` as str, sorted; hidden ones are left out."""
    found = []
    for directory, subfolders, files in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            os.path.join(directory, name)
            for name in files
            if not name.startswith(".") and name.lower().endswith(extensions)
        ]
    return sorted(found)


def _raise_no_class_folder(folder):
    n_files = sum(1 for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    found = f"{n_files} files directly in it" if n_files else "nothing"
    raise ValueError(
        f"{str(folder)!r} holds no class folder (found {found}); " + _LAYOUT.format(folder.name)
    )
