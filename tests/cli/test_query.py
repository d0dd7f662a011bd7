"""`skblood query`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skblood
from skblood.datasets import load_image_folder

OWN = ["path", "label", "predicted", "probability", "doubt", "coverage", "n_random"]


@pytest.fixture
def table(cell_folder, tmp_path):
    """A table of the training cells in another folder, the first 20 labeled."""
    frame = load_image_folder(cell_folder / "train").frame
    shutil.copytree(cell_folder / "train", tmp_path / "sub" / "cells")
    frame["path"] = [str(Path(*Path(x).parts[-2:])) for x in frame["path"]]
    frame["path"] = "cells/" + frame["path"]
    frame.loc[20:, "label"] = ""
    frame["slide"], frame["doubt"] = [f"{i % 3:03}" for i in range(48)], "none"
    file = tmp_path / "sub" / "cells.csv"
    frame.to_csv(file, index=False)
    return file


def test_table(shell, model_file, cell_folder):
    frame = shell.table("query", model_file, cell_folder / "test", "-k", 4)
    assert list(frame) == OWN
    X = sorted(load_image_folder(cell_folder, split="test").data)
    model = skblood.load(model_file)
    chosen = skblood.query(model, X, 4, random_state=0)
    assert frame["path"].tolist() == [X[i] for i in chosen.indices]
    np.testing.assert_allclose(frame["coverage"], chosen.coverage)
    proba = np.sort(model.predict_proba(frame["path"].tolist()), axis=1)
    np.testing.assert_allclose(frame["probability"], proba[:, -1])
    np.testing.assert_allclose(frame["doubt"], 1 - proba[:, -1] + proba[:, -2])
    assert set(frame["label"]) == {""}
    words = ("query", model_file, cell_folder / "test", "-k", 15, "--classes", "basophil,platelet")
    assert set(shell.table(*words)["predicted"]) == {"basophil", "platelet"}


def test_to_adapt(shell, model_file, table, tmp_path, monkeypatch):
    """The chosen cells, labeled in a spreadsheet, are what `adapt` takes, wherever they lie."""
    monkeypatch.chdir(tmp_path)
    out = Path("new", "chosen.csv")
    message = shell("query", model_file, "sub/cells.csv", "-k", 5, "--out", out).stderr
    assert "CellQuery: 5 cells, coverage " in message
    frame = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert list(frame) == [*OWN, "slide", "given_doubt"]
    assert frame["slide"].str.len().eq(3).all()
    assert all((out.parent / path).is_file() for path in frame["path"])
    labeled = {f"../sub/{path}" for path in pd.read_csv(table)["path"][:20]}
    assert not labeled & set(frame["path"])
    frame.assign(label="platelet").to_csv(out, index=False)
    words = ("adapt", model_file, out, "--out", "a.skblood", "--group-column", "slide", "--json")
    assert json.loads(shell(*words).stdout)["n_labelled"]["platelet"] == 5


def test_labels_are_not_chosen_unless_ignored(shell, model_file, table):
    words = ("query", model_file, table, "-k", 48)
    assert "only 28 of the cells have no label" in shell(*words, code=1).stderr
    frame = shell.table(*words, "--no-labels")
    assert frame["given_label"].astype(bool).sum() == 20


def test_unreadable(shell, model_file, table):
    (table.parent / "cells" / "platelet" / "00.png").unlink(missing_ok=True)
    paths = pd.read_csv(table)["path"]
    (table.parent / paths[30]).write_bytes(b"no image")
    words = ("query", model_file, table, "-k", 27)
    refused = shell(*words, code=1).stderr
    assert "1 of 48 image files cannot be read" in refused
    assert "Repair them, or leave them out by --on-error skip." in " ".join(refused.split())
    result = shell(*words, "--on-error", "skip", "--json")
    assert f"{Path(paths[30]).name}: not an image" in result.stderr
    document = json.loads(result.stdout)
    assert document["n_unreadable"] == 1
    assert not any(row["path"].endswith(paths[30]) for row in document["chosen"])
    assert len(document["chosen"]) == 27


def test_not_a_classifier_of_skblood(shell, cell_folder, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    X, y = load_image_folder(cell_folder, split="test", return_X_y=True)
    embedder = skblood.CellEmbedder("cellnet_t", image_size=28, random_state=0)
    model = make_pipeline(embedder, LogisticRegression()).fit(X, y)
    file = skblood.save(model, tmp_path / "p.skblood")
    message = shell("query", file, cell_folder / "test", code=1).stderr
    assert "holds a Pipeline. This command takes a classifier of skblood" in message
