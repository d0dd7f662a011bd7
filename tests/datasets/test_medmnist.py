import hashlib
import subprocess
import sys

import medmnist
import numpy as np
import pytest

from skblood.datasets import fetch_bloodmnist, load_npz

SPLITS = ["train"] * 16 + ["val"] * 8 + ["test"] * 9


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
    np.savez(tmp_path / "cells.npz", **arrays)
    return tmp_path / "cells.npz"


class TestNpz:
    def test_one_split(self, npz, arrays):
        X, y = load_npz(npz, "val", return_X_y=True)
        np.testing.assert_array_equal(X, arrays["val_images"])
        np.testing.assert_array_equal(y, arrays["val_labels"].ravel())
        assert (X.dtype, y.dtype) == (np.uint8, np.int64)
        assert "split 'val': 8 images" in load_npz(npz, "val").DESCR

    def test_all_splits(self, npz, arrays):
        cells = load_npz(str(npz))
        expected = [arrays[f"{split}_images"] for split in ("train", "val", "test")]
        np.testing.assert_array_equal(cells.data, np.concatenate(expected))
        assert cells.images is cells.data
        assert cells.target_names.tolist() == list(range(8))
        assert cells.frame["label"].tolist() == cells.target.tolist()
        assert cells.frame["split"].tolist() == SPLITS
        assert f"{str(npz)!r}: 33 images (0 5, 1 4, " in cells.DESCR

    def test_gray_images_and_flat_labels(self, tmp_path):
        images = np.zeros((3, 28, 28), np.uint8)
        np.savez(tmp_path / "gray.npz", val_images=images, val_labels=np.array([0, 2, 1]))
        X, y = load_npz(tmp_path / "gray.npz", return_X_y=True)
        assert X.shape == (3, 28, 28)
        assert y.tolist() == [0, 2, 1]

    def test_split_that_the_file_lacks(self, tmp_path, arrays):
        path = tmp_path / "train_only.npz"
        np.savez(path, **{k: v for k, v in arrays.items() if k.startswith("train")})
        assert len(load_npz(path).data) == 16
        with pytest.raises(ValueError, match=r"lacks \['val_images', 'val_labels'\] and holds \["):
            load_npz(path, "val")
        np.savez(path, x=np.zeros(3))
        with pytest.raises(ValueError, match=r"lacks \['train_images', .* holds \['x'\]"):
            load_npz(path)

    def test_wrong_arguments(self, npz, tmp_path):
        with pytest.raises(ValueError, match=r"`split` must be None or one of .* got 'valid'"):
            load_npz(npz, "valid")
        with pytest.raises(FileNotFoundError, match=r"none\.npz"):
            load_npz(tmp_path / "none.npz")

    def test_damaged_files(self, npz):
        content = npz.read_bytes()
        for damaged in (b"", b"not an archive", content[:3000]):
            npz.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"not a readable \.npz"):
                load_npz(npz)
        npz.write_bytes(content[:5000] + bytes(50) + content[5050:])
        with pytest.raises(ValueError, match=r"not a readable \.npz .*train_images"):
            load_npz(npz)
        assert len(load_npz(npz, "test").data) == 9  # other splits are not read
        with open(npz, "wb") as file:
            np.save(file, np.zeros(3))
        with pytest.raises(ValueError, match=r"not a readable \.npz file .*not a zip"):
            load_npz(npz)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (np.zeros((2, 8, 8, 3)), [0, 1], "must be uint8 .* got float64"),
            (np.zeros((2, 8, 8, 8), np.uint8), [0, 1], r"got uint8 of shape \(2, 8, 8, 8\)"),
            (np.zeros((2, 8, 8), np.uint8), [0], r"one int64 for each of 2 images"),
            (np.zeros((2, 8, 8), np.uint8), [[0, 1], [1, 0]], r"got int64 of shape \(2, 2\)"),
            (np.zeros((2, 8, 8), np.uint8), [0.0, 1.0], "one int64 .* got float64"),
        ],
    )
    def test_wrong_content(self, npz, images, labels, message):
        np.savez(npz, test_images=images, test_labels=np.array(labels))
        with pytest.raises(ValueError, match=message):
            load_npz(npz, "test")

    @pytest.mark.parametrize(
        "labels",
        [
            np.array([2**64 - 1, 5], np.uint64),
            np.array([0.5, 1.5]),
            np.array([True, False]),
            np.array(["ig", "platelet"]),
            np.array([b"ig", b"platelet"]),
            np.eye(2, dtype=int),
        ],
        ids=lambda labels: labels.dtype.str,
    )
    def test_labels_that_are_no_integers_and_the_advice(self, tmp_path, labels):
        images = np.zeros((2, 8, 8, 3), np.uint8)
        np.savez(tmp_path / "cells.npz", test_images=images, test_labels=labels)
        with pytest.raises(ValueError, match=rf"got {labels.dtype} .*return_inverse=True.*argmax"):
            load_npz(tmp_path / "cells.npz")
        codes = (
            labels.argmax(axis=1) if labels.ndim == 2 else np.unique(labels, return_inverse=True)[1]
        )
        np.savez(tmp_path / "cells.npz", test_images=images, test_labels=codes)
        assert load_npz(tmp_path / "cells.npz").target.tolist() == codes.tolist()

    def test_large_labels(self, tmp_path):
        images, labels = np.zeros((2, 8, 8, 3), np.uint8), [2**63 - 1, 0]
        for dtype in (np.uint64, np.int64):
            arrays = {"test_images": images, "test_labels": np.array(labels, dtype)}
            np.savez(tmp_path / "cells.npz", **arrays)
            assert load_npz(tmp_path / "cells.npz").target.tolist() == labels

    def test_mistyped_file(self, npz):
        with pytest.raises(FileNotFoundError, match=rf"not a file .*there is '{npz}'"):
            load_npz(npz.with_name("cell.npz"))


