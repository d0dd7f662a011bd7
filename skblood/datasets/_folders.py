"""Image folders with one sub-folder per class."""

import os
from pathlib import Path

import numpy as np

IMAGE_EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SPLIT_NAMES = ("train", "val", "valid", "validation", "test")
_LAYOUT = "expected one sub-folder per class with images in it, e.g. {}/neutrophil/cell_001.png"


def load_image_folder(path, *, split=None, extensions=IMAGE_EXTENSIONS):
    """Find the images of a folder that holds one sub-folder per class.

    Nothing is decoded: `X` holds the paths, which every estimator and every splitter of
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
        of the split to read.
    extensions : tuple of str, default=(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", \
".tiff", ".webp")
        Extensions of the files that count as images, in upper or lower case.

    Returns
    -------
    X : ndarray of str of shape (n_images,)
        Paths, sorted by class and then by name, so that the order is the same on every machine.
        They are relative if `path` is.
    y : ndarray of str of shape (n_images,)
        Names of the sub-folders.

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
    ...     X, y = load_image_folder(folder)
    >>> [Path(x).name for x in X]
    ['a.png', 'b.png', 'c.png']
    >>> y.tolist()
    ['monocyte', 'monocyte', 'platelet']
    """
    folder = _resolve_folder(Path(path).expanduser(), split)
    extensions = _check_extensions(extensions)
    class_folders = _visible_folders(folder)
    if not class_folders:
        _raise_no_class_folder(folder)

    paths, labels = [], []
    for class_folder in class_folders:
        found = _find_images(class_folder, extensions)
        if not found:
            raise ValueError(
                f"The class folder {str(class_folder)!r} holds no image (a file that ends in "
                f"{', '.join(extensions)}). Remove or fill it, or pass `extensions`."
            )
        paths += found
        labels += [class_folder.name] * len(found)
    return np.array(paths), np.array(labels)


def _resolve_folder(folder, split):
    """Return the folder of the classes: `folder`, or its split."""
    if not folder.exists():
        raise FileNotFoundError(
            f"There is no folder {str(folder)!r} (working directory: {os.getcwd()!r}); "
            + _LAYOUT.format(folder.name)
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is a file; " + _LAYOUT.format("a folder"))
    inside = _visible_folders(folder)
    # A class may be called "test" as well: only a folder of folders is taken for a split.
    splits = [f.name for f in inside if f.name.lower() in SPLIT_NAMES and _visible_folders(f)]
    if split is None:
        if splits:
            raise ValueError(
                f"{str(folder)!r} holds the splits {splits}, each with its class folders. Choose "
                f"one, e.g. load_image_folder(..., split={splits[0]!r})."
            )
        return folder
    if split not in [f.name for f in inside]:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no split {split!r}. It holds "
            f"{splits or 'no folder of class folders'}; without `split` the folder itself is read."
        )
    return folder / split


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


def _visible_folders(folder):
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _find_images(folder, extensions):
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
