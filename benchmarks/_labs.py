"""Models and laboratories by name: tables or folders of cells, or simulated laboratories."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

import skblood
from benchmarks._laboratories import SIMULATED
from skblood.datasets import load_csv, load_image_folder
from skblood.images import read_images

HOME = "home"
# For the pages on which their figures are shown.
SOURCES = """\
Laboratories: chula is github.com/singgihbekti/WBC_Dataset (Chulalongkorn University, MIT); jhu is
Sidhom et al. 2021 (github.com/sidhomj/DeepAPL, Johns Hopkins Hospital); bionet is
github.com/usmanalishams/DeepBioNet_dataset_BCCD_WBC_Classifition (Blood Cells Mol Dis 2024,
102823); wbc_tecom is Dataset 1 of Zheng et al. 2018 (Micron 107:55; Jiangxi Tecom Science
Corporation)."""
# What other laboratories call the classes of PBC; see `_plain`.
_OTHER_NAMES = {
    "erythroblast": ("normoblast", "nucleatedredbloodcell", "nrbc"),
    "ig": (
        *("immaturegranulocyte", "metamyelocyte", "myelocyte", "promyelocyte"),
        *("mmy", "my", "pmy"),
    ),
    "neutrophil": (
        *("segmentedneutrophil", "neutrophilsegmented", "bandneutrophil", "neutrophilband"),
        *("bne", "sne"),
    ),
    "platelet": ("thrombocyte",),
}
# Validation cells of a class that a simulated laboratory shows.
_SIMULATED_CELLS = 40
_BATCH = 64
# Random divisions of the groups of which the one with the most even classes is taken.
_DIVISIONS = 30


@dataclass(frozen=True)
class Laboratory:
    """Cells of one laboratory.

    Attributes
    ----------
    name : str
    X : ndarray
        Paths, or images.
    y : ndarray of str of shape (n,)
        Labels, by the model's names.
    groups : ndarray of shape (n,) or None
        Slide or patient of each cell.
    notes : tuple of str
        What was left out.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    notes: tuple = ()

    def take(self, rows, *notes):
        """Return the laboratory with some of its cells."""
        groups = None if self.groups is None else self.groups[rows]
        taken = {"X": self.X[rows], "y": self.y[rows], "groups": groups}
        return replace(self, **taken, notes=(*self.notes, *notes))


def load_model(name):
    """Return a model by its name or its file."""
    return skblood.load(name) if Path(name).is_file() else skblood.load_pretrained(name)


def read_laboratory(name, data, classes, most):
    """Find the cells of a laboratory.

    Parameters
    ----------
    name : str
        "home" (the test cells of PBC), the name of a simulated laboratory or of a folder in `data`
        or below its folders ``labs`` and ``pbc``, or NAME=FOLDER. A folder holds ``cells.csv``
        (path, label, group), or one folder for each class.
    data : path-like
        Folder that holds ``pbc/128px`` and the laboratories.
    classes : sequence of str
        Those of the model. Cells of others are left out.
    most : int
        Cells of a class that are drawn where there are more.

    Raises
    ------
    ValueError
        If there is no such laboratory, or none of its labels is a class.
    """
    pbc = data / "pbc" / "128px"
    if name == HOME:
        return Laboratory(name, *load_image_folder(pbc, split="test", return_X_y=True))
    if name in SIMULATED:
        X, y = load_image_folder(pbc, split="val", return_X_y=True)
        return simulate(name, _draw(Laboratory(name, X, y), min(most, _SIMULATED_CELLS)))
    laboratory = _name_classes(read_folder(name, data), classes)
    drawn = _draw(laboratory, most)
    if len(drawn.y) < len(laboratory.y):
        note = f"at most {most} cells of a class, drawn from {len(laboratory.y)} cells."
        drawn = replace(drawn, notes=(*drawn.notes, f"{laboratory.name}: {note}"))
    return drawn


def read_folder(name, data):
    """Find all cells of a laboratory, whatever their labels; see `read_laboratory`."""
    name, _, folder = name.partition("=")
    places = [Path(folder)] if folder else [data / p / name for p in ("labs", "", "pbc")]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise ValueError(
            f"--labs {name}: no folder {' or '.join(map(str, places))}. Give {HOME!r}, one of "
            f"{[*SIMULATED]}, the name of a folder in {str(data / 'labs')!r}, or NAME=FOLDER."
        )
    if (table := folder / "cells.csv").is_file():
        cells = load_csv(table, group_column="group")
        return Laboratory(name, cells.data, cells.target, cells.groups)
    return Laboratory(name, *load_image_folder(folder, return_X_y=True))


def _name_classes(laboratory, classes):
    """Return the cells of the classes, by their names, and a note of the labels left out."""
    known = {other: label for label in classes for other in _OTHER_NAMES.get(label, ())}
    known |= {_plain(label): label for label in classes}
    found = np.array([known.get(_plain(label), "") for label in laboratory.y.tolist()])
    unknown = np.unique(laboratory.y[found == ""]).tolist()
    if not (found != "").any():
        raise ValueError(
            f"{laboratory.name}: its labels are {unknown}, and none is named after one of the "
            f"classes {list(classes)}. Rename them; some of the classes are enough."
        )
    notes = [f"{laboratory.name}: no class of the model, left out: {', '.join(unknown)}."]
    named = replace(laboratory, y=found)
    return named.take(np.flatnonzero(found != ""), *notes[: len(unknown)])


def _plain(label):
    return "".join(filter(str.isalnum, str(label).casefold())).removesuffix("s")


def _draw(laboratory, most):
    """Return at most so many cells of each class, drawn at random."""
    rng = np.random.default_rng(0)
    of_class = (np.flatnonzero(laboratory.y == label) for label in np.unique(laboratory.y))
    drawn = [rows if len(rows) <= most else rng.permutation(rows)[:most] for rows in of_class]
    return laboratory.take(np.sort(np.concatenate(drawn)))


def simulate(name, cells):
    """Return a laboratory that sees the cells of another in a way of its own."""
    change, generator = SIMULATED[name], torch.Generator().manual_seed(0)
    images = torch.from_numpy(read_images(cells.X)).permute(0, 3, 1, 2)
    changed = [change(batch / 255, generator) for batch in images.split(_BATCH)]
    pixels = torch.cat(changed).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
    return Laboratory(name, pixels.contiguous().numpy(), cells.y)


def divide(y, groups, rng):
    """Divide cells at random into two parts of about half of each class, no group in both.

    Returns
    -------
    rows, rest : ndarray of int
    """
    codes = np.unique(y, return_inverse=True)[1]
    groups = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sides = rng.random((_DIVISIONS, groups.max() + 1))[:, groups] < 0.5
    shares = [np.bincount(codes, side) / np.bincount(codes) for side in sides]
    best = sides[np.argmin([np.square(share - 0.5).sum() for share in shares])]
    return np.flatnonzero(best), np.flatnonzero(~best)
