"""Loaders: image folders, MedMNIST-format files, BloodMNIST (without a network)."""

import hashlib
import subprocess
import sys
from urllib.error import URLError

import medmnist
import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import train_test_split
from torchvision.datasets import utils as torchvision_utils

from skblood.datasets import fetch_bloodmnist, load_image_folder, load_npz

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


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (200, 120, 160)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes; the files are written in an order that is not the sorted one."""
    for name in ["neutrophil/b.png", "neutrophil/a.JPG", "basophil/z.webp", "basophil/y.tif"]:
        write_image(tmp_path / "cells" / name)
    return tmp_path / "cells"


@pytest.fixture
def split_folder(tmp_path):
    for split in ["train", "val", "test"]:
        for label in ["monocyte", "platelet"]:
            write_image(tmp_path / "cells" / split / label / f"{split}_{label}.png")
    return tmp_path / "cells"


def relative(X, folder):
    return [x.removeprefix(f"{folder}/") for x in X]


class TestImageFolder:
    def test_paths_and_labels_are_sorted(self, folder):
        X, y = load_image_folder(folder)
        assert relative(X, folder) == [
            "basophil/y.tif",
            "basophil/z.webp",
            "neutrophil/a.JPG",
            "neutrophil/b.png",
        ]
        assert y.tolist() == ["basophil"] * 2 + ["neutrophil"] * 2

    def test_arrays_of_str_that_a_splitter_can_index(self, folder):
        X, y = load_image_folder(str(folder))
        assert X.dtype.kind == y.dtype.kind == "U"
        X_train, X_test, _, y_test = train_test_split(X, y, stratify=y, test_size=2, random_state=0)
        assert X_train.shape == X_test.shape == (2,)
        assert sorted(y_test) == ["basophil", "neutrophil"]

    def test_relative_path_stays_relative(self, folder, monkeypatch):
        monkeypatch.chdir(folder.parent)
        X, _ = load_image_folder("cells")
        assert X[0] == "cells/basophil/y.tif"

    def test_class_is_the_first_level(self, folder):
        write_image(folder / "basophil" / "slide_3" / "deep" / "cell.png")
        X, y = load_image_folder(folder)
        assert "basophil/slide_3/deep/cell.png" in relative(X, folder)
        assert y.tolist().count("basophil") == 3

    @pytest.mark.parametrize(
        "stray",
        [
            "neutrophil/.DS_169665.jpg",
            "neutrophil/.thumbnails/a.png",
            ".cache/a.png",
            "preview.png",
        ],
    )
    def test_hidden_and_stray_images_are_left_out(self, folder, stray):
        write_image(folder / stray)
        X, _ = load_image_folder(folder)
        assert len(X) == 4
        assert not any(x.endswith(stray) for x in X)

    def test_other_files_are_left_out(self, folder):
        (folder / "neutrophil" / "notes.txt").write_text("not an image")
        (folder / "split.csv").write_text("file,label")
        assert len(load_image_folder(folder)[0]) == 4

    def test_extensions(self, folder):
        write_image(folder / "basophil" / "x.png")
        X, _ = load_image_folder(folder, extensions=(".PNG",))
        assert relative(X, folder) == ["basophil/x.png", "neutrophil/b.png"]

    def test_extensions_as_str(self, folder):
        with pytest.raises(TypeError, match=r"sequence of str, got '.png'; write \('.png',\)"):
            load_image_folder(folder, extensions=".png")

    def test_extensions_without_dot(self, folder):
        with pytest.raises(ValueError, match=r"starts with a dot .* got \['png'\]"):
            load_image_folder(folder, extensions=("png", ".jpg"))

    def test_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.*expected one sub"):
            load_image_folder(tmp_path / "nowhere")

    def test_a_file_is_no_folder(self, folder):
        with pytest.raises(NotADirectoryError, match="is a file"):
            load_image_folder(folder / "neutrophil" / "b.png")

    def test_no_class_folder(self, tmp_path):
        write_image(tmp_path / "a.png")
        with pytest.raises(ValueError, match=r"no class folder \(found 1 files directly in it\)"):
            load_image_folder(tmp_path)

    def test_empty_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"found nothing.*expected one sub-folder per class"):
            load_image_folder(tmp_path)

    def test_empty_class(self, folder):
        (folder / "platelet").mkdir()
        with pytest.raises(ValueError, match=r"class folder '.*platelet' holds no image"):
            load_image_folder(folder)

    @pytest.mark.parametrize("split", ["train", "val", "test"])
    def test_split(self, split_folder, split):
        X, y = load_image_folder(split_folder, split=split)
        assert y.tolist() == ["monocyte", "platelet"]
        assert all(f"{split}_" in x for x in X)

    def test_split_must_be_chosen(self, split_folder):
        with pytest.raises(ValueError, match=r"splits \['test', 'train', 'val'\].* Choose one"):
            load_image_folder(split_folder)

    def test_unknown_split(self, split_folder):
        with pytest.raises(FileNotFoundError, match=r"no split 'dev'.*\['test', 'train', 'val'\]"):
            load_image_folder(split_folder, split="dev")

    def test_split_of_a_folder_without_splits(self, folder):
        with pytest.raises(FileNotFoundError, match="without `split` the folder itself is read"):
            load_image_folder(folder, split="train")

    def test_class_named_like_a_split(self, folder):
        write_image(folder / "test" / "a.png")
        assert set(load_image_folder(folder)[1]) == {"basophil", "neutrophil", "test"}


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
        X, y = load_npz(npz, split)
        np.testing.assert_array_equal(X, arrays[f"{split}_images"])
        np.testing.assert_array_equal(y, arrays[f"{split}_labels"].ravel())
        assert X.dtype == np.uint8
        assert y.dtype == np.int64

    def test_all_splits_in_order(self, npz, arrays):
        X, y = load_npz(str(npz))
        assert X.shape == (33, 28, 28, 3)
        assert y.shape == (33,)
        np.testing.assert_array_equal(X[:16], arrays["train_images"])
        np.testing.assert_array_equal(X[-9:], arrays["test_images"])

    def test_gray_images_and_flat_labels(self, tmp_path):
        path = tmp_path / "gray.npz"
        images = np.zeros((3, 28, 28), np.uint8)
        np.savez(path, val_images=images, val_labels=np.array([0, 2, 1]))
        X, y = load_npz(path, split="val")
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
        assert len(load_npz(path, "train")[0]) == 16
        with pytest.raises(ValueError, match=r"lacks \['val_images', 'val_labels'\] and holds \["):
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
def blood(monkeypatch, tmp_path, arrays):
    """A small file that passes for BloodMNIST at 28 and at 64 pixels; returns its folder."""
    path = tmp_path / "home" / "bloodmnist.npz"
    path.parent.mkdir()
    np.savez(path, **arrays)
    (path.parent / "bloodmnist_64.npz").write_bytes(path.read_bytes())
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    for key in ["MD5", "MD5_64"]:
        monkeypatch.setitem(medmnist.INFO["bloodmnist"], key, md5)
    return path.parent


@pytest.fixture
def no_network(monkeypatch):
    """Every download fails; returns the list of the files asked for."""
    asked = []

    def fail(url, root, filename, md5):
        asked.append(filename)
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision_utils, "download_url", fail)
    return asked


class TestBloodMNIST:
    def test_names_of_the_classes(self, blood, no_network, arrays):
        X, y = fetch_bloodmnist(split="train", data_home=blood)
        np.testing.assert_array_equal(X, arrays["train_images"])
        assert y.tolist() == CLASSES * 2
        assert no_network == []

    def test_all_splits(self, blood, no_network):
        X, y = fetch_bloodmnist(data_home=str(blood))
        assert X.shape == (33, 28, 28, 3)
        assert sorted(set(y)) == CLASSES

    def test_larger_size_is_another_file(self, blood, no_network):
        (blood / "bloodmnist.npz").unlink()
        assert len(fetch_bloodmnist(64, "val", data_home=blood)[0]) == 8

    def test_data_home_from_the_environment(self, blood, no_network, monkeypatch):
        monkeypatch.setenv("SKBLOOD_DATA_HOME", str(blood))
        assert len(fetch_bloodmnist(split="test")[0]) == 9

    def test_default_data_home(self, blood, no_network, monkeypatch):
        monkeypatch.delenv("SKBLOOD_DATA_HOME", raising=False)
        monkeypatch.setenv("HOME", str(blood.parent))
        blood.rename(blood.parent / "skblood_data")
        assert len(fetch_bloodmnist(split="test")[0]) == 9

    def test_download(self, blood, monkeypatch, tmp_path):
        def copy(url, root, filename, md5):
            assert url.startswith("https://zenodo.org/")
            (root / filename).write_bytes((blood / "bloodmnist.npz").read_bytes())

        monkeypatch.setattr(torchvision_utils, "download_url", copy)
        X, _ = fetch_bloodmnist(split="val", data_home=tmp_path / "new" / "home")
        assert len(X) == 8
        assert (tmp_path / "new" / "home" / "bloodmnist.npz").is_file()

    def test_failed_download_says_what_to_do(self, no_network, tmp_path):
        with pytest.raises(OSError, match=r"failed .*no route.*Download https.* by hand") as caught:
            fetch_bloodmnist(data_home=tmp_path)
        assert str(tmp_path / "bloodmnist.npz") in str(caught.value)
        assert no_network == ["bloodmnist.npz"]

    def test_damaged_file_is_downloaded_again(self, blood, no_network):
        (blood / "bloodmnist.npz").write_bytes(b"cut off")
        with pytest.raises(OSError, match="download of BloodMNIST failed"):
            fetch_bloodmnist(data_home=blood)
        assert no_network == ["bloodmnist.npz"]

    @pytest.mark.parametrize(("content", "state"), [(None, "not there"), (b"cut", "is damaged")])
    def test_download_false(self, tmp_path, no_network, content, state):
        if content:
            (tmp_path / "bloodmnist.npz").write_bytes(content)
        with pytest.raises(OSError, match=rf"{state}.*Pass download=True"):
            fetch_bloodmnist(data_home=tmp_path, download=False)
        assert no_network == []

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
    def test_folder_of_pbc(self, real_data):
        X, y = load_image_folder(real_data / "pbc" / "128px", split="test")
        assert len(X) == 3077
        assert sorted(set(y)) == CLASSES

    def test_npz_of_pbc(self, real_data):
        X, y = load_npz(real_data / "pbc" / "pbc_28.npz")
        assert X.shape == (15382, 28, 28, 3)
        assert sorted(set(y)) == list(range(8))

    def test_folder_and_npz_agree(self, real_data):
        """Both are the same split, and labels 0..7 are the sorted names."""
        _, names = load_image_folder(real_data / "pbc" / "128px", split="val")
        _, codes = load_npz(real_data / "pbc" / "pbc_28.npz", split="val")
        counts = np.unique(names, return_counts=True)[1]
        np.testing.assert_array_equal(counts, np.bincount(codes))
