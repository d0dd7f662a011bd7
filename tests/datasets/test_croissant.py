"""Croissant metadata of folders and tables, read by the reference implementation."""

import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skblood.datasets import (
    load_cells,
    load_csv,
    load_image_folder,
    load_npz,
    make_blood_cells,
    write_croissant,
)

ABOUT = {
    "name": "cells",
    "description": "Blood cells of <our> laboratory.",
    "license": "https://creativecommons.org/licenses/by/4.0/",
    "url": "https://example.org/cells",
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of parts and classes, of PNG and BMP files."""
    X, y = make_blood_cells(8, image_size=16, random_state=0)
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        path = tmp_path / "cells" / ("test" if i == 7 else "train") / label
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / f"{i}.{'bmp' if i == 6 else 'png'}")
    return tmp_path / "cells"


def read_by_mlcroissant(path, caplog):
    """Return the metadata and records that mlcroissant reads, which finds no errors."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="validates metadata in tests only")
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(str(path))
    assert dataset.metadata.ctx.issues.errors == set()
    assert "context" not in caplog.text  # it is that of the specification
    return dataset.metadata, list(dataset.records("cells"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, which mlcroissant uses
def test_mlcroissant_reads_a_folder(folder, caplog):
    path = write_croissant(load_cells(folder), folder, **ABOUT, cite_as="We (2026).")
    metadata, records = read_by_mlcroissant(path, caplog)
    assert (metadata.name, metadata.cite_as) == ("cells", "We (2026).")
    assert metadata.description == ABOUT["description"] and metadata.url == ABOUT["url"]
    assert {f"images{suffix}" for suffix in (".bmp", ".png")} < {
        each.id for each in metadata.distribution
    }
    found = {
        tuple(record[f"cells/{k}"].decode() for k in ("path", "label", "split"))
        for record in records
    }
    images = [each for each in folder.rglob("*") if each.suffix in (".png", ".bmp")]
    files = [each.relative_to(folder) for each in images]
    assert found == {(each.as_posix(), each.parts[1], each.parts[0]) for each in files}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, which mlcroissant uses
def test_mlcroissant_reads_a_table_with_groups(folder, caplog):
    paths = sorted(each.relative_to(folder) for each in folder.rglob("*.png"))
    rows = [f"{path.as_posix()},{path.parts[1]},{i % 2}" for i, path in enumerate(paths)]
    table = folder / "cells.csv"
    table.write_text("\n".join(["path,label,slide", *rows]))
    path = write_croissant(load_csv(table, group_column="slide"), folder, **ABOUT)
    _, records = read_by_mlcroissant(path, caplog)
    assert [record["cells/group"] for record in records] == [str(i % 2).encode() for i in range(7)]
    assert "citeAs" not in json.loads(path.read_text())


def test_the_table_is_one_of_load_csv_and_moves_with_the_folder(folder, tmp_path):
    cells = load_cells(folder)
    path = write_croissant(cells, folder, **ABOUT)
    described = json.loads(path.read_text("utf-8"))["distribution"][0]
    moved = shutil.move(folder, tmp_path / "elsewhere")
    again = load_csv(moved / described["contentUrl"])
    assert again.target.tolist() == cells.target.tolist()
    assert again.frame["split"].tolist() == cells.frame["split"].tolist()


def test_the_checksum_is_that_of_the_table(folder):
    import hashlib

    path = write_croissant(load_cells(folder), folder, **ABOUT)
    described = json.loads(path.read_text("utf-8"))["distribution"][0]
    content = (folder / "croissant_cells.csv").read_bytes()
    assert described["sha256"] == hashlib.sha256(content).hexdigest()
    assert described["contentSize"] == f"{len(content)} B"


def test_it_is_written_anew_and_does_not_describe_itself(folder):
    first = write_croissant(load_cells(folder), folder, **ABOUT).read_bytes()
    assert write_croissant(load_cells(folder), folder, **ABOUT).read_bytes() == first


def test_images_elsewhere(folder):
    with pytest.raises(ValueError, match=r"7 images are not in .*test'"):
        write_croissant(load_cells(folder), folder / "test", **ABOUT)


def test_pixels(tmp_path):
    X = np.zeros((2, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "cells.npz", train_images=X, train_labels=np.arange(2))
    with pytest.raises(ValueError, match="must hold paths of images"):
        write_croissant(load_npz(tmp_path / "cells.npz"), tmp_path, **ABOUT)


@pytest.mark.parametrize("cells", [None, "cells", {"target": [], "paths": [], "frame": None}])
def test_what_no_loader_returns(cells, tmp_path):
    with pytest.raises(TypeError, match="cells must be the Bunch that load_image_folder"):
        write_croissant(cells, tmp_path, **ABOUT)


def test_pairs(folder):
    pair = load_cells(folder, return_X_y=True)
    with pytest.raises(TypeError, match="without return_X_y=True, not an object of the type tuple"):
        write_croissant(pair, folder, **ABOUT)


def test_media_types(tmp_path):
    kinds = "bmp GIF jpeg jpg JPG png tif tiff webp qoi img".split()
    for label in ("monocyte", "platelet"):
        (tmp_path / label).mkdir()
        for i, kind in enumerate(kinds):  # no image is read
            (tmp_path / label / f"{i}.{kind}").touch()
    cells = load_image_folder(tmp_path, extensions=[f".{kind}" for kind in kinds])
    metadata = json.loads(write_croissant(cells, tmp_path, **ABOUT).read_text())
    found = {each["includes"]: each["encodingFormat"] for each in metadata["distribution"][1:]}
    assert found == {
        "**/*.GIF": "image/gif",
        "**/*.bmp": "image/bmp",
        "**/*.JPG": "image/jpeg",
        "**/*.img": "application/octet-stream",
        "**/*.jpeg": "image/jpeg",
        "**/*.jpg": "image/jpeg",
        "**/*.png": "image/png",
        "**/*.qoi": "application/octet-stream",
        "**/*.tif": "image/tiff",
        "**/*.tiff": "image/tiff",
        "**/*.webp": "image/webp",
    }


def test_images_without_a_suffix_are_in_the_table_only(tmp_path):
    for name in "ab":
        Image.new("RGB", (16, 16)).save(tmp_path / name, "PNG")
    table = tmp_path / "cells.csv"
    table.write_text("path,label\na,monocyte\nb,platelet\n")
    metadata = json.loads(write_croissant(load_csv(table), tmp_path, **ABOUT).read_text())
    assert [each["@type"] for each in metadata["distribution"]] == ["cr:FileObject"]


@pytest.fixture
def link(folder):
    """Return another name of the folder."""
    path = folder.parent / "link"
    try:
        path.symlink_to(folder, target_is_directory=True)
    except OSError:  # of Windows, without the privilege
        pytest.skip("links cannot be made")
    return path


def paths_of(croissant):
    return load_csv(croissant.parent / "croissant_cells.csv").frame["path"].tolist()


def test_folders_reached_by_links(folder, link):
    expected = paths_of(write_croissant(load_cells(folder), folder, **ABOUT))
    assert expected[0].startswith("train/")
    assert paths_of(write_croissant(load_cells(link), folder, **ABOUT)) == expected
    assert paths_of(write_croissant(load_cells(folder), link, **ABOUT)) == expected


def test_links_in_the_folder_are_not_followed(folder, tmp_path):
    (tmp_path / "store").mkdir()
    inside = next(folder.glob("train/*"))
    moved = shutil.move(inside, tmp_path / "store")
    try:
        inside.symlink_to(moved, target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made")
    expected = [Path(path).relative_to(folder).as_posix() for path in load_cells(folder).paths]
    assert any(path.startswith(f"train/{inside.name}/") for path in expected)
    assert paths_of(write_croissant(load_cells(folder), folder, **ABOUT)) == expected


@pytest.mark.parametrize("name", [b"a\xff.png", b"b\xff/a.png"])
def test_names_that_are_not_utf8(folder, name):
    path = os.path.join(os.fsencode(folder), b"train", b"monocyte", name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    with pytest.raises(ValueError, match=r"1 texts of the column 'path' .*\\udcff"):
        write_croissant(load_cells(folder), folder, **ABOUT)
    assert not (folder / "croissant_cells.csv").exists()
