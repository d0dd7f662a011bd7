"""load_raabin_wbc, on empty files: nothing is decoded."""

import warnings

import numpy as np
import pytest

from skblood.datasets import load_raabin_wbc
from skblood.datasets._raabin import _PUBLISHED

CLASSES = ["basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"]
FOLDERS = {"train": "Train", "test_a": "TestA", "test_b": "TestB"}


@pytest.fixture
def raabin(tmp_path, monkeypatch):
    """Make two images of each class in Train, one in Test-A, and one of two classes in Test-B."""

    def make(folders=FOLDERS, rename=str.title):
        for split, folder in folders.items():
            for label in ["lymphocyte", "neutrophil"] if split == "test_b" else CLASSES:
                directory = tmp_path / folder / rename(label)
                directory.mkdir(parents=True)
                for i in range(2 if split == "train" else 1):
                    (directory / f"{i}.jpg").touch()
        return tmp_path

    for split, n in {"train": 10, "test_a": 5, "test_b": 2}.items():
        monkeypatch.setitem(_PUBLISHED, split, n)
    return make


def test_published_numbers():
    assert _PUBLISHED == {"train": 10_175, "test_a": 4_339, "test_b": 2_119}


def test_dataset(raabin):
    root = raabin()
    cells = load_raabin_wbc(root)
    assert cells.paths is cells.data
    assert cells.data.shape == cells.target.shape == (17,)
    assert cells.data[0] == str(root / "Train" / "Basophil" / "0.jpg")
    assert cells.target_names.tolist() == CLASSES
    assert cells.frame.columns.tolist() == ["path", "label", "split"]
    assert cells.frame["split"].tolist() == ["train"] * 10 + ["test_a"] * 5 + ["test_b"] * 2
    assert cells.target.tolist() == [
        *np.repeat(CLASSES, 2).tolist(), *CLASSES, "lymphocyte", "neutrophil"
    ]  # fmt: skip
    for text in ("Scientific Reports 12:1123", "raabindata.com", "17 images (basophil 3"):
        assert text in cells.DESCR


@pytest.mark.parametrize("split", FOLDERS)
def test_split(raabin, split):
    X, y = load_raabin_wbc(str(raabin()), split=split, return_X_y=True)
    assert len(X) == len(y) == _PUBLISHED[split]
    assert all(f"/{FOLDERS[split]}/" in x for x in X)
    assert load_raabin_wbc(raabin({}), split=split).target_names.tolist() == CLASSES


@pytest.mark.parametrize(
    ("names", "rename"), [("Train Test-A Test-B", str.lower), ("TRAIN test_a testb", str.upper)]
)
def test_names_of_folders(raabin, names, rename):
    cells = load_raabin_wbc(raabin(dict(zip(FOLDERS, names.split(), strict=True)), rename))
    assert len(cells.data) == 17
    assert set(cells.target) == set(CLASSES)


def test_incomplete(raabin):
    root = raabin()
    (root / "Train" / "Monocyte" / "1.jpg").unlink()
    (root / "TestB" / "Lymphocyte" / "more.jpg").touch()
    expected = "test_b 3 instead of 2, train 9 instead of 10"
    with pytest.warns(UserWarning, match=expected) as caught:
        assert len(load_raabin_wbc(root).data) == 17
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_raabin_wbc(root, split="test_a")


def test_wrong_folders(raabin, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected Train/Basophil.*download .*https"):
        load_raabin_wbc(tmp_path / "none")
    (tmp_path / "Train.rar").touch()
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        load_raabin_wbc(tmp_path / "Train.rar")
    root = raabin({"train": "Train", "test_a": "TestA"})
    assert len(load_raabin_wbc(root, split="train").data) == 10
    for split, missing in ((None, "test_b"), ("test", "test")):
        with pytest.raises(FileNotFoundError, match=rf"no folder of \['{missing}'\]; it has .*Tra"):
            load_raabin_wbc(root, split=split)
    (root / "Train" / "Monocyte").rename(root / "Train" / "Blast")
    with pytest.raises(ValueError, match=r"classes \['blast'\], .* load_image_folder"):
        load_raabin_wbc(root, split="train")
