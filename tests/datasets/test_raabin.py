"""Raabin-WBC, as fakes of empty files: nothing is decoded."""

import warnings

import numpy as np
import pytest

from skblood.datasets import load_raabin_wbc
from skblood.datasets._raabin import _PUBLISHED

# A fake of the published size; how many of a class there are is made up.
COUNTS = {
    "train": dict(basophil=200, eosinophil=700, lymphocyte=2400, monocyte=600, neutrophil=6275),
    "test_a": dict(basophil=100, eosinophil=300, lymphocyte=1000, monocyte=200, neutrophil=2739),
    "test_b": dict(lymphocyte=150, neutrophil=1969),
}
FIVE = ["basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"]


def make_raabin(root, folders=("Train", "TestA", "TestB"), rename=str.title, counts=COUNTS):
    """Write empty files: so many of each class."""
    for folder, of_split in zip(folders, counts.values(), strict=True):
        for label, n in of_split.items():
            directory = root / folder / rename(label)
            directory.mkdir(parents=True)
            for i in range(n):
                (directory / f"{i:05}.jpg").touch()
    return root


@pytest.fixture(scope="module")
def raabin(tmp_path_factory):
    return make_raabin(tmp_path_factory.mktemp("raabin"))


@pytest.fixture
def small(monkeypatch):
    """Make a small fake, and pretend that it was published so."""
    for split, counts in COUNTS.items():
        few = dict.fromkeys(counts, 2 if split == "train" else 1)
        monkeypatch.setitem(COUNTS, split, few)
        monkeypatch.setitem(_PUBLISHED, split, sum(few.values()))


def test_published_counts():
    assert _PUBLISHED == {"train": 10_175, "test_a": 4_339, "test_b": 2_119}
    assert {split: sum(counts.values()) for split, counts in COUNTS.items()} == _PUBLISHED
    assert sum(_PUBLISHED.values()) == 16_633


def test_all(raabin):
    cells = load_raabin_wbc(raabin)
    assert cells.data.shape == cells.target.shape == (16_633,)
    assert cells.paths is cells.data
    assert cells.target_names.tolist() == FIVE
    assert cells.data[0] == str(raabin / "Train" / "Basophil" / "00000.jpg")
    assert cells.frame.columns.tolist() == ["path", "label", "split"]
    found = cells.frame.groupby("split")["label"].value_counts().to_dict()
    assert found == {(s, label): n for s, counts in COUNTS.items() for label, n in counts.items()}
    for text in ("Scientific Reports 12:1123", "raabindata.com", "train: 10175 images (basophil 2"):
        assert text in cells.DESCR


@pytest.mark.parametrize("split", ["train", "test_a", "test_b"])
def test_split(raabin, split):
    X, y = load_raabin_wbc(str(raabin), split=split, return_X_y=True)
    folder = {"train": "Train", "test_a": "TestA", "test_b": "TestB"}[split]
    assert all(f"/{folder}/" in x for x in X)
    assert dict(zip(*np.unique(y, return_counts=True), strict=True)) == COUNTS[split]


def test_target_names_do_not_depend_on_the_split(raabin):
    assert load_raabin_wbc(raabin, split="test_b").target_names.tolist() == FIVE


@pytest.mark.parametrize(
    "folders",
    [("Train", "Test-A", "Test-B"), ("train", "test_a", "TEST B"), ("TRAIN", "testa", "testb")],
)
@pytest.mark.parametrize("rename", [str.lower, str.upper])
def test_names_of_folders(tmp_path, small, folders, rename):
    cells = load_raabin_wbc(make_raabin(tmp_path, folders, rename))
    assert len(cells.data) == 10 + 5 + 2
    assert cells.frame["split"].unique().tolist() == ["train", "test_a", "test_b"]
    assert np.unique(cells.target).tolist() == FIVE


def test_part_of_a_copy_warns(tmp_path, small):
    make_raabin(tmp_path)
    (tmp_path / "Train" / "Monocyte" / "00001.jpg").unlink()
    (tmp_path / "TestB" / "Lymphocyte" / "more.jpg").touch()
    with pytest.warns(
        UserWarning,
        match="published with: train 9 instead of 10, test_b 3 instead of 2. Is it whole",
    ) as caught:
        cells = load_raabin_wbc(tmp_path)
    assert len(cells.data) == 17
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_raabin_wbc(tmp_path, split="test_a")


def test_missing_class_warns(tmp_path, small):
    make_raabin(tmp_path)
    for file in (tmp_path / "Train" / "Basophil").iterdir():
        file.unlink()
    (tmp_path / "Train" / "Basophil").rmdir()
    with pytest.warns(UserWarning, match="train 8 instead of 10"):
        load_raabin_wbc(tmp_path, split="train")


def test_missing_folder_says_where_to_get_it(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no folder .*download Train, TestA and TestB.*https"
    ):
        load_raabin_wbc(tmp_path / "none")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "Train.rar").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file; download .* extract"):
        load_raabin_wbc(tmp_path / "Train.rar")


def test_missing_split(tmp_path, small):
    counts = {split: COUNTS[split] for split in ("train", "test_a")}
    make_raabin(tmp_path, ("Train", "TestA"), counts=counts)
    assert len(load_raabin_wbc(tmp_path, split="train").data) == 10
    with pytest.raises(
        FileNotFoundError,
        match=r"no folder of the split 'test_b'; it holds \['TestA', 'Train'\]. Name the `split`",
    ):
        load_raabin_wbc(tmp_path)


def test_unknown_split(tmp_path):
    with pytest.raises(
        ValueError, match=r"None or one of \('train', 'test_a', 'test_b'\), got 'te"
    ):
        load_raabin_wbc(tmp_path, split="test")


def test_other_classes(tmp_path, small):
    make_raabin(tmp_path, rename=lambda label: {"monocyte": "Blast"}.get(label, label))
    with pytest.raises(
        ValueError, match=r"classes \['blast'\], which are not .* load_image_folder"
    ):
        load_raabin_wbc(tmp_path)
