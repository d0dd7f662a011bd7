import os

import pytest
from PIL import Image

from skblood.datasets import IMAGE_EXTENSIONS, find_images, load_image_folder


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (200, 120, 160)).save(path)


FILES = ["basophil/y.tif", "basophil/z.webp", "neutrophil/a.JPG", "neutrophil/b.png"]


@pytest.fixture
def folder(tmp_path):
    for name in reversed(FILES):
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


def test_dataset(folder):
    cells = load_image_folder(str(folder))
    assert cells.paths is cells.data
    assert relative(cells.data, folder) == FILES
    assert cells.target.tolist() == ["basophil"] * 2 + ["neutrophil"] * 2
    assert cells.target_names.tolist() == ["basophil", "neutrophil"]
    assert cells.frame.columns.tolist() == ["path", "label"]
    assert cells.frame["path"].tolist() == cells.data.tolist()
    assert f"{str(folder)!r}: 4 images (basophil 2, neutrophil 2)." in cells.DESCR
    assert cells.data.dtype.kind == cells.target.dtype.kind == "U"


def test_class_is_the_first_level_of_a_relative_path(folder, monkeypatch):
    write_image(folder / "basophil" / "slide_3" / "deep" / "cell.png")
    monkeypatch.chdir(folder.parent)
    X, y = load_image_folder("cells", return_X_y=True)
    assert X[0] == "cells/basophil/slide_3/deep/cell.png"
    assert y.tolist().count("basophil") == 3


def test_hidden_and_other_files_are_ignored(folder):
    for stray in ["neutrophil/.DS.jpg", "neutrophil/.thumbnails/a.png", ".cache/a.png", "a.png"]:
        write_image(folder / stray)
    (folder / "neutrophil" / "notes.txt").write_text("not an image")
    assert relative(load_image_folder(folder).data, folder) == FILES
    assert relative(find_images(folder), folder) == sorted(["a.png", *FILES])
    assert ".webp" in IMAGE_EXTENSIONS


def test_extensions(folder):
    write_image(folder / "basophil" / "x.png")
    X, _ = load_image_folder(folder, extensions=(".PNG",), return_X_y=True)
    assert relative(X, folder) == ["basophil/x.png", "neutrophil/b.png"]
    for wrong in (".png", ("png", ".jpg")):
        with pytest.raises(ValueError, match="sequence of str that start with a dot"):
            load_image_folder(folder, extensions=wrong)


