"""The examples run as a user runs them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from skblood.datasets import make_blood_cells

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PICTURES = ["cells.png", "confusion_matrix.png", "learning_curves.png"]


def run(*arguments):
    command = [sys.executable, EXAMPLES / "quickstart.py", "--quick", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_quickstart_on_a_file_of_the_user(tmp_path):
    X, y = make_blood_cells(320, image_size=28, random_state=0)
    codes = np.unique(y, return_inverse=True)[1][:, None]
    parts = np.split(np.arange(len(X)), [200, 260])
    arrays = {}
    for split, rows in zip(("train", "val", "test"), parts, strict=True):
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = X[rows], codes[rows]
    np.savez(tmp_path / "cells.npz", **arrays)

    done = run("--data", str(tmp_path / "cells.npz"), "--output", str(tmp_path / "pictures"))

    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^\[(\d)/7\]", done.stdout, flags=re.MULTILINE)
    assert steps == list("1234567")
    assert "macro avg" in done.stdout
    for name in PICTURES:
        pixels = np.asarray(Image.open(tmp_path / "pictures" / name).convert("L"))
        assert pixels.std() > 5  # something is drawn


def test_quickstart_names_a_folder_that_is_not_there(tmp_path):
    done = run("--data", str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert "nowhere" in done.stderr
