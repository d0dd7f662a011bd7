"""The examples run as a user runs them."""

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PICTURES = ["cells.png", "confusion_matrix.png", "learning_curves.png"]


def run(*arguments, script="quickstart.py"):
    """Run a script in a process of its own."""
    command = [sys.executable, EXAMPLES / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def run_here(monkeypatch, capfd):
    """Return what runs a script in this process, where all is imported, and what it printed."""

    def run_script(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        monkeypatch.syspath_prepend(EXAMPLES)
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capfd.readouterr()

    yield run_script
    plt.close("all")


def write_file(path, n_cells):
    X, y = make_blood_cells(n_cells, image_size=28, random_state=0)
    codes = np.unique(y, return_inverse=True)[1][:, None]
    parts = np.split(np.arange(n_cells), [n_cells * 5 // 8, n_cells * 13 // 16])
    arrays = {}
    for split, rows in zip(("train", "val", "test"), parts, strict=True):
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = X[rows], codes[rows]
    np.savez(path, **arrays)


def write_folder(folder, n_cells):
    X, y = make_blood_cells(n_cells, image_size=16, random_state=0)
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        path = folder / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def check_pictures(folder, names):
    for name in names:
        pixels = np.asarray(Image.open(folder / name).convert("L"))
        assert pixels.std() > 5  # something is drawn


def test_quickstart_on_a_file_of_the_user(tmp_path):
    write_file(tmp_path / "cells.npz", 320)
    paths = ["--data", str(tmp_path / "cells.npz"), "--output", str(tmp_path / "pictures")]
    done = run("--quick", *paths)

    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^\[(\d)/7\]", done.stdout, flags=re.MULTILINE)
    assert steps == list("1234567")
    assert "macro avg" in done.stdout
    check_pictures(tmp_path / "pictures", PICTURES)


def test_quickstart_names_a_folder_that_is_not_there(tmp_path):
    done = run("--quick", "--data", str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert "nowhere" in done.stderr


@pytest.mark.parametrize(
    "parts, counts",
    [
        ({}, "400 images of 5 classes: synthetic"),
        ({"cells": 24}, "24 images of 8 classes: "),
        ({"cells/train": 24, "cells/test": 8}, "32 images of 8 classes: "),
        ({"cells.npz": 32}, "32 images of 8 classes: "),
    ],
    ids=["synthetic", "folder", "splits", "file"],
)
def test_pictures_of_a_dataset(parts, counts, tmp_path, run_here):
    for name, n_cells in parts.items():
        write = write_file if name.endswith(".npz") else write_folder
        write(tmp_path / name, n_cells)
    data = [f"--data={tmp_path / next(iter(parts)).split('/')[0]}"] if parts else []

    printed = run_here("plot_datasets.py", *data, f"--output={tmp_path / 'pictures'}")

    assert printed.out.startswith(counts)
    check_pictures(tmp_path / "pictures", ["class_distribution.png", "cell_sample.png"])


NAMES = ["cells", "confusion_matrix", "learning_curves"]


@pytest.mark.parametrize(
    "script, groups, others",
    [
        ("adaptation", [], ["accuracy"]),
        ("class_weights", ["unweighted", "balanced"], ["recall"]),
        ("fine_tuning", ["head_alone", "from_scratch"], ["ways"]),
        ("gradual_unfreezing", [""], ["steps"]),
        ("merged", ["first_on_second", "both_on_first"], ["first", "second", "table"]),
        ("search_backbones", [""], ["scores"]),
        ("search_mlp", [""], ["grid", "complexity"]),
        ("shuffle", ["True", "False"], ["curves"]),
        ("smote", [""], ["scores", "drawn"]),
        (
            "differential",
            [""],
            [
                "slides",
                "regression_counted",
                "regression_corrected",
                "bland_altman_counted",
                "bland_altman_corrected",
            ],
        ),
        ("explain", [""], ["low_confidence", "fair", "fooled"]),
        ("pretrained", ["pbc", "scratch"], ["accuracy"]),
        ("uncertainty", [""], ["curves", "sets"]),
        ("whole_loop", [], ["confusion_matrix", "differences", "count"]),
    ],
)
def test_every_script_runs_and_draws(script, groups, others, tmp_path, run_here):
    printed = run_here(f"plot_{script}.py", "--quick", f"--output={tmp_path}")

    assert printed.err.strip() == "" or script.startswith("search"), printed.err
    of_each = [f"{group}_{name}" if group else name for group in groups for name in NAMES]
    check_pictures(tmp_path, [f"{script}_{name}.png" for name in [*of_each, *others]])


def test_the_loop_with_a_reader_in_a_browser(tmp_path, run_here, monkeypatch):
    """Key presses in Chromium give the labels that the function of the script writes."""
    pytest.importorskip("playwright")
    from tests.reviewing.answering import answer_page, open_browser

    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("_script")
    written, tables = script.answer_review, []

    def read_in_browser(page, labels, folder):
        expected = pd.read_csv(written(page, labels, folder))
        with open_browser() as browser:
            path = answer_page(browser, page, labels, folder)
        tables.append((expected, pd.read_csv(path)))
        return path

    monkeypatch.setattr(script, "answer_review", read_in_browser)
    run_here("plot_whole_loop.py", "--quick", f"--output={tmp_path}")
    ((expected, found),) = tables
    columns = ["path", "label", "slide"]
    assert len(found) == 20 and not found[columns].isna().any().any()
    pd.testing.assert_frame_equal(found[columns], expected[columns])
    written = {path.name for path in (tmp_path / "whole_loop").iterdir()}
    assert {"review.html", "report.html", "count.html", "count.csv", "count.fhir.json"} <= written


def test_a_script_takes_cells_of_the_user(tmp_path):
    write_folder(tmp_path / "cells", 96)
    paths = [f"--data={tmp_path / 'cells'}", f"--output={tmp_path / 'pictures'}"]
    done = run("--quick", *paths, "--n-cells=64", script="plot_shuffle.py")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("64 cells:")


def test_two_laboratories_of_the_user(tmp_path, run_here):
    write_folder(tmp_path / "ours", 64)
    write_folder(tmp_path / "theirs", 64)
    (tmp_path / "theirs" / "ig").rename(tmp_path / "theirs" / "granulocyte")
    sources = ["--sources", str(tmp_path / "ours"), str(tmp_path / "theirs")]
    renamed = ["--rename", "granulocyte=ig", f"--output={tmp_path / 'pictures'}"]
    assert "ig 16" in run_here("plot_merged.py", "--quick", *sources, *renamed).out
