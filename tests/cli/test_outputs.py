"""Files that another process writes, and results that cannot be written."""

import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import skblood
from skblood import adaptation, explain
from skblood._writing import lock
from skblood.cli import _batches, _evaluate

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
    "predict": (_batches.Rows, "__iter__"),
    "adapt": (adaptation, "adapt"),
    "query": (adaptation, "query"),
    "explain": (explain.ExplanationDisplay, "from_estimator"),
    "embed": (_batches.Rows, "__iter__"),
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


class TestPaths:
    """Paths in a table are from its folder, where other commands read them; on stdout, as given."""

    @pytest.fixture
    def table(self, cell_folder, tmp_path, monkeypatch):
        """cells.csv beside images, in the folder in which the commands run."""
        shutil.copytree(cell_folder / "test", tmp_path / "imgs")
        monkeypatch.chdir(tmp_path)
        paths = sorted(Path("imgs").rglob("*.png"))
        labels = [path.parent.name for path in paths]
        frame = pd.DataFrame({"path": paths, "label": labels, "slide": ["A", "B", "C"] * 5})
        frame.to_csv("cells.csv", index=False)
        return frame.astype(str)

    @pytest.mark.parametrize("name", ["predict", "embed", "query", "evaluate"])
    @pytest.mark.parametrize("folder", ["sub", "sub/deep", "link", "."])
    def test_of_files(self, shell, model_file, table, name, folder):
        Path("elsewhere", "far").mkdir(parents=True)
        Path("link").symlink_to(Path("elsewhere", "far"))
        out = Path(folder, "e" if name == "evaluate" else "a.csv")
        options = ["-k", "15", "--no-labels"] if name == "query" else []
        shell(name, model_file, "cells.csv", "--out", out, *options)
        file = out / "predictions.csv" if name == "evaluate" else out
        found = pd.read_csv(file)["path"]
        assert not found.map(os.path.isabs).any()
        opened = {os.path.realpath(file.parent / path) for path in found}
        assert opened == set(map(os.path.realpath, table["path"]))
        if name == "predict":
            assert shell.table(name, model_file, "cells.csv")["path"].tolist() == [*table["path"]]
            assert not any(".." in path for path in found) or folder != "."

    def test_absolute_and_parquet(self, shell, model_file, table):
        words = ("predict", model_file, Path("imgs").absolute(), "--out")
        shell(*words, "sub/a.csv")
        assert pd.read_csv("sub/a.csv")["path"].map(os.path.isabs).all()
        shell("predict", model_file, "imgs", "--out", "sub/a.parquet")
        assert pd.read_parquet("sub/a.parquet")["path"].str.startswith("../imgs/").all()

    def test_other_commands_read_them(self, shell, model_file, table):
        predictions = Path("sub", "predictions.csv")
        shell("predict", model_file, "cells.csv", "--out", predictions)
        shell("evaluate", model_file, "cells.csv", "--out", "sub/deep/e")
        shell("evaluate", model_file, "cells.csv", "--out", "e")
        shell("review", predictions, "--model", model_file, "--out", "review.html")
        labels = ("--label-column", "given_label", "--out", "a.skblood")
        shell("adapt", model_file, predictions, *labels)
        shell("predict", model_file, "sub/deep/e/predictions.csv")
        document = json.loads(
            shell("compare", "e/predictions.csv", "sub/deep/e/predictions.csv", "--json").stdout
        )
        assert document["n_images"] == 15
        Path("corrections.csv").write_text(f"path,label\n{table['path'][0]},monocyte\n")
        text = shell("count", predictions, "--corrections", "corrections.csv").stdout
        assert "1 decided by a reader" in text
