"""Tar files that this package writes."""

import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood.datasets import find_images, make_blood_cells
from skblood.images import EncodedImage, read_images
from skblood.streaming import open_source, write_shards

from .conftest import png, read_batches, read_values, write_tar


def test_files_are_copied(folder):
    X = find_images("cells")
    paths = write_shards(X, "shards", list("abcdef"), shard_size=4)
    assert paths == ["shards/shard-000000.tar", "shards/shard-000001.tar"]
    batches = read_batches(paths, size=9)
    for path, item in zip(X, [i for b in batches for i in b.items], strict=True):
        assert item.data == Path(path).read_bytes()
    assert [x for b in batches for x in b.columns.label] == list("abcdef")
    assert [x for b in batches for x in b.columns.file] == X
    assert batches[0].names[1] == "shards/shard-000000.tar/00000001.png"
    before = [Path(path).read_bytes() for path in paths]
    write_shards([Path(x) for x in X], "shards", np.array(list("abcdef"))[:, None], shard_size=4)
    assert [Path(path).read_bytes() for path in paths] == before


@pytest.mark.parametrize("form", [list, np.asarray, lambda X: [Image.fromarray(x) for x in X]])
def test_arrays_without_loss(here, form):
    X, _ = make_blood_cells(5, image_size=16, random_state=0)
    items = read_batches(write_shards(form(X), "shards"), size=9)[0].items
    np.testing.assert_array_equal(read_images(items), X)


def test_gray_and_floats(here):
    X = np.linspace(0, 1, 128).reshape(2, 8, 8)
    items = read_batches(write_shards(X, "shards"))[0].items
    np.testing.assert_array_equal(read_images(items, channels=1), read_images(X))


def test_encoded_images_with_odd_names(here):
    X = [EncodedImage(png(1), "x.tar/a.1.png"), EncodedImage(png(2), "\udcff.png")]
    batch = read_batches(write_shards(X, "shards"))[0]
    assert [item.data for item in batch.items] == [png(1), png(2)]
    assert batch.columns.file.tolist() == ["x.tar/a.1.png", "\\udcff.png"]


def test_webdataset_reads_them(here):
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    (path,) = write_shards([EncodedImage(png(1), "a.png")], "shards", ["x"])
    with open(path, "rb") as file:
        (sample,) = group_by_keys({**each, "__url__": ""} for each in tar_file_iterator(file))
    assert (sample["png"], sample["cls"], sample["__key__"]) == (png(1), b"x", "00000000")


class TestSources:
    @pytest.mark.parametrize("form", [str, Path, open_source])
    def test_a_folder(self, folder, form):
        paths = write_shards(form("cells"), "shards", shard_size=4)
        assert paths == ["shards/shard-000000.tar", "shards/shard-000001.tar"]
        batches = read_batches(paths, size=9)
        assert [x for b in batches for x in b.columns.file] == find_images("cells")
        assert read_values(open_source(paths))[0] == {
            f"shards/shard-{i // 4:06}.tar/{i:08}{Path(name).suffix.lower()}": value
            for i, (name, value) in enumerate(read_values("cells")[0].items())
        }

    def test_columns_of_a_table(self, folder):
        table = "path,label,slide,n\na.png,x,s1,1\nb.tif,,,2\na-b.png,y,s1,3\n"
        Path("cells/t.csv").write_text(table)
        batches = read_batches(write_shards("cells/t.csv", "shards", shard_size=2), size=9)
        columns = pd.concat([batch.columns for batch in batches])
        assert columns.to_dict("list") == {
            "file": ["cells/a.png", "cells/b.tif", "cells/a-b.png"],
            "label": ["x", "", "y"],
            "slide": ["s1", "", "s1"],
            "n": ["1", "2", "3"],
        }
        again = write_shards("shards/*.tar", "again", shard_size=9)
        pd.testing.assert_frame_equal(
            read_batches(again, size=9)[0].columns, columns.reset_index(drop=True)
        )
        with pytest.raises(ValueError, match=r"cells/b\.tif' has no 'slide', but \['label'"):
            write_shards("cells/t.csv", "more", label_column="slide")
        labels = read_batches(write_shards("cells/t.csv", "more", label_column="n"), size=9)
        assert labels[0].columns.label.tolist() == ["1", "2", "3"]

    def test_damage_is_an_error(self, here):
        path = write_tar("x.tar", [("a.png", png(1)), ("b.png", png(2))])
        Path(path).write_bytes(Path(path).read_bytes()[:1560])
        with pytest.raises(ValueError, match=r"(?s)cannot be read.*b\.png: cut off"):
            write_shards("x.tar", "shards")
        assert os.listdir("shards") == []
        with pytest.raises(ValueError, match="label_column"):
            write_shards("x.tar", "shards", ["a", "b"])

    def test_few_are_held(self, here):
        noise = np.random.default_rng(0).integers(0, 256, 2**20, np.uint8).tobytes()
        write_tar("x.tar", ((f"{i}.png", noise) for i in range(200)))
        tracemalloc.start()
        paths = write_shards("x.tar", "shards", shard_size=50)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(paths) == 4 and peak < 140 * 2**20


def test_errors_leave_whole_files_only(folder):
    X = [*find_images("cells")[:4], "missing.png"]
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        write_shards(X, "shards", shard_size=2)
    assert sorted(os.listdir("shards")) == ["shard-000000.tar", "shard-000001.tar"]
    for name in os.listdir("shards"):
        with tarfile.open(f"shards/{name}") as tar:
            assert len(tar.getnames()) == 4
    with pytest.raises(ValueError, match=r"'cells/a/notes\.txt' has no extension of an image"):
        write_shards(["cells/a/notes.txt"], "shards")
    with pytest.raises(ValueError, match="`X` 1, `y` 2"):
        write_shards(["cells/b.tif"], "shards", [1, 2])
    with pytest.raises(ValueError, match="shard_size"):
        write_shards(["cells/b.tif"], "shards", shard_size=0)


def test_the_same_predictions_as_from_files(folder):
    paths = write_shards(find_images("cells"), "shards")
    items = [item for batch in read_batches(open_source(paths)) for item in batch.items]
    np.testing.assert_array_equal(read_images(items), read_images(find_images("cells")))
