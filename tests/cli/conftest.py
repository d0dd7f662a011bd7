"""A small folder of drawn cells, a model trained on it from the shell, and the shell itself."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from skblood.cli._app import app
from skblood.datasets import make_blood_cells

CLASSES = ("basophil", "monocyte", "platelet")
# Images of each class in each part.
PARTS = {"train": 16, "val": 5, "test": 5}


class Shell:
    """Runs commands in this process, and in others."""

    def __call__(self, *words, code=0):
        """Run a command, and return its result; its exit code must be `code`."""
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="skblood")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.stderr
        return result

    def start(self, *words, **options):
        """Start a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "skblood", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # A job in the background ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **options,
        )


@pytest.fixture(scope="session")
def shell():
    return Shell()


@pytest.fixture(scope="session")
def cell_folder(tmp_path_factory):
    """Drawn cells of 28 px as png files in <part>/<class>/. Not to be written into."""
    folder = tmp_path_factory.mktemp("cells")
    for seed, (part, n) in enumerate(PARTS.items()):
        weights = dict.fromkeys(CLASSES, 1)
        n_images = n * len(CLASSES)
        X, y = make_blood_cells(n_images, image_size=28, class_weights=weights, random_state=seed)
        for i, (image, label) in enumerate(zip(X, y, strict=True)):
            file = folder / part / label / f"{i:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return folder


# A classifier that learns something in a second.
TINY = ("--estimator", "mlp", "--epochs", "8", "--set", "hidden_layer_sizes=[32]")


@pytest.fixture(scope="session")
def model_file(shell, cell_folder, tmp_path_factory):
    """A model that the command line has trained. Not to be written to."""
    file = tmp_path_factory.mktemp("model") / "cells.skblood"
    shell("train", cell_folder, "--out", file, *TINY)
    return file


@pytest.fixture
def npz_file(tmp_path):
    """The same kind of cells in the MedMNIST format, without the part val."""
    weights = dict.fromkeys(CLASSES, 1)
    X, y = make_blood_cells(60, image_size=28, class_weights=weights, random_state=5)
    codes = np.searchsorted(CLASSES, y)[:, None]
    file = tmp_path / "cells.npz"
    np.savez(
        file,
        train_images=X[:48],
        train_labels=codes[:48],
        test_images=X[48:],
        test_labels=codes[48:],
    )
    return file
