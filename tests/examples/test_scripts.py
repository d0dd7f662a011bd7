"""The examples run as a user runs them, and each is a page of the gallery."""

import ast
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood.datasets import make_blood_cells
from skblood.networks import PRETRAINED_WEIGHTS

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*/plot_*.py"))
LIBRARIES = {
    "plot_mlflow": ["mlflow", "sqlalchemy", "alembic"],
    "plot_optuna": ["optuna"],
    "plot_skore": ["skore"],
    "plot_tensorboard": ["tensorboard"],
}
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@pytest.fixture
def run_example(monkeypatch, capfd, tmp_path):
    """Return what runs an example in this process, where all is imported, and what it printed."""
    # A notebook's temporary folders stay for its reader; those of a test do not.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(plt, "show", lambda: None)
    with plt.rc_context({"figure.max_open_warning": 0}):

        def run(path):
            runpy.run_path(str(path), run_name="__main__")
            return capfd.readouterr()

        yield run
    plt.close("all")


def test_all_examples_are_found():
    assert len(EXAMPLES) >= 19
    assert {path.stem for path in EXAMPLES} >= LIBRARIES.keys()


def test_pretrained_weights_are_named_with_their_backbone():
    """Code in prose, which no doctest runs."""
    root = FOLDER.parent
    found = [root / "README.md", *EXAMPLES, *(root / "skblood" / "pretrained").glob("*.md")]
    found += [*(root / "docs" / "start").glob("*.rst"), *(root / "docs/user_guide").glob("*.rst")]
    calls = [
        (path.name, call[0], call[1])
        for path in found
        for call in re.finditer(r'\w+\([^()]*weights="([\w-]+)"[^()]*\)', path.read_text("utf-8"))
        if call[1] in PRETRAINED_WEIGHTS
    ]
    assert len(calls) >= 6
    wrong = [each for each in calls if f'"{PRETRAINED_WEIGHTS[each[2]][0]}"' not in each[1]]
    assert wrong == []


@each_example
def test_every_example_is_a_page_of_the_gallery(path):
    text = path.read_text()
    title, rule, blank, *_ = ast.get_docstring(ast.parse(text)).split("\n")
    assert set(rule) == {"="} and len(rule) >= len(title) and not blank
    assert text.count("\n# %%") >= 2
    assert "argparse" not in text and "sys.argv" not in text  # they break in a notebook
    assert (path.parent / "GALLERY_HEADER.rst").is_file()


# MLflow has tables in a way that the newest SQLAlchemy calls former.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")
@pytest.mark.slow
@each_example
def test_every_example_runs_and_draws(path, run_example):
    for library in LIBRARIES.get(path.stem, []):
        pytest.importorskip(library, reason=f"{path.stem} needs {library}")

    printed = run_example(path)

    assert printed.err.strip() == ""
    numbers = plt.get_fignums()
    assert numbers
    for number in numbers:
        figure = plt.figure(number)
        figure.canvas.draw()
        assert np.asarray(figure.canvas.buffer_rgba())[..., :3].std() > 5  # something is drawn


@pytest.mark.slow
def test_getting_started_keeps_its_promises(run_example):
    printed = run_example(FOLDER / "start" / "plot_getting_started.py").out
    assert "1 pair of nearly identical images" in printed
    assert "equal predictions: True" in printed
    before, after = re.findall(r"(?:before|after): balanced accuracy (0\.\d+)", printed)
    assert float(after) > float(before) + 0.1


@pytest.mark.slow
def test_the_loop_with_a_reader_in_a_browser(run_example, tmp_path):
    """Key presses in Chromium give the table that the example writes in place of a reader."""
    pytest.importorskip("playwright")
    from tests.reviewing.answering import answer_page, open_browser

    run_example(FOLDER / "laboratory" / "plot_whole_loop.py")

    (page,) = tmp_path.rglob("review.html")
    expected = pd.read_csv(page.parent / "corrections.csv")
    labels = {str(page.parent / path): label for path, label in expected[["path", "label"]].values}
    with open_browser() as browser:
        found = pd.read_csv(answer_page(browser, page, labels, tmp_path))
    found["path"] = [Path(path).name for path in found["path"]]
    columns = ["path", "label", "slide"]
    assert len(found) == 40 and not found[columns].isna().any().any()
    pd.testing.assert_frame_equal(
        found[columns].sort_values("path", ignore_index=True),
        expected[columns].sort_values("path", ignore_index=True),
    )
    written = {path.name for path in page.parent.iterdir()}
    assert {"report.html", "count.html", "count.csv", "count.fhir.json"} <= written


def run_demo(*arguments):
    command = [sys.executable, FOLDER / "quickstart.py", "--quick", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def write_file(path, n_cells):
    X, y = make_blood_cells(n_cells, image_size=28, random_state=0)
    codes = np.unique(y, return_inverse=True)[1][:, None]
    parts = np.split(np.arange(n_cells), [n_cells * 5 // 8, n_cells * 13 // 16])
    arrays = {}
    for split, rows in zip(("train", "val", "test"), parts, strict=True):
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = X[rows], codes[rows]
    np.savez(path, **arrays)


@pytest.mark.slow
def test_demo_on_a_file_of_the_user(tmp_path):
    write_file(tmp_path / "cells.npz", 320)
    paths = ["--data", str(tmp_path / "cells.npz"), "--output", str(tmp_path / "pictures")]
    done = run_demo(*paths)

    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^\[(\d)/7\]", done.stdout, flags=re.MULTILINE)
    assert steps == list("1234567")
    assert "macro avg" in done.stdout
    for name in ("cells", "confusion_matrix", "learning_curves"):
        pixels = np.asarray(Image.open(tmp_path / "pictures" / f"{name}.png").convert("L"))
        assert pixels.std() > 5  # something is drawn


@pytest.mark.slow
def test_demo_names_a_folder_that_is_not_there(tmp_path):
    done = run_demo("--data", str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert "nowhere" in done.stderr