@pytest.fixture
def home(monkeypatch, npz, server):
    """Make small files pass for BloodMNIST at 28 and at 64 pixels; return their folder."""
    server.content = npz.read_bytes()
    home = npz.parent / "home"
    home.mkdir()
    for suffix in ["", "_64"]:
        (home / f"bloodmnist{suffix}.npz").write_bytes(server.content)
        md5 = hashlib.md5(server.content).hexdigest()
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], f"MD5{suffix}", md5)
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], f"url{suffix}", server.url)
    return home


class TestBloodMNIST:
    def test_dataset(self, home, server, arrays, classes):
        cells = fetch_bloodmnist(data_home=str(home))
        assert cells.images is cells.data
        assert cells.data.shape == (33, 28, 28, 3)
        assert cells.target_names.tolist() == classes
        assert cells.target[:16].tolist() == classes * 2
        assert cells.frame["label"].tolist() == cells.target.tolist()
        assert cells.frame["split"].tolist() == SPLITS
        for part in ["CC BY 4.0", "Acevedo", "MedMNIST v2", "33 images (basophil 5", "28x28"]:
            assert part in cells.DESCR
        assert server.n_requests == 0

    def test_all_classes_are_named(self, home, monkeypatch, arrays, classes):
        np.savez(home / "bloodmnist.npz", **{name: each[:3] for name, each in arrays.items()})
        md5 = hashlib.md5((home / "bloodmnist.npz").read_bytes()).hexdigest()
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], "MD5", md5)
        cells = fetch_bloodmnist(split="val", data_home=home)
        assert cells.target.tolist() == classes[:3]
        assert cells.target_names.tolist() == classes

    def test_other_size_in_the_home_of_the_environment(self, home, monkeypatch):
        (home / "bloodmnist.npz").unlink()
        monkeypatch.setenv("SKBLOOD_DATA_HOME", str(home))
        assert len(fetch_bloodmnist(64, "val", download=False, return_X_y=True)[1]) == 8

    def test_download(self, home, server):
        new = home / "new"
        for _ in range(2):
            assert len(fetch_bloodmnist(split="val", data_home=new).data) == 8
        assert server.n_requests == 1
        with pytest.raises(OSError, match=r"https://zenodo.org/.*/bloodmnist_224\.npz") as caught:
            fetch_bloodmnist(224, data_home=new, download=False)
        assert str(new / "bloodmnist_224.npz") in str(caught.value)

    @pytest.mark.parametrize("suffix", ["", "_64", "_128", "_224"])
    def test_labels_of_the_official_package(self, suffix, classes):
        info = medmnist.INFO["bloodmnist"]
        assert {f"url{suffix}", f"MD5{suffix}"} <= info.keys()
        names = [info["label"][str(code)].split()[0] for code in range(8)]
        assert names == [name.replace("ig", "immature") for name in classes]

    def test_wrong_arguments(self, server, tmp_path):
        with pytest.raises(ValueError, match=r"`size` must be one of \(28, 64, 128, 224\), got 32"):
            fetch_bloodmnist(32)
        with pytest.raises(ValueError, match="got 'dev'"):  # before the download
            fetch_bloodmnist(split="dev", data_home=tmp_path)


@pytest.mark.slow
def test_import_does_not_import_medmnist():
    code = "import sys, skblood.datasets; sys.exit('medmnist' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
