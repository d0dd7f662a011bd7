"""The images of a run: found, cut down, and split."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from benchmarks._command import REPOSITORY
from skblood.datasets import load_cells, load_raabin_wbc, make_blood_cells, merge_datasets
from skblood.images import read_images

from ._recipe import Split

# Where a data set has no split of its own.
_STAND_IN = Split("shares", val=0.1, test=0.2)
_BLOODMNIST = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()


@dataclass
class Cells:
    """Images with their labels.

    Attributes
    ----------
    X : ndarray
        Pixels or paths.
    y : ndarray of shape (n,)
    parts : ndarray of str of shape (n,) or None
        "train", "val" or "test", where the data set says so.
    source : str
        What they are, for a reader.
    """

    X: np.ndarray
    y: np.ndarray
    parts: np.ndarray | None
    source: str

    def take(self, rows):
        """Return some of them."""
        parts = None if self.parts is None else self.parts[rows]
        return Cells(self.X[rows], self.y[rows], parts, self.source)

    def describe(self, folds):
        """Return the counts of each class in each part, and what they are known again by."""
        digest = hashlib.sha256()
        for x in self.X:
            # A file is known by its name and size, so that it need not be read for this.
            if isinstance(x, str):
                x = f"{Path(x).parent.name}/{Path(x).name} {os.path.getsize(x)}".encode()
            digest.update(x)
        digest.update(" ".join(map(str, self.y)).encode())
        for rows in folds[0]:
            digest.update(np.asarray(rows, dtype=np.int64))
        names = ("train", "val", "test")
        return {
            "source": self.source,
            "image_shape": list(read_images(self.X[:1]).shape[1:]),
            "n_images": len(self.y),
            "n_splits": len(folds),
            "counts_of_first_split": {
                name: {str(k): n for k, n in sorted(Counter(self.y[rows].tolist()).items())}
                for name, rows in zip(names, folds[0], strict=True)
            },
            "fingerprint": digest.hexdigest(),
        }


def find_home():
    """Return the folder of PBC in the place where the tests find it, or None."""
    home = os.environ.get("SKBLOOD_DATA_HOME") or REPOSITORY.parent / "shared" / "data"
    folder = Path(home) / "pbc"
    return folder if folder.is_dir() else None


def load(path, recipe, raabin=None):
    """Load the images for a recipe, sorted by class, as a folder of classes is read.

    Parameters
    ----------
    path : Path or None
        A folder of splits or of classes, an npz file in the MedMNIST format, or a folder that has
        PBC in both forms (``128px`` and ``pbc_28.npz``), of which the size of the recipe's images
        decides. None draws synthetic cells.
    recipe : Recipe
    raabin : Path, default=None
        Raabin-WBC, for a recipe that merges it.

    Returns
    -------
    cells : Cells
    """
    size = recipe.parameters["image_size"]
    if path is None:
        X, y = make_blood_cells(1_600, image_size=min(size, 64), random_state=0)
        cells = Cells(X, y, None, "synthetic cells")
    else:
        file = path / "pbc_28.npz"
        small = file.is_file() and size <= 28
        if path.is_dir() and (path / "128px").is_dir():
            path = file if small else path / "128px"
        found = load_cells(path)
        parts = None
        if "split" in found.frame:
            parts = found.frame["split"].to_numpy(dtype=str)
            parts = np.where(np.char.startswith(parts, "val"), "val", parts)
        cells = Cells(found.data, found.target, parts, f"{path.resolve().parent.name}/{path.name}")
    if recipe.merged and raabin is not None:
        cells = _merge(cells, load_raabin_wbc(raabin), size)
    return cells.take(np.argsort(cells.y, kind="stable"))


def _merge(cells, raabin, size):
    y = np.array(_BLOODMNIST)[cells.y] if cells.y.dtype.kind in "iu" else cells.y
    merged = merge_datasets(
        {"pbc": (cells.X, y), "raabin": raabin}, image_size=size, random_state=0
    )
    return Cells(merged.data, merged.target, None, f"{cells.source} and Raabin-WBC")


def cut_down(cells, n_images, seed):
    """Return that many of the images, of each class and part in proportion."""
    if n_images >= len(cells.y):
        return cells
    strata = cells.y if cells.parts is None else _pairs(cells.parts, cells.y)
    rows, _ = train_test_split(
        np.arange(len(cells.y)), train_size=n_images, stratify=strata, random_state=seed
    )
    return cells.take(np.sort(rows))


def divide(cells, split, seed):
    """Return the rows to train on, to validate on and to test on, of each fold, in their order."""
    rows = np.arange(len(cells.y))
    if split.kind == "folds":
        folds = StratifiedKFold(split.n_folds, shuffle=True, random_state=seed)
        return [(train, rows[:0], test) for train, test in folds.split(rows, cells.y)]
    if split.kind == "given" and cells.parts is not None:
        return [tuple(np.flatnonzero(cells.parts == part) for part in ("train", "val", "test"))]
    split = _STAND_IN if split.kind == "given" else split
    rest, test = _split_off(rows, split.test, cells.y, split.stratified, seed)
    train, val = _split_off(rest, split.val, cells.y, split.stratified, seed)
    return [tuple(np.sort(part) for part in (train, val, test))]


def _split_off(rows, share, y, stratified, seed):
    """Split off a share of all images; a number, since shares of a rest are no round ones."""
    return train_test_split(
        rows,
        test_size=round(share * len(y)),
        stratify=y[rows] if stratified else None,
        random_state=seed,
    )


def _pairs(a, b):
    return np.char.add(np.char.add(a.astype(str), "/"), b.astype(str))