def test_no_classes(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere' is not a folder.*expected one sub"):
        load_image_folder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        load_image_folder(folder / "neutrophil" / "b.png")
    itself = rf"no class folder, but 2 images itself: load its parent '{folder}'; expected"
    with pytest.raises(ValueError, match=itself):
        load_image_folder(folder / "neutrophil")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no class folder; expected"):
        load_image_folder(tmp_path / "empty")
    (folder / "platelet").mkdir()
    with pytest.raises(ValueError, match=r"class folder '.*platelet' has no images"):
        load_image_folder(folder)


def test_splits(split_folder):
    for split in ["train", "val", "test"]:
        X, y = load_image_folder(split_folder, split=split, return_X_y=True)
        assert y.tolist() == ["monocyte", "platelet"]
        assert all(f"{split}_" in x for x in X)
    write_image(split_folder / "test" / "basophil" / "a.png")
    cells = load_image_folder(split_folder, split="all")
    assert cells.frame["split"].tolist() == ["train"] * 2 + ["val"] * 2 + ["test"] * 3
    assert all(f"/{each.split}/" in each.path for each in cells.frame.itertuples())
    assert cells.target_names.tolist() == ["basophil", "monocyte", "platelet"]


def test_wrong_split(split_folder):
    with pytest.raises(ValueError, match=r"splits \['test', 'train', 'val'\].*'all'"):
        load_image_folder(split_folder)
    with pytest.raises(FileNotFoundError, match=r"no split 'dev'; it has \['test', 'train',"):
        load_image_folder(split_folder, split="dev")


@pytest.mark.parametrize("split", ["train", "all"])
def test_split_of_a_folder_without_splits(folder, split):
    with pytest.raises(FileNotFoundError, match=rf"no split '{split}'"):
        load_image_folder(folder, split=split)


def test_class_named_like_a_split(folder):
    write_image(folder / "test" / "a.png")
    assert set(load_image_folder(folder).target) == {"basophil", "neutrophil", "test"}


def load_with_warning(folder, message, **options):
    with pytest.warns(UserWarning, match=message) as caught:
        cells = load_image_folder(folder, **options)
    assert caught[0].filename == __file__
    return cells


@pytest.mark.parametrize("levels", [("training", "testing"), ("fold1", "fold2"), ("Set A", "b")])
def test_folders_of_a_split_with_another_name(tmp_path, levels):
    for level in levels:
        for label in ("ig", "platelet"):
            write_image(tmp_path / level / label / "a.png")
    cells = load_with_warning(tmp_path, r"In them are folders \(ig, platelet\)")
    assert set(cells.target) == set(levels)
    for first in sorted(levels):  # the advice taken: load the folder that holds the classes
        assert load_image_folder(tmp_path / first).target.tolist() == ["ig", "platelet"]
        assert load_image_folder(tmp_path, split=first).target.tolist() == ["ig", "platelet"]
    for level, name in zip(levels, ("train", "test"), strict=True):
        (tmp_path / level).rename(tmp_path / name)
    assert load_image_folder(tmp_path, split="all").target.tolist() == ["ig", "platelet"] * 2


@pytest.mark.parametrize("inner", ["ig/a.png", "train/ig/a.png"])
def test_wrapper(tmp_path, inner):
    write_image(tmp_path / "PBC" / inner)
    write_image(tmp_path / "PBC" / inner.replace("ig", "platelet"))
    names = "ig, platelet" if inner == "ig/a.png" else "train"
    load_with_warning(tmp_path, rf"\(PBC\), but .*In them .*\({names}\)\..*{tmp_path / 'PBC'}'")
    split = "train" if "train" in inner else None
    assert set(load_image_folder(tmp_path / "PBC", split=split).target) == {"ig", "platelet"}


def test_wrapper_in_each_split(tmp_path):
    for name in ("train/PBC/ig", "train/PBC/platelet", "test/PBC/ig", "test/PBC/platelet"):
        write_image(tmp_path / name / "a.png")
    load_with_warning(tmp_path, f"e.g. '{tmp_path / 'test' / 'PBC'}'", split="test")
    load_with_warning(tmp_path, "In them are folders", split="all")


def test_a_single_class(tmp_path):
    write_image(tmp_path / "ig" / "a.png")
    load_with_warning(tmp_path, "There is only one")


ODD = ["Masks", "Labels", "Annotation", "ground_truth", "ground truth", "neu_masks", "gt", "docs"]


@pytest.mark.parametrize("odd", ODD)
def test_folder_without_cells(folder, odd):
    write_image(folder / odd / "a.png")
    load_with_warning(folder, rf"Move folders without cells elsewhere: '{folder / odd}'\.$")
    (folder / odd).rename(folder.parent / odd)
    assert set(load_image_folder(folder).target) == {"basophil", "neutrophil"}


def test_wrapper_of_splits_beside_other_folders(tmp_path):
    for name in ("128px/train/ig", "128px/test/ig", "originals/platelet"):
        write_image(tmp_path / name / "a.png")
    load_with_warning(tmp_path, r"In them are folders \(test, train\).*'.*128px'")


@pytest.mark.parametrize(
    ("files", "wrapper"),
    [
        (["W/neu/a.png", "W/lym/a.png", "notes/a.png"], "W"),
        (["A/neu/a.png", "A/lym/a.png", "B/Neutro/a.png", "B/Lympho/a.png"], "A"),
        (["images/neu/a.png", "images/lym/a.png", "masks/neu/a.png", "masks/lym/a.png"], "images"),
        (["A/0/a.png", "A/1/a.png", "B/0/a.png"], "A"),
    ],
)
def test_folders_that_hold_the_classes(tmp_path, files, wrapper):
    for name in files:
        write_image(tmp_path / name)
    load_with_warning(tmp_path, f"patients or subtypes, ignore this; .*'{tmp_path / wrapper}'")


@pytest.mark.parametrize("slide", ["s1", "slide_3", "patient07", "2021-03-01"])
def test_no_warning_for_slides_that_the_classes_share(folder, slide):
    for name in ("basophil", "neutrophil"):
        write_image(folder / name / slide / "c.png")
        write_image(folder / name / "images" / "c.png")
    load_image_folder(folder)


def test_a_fold_beside_a_class(tmp_path):
    for name in ("fold_1", "lym"):
        write_image(tmp_path / name / "a.png")
    load_with_warning(tmp_path, "Name the folders of a split train, val and test")


def test_masks_in_each_class(folder):
    write_image(folder / "basophil" / "masks" / "a.png")
    write_image(folder / "neutrophil" / "masks" / "a.png")
    load_with_warning(folder, rf"elsewhere: '{folder}/basophil/masks', '{folder}/neutrophil/masks'")


def test_folders_beside_the_splits(split_folder):
    write_image(split_folder / "test_b" / "platelet" / "a.png")
    (split_folder / "notes").mkdir()
    load_with_warning(split_folder, "'val'] are read, and test_b are not. Name", split="all")
    load_image_folder(split_folder, split="train")
    (split_folder / "test_b").rename(split_folder.parent / "test_b")
    assert len(load_image_folder(split_folder, split="all").data) == 6


def test_parts_without_classes(tmp_path):
    for name in ("train", "test"):
        write_image(tmp_path / name / "a.png")
    load_with_warning(tmp_path, r"classes \(test, train\), but may be none\. Name the folders")


def test_no_warning_for_classes_with_folders_of_slides(folder):
    for i, name in enumerate(FILES):
        write_image(folder / name.partition("/")[0] / f"slide_{i}" / "a.png")
    load_image_folder(folder)


def test_folders_of_the_system(folder):
    for stray in ["__MACOSX/neutrophil/._a.png", "@eaDir/a.png", "neutrophil/__MACOSX/a.png"]:
        write_image(folder / stray)
    assert relative(load_image_folder(folder).data, folder) == FILES
    assert relative(find_images(folder), folder) == FILES


def test_mistyped_folder(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"celsl' is not a folder .*there is '{folder}';"):
        load_image_folder(tmp_path / "celsl")
    with pytest.raises(FileNotFoundError, match=rf"there is '{folder}'"):
        load_image_folder(tmp_path / "cell" / "neutrophil")


def test_names_that_are_not_utf_8(folder):
    name = os.fsdecode(b"cell_\xe4.png")
    try:
        write_image(folder / "neutrophil" / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    cells = load_image_folder(folder)
    assert os.path.basename(cells.data[-1]) == name
    assert cells.frame["path"].tolist() == cells.data.tolist()
