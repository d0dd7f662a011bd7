"""Image folders with one sub-folder per class."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skblood._labels import list_few
from skblood._typing import StrPath
from skblood._writing import suggest
from skblood.datasets._bunch import Dataset, as_dataset
from skblood.datasets._walk import HIDDEN, IMAGE_EXTENSIONS, walk_images
from skblood.images import state_depth

SPLIT_NAMES = ("train", "val", "valid", "validation", "test")
ALL_SPLITS = "all"
# Words in the names of folders without cells; folders of these names hold no class.
_NO_CELLS = re.compile(r"(.*[\W_])?(annotation|gt|ground[\W_]?truth|mask|segmentation)s?([\W_].*)?")
_NO_CLASSES = ("docs", "image", "images", "img", "imgs", "label", "labels")
_LAYOUT = "one sub-folder per class with images in it, e.g. neutrophil/cell_001.png"


def load_image_folder(
    path: StrPath,
    *,
    split: str | None = None,
    extensions: Sequence[str] = IMAGE_EXTENSIONS,
    bit_depth: int | None = None,
    return_X_y: bool = False,
) -> Dataset:
    """Load the paths and labels of a folder with one sub-folder per class.

    The images are not decoded. Estimators and scikit-learn's splitters accept the paths.

    Parameters
    ----------
    path : str or path-like
        Folder whose sub-folders are named after the classes. The class of an image deeper in the
        folder (``neutrophil/slide_3/cell.png``) is the first level. Files directly in `path`,
        hidden files and folders (``.DS_Store``, ``__MACOSX``) and files with other extensions are
        ignored.
    split : str, default=None
        If the folder has one such folder per split (``train``, ``val``, ``test``): the name of
        the split to load, or "all" for all splits.
    extensions : tuple of str, default=(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", \
".tiff", ".webp")
        Extensions of image files, in upper or lower case.
    bit_depth : int in 8..16, default=None
        Bits of the values in files of more than 8 bits: 12 means 0..4095. None means 16, and an
        error where they are read if the values do not reach a quarter of 0..65535.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data, paths : ndarray of str of shape (n_images,)
            Paths, sorted by class and name; with ``split="all"``, by split first. They are
            relative if `path` is. With `bit_depth`, of dtype object: each path states it, as in
            `frame`, and an estimator that is fitted on them remembers it.
        target : ndarray of str of shape (n_images,)
            Names of the sub-folders.
        target_names : ndarray of str of shape (n_classes,)
            The classes, sorted.
        frame : DataFrame with n_images rows
            Columns ``path``, ``label`` and, with ``split="all"``, ``split``.
        DESCR : str
            The folder and the number of images of each class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path` or its folder of the split does not exist.
    NotADirectoryError
        If `path` is a file.
    ValueError
        If `extensions` are not such a sequence, there is no class folder, a class folder has no
        images, or the folder has splits and `split` is None.

    Warns
    -----
    UserWarning
        If the sub-folders may be no classes: there is only one, they hold folders of the same
        names, of names without a number (unlike slides), or of splits; are named like splits; or
        there are folders such as ``masks``. Or if folders of folders beside the splits are not
        read.

    See Also
    --------
    load_csv : Paths and labels from a table.
    load_npz : Images and labels from a file in the MedMNIST format.

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
    path = Path(path).expanduser()
    if isinstance(extensions, str) or not all(each.startswith(".") for each in extensions):
        raise ValueError(
            f"extensions={extensions!r} must be a sequence of str that start with a dot: ('.png',)."
        )
    extensions = tuple(each.lower() for each in extensions)
    folders = _find_class_parents(path, split)
    found = [list_class_folders(folder, extensions) for folder in folders]
    X, y = (np.concatenate(each) for each in zip(*found, strict=True))
    _warn_of_folders(folders, np.unique(y).tolist())
    X = state_depth(X, bit_depth)
    columns = {"path": X, "label": y}
    if split == ALL_SPLITS:
        columns["split"] = np.repeat([f.name for f in folders], [len(paths) for paths, _ in found])
    named = "" if split is None else f", split {split!r}"
    return as_dataset(X, y, f"Image folder {str(path)!r}{named}", return_X_y, frame=columns)


def list_class_folders(folder, extensions=IMAGE_EXTENSIONS):
    """Return paths and labels of a folder with one sub-folder per class, sorted by both."""
    paths, labels = [], []
    for class_folder in visible_folders(folder):
        found = find_images(class_folder, extensions)
        if not found:
            raise ValueError(
                f"The class folder {str(class_folder)!r} has no images ({', '.join(extensions)}). "
                "Fill it, move it elsewhere, or pass `extensions`."
            )
        paths += found
        labels += [class_folder.name] * len(found)
    if not paths:
        n, parent = len(find_images(folder, extensions)), os.path.dirname(os.path.abspath(folder))
        holds = f", but {n} images itself: load its parent {parent!r}" if n else ""
        raise ValueError(f"{str(folder)!r} has no class folder{holds}; expected {_LAYOUT}")
    return np.array(paths), np.array(labels)


def find_images(folder, extensions=IMAGE_EXTENSIONS):
    """Return the image files in a folder and its sub-folders as a sorted list of str.

    Hidden files and folders are ignored.
    """
    return list(walk_images(folder, extensions))


def list_splits(folder):
    """Return the folders of the splits in a folder, sorted by name."""
    # A class may be called "test", too, but its folder holds no folders of classes.
    return [
        f for f in visible_folders(folder) if f.name.lower() in SPLIT_NAMES and visible_folders(f)
    ]


def visible_folders(folder):
    """Return the folders in a folder, sorted, without hidden ones."""
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(HIDDEN))


def check_exists(path, layout=None):
    """Raise an error unless there is a file or, if `layout` describes its content, a folder."""
    wrong, kind = (NotADirectoryError, "folder") if layout else (IsADirectoryError, "file")
    if not path.exists():
        wrong = FileNotFoundError
    elif path.is_dir() == bool(layout):
        return
    found = "" if path.exists() else suggest(path)
    where = f"{str(path)!r} is not a {kind} (in {os.getcwd()!r}){found}"
    raise wrong(f"{where}; expected {layout}" if layout else where)


def _warn_of_folders(parents, classes):
    """Warn the caller of a loader if the folders that it takes for classes may be none."""
    folders = [f for parent in parents for f in visible_folders(parent)]
    inner = [f for folder in folders for f in visible_folders(folder)]
    odd = [f for f in folders + inner if _NO_CELLS.fullmatch(f.name.lower())]
    inner = [f for f in inner if not {f, f.parent} & {*odd} and f.name.lower() not in _NO_CLASSES]
    deeper = _find_deeper_classes(inner)
    odd += [f for f in folders if f.name.lower() in _NO_CLASSES and not visible_folders(f)]
    doubts = []
    if odd:
        paths = list_few([repr(str(f)) for f in odd], most=5)
        doubts.append(f"Move folders without cells elsewhere: {paths}.")
    if any(re.match(r"fold[\W_]?\d", name.lower()) for name in classes) or all(
        name.lower().startswith(("train", "val", "test")) for name in classes
    ):
        doubts.append("Name the folders of a split train, val and test.")
    if deeper or len(classes) == 1:
        names = list_few(sorted({f.name for f in deeper}))
        doubts.append(
            f"{f'In them are folders ({names})' if deeper else 'There is only one'}. If these are "
            "slides, patients or subtypes, ignore this; if the classes are in the folders, load "
            f"one of these, e.g. {str(deeper[0].parent if deeper else folders[0])!r}."
        )
    if doubts:
        what = f"The folders in {str(parents[0])!r} are read as classes ({list_few(classes)})"
        warnings.warn(f"{what}, but may be none. {' '.join(doubts)}", stacklevel=3)


def _find_deeper_classes(folders):
    """Return those of the folders in class folders that may be the classes, or splits."""
    words = [f for f in folders if not re.search(r"\d", f.name)]  # slides have numbers
    names, counts = Counter(f.name for f in folders), Counter(f.parent for f in words)
    several = [f for f in words if counts[f.parent] > 1 or f.name.lower() in SPLIT_NAMES]
    return several + [f for f in folders if names[f.name] > 1 and (f in words or f.name.isdigit())]


def _find_class_parents(folder, split):
    """Return the folders that hold the class folders: `folder`, its split, or all its splits."""
    check_exists(folder, _LAYOUT)
    splits = list_splits(folder)
    names = [f.name for f in splits]
    if split is None:
        if splits:
            raise ValueError(f"{str(folder)!r} has the splits {names}. Pass one, or split='all'.")
        return [folder]
    if split == ALL_SPLITS and splits:
        others = [f.name for f in visible_folders(folder) if f not in splits and visible_folders(f)]
        if others:
            warnings.warn(
                f"Of {str(folder)!r} the splits {names} are read, and {list_few(others)} are not. "
                "Name folders of a split train, val or test; move others elsewhere.",
                stacklevel=3,
            )
        return sorted(splits, key=lambda f: SPLIT_NAMES.index(f.name.lower()))
    if not (folder / split).is_dir():
        raise FileNotFoundError(f"{str(folder)!r} has no split {split!r}; it has {names}.")
    return [folder / split]
