"""The models: files, or what is trained for want of one."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np

import skblood
from benchmarks.pretrain import make, refine
from skblood import TransferCellClassifier


def make_plain(**options):
    """Return the baseline, not fitted: the same network with the library's defaults."""
    return TransferCellClassifier(**{"image_size": 64} | options)


MAKERS = {"model": make, "plain": make_plain}
_QUICK = {"image_size": 28, "max_epochs": 4}


def get_models(name, files, home, quick):
    """Return the models of some files, or one that is trained for want of any.

    What is trained is kept in the folder for temporary files, so that the next laboratory does not
    wait for it.

    Parameters
    ----------
    name : {"model", "plain"}
    files : list of path-like
    home : Home
    quick : bool
        Train a tiny network on some of the cells.

    Raises
    ------
    ValueError
        If a model has other classes than home.
    """
    classes = np.unique(home.train.y).tolist()
    models = {file: skblood.load(file) for file in files or [_train(name, home, quick)]}
    for file, model in models.items():
        if (known := model.classes_.tolist()) != classes:
            raise ValueError(
                f"{str(file)!r} knows the classes {known}, but --train holds {classes}. Give the "
                "cells that the model was trained on, or another model."
            )
    return list(models.values())


def _train(name, home, quick):
    """Return the file of a model that is trained, or was."""
    step = 8 if quick else 1
    X, y = home.train.X[::step], home.train.y[::step]
    model = MAKERS[name](random_state=0, **(_QUICK if quick else {}))
    what = f"{model!r} {skblood.__version__} {X.tolist()}"
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    file = Path(tempfile.gettempdir(), "skblood-next-lab", f"{name}-{digest}.skblood")
    if not file.is_file():
        print(f"{name}: is trained on {len(X)} cells", flush=True)
        file.parent.mkdir(exist_ok=True)
        model.fit(X, y)
        if name == "model":
            model = model if quick else refine(model, X, y)
            model = skblood.reconfigure(model, dihedral_views=8)
        skblood.save(model, file)
    print(f"{name}: {file}", flush=True)
    return file
