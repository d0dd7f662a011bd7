"""Image folders: one sub-folder per class, or such folders per split."""

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import train_test_split

from skblood.datasets import load_image_folder, load_npz

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
        X, y = load_image_folder(folder, return_X_y=True)
        assert relative(X, folder) == [
            "basophil/y.tif",
            "basophil/z.webp",
            "neutrophil/a.JPG",
            "neutrophil/b.png",
        ]
        assert y.tolist() == ["basophil"] * 2 + ["neutrophil"] * 2

    def test_bunch(self, folder):
        X, y = load_image_folder(folder, return_X_y=True)
        cells = load_image_folder(folder)
        assert cells.data.tolist() == cells.paths.tolist() == X.tolist()
        assert cells.target.tolist() == y.tolist()
        assert cells.target_names.tolist() == ["basophil", "neutrophil"]
        assert cells.frame.columns.tolist() == ["path", "label"]
        assert cells.frame["label"].tolist() == y.tolist()
        assert str(folder) in cells.DESCR
        assert "4 images (basophil 2, neutrophil 2)" in cells.DESCR
        assert "images" not in cells

    def test_arrays_of_str_that_a_splitter_can_index(self, folder):
        X, y = load_image_folder(str(folder), return_X_y=True)
        assert X.dtype.kind == y.dtype.kind == "U"
        X_train, X_test, _, y_test = train_test_split(X, y, stratify=y, test_size=2, random_state=0)
        assert X_train.shape == X_test.shape == (2,)
        assert sorted(y_test) == ["basophil", "neutrophil"]

    def test_relative_path_stays_relative(self, folder, monkeypatch):
        monkeypatch.chdir(folder.parent)
        X, _ = load_image_folder("cells", return_X_y=True)
        assert X[0] == "cells/basophil/y.tif"

    def test_class_is_the_first_level(self, folder):
        write_image(folder / "basophil" / "slide_3" / "deep" / "cell.png")
        X, y = load_image_folder(folder, return_X_y=True)
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
        X, _ = load_image_folder(folder, return_X_y=True)
        assert len(X) == 4
        assert not any(x.endswith(stray) for x in X)

    def test_other_files_are_left_out(self, folder):
        (folder / "neutrophil" / "notes.txt").write_text("not an image")
        (folder / "split.csv").write_text("file,label")
        assert len(load_image_folder(folder).data) == 4

    def test_extensions(self, folder):
        write_image(folder / "basophil" / "x.png")
        X, _ = load_image_folder(folder, extensions=(".PNG",), return_X_y=True)
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
        X, y = load_image_folder(split_folder, split=split, return_X_y=True)
        assert y.tolist() == ["monocyte", "platelet"]
        assert all(f"{split}_" in x for x in X)

    def test_all_splits(self, split_folder):
        cells = load_image_folder(split_folder, split="all")
        assert cells.frame["split"].tolist() == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
        assert all(f"/{each.split}/" in each.path for each in cells.frame.itertuples())
        assert cells.frame["path"].tolist() == cells.data.tolist()

    def test_all_splits_may_have_different_classes(self, split_folder):
        write_image(split_folder / "test" / "basophil" / "a.png")
        cells = load_image_folder(split_folder, split="all")
        assert cells.target_names.tolist() == ["basophil", "monocyte", "platelet"]
        assert cells.target.tolist()[-3:] == ["basophil", "monocyte", "platelet"]

    def test_all_splits_of_a_folder_without_splits(self, folder):
        with pytest.raises(FileNotFoundError, match=r"no split 'all'.*no folder of class folders"):
            load_image_folder(folder, split="all")

    def test_split_must_be_chosen(self, split_folder):
        with pytest.raises(ValueError, match=r"splits \['test', 'train', 'val'\].*one.*'all'"):
            load_image_folder(split_folder)

    def test_unknown_split(self, split_folder):
        with pytest.raises(FileNotFoundError, match=r"no split 'dev'.*\['test', 'train', 'val'\]"):
            load_image_folder(split_folder, split="dev")

    def test_split_of_a_folder_without_splits(self, folder):
        with pytest.raises(FileNotFoundError, match="without `split` the folder itself is read"):
            load_image_folder(folder, split="train")

    def test_class_named_like_a_split(self, folder):
        write_image(folder / "test" / "a.png")
        assert set(load_image_folder(folder).target) == {"basophil", "neutrophil", "test"}


@pytest.mark.real
class TestRealData:
    def test_folder_of_pbc(self, real_data):
        X, y = load_image_folder(real_data / "pbc" / "128px", split="test", return_X_y=True)
        assert len(X) == 3077
        assert sorted(set(y)) == CLASSES

    def test_folder_and_npz_agree(self, real_data):
        """Both are the same split, and labels 0..7 are the sorted names."""
        _, names = load_image_folder(real_data / "pbc" / "128px", split="val", return_X_y=True)
        _, codes = load_npz(real_data / "pbc" / "pbc_28.npz", split="val", return_X_y=True)
        counts = np.unique(names, return_counts=True)[1]
        np.testing.assert_array_equal(counts, np.bincount(codes))
