"""Prediction of images in batches: the same table, whatever the size of a batch."""

import io
import json
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import skblood
from skblood.cli import _batches, _data
from skblood.cli._batches import Images, Rows, Sample
from skblood.streaming import _partitions


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(_batches, "_SIZE", 4)


@pytest.fixture
def table(cell_folder, tmp_path):
    """A csv file with other columns, of 15 images."""
    paths = sorted((cell_folder / "test").rglob("*.png"))
    frame = pd.DataFrame({"path": paths, "slide": ["A", "", "C"] * 5, "label": "=1"})
    frame.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


class TestTable:
    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_files(self, shell, model_file, table, cell_folder, tmp_path, monkeypatch, suffix):
        """Tables with other columns beside files without them."""
        words = ("predict", model_file, cell_folder / "val", table, "--on-error", "skip", "--out")
        read = pd.read_csv if suffix == ".csv" else pd.read_parquet
        whole, parts = (tmp_path / f"{name}{suffix}" for name in "ab")
        shell(*words, whole)
        monkeypatch.setattr(_batches, "_SIZE", 4)
        shell(*words, parts)
        pd.testing.assert_frame_equal(read(parts), read(whole), rtol=1e-4)
        assert [*read(parts)][-4:] == ["model", "error", "slide", "given_label"]

    def test_standard_output(self, shell, model_file, table, monkeypatch):
        whole = shell("predict", model_file, table).stdout
        monkeypatch.setattr(_batches, "_SIZE", 4)
        parts = shell("predict", model_file, table).stdout
        assert len(parts.splitlines()) == 16 and parts.count("p_monocyte") == 1
        names = [[line.partition(",")[0] for line in text.splitlines()] for text in (whole, parts)]
        assert names[0] == names[1]

    def test_json(self, shell, short, model_file, table):
        document = json.loads(shell("predict", model_file, table, "--json").stdout)
        assert len(document["predictions"]) == document["n_images"] == 15


class TestFailure:
    """An image of the last batch cannot be read."""

    @pytest.fixture
    def damaged(self, table):
        frame = pd.read_csv(table)
        more = [table.parent / f"none{i}.png" for i in range(12)]
        frame = pd.concat([frame, pd.DataFrame({"path": more})])
        frame.to_csv(table, index=False)
        return table

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_no_file(self, shell, short, model_file, damaged, suffix):
        out, before = damaged.parent / f"p{suffix}", set(damaged.parent.iterdir())
        result = shell("predict", model_file, damaged, "--out", out, code=1)
        assert "12 of 27 image files" in result.stderr and "... and 2 more" in result.stderr
        assert "none0.png: no such file" in result.stderr and "none9.png" in result.stderr
        assert set(damaged.parent.iterdir()) == before
        out.write_text("old")
        shell("predict", model_file, damaged, "--out", out, "--overwrite", code=1)
        assert out.read_text() == "old"

    def test_rows_before_are_printed(self, shell, short, model_file, damaged):
        result = shell("predict", model_file, damaged, code=1)
        assert len(result.stdout.splitlines()) == 1 + 12

    def test_skip(self, shell, short, model_file, damaged):
        result = shell("predict", model_file, damaged, "--on-error", "skip")
        assert "12 of 27 images cannot be read" in result.stderr
        frame = pd.read_csv(io.StringIO(result.stdout))
        assert (frame["error"].notna() == frame["label"].isna()).all() and len(frame) == 27


def test_images_are_read_batch_by_batch(shell, short, model_file, table, monkeypatch):
    sizes, iterate = [], Images.__iter__

    def record(self):
        for batch in iterate(self):
            sizes.append(len(batch.items))
            yield batch

    monkeypatch.setattr(Images, "__iter__", record)
    shell("predict", model_file, table)
    assert sizes == [4, 4, 4, 3]


def test_frame_of_a_sample(shell, short, net_file, table, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "skblood.cli._classifier.take_frame", lambda model, frame, X: seen.append(len(X)) or model
    )
    shell("predict", net_file, table, "--frame", "auto")
    assert seen == [15]


def test_a_sample_keeps_no_batch(model_file, table):
    images = Images([str(table)], _data.Files())
    rows = Rows(skblood.load(model_file), images, _data.ErrorMode.RAISE)
    assert sum(map(len, rows)) == 15 and len(rows.sample.items) == 15
    assert all(row.base is None for _, row in rows.sample.items)


