"""Files that another process writes, and results that cannot be written."""

import re
from pathlib import Path

import pytest

import skblood
from skblood import adaptation, explain
from skblood._writing import lock
from skblood.cli import _classifier, _embed, _evaluate

from .conftest import TINY

COMMANDS = {
    "train": ("train", "{cells}", "--out", "{out}.skblood", *TINY),
    "predict": ("predict", "{model}", "{cells}/val", "--out", "{out}.csv"),
    "embed": ("embed", "{model}", "{cells}/val", "--out", "{out}.npz"),
    "evaluate": ("evaluate", "{model}", "{cells}", "--out", "{out}"),
    "audit": ("audit", "{cells}", "--out", "{out}.csv"),
    "export": ("export", "{model}", "{out}.onnx"),
    "adapt": ("adapt", "{model}", "{cells}", "--out", "{out}.skblood"),
    "query": ("query", "{model}", "{cells}/val", "-k", "3", "--out", "{out}.csv"),
    "explain": ("explain", "{net}", "{cells}/val/platelet", "--out", "{out}.png"),
}
# A function that is called before the result is written.
BEFORE = {
    "train": (skblood.MLPCellClassifier, "fit"),
    "predict": (_classifier, "predict_all"),
    "adapt": (adaptation, "adapt"),
    "query": (adaptation, "query"),
    "explain": (explain.ExplanationDisplay, "from_estimator"),
    "embed": (_embed, "_embed"),
    "evaluate": (_evaluate, "_write_evaluation"),
}


@pytest.fixture
def command(model_file, net_file, cell_folder, tmp_path):
    """Return the words of a command, its output, and the file that is looked at."""

    def get(name):
        names = {
            "model": model_file,
            "net": net_file,
            "cells": cell_folder,
            "out": tmp_path / "result",
        }
        words = [word.format(**names) for word in COMMANDS[name]]
        (out,) = (Path(word) for word in words if word.startswith(str(names["out"])))
        return words, out, out / "metrics.json" if name == "evaluate" else out

    return get


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("name", COMMANDS)
def test_another_process_writes_it(shell, command, name, overwrite):
    words, out, _ = command(name)
    with lock(out):
        result = shell(*words, *overwrite, code=1)
    assert re.search(rf"(Process \d+|Another process) is writing {str(out)!r}", result.stderr)
    assert not out.exists()


@pytest.mark.parametrize("name", BEFORE)
def test_it_appeared_meanwhile(shell, command, monkeypatch, name):
    """What was there is kept, and so is the result."""
    words, _, out = command(name)
    owner, function = BEFORE[name]
    original = getattr(owner, function)

    def call(*args, **options):
        out.parent.mkdir(exist_ok=True)
        out.write_text("mine")
        return original(*args, **options)

    monkeypatch.setattr(owner, function, call)
    result = shell(*words, code=1)
    assert out.read_text() == "mine"
    (rescued,) = re.findall(r"The result is in '(.*)'\.", result.stderr)
    assert "exists already" in result.stderr and Path(rescued).stat().st_size > 100


def test_no_locks_are_left(shell, model_file, cell_folder, tmp_path):
    for more in ([], ["--overwrite"]):
        shell("predict", model_file, cell_folder / "val", "--out", tmp_path / "a.csv", *more)
        assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
