import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood.datasets import load_cells, load_csv, load_image_folder, load_npz


def write_images(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


@pytest.fixture
def npz(tmp_path):
    arrays = {}
    for split, n in {"train": 4, "test": 3}.items():
        arrays[f"{split}_images"] = np.full((n, 8, 8, 3), n, np.uint8)
        arrays[f"{split}_labels"] = np.arange(n)[:, None] % 2
    np.savez(tmp_path / "cells.npz", **arrays)
    return tmp_path / "cells.npz"


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
    assert given.keys() == expected.keys()
    for key in ("data", "target", "target_names"):
        assert np.array_equal(given[key], expected[key])
    pd.testing.assert_frame_equal(given.frame, expected.frame)


def test_folder_of_classes(tmp_path):
    write_images(tmp_path, ["a/1.png", "b/2.png"])
    assert_same(load_cells(tmp_path), load_image_folder(tmp_path))


@pytest.mark.parametrize("split", [None, "train", "test"])
def test_folder_of_splits(tmp_path, split):
    names = ["train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png"]
    write_images(tmp_path, names)
    expected = load_image_folder(tmp_path, split=split or "all")
    assert_same(load_cells(tmp_path, split=split), expected)


@pytest.mark.parametrize("split", [None, "test"])
def test_npz(npz, split):
    assert_same(load_cells(npz, split=split), load_npz(npz, split))


def test_table(table):
    assert_same(load_cells(table), load_csv(table))
    cells = load_cells(table, split="train")
    assert [path[-5:] for path in cells.paths] == ["a.png", "b.png"]
    assert cells.target.tolist() == ["x", "y"]
    assert cells.frame["split"].tolist() == ["train", "train"]
    assert "split 'train': 2 images" in cells.DESCR
    assert load_cells(table, split="test").target_names.tolist() == ["x"]


def test_columns_of_a_table(table):
    names = {"path": "file", "label": "cell", "split": "part"}
    frame = pd.read_csv(table).rename(columns=names).assign(slide=["s1", "s2", "s3"])
    frame.to_csv(table, index=False)
    options = dict(path_column="file", label_column="cell", split_column="part")
    X, y = load_cells(table, **options, return_X_y=True)
    assert len(X) == 3
    assert y.tolist() == ["x", "y", "x"]
    cells = load_cells(table, **options, split="test", group_column="slide")
    assert cells.groups.tolist() == ["s3"]
    assert cells.frame["split"].tolist() == ["test"]


def test_splits_that_are_numbers(table):
    pd.read_csv(table).assign(split=[0, 0, 1]).to_csv(table, index=False)
    for split in (1, "1"):
        assert load_cells(table, split=split).target.tolist() == ["x"]
    with pytest.raises(ValueError, match=r"it has \['0', '1'\]"):
        load_cells(table, split="2")


def test_missing_split(table):
    with pytest.raises(ValueError, match=r"split 'val'; it has \['test', 'train'\]"):
        load_cells(table, split="val")
    pd.read_csv(table).drop(columns="split").to_csv(table, index=False)
    with pytest.raises(ValueError, match=r"split 'train'; it has \[\]"):
        load_cells(table, split="train")


def test_two_columns_of_splits(table):
    """The column that is named counts; the table stays whole."""
    frame = pd.read_csv(table).assign(part=["test", "train", "train"])
    frame.to_csv(table, index=False)
    cells = load_cells(table, split="train", split_column="part")
    assert [path[-5:] for path in cells.data] == ["b.png", "c.png"]
    assert cells.frame["split"].tolist() == cells.frame["part"].tolist() == ["train"] * 2


def test_options_that_do_not_fit(npz, tmp_path):
    """An option that would have no effect is an error."""
    write_images(tmp_path, ["a/1.png", "b/2.png"])
    with pytest.raises(ValueError, match=r"bit_depth=12 of image files\. Omit .*cells\.npz"):
        load_cells(npz, bit_depth=12)
    for source in (npz, tmp_path):
        with pytest.raises(ValueError, match="group_column='slide' is of a table"):
            load_cells(source, group_column="slide")
    assert load_cells(tmp_path, bit_depth=12).data[0].bit_depth == 12


def test_wrong_path(tmp_path):
    (tmp_path / "cells.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match="neither a folder"):
        load_cells(tmp_path / "cells.pkl")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_cells(tmp_path / "nowhere")
