"""Files in the MedMNIST format, and BloodMNIST."""

import hashlib
import subprocess
import sys

import medmnist
import numpy as np
import pytest

from skblood.datasets import fetch_bloodmnist, load_npz

CLASSES = [
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
]


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    found = {}
    for name, n in [("train", 16), ("val", 8), ("test", 9)]:
        found[f"{name}_images"] = rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)
        found[f"{name}_labels"] = (np.arange(n) % 8).reshape(-1, 1).astype(np.uint8)
    return found


@pytest.fixture
def npz(tmp_path, arrays):
    path = tmp_path / "cells.npz"
    np.savez(path, **arrays)
    return path


class TestNpz:
    @pytest.mark.parametrize("split", ["train", "val", "test"])
    def test_one_split(self, npz, arrays, split):
        X, y = load_npz(npz, split, return_X_y=True)
        np.testing.assert_array_equal(X, arrays[f"{split}_images"])
        np.testing.assert_array_equal(y, arrays[f"{split}_labels"].ravel())
        assert X.dtype == np.uint8
        assert y.dtype == np.int64

    def test_all_splits_in_order(self, npz, arrays):
        X, y = load_npz(str(npz), return_X_y=True)
        assert X.shape == (33, 28, 28, 3)
        assert y.shape == (33,)
        np.testing.assert_array_equal(X[:16], arrays["train_images"])
        np.testing.assert_array_equal(X[-9:], arrays["test_images"])

    def test_dataset(self, npz, arrays):
        cells = load_npz(npz)
        assert cells.images is cells.data
        assert cells.data.shape == (33, 28, 28, 3)
        assert cells.target_names.tolist() == list(range(8))
        assert list(cells.frame) == ["label", "split"]
        assert cells.frame["label"].tolist() == cells.target.tolist()
        assert cells.frame["split"].tolist() == ["train"] * 16 + ["val"] * 8 + ["test"] * 9
        assert repr(str(npz)) in cells.DESCR
        assert "33 images (0 5, 1 4, " in cells.DESCR

    def test_dataset_of_one_split(self, npz):
        cells = load_npz(npz, "val")
        assert cells.frame["split"].tolist() == ["val"] * 8
        assert "split 'val': 8 images" in cells.DESCR

    def test_gray_images_and_flat_labels(self, tmp_path):
        path = tmp_path / "gray.npz"
        images = np.zeros((3, 28, 28), np.uint8)
        np.savez(path, val_images=images, val_labels=np.array([0, 2, 1]))
        X, y = load_npz(path, split="val", return_X_y=True)
        assert X.shape == (3, 28, 28)
        assert y.tolist() == [0, 2, 1]

    def test_unknown_split(self, npz):
        with pytest.raises(ValueError, match=r"`split` must be None or one of .* got 'valid'"):
            load_npz(npz, "valid")

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file .*none\.npz"):
            load_npz(tmp_path / "none.npz")

    @pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off"])
    def test_not_an_archive(self, tmp_path, content):
        path = tmp_path / "cells.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"not a readable \.npz"):
            load_npz(path)

    def test_single_array(self, tmp_path):
        np.save(tmp_path / "cells.npy", np.zeros(3))
        with pytest.raises(ValueError, match="single array"):
            load_npz(tmp_path / "cells.npy")

    def test_split_that_the_file_lacks(self, tmp_path, arrays):
        path = tmp_path / "train_only.npz"
        np.savez(path, **{k: v for k, v in arrays.items() if k.startswith("train")})
        assert len(load_npz(path, "train").data) == len(load_npz(path).data) == 16
        with pytest.raises(ValueError, match=r"lacks \['val_images', 'val_labels'\] and holds \["):
            load_npz(path, "val")

    def test_file_without_any_split(self, tmp_path):
        path = tmp_path / "other.npz"
        np.savez(path, x=np.zeros(3))
        with pytest.raises(ValueError, match=r"lacks \['train_images', .* holds \['x'\]"):
            load_npz(path)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (np.zeros((2, 8, 8, 3)), [0, 1], "must be uint8 .* got float64"),
            (np.zeros((2, 8, 8, 8), np.uint8), [0, 1], r"got uint8 of shape \(2, 8, 8, 8\)"),
            (np.zeros((2, 8, 8), np.uint8), [0], r"one integer for each of the 2 images"),
            (np.zeros((2, 8, 8), np.uint8), [[0, 1], [1, 0]], r"got int64 of shape \(2, 2\)"),
            (np.zeros((2, 8, 8), np.uint8), [0.0, 1.0], "one integer .* got float64"),
        ],
    )
    def test_content_that_is_not_cells(self, tmp_path, images, labels, message):
        path = tmp_path / "odd.npz"
        np.savez(path, test_images=images, test_labels=np.array(labels))
        with pytest.raises(ValueError, match=message):
            load_npz(path, "test")


