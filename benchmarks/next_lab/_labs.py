"""Laboratories: class folders, by the names of home's classes; or home's own cells, changed."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks._laboratories import SIMULATED
from skblood.datasets import load_image_folder
from skblood.datasets._merge import map_labels
from skblood.images import read_images

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
_BATCH = 64


@dataclass(frozen=True)
class Laboratory:
    """Cells of one laboratory.

    Attributes
    ----------
    name : str
    X : ndarray
        Paths, or images: as large as they are, since a model may look at a part of each.
    y : ndarray of str of shape (n,)
        Labels, by their names at home.
    notes : tuple of str
        What was left out.
    draws : int
        Draws of labelled cells, as far as nothing else is asked for.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    notes: tuple = ()
    draws: int = 10

    def take(self, rows, *notes):
        """Return the laboratory with some of its cells."""
        return replace(self, X=self.X[rows], y=self.y[rows], notes=(*self.notes, *notes))


@dataclass(frozen=True)
class Home:
    """The laboratory that models are trained in.

    Attributes
    ----------
    train, test : Laboratory
    calibration, simulation : Laboratory
        The validation cells: those that prediction sets are calibrated with, and those of which
        other laboratories are made.
    """

    train: Laboratory
    test: Laboratory
    calibration: Laboratory
    simulation: Laboratory


def read_home(folder, most):
    """Find the cells at home.

    Parameters
    ----------
    folder : path-like
        It holds ``train``, ``val`` and ``test``, each with a folder for each class.
    most : int
        Validation cells of a class that other laboratories are made of; half of them at most.
    """
    parts = {}
    for split in ("train", "val", "test"):
        parts[split] = Laboratory("home", *load_image_folder(folder, split=split, return_X_y=True))
    val = parts["val"]
    _, codes, counts = np.unique(val.y, return_inverse=True, return_counts=True)
    simulated = draw_each(codes, np.minimum(most, counts // 2), np.random.default_rng(0))
    return Home(
        parts["train"],
        parts["test"],
        val.take(np.setdiff1d(np.arange(len(codes)), simulated)),
        val.take(simulated),
    )


def read_folder(name, folder, classes, most):
    """Find the cells of a laboratory.

    Parameters
    ----------
    name : str
    folder : path-like
        One folder for each class, of some of the classes or all.
    classes : sequence of str
        The classes at home.
    most : int
        Cells of a class that are drawn where there are more.

    Returns
    -------
    laboratory : Laboratory
        Its notes say which folders no class is known by, whose cells are left out, and whether
        cells were drawn.

    Raises
    ------
    ValueError
        If no folder is named after a class.
    """
    paths, folders = load_image_folder(folder, return_X_y=True)
    known = {other: label for label in classes for other in _OTHER_NAMES.get(label, ())}
    known |= {_plain(label): label for label in classes}
    found = {label: known.get(_plain(label)) for label in np.unique(folders).tolist()}
    unknown = [label for label, at_home in found.items() if at_home is None]
    if len(unknown) == len(found):
        raise ValueError(
            f"{name}: {str(folder)!r} holds the folders {unknown}, and none is named after one of "
            f"the classes {list(classes)}. Rename them; some of the classes are enough."
        )
    labels = map_labels({name: folders.tolist()}, {name: found})[name]
    kept = np.array([row for row, label in enumerate(labels) if label is not None])
    notes = [f"{name}: no class of home, left out: {', '.join(unknown)}."] if unknown else []
    return _cut(Laboratory(name, paths[kept], np.array([labels[row] for row in kept])), most, notes)


def _plain(label):
    return "".join(filter(str.isalnum, label.casefold())).removesuffix("s")


def _cut(laboratory, most, notes):
    _, codes, counts = np.unique(laboratory.y, return_inverse=True, return_counts=True)
    if counts.max() > most:
        note = f"{laboratory.name}: at most {most} cells of a class, drawn from {len(codes)} cells."
        notes = [*notes, note]
    rows = draw_each(codes, np.minimum(most, counts), np.random.default_rng(0))
    return laboratory.take(rows, *notes)


def draw_each(codes, counts, rng):
    """Return rows, sorted: of each class as many as its count says, drawn at random."""
    drawn = [
        rng.permutation(np.flatnonzero(codes == code))[:count] for code, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(drawn))


def simulate(name, cells):
    """Return a laboratory that sees the cells of another in a way of its own."""
    change, generator = SIMULATED[name], torch.Generator().manual_seed(0)
    images = torch.from_numpy(read_images(cells.X)).permute(0, 3, 1, 2)
    changed = [change(batch / 255, generator) for batch in images.split(_BATCH)]
    pixels = torch.cat(changed).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
    # There are many, and adapting to labelled cells takes minutes.
    return Laboratory(name, pixels.contiguous().numpy(), cells.y, draws=0)
