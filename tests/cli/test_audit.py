"""`skblood audit`."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from skblood.datasets import make_blood_cells


@pytest.fixture
def leaky(cell_folder, tmp_path):
    """A folder in which a training image is a test image as well."""
    folder = shutil.copytree(cell_folder, tmp_path / "leaky")
    copied = min((folder / "train" / "platelet").iterdir())
    shutil.copy(copied, folder / "test" / "platelet" / "leak.png")
    return folder


def test_report(shell, leaky, cell_folder):
    result = shell("audit", leaky, "--fail", code=1)
    assert result.stdout.startswith("79 images: 48 train, 15 val, 16 test\n1 pair of copies")
    assert "leak.png" in result.stdout and "The split leaks" in result.stderr
    shell("audit", cell_folder, "--fail")
    assert "has no parts" in shell("audit", cell_folder / "val", "--fail", code=1).stderr


def test_table_and_json(shell, leaky, tmp_path):
    out = tmp_path / "findings.csv"
    result = shell("audit", leaky, "--out", out, "--json")
    document, n = json.loads(result.stdout), len(pd.read_csv(out))
    assert f"{n} finding{'s' * (n > 1)}." in result.stderr
    assert document["n_images"] == 79
    assert document["findings"][0]["splits"] == ["train", "test"]
    row = pd.read_csv(out).iloc[0]
    assert (row["kind"], row["splits"]) == ("identical_files", "train; test")
    assert row["names"].endswith("leak.png")
    assert "--overwrite" in shell("audit", leaky, "--out", out, code=1).stderr


def test_groups(shell, cell_table):
    file = cell_table(lambda frame: frame.assign(patient="A"))
    result = shell("audit", file, "--group-column", "patient", "--fail", code=1)
    assert "1 groups cross it" in result.stderr


def test_page(shell, leaky, tmp_path):
    shell("audit", leaky, "--out", tmp_path / "audit.html")
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert "1 pair of copies crosses the split" in page and page.count("data:image/webp") == 2


def test_image_without_a_part(shell, cell_table):
    file = cell_table(lambda frame: frame.assign(split=frame["split"].mask(frame.index == 3)))
    assert "1 images have no split, the first at position 3" in shell("audit", file, code=1).stderr


def test_cells_that_do_not_suit_a_model(shell, tmp_path):
    X, _ = make_blood_cells(40, image_size=48, random_state=0)
    wide = np.pad(X, ((0, 0), (24, 24), (24, 24), (0, 0)), mode="edge")
    file = tmp_path / "cells.npz"
    np.savez(file, train_images=wide, train_labels=np.zeros(40, np.int64))
    result = shell("audit", file, "--model", "pbc8")
    assert "1 difference in the size of cells\n  cells fill 0.3" in result.stdout
    assert result.stdout.endswith(" of the side, the model expects 0.56\n")
    assert "pbc9" in shell("audit", file, "--model", "pbc9", code=1).stderr


def test_suspects_are_reviewed(shell, cell_folder, net_file, tmp_path):
    """Their table goes into a review, in its order, with the other columns."""
    paths = sorted((cell_folder / "train").rglob("*.png"))
    frame = pd.DataFrame({"path": paths, "label": [path.parent.name for path in paths]})
    frame = frame.assign(slide="S").replace({"label": {"platelet": "platelets"}})
    frame.loc[[3, 40], "label"] = ["platelets", "basophil"]
    frame.to_csv(tmp_path / "cells.csv", index=False)
    table = tmp_path / "tables" / "suspects.csv"
    words = ("audit", "pbc8", tmp_path / "cells.csv", "--label-errors", "out-of-fold")
    listed = json.loads(shell(*words, "--suspects", table, "--json").stdout)["findings"]
    found = [row for row in listed if row["kind"] == "label_errors"]
    saved = pd.read_csv(table)
    assert [*saved] == ["path", "label", "suggested", "slide"] and len(found) > 0
    assert saved["suggested"].tolist() == [row["suggested"] for row in found]
    assert str(paths[40]) == str((table.parent / saved["path"][0]).resolve())
    shell("review", net_file, table, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "All cells, in the order given" in page.replace("\n", " ")
    assert '"others": ["suggested", "slide"]' in page
    assert "--label-errors" in shell(*words[:3], "--suspects", table, code=2).stderr


def test_label_errors(shell, cell_folder, tmp_path):
    folder = shutil.copytree(cell_folder / "train", tmp_path / "cells")
    moved = min((folder / "platelet").iterdir())
    moved.rename(folder / "monocyte" / "moved.png")
    words = ("audit", folder, "--label-errors", "out-of-fold", "--model", "pbc8", "--json")
    rows = json.loads(shell(*words).stdout)["findings"]
    found = [row for row in rows if row["kind"] == "label_errors"]
    assert found[0]["names"][0].endswith("moved.png")
    assert found[0]["suggested"] == "platelet" and found[0]["labels"] == ["monocyte"]


def test_cells_without_labels(shell, leaky, tmp_path):
    """A folder of images and a csv file without labels: what needs none is checked."""
    flat = tmp_path / "flat"
    flat.mkdir()
    paths = [*(leaky / "test" / "platelet").iterdir(), *(leaky / "train" / "platelet").iterdir()]
    for i, path in enumerate(paths):
        shutil.copy(path, flat / f"{i}.png")
    pd.DataFrame({"path": paths, "split": ["test"] * 6 + ["train"] * 16}).to_csv(
        tmp_path / "a.csv", index=False
    )
    for source in (flat, tmp_path / "a.csv"):
        result = shell("audit", source)
        assert "no labels, so neither" in result.stderr
        assert "1 pair of " in result.stdout
        wrong = shell("audit", source, "--label-errors", "out-of-fold", code=1)
        assert "has no labels: leave --label-errors out" in wrong.stderr
    assert "The split leaks" in shell("audit", tmp_path / "a.csv", "--fail", code=1).stderr
