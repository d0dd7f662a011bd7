"""A folder of drawn cells, a model trained on it from the command line, and a command runner."""

import io
import os
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import skblood
from skblood.cli._app import app
from skblood.datasets import load_image_folder, make_blood_cells

CLASSES = ("basophil", "monocyte", "platelet")
# Images of each class in each part.
PARTS = {"train": 16, "val": 5, "test": 5}
# Options of a classifier that learns something in a second.
TINY = ("--estimator", "mlp", "--epochs", "8", "--set", "hidden_layer_sizes=[32]")


class Shell:
    """Run commands in this process, or in another."""

    def __call__(self, *words, code=0):
        """Run a command, and return its result; its exit code must be `code`."""
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="skblood")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.stderr
        return result

    def table(self, *words):
        """Run a command, and return the csv table that it prints."""
        return pd.read_csv(io.StringIO(self(*words).stdout), keep_default_na=False)

    def start(self, *words):
        """Start a command in a process of its own, which signals reach."""
        if os.name != "posix":
            pytest.skip("signals and pipes as POSIX has them")
        return subprocess.Popen(
            [sys.executable, "-m", "skblood", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # Background jobs ignore Ctrl-C, and so do their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


@pytest.fixture(scope="session")
def shell():
    return Shell()


@pytest.fixture(scope="session")
def cell_folder(tmp_path_factory):
    """Drawn cells of 28 px as png files in <part>/<class>/. Do not write into it."""
    folder = tmp_path_factory.mktemp("cells")
    for seed, (part, n) in enumerate(PARTS.items()):
        X, y = draw(n * len(CLASSES), seed)
        for i, (image, label) in enumerate(zip(X, y, strict=True)):
            file = folder / part / label / f"{i:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return folder


def draw(n, seed):
    """Return n drawn cells of 28 px and their labels."""
    weights = dict.fromkeys(CLASSES, 1)
    return make_blood_cells(n, image_size=28, class_weights=weights, random_state=seed)


@pytest.fixture(scope="session")
def model_file(shell, cell_folder, tmp_path_factory):
    """A model that the command line has trained. Do not overwrite it."""
    file = tmp_path_factory.mktemp("model") / "cells.skblood"
    shell("train", cell_folder, "--out", file, *TINY)
    return file


@pytest.fixture(scope="session")
def net_file(cell_folder, tmp_path_factory):
    """A network with a backbone. Do not overwrite it."""
    X, y = load_image_folder(cell_folder, split="train", return_X_y=True)
    options = {"max_epochs": 3, "random_state": 0, "image_size": 28}
    clf = skblood.TransferCellClassifier("cellnet_t", **options).fit(X, y)
    return skblood.save(clf, tmp_path_factory.mktemp("net") / "net.skblood")


@pytest.fixture(scope="session")
def test_cells(cell_folder):
    """Paths and labels of the test part."""
    return load_image_folder(cell_folder, split="test")


@pytest.fixture(scope="session")
def npz_file(tmp_path_factory):
    """Cells in the MedMNIST format, with integer labels and without the part val."""
    X, y = draw(60, 5)
    codes = np.searchsorted(CLASSES, y)[:, None]
    file = tmp_path_factory.mktemp("npz") / "cells.npz"
    arrays = {"images": X, "labels": codes}
    train = {f"train_{name}": array[:48] for name, array in arrays.items()}
    np.savez(file, **train, **{f"test_{name}": array[48:] for name, array in arrays.items()})
    return file


@pytest.fixture
def cell_table(cell_folder, tmp_path):
    """Write a csv file of all cells, with columns changed by a function."""

    def write(change):
        file = tmp_path / "cells.csv"
        change(load_image_folder(cell_folder, split="all").frame).to_csv(file, index=False)
        return file

    return write


@pytest.fixture
def count_decodes(monkeypatch):
    """Return how often each image file was opened since the last call, as a set."""
    opened, original = [], Image.open

    def record(path, *args, **options):
        opened.append(str(path))
        return original(path, *args, **options)

    def count():
        counts = set(Counter(opened).values())
        opened.clear()
        return counts

    monkeypatch.setattr(Image, "open", record)
    return count
