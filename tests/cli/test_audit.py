"""`skblood audit`."""

import json
import shutil

import pandas as pd
import pytest


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
    document = json.loads(shell("audit", leaky, "--out", out, "--json").stdout)
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


def test_image_without_a_part(shell, cell_table):
    file = cell_table(lambda frame: frame.assign(split=frame["split"].mask(frame.index == 3)))
    assert "1 images have no split, the first at position 3" in shell("audit", file, code=1).stderr
