"""`skblood adapt`: forms of cells and labels, and the account."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import skblood
from skblood.datasets import load_image_folder


@pytest.fixture
def adapt(shell, model_file, tmp_path):
    """Adapt the model, and return the account as JSON and the model."""

    def run(*words):
        out = tmp_path / "ours.skblood"
        result = shell("adapt", model_file, *words, "--out", out, "--json", "--overwrite")
        return json.loads(result.stdout), skblood.load(out), result.stderr

    return run


def write_table(cell_folder, file, change):
    """Write a table of the training cells, with columns changed by a function."""
    frame = load_image_folder(cell_folder / "train").frame
    change(frame).to_csv(file, index=False)
    return file


def test_labelled_folder(adapt, shell, model_file, cell_folder, tmp_path):
    """As the function does it; of parts, that of the training is taken."""
    account, adapted, messages = adapt(cell_folder)
    X, y = load_image_folder(cell_folder, split="train", return_X_y=True)
    expected = skblood.adapt(skblood.load(model_file), X, y, random_state=0)
    np.testing.assert_array_equal(adapted.predict_proba(X), expected.predict_proba(X))
    same = {**account, "steps": tuple(account["steps"])}
    assert same == {"path": account["path"], "unreadable": {}, **asdict(expected.adaptation_)}
    assert "adapt: output layer" in messages
    text = shell("adapt", model_file, cell_folder / "train", "--out", tmp_path / "b.skblood").stdout
    assert text == f"{expected.adaptation_}\n"
    assert f"adapted     {' + '.join(account['steps'])}" in shell("info", account["path"]).stdout


def test_partly_labelled_table(adapt, cell_folder, tmp_path):
    """Rows without a label are unlabeled; so are all rows of a table without that column."""

    def change(frame):
        return frame.assign(label=frame["label"].where(frame.index % 2 == 0, ""), slide="s1")

    file = write_table(cell_folder, tmp_path / "a.csv", change)
    account, _, _ = adapt(file)
    assert sum(account["n_labelled"].values()) == account["n_unlabelled"] == 24
    account, _, _ = adapt(file, "--no-labels")
    assert account["n_unlabelled"] == 48 and account["scores"] == {}
    file = write_table(cell_folder, tmp_path / "b.csv", lambda frame: frame[["path"]])
    assert adapt(file)[0]["n_unlabelled"] == 48


def test_corrections_with_groups(adapt, model_file, cell_folder, tmp_path):
    """What `skblood review` saves is taken as it is."""

    def change(frame):
        columns = {"given_label": "platelet", "predicted": "", "second_reader": "", "note": "=1,\n"}
        return frame.assign(slide=frame.index % 4, **columns)

    file = write_table(cell_folder, tmp_path / "corrections.csv", change)
    account, adapted, _ = adapt(file, "--group-column", "slide", "--seed", 3)
    X, y = load_image_folder(cell_folder / "train", return_X_y=True)
    groups = [str(i % 4) for i in range(len(X))]
    model = skblood.load(model_file)
    expected = skblood.adapt(model, X, y, groups=groups, random_state=3)
    np.testing.assert_array_equal(adapted.predict_proba(X), expected.predict_proba(X))
    assert account["scores"] == expected.adaptation_.scores


def test_unlabelled_images(adapt, cell_folder):
    """Folders are classes unless it is said that they are not."""
    account, _, _ = adapt(cell_folder / "val" / "monocyte", cell_folder / "val" / "platelet")
    assert account["n_unlabelled"] == 10
    assert adapt(cell_folder / "val" / "monocyte")[0]["n_unlabelled"] == 5
    assert adapt(cell_folder / "val", "--no-labels")[0]["n_unlabelled"] == 15
    assert adapt(cell_folder / "val")[0]["n_unlabelled"] == 0


def test_classes_and_prior(adapt, cell_folder):
    words = ("--classes", "basophil,platelet", "--prior", "basophil=1,platelet=3")
    account, adapted, _ = adapt(cell_folder, "--no-labels", *words)
    assert "prior" in account["steps"]
    X = load_image_folder(cell_folder, split="test").data
    assert (adapted.predict_proba(X)[:, 1] == 0).all()


def test_npz(adapt, npz_file, shell, tmp_path):
    """Of its parts, that of the training. The labels 0, 1, 2 are no classes of the model."""
    account, _, _ = adapt(npz_file, "--no-labels")
    assert account["n_unlabelled"] == 48
    result = shell("adapt", account["path"], npz_file, "--out", tmp_path / "c.skblood", code=1)
    assert "not among the classes" in result.stderr


def test_unreadable(adapt, shell, model_file, cell_folder, tmp_path):
    cells = shutil.copytree(cell_folder / "train", tmp_path / "cells")
    (cells / "platelet" / "bad.png").write_bytes(b"no image")
    words = ("adapt", model_file, cells, "--out", tmp_path / "x.skblood")
    assert "bad.png" in shell(*words, code=1).stderr
    account, _, messages = adapt(cells, "--on-error", "skip")
    assert [Path(path).name for path in account["unreadable"]] == ["bad.png"]
    assert "1 of 49 images cannot be read and are left out" in messages
    assert sum(account["n_labelled"].values()) == 48


def test_errors(shell, model_file, cell_folder, tmp_path):
    def fail(*words, code=1):
        result = shell("adapt", *words, "--out", tmp_path / "x.skblood", code=code)
        assert not (tmp_path / "x.skblood").exists()
        return result.stderr

    file = write_table(cell_folder, tmp_path / "a.csv", lambda f: f.assign(label="blast"))
    assert "blast" in fail(model_file, file)
    assert "has no column ['class']; its columns are ['path', 'label']." in fail(
        model_file, file, "--label-column", "class"
    )
    assert "name images" in fail(model_file, code=2)
    assert "model file 'cels.skblood'" in fail("cels.skblood", cell_folder)
