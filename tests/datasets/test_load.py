"""One function for folders, tables and files."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood.datasets import load_cells, load_csv, load_image_folder, load_npz


def write_images(folder, names):
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(path)


@pytest.fixture
def npz(tmp_path, rng):
    arrays = {}
    for split, n in {"train": 4, "val": 2, "test": 3}.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(n)[:, None] % 2
    np.savez(tmp_path / "cells.npz", **arrays)
    return tmp_path / "cells.npz"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def table(tmp_path):
    names = ["a.png", "b.png", "c.png"]
    write_images(tmp_path, names)
    frame = pd.DataFrame(
        {"path": names, "label": ["x", "y", "x"], "split": ["train"] * 2 + ["test"]}
    )
    frame.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


def assert_same(given, expected):
    assert np.array_equal(given.data, expected.data)
    assert np.array_equal(given.target, expected.target)
    assert np.array_equal(given.target_names, expected.target_names)
    pd.testing.assert_frame_equal(given.frame, expected.frame)


def test_folder_of_classes(tmp_path):
    write_images(tmp_path, ["a/1.png", "b/2.png"])
    assert_same(load_cells(tmp_path), load_image_folder(tmp_path))


@pytest.mark.parametrize("split", [None, "train", "test"])
def test_folder_of_splits(tmp_path, split):
    write_images(tmp_path, ["train/a/1.png", "train/b/2.png", "test/a/3.png"])
    assert_same(
        load_cells(tmp_path, split=split), load_image_folder(tmp_path, split=split or "all")
    )


@pytest.mark.parametrize("split", [None, "val"])
def test_npz(npz, split):
    assert_same(load_cells(npz, split=split), load_npz(npz, split))


def test_whole_table(table):
    assert_same(load_cells(table), load_csv(table))


def test_split_of_a_table(table):
    cells = load_cells(table, split="train")
    assert [path[-5:] for path in cells.data] == ["a.png", "b.png"]
    assert cells.target.tolist() == ["x", "y"]
    assert cells.frame["split"].tolist() == ["train", "train"]
    assert "split 'train': 2 images" in cells.DESCR
    assert load_cells(table, split="test").target_names.tolist() == ["x"]


def test_columns_of_a_table(table):
    frame = pd.read_csv(table).rename(columns={"path": "file", "label": "cell"})
    frame.to_csv(table, index=False)
    X, y = load_cells(table, path_column="file", label_column="cell", return_X_y=True)
    assert len(X) == 3
    assert y.tolist() == ["x", "y", "x"]


def test_a_table_without_splits(table):
    pd.read_csv(table).drop(columns="split").to_csv(table, index=False)
    with pytest.raises(ValueError, match="no column 'split'"):
        load_cells(table, split="train")


def test_a_split_that_a_table_lacks(table):
    with pytest.raises(ValueError, match=re.escape("its splits are ['test', 'train']")):
        load_cells(table, split="val")


def test_file_of_another_kind(tmp_path):
    path = tmp_path / "cells.pkl"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="neither a folder"):
        load_cells(path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_cells(tmp_path / "nowhere")


def test_groups_and_another_column_of_splits(table):
    frame = pd.read_csv(table).rename(columns={"split": "part"}).assign(slide=["s1", "s2", "s3"])
    frame.to_csv(table, index=False)
    cells = load_cells(table, split="test", split_column="part", group_column="slide")
    assert cells.groups.tolist() == ["s3"]
    assert cells.paths.tolist() == cells.data.tolist()
    assert cells.frame["split"].tolist() == ["test"]


def test_npz_with_some_of_the_splits(npz, tmp_path):
    arrays = dict(np.load(npz))
    held = {name: each for name, each in arrays.items() if not name.startswith("val")}
    np.savez(tmp_path / "two.npz", **held)
    cells = load_cells(tmp_path / "two.npz")
    assert cells.frame["split"].tolist() == ["train"] * 4 + ["test"] * 3