@pytest.fixture
def blood(monkeypatch, tmp_path, arrays, server):
    """A small file that passes for BloodMNIST at 28 and at 64 pixels; returns its folder."""
    path = tmp_path / "home" / "bloodmnist.npz"
    path.parent.mkdir()
    np.savez(path, **arrays)
    server.content = path.read_bytes()
    (path.parent / "bloodmnist_64.npz").write_bytes(server.content)
    md5 = hashlib.md5(server.content).hexdigest()
    for suffix in ["", "_64"]:
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], f"MD5{suffix}", md5)
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], f"url{suffix}", server.url)
    return path.parent


class TestBloodMNIST:
    def test_names_of_the_classes(self, blood, server, arrays):
        X, y = fetch_bloodmnist(split="train", data_home=blood, return_X_y=True)
        np.testing.assert_array_equal(X, arrays["train_images"])
        assert y.tolist() == CLASSES * 2
        assert server.asked == []

    def test_dataset(self, blood):
        cells = fetch_bloodmnist(data_home=str(blood))
        assert cells.images is cells.data
        assert cells.data.shape == (33, 28, 28, 3)
        assert cells.target_names.tolist() == CLASSES
        assert cells.frame["label"].tolist() == cells.target.tolist()
        assert cells.frame["split"].tolist() == ["train"] * 16 + ["val"] * 8 + ["test"] * 9
        for part in ["CC BY 4.0", "Acevedo", "MedMNIST v2", "33 images (basophil 5", "28x28"]:
            assert part in cells.DESCR

    def test_classes_are_all_named_when_a_split_lacks_one(self, blood, arrays, monkeypatch):
        few = {name: values[:3] for name, values in arrays.items()}
        np.savez(blood / "bloodmnist.npz", **few)
        md5 = hashlib.md5((blood / "bloodmnist.npz").read_bytes()).hexdigest()
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], "MD5", md5)
        cells = fetch_bloodmnist(split="val", data_home=blood)
        assert cells.target.tolist() == CLASSES[:3]
        assert cells.target_names.tolist() == CLASSES

    def test_larger_size_is_another_file(self, blood):
        (blood / "bloodmnist.npz").unlink()
        cells = fetch_bloodmnist(64, "val", data_home=blood, download=False)
        assert len(cells.data) == 8
        assert "64x64" in cells.DESCR

    def test_data_home_from_the_environment(self, blood, monkeypatch):
        monkeypatch.setenv("SKBLOOD_DATA_HOME", str(blood))
        assert len(fetch_bloodmnist(split="test", download=False).data) == 9

    def test_download(self, blood, server, tmp_path):
        home = tmp_path / "new" / "home"
        assert len(fetch_bloodmnist(split="val", data_home=home).data) == 8
        assert (home / "bloodmnist.npz").read_bytes() == server.content
        fetch_bloodmnist(split="val", data_home=home)
        assert server.asked == [None]

    def test_damaged_file_is_downloaded_again(self, blood, server):
        (blood / "bloodmnist.npz").write_bytes(b"cut off")
        assert len(fetch_bloodmnist(data_home=blood).data) == 33
        assert server.asked == [None]

    def test_download_false(self, server, blood, tmp_path):
        with pytest.raises(OSError, match=r"not there.*Pass download=True.*md5:"):
            fetch_bloodmnist(data_home=tmp_path, download=False)
        assert server.asked == []

    def test_official_source(self, tmp_path):
        with pytest.raises(OSError, match=r"https://zenodo.org/.*/bloodmnist_224\.npz") as caught:
            fetch_bloodmnist(224, data_home=tmp_path, download=False)
        assert str(tmp_path / "bloodmnist_224.npz") in str(caught.value)

    @pytest.mark.parametrize("size", [28, 64, 128, 224])
    def test_labels_of_the_official_package(self, size):
        """The order that CLASSES has is the one that medmnist states."""
        info = medmnist.INFO["bloodmnist"]
        suffix = "" if size == 28 else f"_{size}"
        assert {f"url{suffix}", f"MD5{suffix}"} <= info.keys()
        assert [info["label"][str(code)].split()[0] for code in range(8)] == [
            name.replace("ig", "immature") for name in CLASSES
        ]

    def test_size(self):
        with pytest.raises(ValueError, match=r"`size` must be one of \(28, 64, 128, 224\), got 32"):
            fetch_bloodmnist(32)

    def test_split(self):
        with pytest.raises(ValueError, match="got 'dev'"):
            fetch_bloodmnist(split="dev")


def test_importing_the_package_leaves_medmnist_alone():
    code = "import sys, skblood.datasets; sys.exit('medmnist' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.real
class TestRealData:
    def test_npz_of_pbc(self, real_data):
        X, y = load_npz(real_data / "pbc" / "pbc_28.npz", return_X_y=True)
        assert X.shape == (15382, 28, 28, 3)
        assert sorted(set(y)) == list(range(8))