class TestSample:
    @pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 40, 1000])
    def test_evenly_spaced(self, monkeypatch, n):
        monkeypatch.setattr(_batches, "_MOST", 8)
        sample, items = Sample(), iter(range(n))
        while batch := list(islice(items, 3)):
            sample.add(batch)
        assert len(sample.items) == n if n <= 8 else 4 <= len(sample.items) <= 8
        steps = np.diff(sample.items)
        assert (steps == steps[:1]).all()
        assert sample.items[:1] == ([0] if n else []) and (
            not n or n - sample.items[-1] < n / 4 + 1
        )


class TestShards:
    @pytest.fixture
    def shard(self, tmp_path):
        pytest.importorskip("webdataset")
        with tarfile.open(tmp_path / "cells.tar", "w") as tar:
            for i in range(6):
                buffer = io.BytesIO()
                Image.new("RGB", (28, 28), (i, 9 * i, 200)).save(buffer, "png")
                members = {"png": buffer.getvalue(), "cls": str(i).encode()}
                for end, data in members.items():
                    member = tarfile.TarInfo(f"{i}.{end}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        return tmp_path / "cells.tar"

    def test_batches(self, short, shard, cell_folder):
        images = Images([str(cell_folder / "val"), str(shard)], _data.Files())
        n, sample, columns = images.survey
        assert n is None and len(sample) > 6 and columns == ["label"]
        batches = list(images)
        assert [Path(name).name for each in batches for name in each.names][-6:] == [
            f"{i}.png" for i in range(6)
        ]

    def test_commands_take_shards(self, shell, short, net_file, shard, cell_folder, tmp_path):
        words = (cell_folder / "val", tmp_path / "{cells,none}.tar")
        assert "none.tar" in shell("predict", net_file, *words, code=1).stderr
        shard.rename(tmp_path / "c1.tar")
        words = (cell_folder / "val", tmp_path / "c{1..1}.tar")
        labels = shell.table("predict", net_file, *words)["given_label"].tolist()
        assert labels == [*[""] * 15, *"012345"]
        shell("embed", net_file, *words, "--out", tmp_path / "a.csv")
        assert len(pd.read_csv(tmp_path / "a.csv")) == 21
        assert "6 white cells" in shell("count", net_file, tmp_path / "c1.tar").stdout


def test_urls_are_not_read_to_be_counted(short, test_cells, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    names = [f"memory://batches/{i}.png" for i in range(15)]
    for name, path in zip(names, test_cells.data, strict=True):
        fsspec.open(name, "wb").open().write(Path(path).read_bytes())
    table = pd.DataFrame({"path": names, "slide": "A"}).to_csv(index=False)
    with fsspec.open("memory://batches/cells.csv", "w") as file:
        file.write(table)
    n_read, fetch = [], _partitions.fetch

    def count(places, *args):
        n_read.append(len(places))
        return fetch(places, *args)

    monkeypatch.setattr(_partitions, "fetch", count)
    images = Images(["memory://batches/cells.csv"], _data.Files())
    n, sample, columns = images.survey
    assert (n, len(sample), columns, n_read) == (15, 4, ["slide"], [4])
    assert sum(len(batch.items) for batch in images) == 15


class TestEmbed:
    @pytest.fixture
    def damaged(self, cell_folder, tmp_path):
        paths = sorted((cell_folder / "val").rglob("*.png"))[:6]
        (tmp_path / "a.png").write_bytes(b"no image")
        return [*paths[:5], tmp_path / "a.png", paths[5]]

    @pytest.mark.parametrize("suffix", [".csv", ".npz"])
    def test_unreadable_are_left_out(self, shell, short, net_file, damaged, tmp_path, suffix):
        out = tmp_path / f"e{suffix}"
        words = ("embed", net_file, *damaged, "--out", out)
        assert "1 of 7 image files cannot be read" in shell(*words, code=1).stderr
        assert not out.exists()
        result = shell(*words, "--on-error", "skip", "--json")
        assert "1 of 7 images cannot be read and are left out:" in result.stderr
        assert "a.png: not an image" in result.stderr
        assert json.loads(result.stdout)["n_images"] == 6
        paths = np.load(out)["path"] if suffix == ".npz" else pd.read_csv(out)["path"]
        assert len(paths) == 6 and not any(path.endswith("a.png") for path in paths)

    def test_nothing_is_left(self, shell, net_file, damaged, tmp_path):
        words = ("embed", net_file, damaged[5], "--out", tmp_path / "e.csv", "--on-error", "skip")
        assert "No image is left" in shell(*words, code=1).stderr
        assert not (tmp_path / "e.csv").exists()
