"""Images and labels that a command is given."""

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

_SPLIT_NAMES = {"valid": "val", "validation": "val", "dev": "val"}
_FILES = (".csv", ".npz", ".tsv", ".txt")
_NAMED = ("bloodmnist", "pbc", "synthetic")


@dataclass(frozen=True)
class Cells:
    """Labeled images.

    Parameters
    ----------
    source : str
        What the user named.
    X : ndarray
        Images or paths.
    y : ndarray of shape (n,)
        Labels.
    split, groups : ndarray of shape (n,) or None
        Part (train, val, test) and group (slide, patient) of each image.
    """

    source: str
    X: np.ndarray
    y: np.ndarray
    split: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def parts(self):
        """Names of the parts, in order of appearance."""
        return [] if self.split is None else list(dict.fromkeys(self.split.tolist()))

    def part(self, name):
        """Return the images of a part; all images if there are no parts."""
        if self.split is None:
            return self
        if name not in self.parts:
            raise ValueError(
                f"{self.source} holds the parts {', '.join(self.parts)}, but not {name!r}."
            )
        rows = self.split == name
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, X=self.X[rows], y=self.y[rows], split=None, groups=groups)


def read_cells(
    source, path_column="path", label_column="label", split_column="split", group_column=None
):
    """Read images, or their paths, with labels, parts and groups.

    Parameters
    ----------
    source : str
        A folder, a csv or npz file, or a name of a dataset.
    path_column, label_column, split_column, group_column : str
        Columns of a csv file.

    Returns
    -------
    Cells

    Raises
    ------
    FileNotFoundError, ValueError
        If `source` is none of these, or holds no images with labels.
    """
    from skblood import datasets

    path = Path(source).expanduser()
    if path.is_dir() or path.suffix.lower() in _FILES:
        bunch = datasets.load_cells(
            path,
            path_column=path_column,
            label_column=label_column,
            split_column=split_column,
            group_column=group_column,
        )
    elif path.exists():
        raise ValueError(
            f"{source!r} holds no images with labels. Name a folder with one subfolder per class, "
            "a csv file with the columns path and label, or an npz file in the MedMNIST format."
        )
    elif source == "synthetic":
        X, y = datasets.make_blood_cells(800, image_size=64, random_state=0)
        return Cells(source, X, y, np.resize(["train"] * 14 + ["val"] * 3 + ["test"] * 3, len(y)))
    elif source in _NAMED:
        bunch = getattr(datasets, f"fetch_{source}")()
    else:
        raise FileNotFoundError(
            f"There is no {source!r} (in {os.getcwd()!r}), and no dataset of that name "
            f"({', '.join(_NAMED)})."
        )
    return Cells(source, bunch.data, bunch.target, _split_of(bunch, source), bunch.get("groups"))


def _split_of(bunch, source):
    """Return the normalized part of each image, or None if there are no parts."""
    if bunch.frame is None or "split" not in bunch.frame:
        return None
    split = bunch.frame["split"]
    if split.isna().any():
        raise ValueError(
            f"{source}: {split.isna().sum()} images have no split, the first at position "
            f"{int(split.isna().argmax())}. Give one for each image, or for none."
        )
    return split.astype(str).str.strip().str.lower().replace(_SPLIT_NAMES).to_numpy(str)


def find_images(arguments):
    """Find the images of files, folders, patterns, or one npz file.

    Parameters
    ----------
    arguments : list of str

    Returns
    -------
    names : list of str
    X : list of str, or ndarray of shape (n, h, w, c) or (n, h, w)
        Paths or images, in the order of the arguments, sorted within each.

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
        return name_images(X, arguments[0]), X
    paths = [path for argument in arguments for path in _expand(argument)]
    return paths, paths


def _expand(argument):
    """Return the image files that an argument names."""
    path = os.path.expanduser(argument)
    matches = [path]
    # An existing file may have brackets in its name. A missing one is reported when it is read.
    if glob.has_magic(path) and not os.path.exists(path):
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            raise FileNotFoundError(f"No file matches {argument!r} (in {os.getcwd()!r}).")
    found = [file for match in matches for file in _list_files(match)]
    return list(dict.fromkeys(found))  # `**` matches a folder and what is in it


def _list_files(path):
    """Return the image files below a folder; of a file, itself."""
    from skblood.datasets import IMAGE_EXTENSIONS, list_image_files

    if not os.path.isdir(path):
        return [path]
    found = list_image_files(path)
    if not found:
        raise FileNotFoundError(
            f"The folder {path!r} holds no image (a file that ends in "
            f"{', '.join(IMAGE_EXTENSIONS)})."
        )
    return found


def name_images(X, source):
    """Return the paths, or of images in memory their positions in the file."""
    return list(map(str, X)) if X.ndim == 1 else [f"{source}[{i}]" for i in range(len(X))]
