"""Which images, and which labels, a command was given."""

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

# Other names of a part.
_PARTS = {"valid": "val", "validation": "val", "dev": "val"}
_FILES = (".csv", ".npz", ".tsv", ".txt")


@dataclass(frozen=True)
class Cells:
    """Images with labels.

    Attributes
    ----------
    source : str
        What the user named.
    X : ndarray
        Images or paths.
    y : ndarray of shape (n,)
    split, groups : ndarray of shape (n,) or None
        The part and the slide or patient of each.
    """

    source: str
    X: np.ndarray
    y: np.ndarray
    split: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def parts(self):
        """The names of the parts, in the order of the images."""
        return [] if self.split is None else list(dict.fromkeys(self.split.tolist()))

    def part(self, name):
        """Return the images of a part; all of them if there are no parts."""
        if self.split is None:
            return self
        if name not in self.parts:
            raise ValueError(
                f"{self.source} holds the parts {', '.join(self.parts)}, and none of the name "
                f"{name!r}."
            )
        rows = np.flatnonzero(self.split == name)
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, X=self.X[rows], y=self.y[rows], split=None, groups=groups)

    def names(self):
        """Return a name for each image."""
        return _names(self.X, self.source)


@dataclass(frozen=True)
class Columns:
    """The columns of a csv file."""

    path: str = "path"
    label: str = "label"
    split: str = "split"
    group: str | None = None


def read_cells(source, columns=None):
    """Read images, or their paths, with labels and parts.

    Parameters
    ----------
    source : str
        A folder, a csv or npz file, or a name.
    columns : Columns, default=None
        Those of a csv file.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is none of these, or holds no images with labels.
    """
    from skblood.datasets import load_cells

    columns = columns or Columns()
    path = Path(source).expanduser()
    if path.is_dir() or path.suffix.lower() in _FILES:
        bunch = load_cells(
            path,
            path_column=columns.path,
            label_column=columns.label,
            split_column=columns.split,
            group_column=columns.group,
        )
    elif not path.exists() and source in _BY_NAME:
        bunch = _BY_NAME[source]()
    elif path.exists():
        raise ValueError(
            f"{source!r} holds no images with labels. Name a folder with one sub-folder per class, "
            "a csv file with the columns path and label, or an npz file in the MedMNIST format."
        )
    else:
        raise FileNotFoundError(
            f"There is no {source!r} (in {os.getcwd()!r}), and no set of images of that name "
            f"({', '.join(_BY_NAME)})."
        )
    split = bunch.frame["split"] if bunch.frame is not None and "split" in bunch.frame else None
    if split is not None:
        split = np.array([_PARTS.get(name, name) for name in _checked(split, source)])
    return Cells(source, bunch.data, bunch.target, split, bunch.get("groups"))


def _checked(split, source):
    """Return the parts in lower case, or raise if an image has none."""
    if split.isna().any():
        raise ValueError(
            f"{source}: {split.isna().sum()} images have no split, the first at position "
            f"{int(split.isna().argmax())}. Name one for each, or none at all."
        )
    return split.astype(str).str.strip().str.lower()


def _draw():
    """Draw cells, and split them."""
    import pandas as pd

    from skblood.datasets import make_blood_cells
    from skblood.datasets._bunch import as_dataset

    X, y = make_blood_cells(800, image_size=64, random_state=0)
    parts = np.array(["train"] * 14 + ["val"] * 3 + ["test"] * 3)  # 70, 15 and 15 %
    split = parts[np.arange(len(X)) % len(parts)]
    return as_dataset(
        X, y, description="", return_X_y=False, frame=pd.DataFrame({"label": y, "split": split})
    )


def _fetch(name):
    from skblood import datasets

    return getattr(datasets, f"fetch_{name}")()


_BY_NAME = {
    "synthetic": _draw,
    "bloodmnist": lambda: _fetch("bloodmnist"),
    "pbc": lambda: _fetch("pbc"),
}


def find_images(arguments):
    """Find the images of files, folders, patterns, or one npz file.

    Parameters
    ----------
    arguments : list of str

    Returns
    -------
    names : list of str
    X : list of str, or ndarray of shape (n, h, w, c) or (n, h, w)
        Paths or images, in the order of the arguments, and sorted within one.

    Raises
    ------
    FileNotFoundError, ValueError
        If a pattern matches nothing, a folder holds no image, or an npz file is not alone.
    """
    if any(name.lower().endswith(".npz") for name in arguments):
        if len(arguments) > 1:
            raise ValueError("An npz file holds images in memory: name it alone, without others.")
        from skblood.datasets import load_npz

        X = load_npz(arguments[0]).data
        return _names(X, arguments[0]), X
    paths = [path for argument in arguments for path in _expand(argument)]
    return paths, paths


def _expand(argument):
    """Return the image files that an argument names."""
    path = os.path.expanduser(argument)
    if os.path.isdir(path):
        return _find_below(path)
    # A file may have brackets in its name. One that is not there is named by whoever reads it.
    if os.path.exists(path) or not glob.has_magic(path):
        return [path]
    matches = sorted(glob.glob(path, recursive=True))
    if not matches:
        raise FileNotFoundError(f"No file matches {argument!r} (in {os.getcwd()!r}).")
    found = [each for m in matches for each in (_find_below(m) if os.path.isdir(m) else [m])]
    return list(dict.fromkeys(found))  # `**` matches a folder and what is in it


def _find_below(folder):
    from skblood.datasets._folders import IMAGE_EXTENSIONS, find_images

    found = find_images(folder, IMAGE_EXTENSIONS)
    if not found:
        raise FileNotFoundError(
            f"The folder {folder!r} holds no image (a file that ends in "
            f"{', '.join(IMAGE_EXTENSIONS)})."
        )
    return found


def _names(X, source):
    """Return the paths, or for images in memory their places in the file."""
    return list(map(str, X)) if X.ndim == 1 else [f"{source}[{i}]" for i in range(len(X))]
