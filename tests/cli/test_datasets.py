"""`skblood datasets`."""

import json

from sklearn.utils import Bunch

import skblood
from skblood.datasets import load_image_folder

from .conftest import CLASSES


def test_list(shell):
    assert "bloodmnist   17092" in shell("datasets", "list").stdout
    rows = json.loads(shell("datasets", "list", "--json").stdout)
    assert [row["name"] for row in rows] == ["bloodmnist", "pbc", "synthetic"]
    assert "'synthetic' is not one of" in shell("datasets", "fetch", "synthetic", code=2).stderr


def test_describe(shell, cell_folder):
    lines = shell("datasets", "describe", cell_folder).stdout.splitlines()
    assert lines[0].split() == ["class", "train", "val", "test"]
    assert lines[1].split() == ["basophil", "16", "5", "5"]
    assert lines[-1].split() == ["total", "48", "15", "15"]


def test_describe_without_parts(shell, cell_folder):
    words = ("datasets", "describe", cell_folder / "val")
    assert shell(*words).stdout.splitlines()[-1].split() == ["total", "15"]
    document = json.loads(shell(*words, "--json").stdout)
    assert document == {"n_images": 15, "counts": {"images": dict.fromkeys(CLASSES, 5)}}


def test_describe_integer_labels(shell, npz_file):
    counts = json.loads(shell("datasets", "describe", npz_file, "--json").stdout)["counts"]
    assert counts["test"].keys() == {"0", "1", "2"} and sum(counts["train"].values()) == 48


def test_fetch(shell, tmp_path, monkeypatch):
    def fetch_pbc(data_home):
        return Bunch(DESCR=f"PBC in {data_home}\n")

    monkeypatch.setattr(skblood.datasets, "fetch_pbc", fetch_pbc)
    assert shell("datasets", "fetch", "pbc", "--folder", tmp_path).stdout == f"PBC in {tmp_path}\n"


def test_name_of_a_dataset(shell, monkeypatch, cell_folder):
    def fetch_bloodmnist():
        return load_image_folder(cell_folder, split="all")

    monkeypatch.setattr(skblood.datasets, "fetch_bloodmnist", fetch_bloodmnist)
    result = shell("datasets", "describe", "bloodmnist", "--json")
    assert json.loads(result.stdout)["n_images"] == 78
    assert "not the data set" not in result.stderr


def test_folder_with_the_name_of_a_dataset(shell, cell_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pbc").symlink_to(cell_folder)
    message = shell("datasets", "describe", "pbc").stderr
    assert message == "pbc: the folder here, not the data set.\n"
