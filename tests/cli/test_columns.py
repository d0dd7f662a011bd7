"""Columns of csv files: wrong names are told at once, and predictions are no labels."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import skblood
from skblood.datasets import load_csv

# A model file that exists and is never read.
_WORDS = [
    "evaluate m.skblood",
    "report m.skblood --out r.html",
    "adapt m.skblood --out a.skblood",
    "audit --model m.skblood",
    "review --model m.skblood",
    "count --model m.skblood",
    "train --out a.skblood",
    "compare m.skblood m.skblood",
]
_PROGRAM = """
import sys
from typer.testing import CliRunner
from skblood.cli._app import app
for words in sys.argv[1:]:
    name, *rest = words.split()
    options = [each for each in rest if each != "m.skblood" or name in ("audit", "review", "count")]
    models = rest[: len(rest) - len(options)]
    words = [name, *models, "cells.csv", *options, "--group-column", "patien"]
    result = CliRunner().invoke(app, words)
    assert "'cells.csv' has no column ['patien']; its columns are ['path'" in result.stderr, (
        words, result.stderr, result.exception)
print(*{"torch", "timm", "pandas", "sklearn"} & sys.modules.keys())
"""


def run_apart(folder, program, *words):
    """Run a program in a process of its own, and return what it prints."""
    run = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "PYTHONPATH": str(Path(skblood.__file__).parents[1])},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_wrong_name_is_told_from_the_header(tmp_path):
    (tmp_path / "cells.csv").write_text("path,label,patient\na.png,monocyte,P\n")
    (tmp_path / "m.skblood").write_bytes(b"")
    assert run_apart(tmp_path, _PROGRAM, *_WORDS) == "\n"


def test_other_names_are_told_too(shell, cell_table):
    file = cell_table(lambda frame: frame)
    for option in ("--label-column", "--split-column", "--path-column"):
        assert "no column ['x']" in shell("evaluate", file, option, "x", code=1).stderr
    assert (
        "only tables have any" in shell("audit", file.parent, "--group-column", "x", code=1).stderr
    )


@pytest.fixture
def predictions(shell, model_file, cell_folder, tmp_path):
    """What `predict` writes of labeled cells, with true labels in given_label."""
    paths = sorted((cell_folder / "test").rglob("*.png"))
    frame = pd.DataFrame({"path": map(str, paths), "label": [path.parent.name for path in paths]})
    frame.assign(slide="S").to_csv(tmp_path / "cells.csv", index=False)
    shell("predict", model_file, tmp_path / "cells.csv", "--out", tmp_path / "predictions.csv")
    return tmp_path / "predictions.csv"


def test_predictions_are_no_labels(shell, model_file, predictions, tmp_path):
    new = tmp_path / "new.skblood"
    for words in (
        ("evaluate", model_file, predictions),
        ("adapt", model_file, predictions, "--out", new),
        ("train", predictions, "--out", new),
        ("audit", predictions, "--label-errors", "out-of-fold", "--model", model_file),
        ("report", model_file, predictions, "--out", tmp_path / "r.html"),
        ("compare", model_file, model_file, predictions),
        ("query", model_file, predictions),
    ):
        error = shell(*words, code=1).stderr
        assert "predictions.csv' holds predictions: 'label' holds what a model" in error, words
        assert "in 'given_label': name it by --label-column" in error
    assert not new.exists()
    shell("count", predictions)
    shell("review", predictions, "--model", model_file, "--out", tmp_path / "review.html")
    shell("evaluate", model_file, predictions, "--label-column", "given_label")


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop(columns=[name for name in frame if name.startswith("p_")]),
        lambda frame: frame[["path", "label", "slide", "probability"]],
        lambda frame: frame.assign(p_value=0.1)[["path", "label", "probability", "p_value"]],
    ],
)
def test_a_column_probability_does_not_make_predictions(predictions, change):
    change(pd.read_csv(predictions)).to_csv(predictions, index=False)
    assert len(load_csv(predictions).target) == 15


def test_tables_of_predictions_load_no_model_library(tmp_path):
    rows = "".join(f"{i}.png,{'ab'[i % 2]},{'ab'[i % 3 == 0]},.9,.1,.9,{i % 3}\n" for i in range(9))
    for name in "xy":
        (tmp_path / f"{name}.csv").write_text(f"path,true,label,probability,p_a,p_b,slide\n{rows}")
    program = """
import sys
from typer.testing import CliRunner
from skblood.cli._app import app
for words in ("count x.csv --out out", "compare x.csv y.csv"):
    result = CliRunner().invoke(app, [*words.split(), "--group-column", "slide"])
    assert result.exit_code == 0, (result.output, result.exception)
    print(*{"torch", "torchvision", "timm"} & sys.modules.keys())
"""
    assert run_apart(tmp_path, program) == "\n\n"
