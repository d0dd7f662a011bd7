"""Folders of shards: what is there after kills, faults and other commands."""

import errno
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow.dataset import dataset
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skblood
from skblood._writing import lock
from skblood.datasets import make_blood_cells
from skblood.estimators import reconfigure
from skblood.streaming import (
    PredictionFolder,
    iter_predictions,
    predict_partition,
    predict_shards,
    read_predictions,
)
from skblood.streaming._shards import write_manifest

N = 11
SIZE = 4


@pytest.fixture(scope="module")
def images():
    return make_blood_cells(64, image_size=16, random_state=0)


@pytest.fixture(scope="module")
def model(images):
    return skblood.MLPCellClassifier((8,), max_epochs=2, random_state=0).fit(*images)


@pytest.fixture
def source(images, tmp_path):
    return write_images(tmp_path / "cells", images[0][:N])


def write_images(folder, X):
    folder.mkdir()
    for i, pixels in enumerate(X):
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return folder


def predict(model, source, out, **options):
    return predict_shards(model, source, out, **{"partition_size": SIZE} | options)


def parts(folder):
    return sorted(path.name for path in Path(folder).glob("*part-*"))


def damage(source, i=5):
    path = sorted(source.iterdir())[i]
    path.write_bytes(b"no image")
    return path


class TestRows:
    def test_those_of_the_model(self, model, source, images, tmp_path):
        result = predict(model, source, tmp_path / "out")
        assert (result.n_images, result.n_shards, result.n_resumed) == (N, 3, 0)
        rows = read_predictions(result.folder)
        expected = model.predict_proba(images[0][:N])
        assert rows["path"].tolist() == sorted(map(str, source.iterdir()))
        assert rows["label"].tolist() == model.predict(images[0][:N]).tolist()
        columns = [f"p_{label}" for label in model.classes_]
        assert [*rows] == ["path", "label", "probability", *columns, "error"]
        np.testing.assert_allclose(rows[columns], expected, rtol=0, atol=1e-6)
        assert (rows["probability"] == rows[columns].max(axis=1)).all()

    def test_features(self, model, source, images, tmp_path):
        rows = read_predictions(predict(model, source, tmp_path / "out", task="embed").folder)
        features = model.predictor_.features(model.read_images(images[0][:N]))
        assert rows.shape == (N, 2 + features.shape[1]) and set(rows.pop("error")) == {""}
        assert rows.dtypes.iloc[1:].unique().tolist() == [np.float32]
        np.testing.assert_allclose(rows.iloc[:, 1:], features, rtol=1e-6)

    def test_of_a_pipeline_with_a_threshold(self, source, images, tmp_path):
        X, y = images[0], np.where(images[1] == images[1][0], "a", "b")
        embedder = skblood.CellEmbedder("cellnet_t", weights=None, image_size=16, random_state=0)
        model = make_pipeline(embedder, LogisticRegression(max_iter=1000)).fit(X, y)
        rows = read_predictions(predict(model, source, tmp_path / "out").folder)
        assert rows["label"].tolist() == model.predict(X[:N]).tolist()

    def test_of_an_ensemble(self, model, source, images, tmp_path):
        calibrated = CalibratedClassifierCV(model, cv=2, ensemble=True).fit(*images)
        out = predict(calibrated, source, tmp_path / "out").folder
        labels = calibrated.predict(sorted(map(str, source.iterdir())))
        assert read_predictions(out)["label"].tolist() == labels.tolist()
        again = predict(calibrated, source, out)
        assert again.n_resumed == 3
        with pytest.raises(TypeError, match="has no features"):
            predict(calibrated, source, tmp_path / "e", task="embed")

    def test_integer_labels_are_text(self, source, images, tmp_path):
        y = np.arange(len(images[0])) % 2
        model = skblood.MLPCellClassifier((4,), max_epochs=1, random_state=0).fit(images[0], y)
        damage(source)
        rows = read_predictions(predict(model, source, tmp_path / "o", on_error="skip").folder)
        assert set(rows["label"]) <= {"0", "1", ""} and [*rows][3:5] == ["p_0", "p_1"]

    def test_threads_are_given_back(self, model, source, tmp_path):
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            predict(model, source, tmp_path / "out")
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)

    def test_features_are_not_kept_in_memory(self, source, images, tmp_path, empty_feature_store):
        embedder = skblood.CellEmbedder("cellnet_t", weights=None, image_size=16, random_state=0)
        embedder.fit(images[0][:2])
        store = embedder.predictor_.store
        predict(embedder, source, tmp_path / "out", task="embed")
        assert embedder.predictor_.store is store and len(store) == 0

    def test_paths_are_from_the_folder(self, model, source, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        out = predict(model, source.name, "deep/out").folder
        found = read_predictions(out)["path"]
        assert found[0] == os.path.join("..", "..", "cells", "000.png")
        assert all((out / name).exists() for name in found)

    def test_model_name(self, model, source, tmp_path):
        rows = read_predictions(predict(model, source, tmp_path / "o", model_name="m.x").folder)
        assert set(rows["model"]) == {"m.x"}

    @pytest.mark.parametrize("size", [1, 4, 100])
    def test_iterator(self, model, source, tmp_path, size):
        tables = list(iter_predictions(model, source, batch_size=size))
        assert max(map(len, tables)) == min(size, N)
        rows = pd.concat(tables, ignore_index=True)
        expected = read_predictions(predict(model, source, tmp_path / "out").folder)
        expected = expected.drop(columns="error")
        pd.testing.assert_frame_equal(rows, expected, rtol=0, atol=1e-6, check_dtype=False)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("task", "fit"), ("on_error", "ignore"), ("n_workers", 0), ("n_workers", 1.5)],
    )
    def test_parameters(self, model, source, tmp_path, name, value):
        with pytest.raises(ValueError, match=f"{name}="):
            predict(model, source, tmp_path / "out", **{name: value})


def write_tar(path, X, fields):
    """Write a tar shard of images with JSON siblings; the fields of None have none."""
    with tarfile.open(path, "w") as tar:
        for i, (pixels, values) in enumerate(zip(X, fields, strict=True)):
            image = io.BytesIO()
            Image.fromarray(pixels).save(image, "PNG")
            members = {f"{i:03}.png": image.getvalue()}
            if values is not None:
                members[f"{i:03}.json"] = json.dumps(values).encode()
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


class TestColumns:
    """The columns of all shards are the same, and text, whatever the source gives."""

    def test_of_tar_shards(self, model, images, tmp_path):
        X = images[0]
        write_tar(tmp_path / "a.tar", X[:3], [{"slide": 7, "path": "p"}, {"slide": None}, None])
        write_tar(tmp_path / "b.tar", X[3:5], [{"Färbung, ä\n": "x"}, {"slide": [1, 2]}])
        write_tar(tmp_path / "c.tar", X[5:7], [None, None])
        write_tar(tmp_path / "d.tar", [], [])
        result = predict(model, str(tmp_path / "*.tar"), tmp_path / "out")
        assert (result.n_images, result.n_shards) == (7, 4)
        files = sorted(result.folder.glob("part-*"))
        assert len({str(pq.read_schema(file)) for file in files}) == 1
        assert pq.read_metadata(files[3]).num_rows == 0
        rows = read_predictions(result.folder)
        own = 4 + len(model.classes_)
        assert [*rows][own:] == ["slide", "given_path", "Färbung, ä\n"]
        assert rows["slide"].tolist()[:3] == ["7", "", ""] and rows["given_path"][0] == "p"
        assert rows["slide"].tolist()[3:] == ["", "[1, 2]", "", ""]
        assert rows["Färbung, ä\n"].tolist() == ["", "", "", "x", "", "", ""]
        assert [Path(name).parent.name for name in rows["path"]] == [
            *["a.tar"] * 3,
            *["b.tar"] * 2,
            *["c.tar"] * 2,
        ]
        expected = model.predict(X[:7]).tolist()
        assert rows["label"].tolist() == expected

    def test_that_appear_late_are_told(self, model, images, tmp_path):
        fields = [{"a": 1}] * 2 + [{"a": 2, "late": 3}] * 2
        tar = write_tar(tmp_path / "a.tar", images[0][:4], fields)
        with pytest.warns(UserWarning, match=r"part-00000000.parquet have columns.*left out: late"):
            result = predict(model, tar, tmp_path / "out")
        assert [*read_predictions(result.folder)][-1] == "a"

    def test_of_a_table(self, model, source, tmp_path):
        names = ["ä b.png", "=1+1.png", "c.png"]
        for old, new in zip(sorted(source.iterdir()), names, strict=False):
            old.rename(source / new)
        table = {"path": names, "label": ["x", "", "z"], "n": [1.5, np.nan, 3], "probability": "p"}
        pd.DataFrame(table).to_csv(source / "t.csv", index=False)
        out = predict(model, source / "t.csv", tmp_path / "out").folder
        rows = read_predictions(out)
        assert [Path(path).name for path in rows["path"]] == names
        assert rows["given_label"].tolist() == ["x", "", "z"]
        assert rows["n"].tolist() == ["1.5", "", "3.0"] and set(rows["given_probability"]) == {"p"}
        assert set(rows["label"]) <= {*model.classes_}

    def test_damaged_tar(self, model, images, tmp_path):
        tar = write_tar(tmp_path / "a.tar", images[0][:6], [None] * 6)
        write_tar(tmp_path / "b.tar", images[0][6:9], [None] * 3)
        tar.write_bytes(tar.read_bytes()[:4000])
        with pytest.raises(ValueError, match=r"a.tar: cut off"):
            predict(model, str(tmp_path / "*.tar"), tmp_path / "out")
        result = predict(model, str(tmp_path / "*.tar"), tmp_path / "o2", on_error="skip")
        rows = read_predictions(result.folder)
        is_lost = rows["error"] != ""
        assert is_lost.sum() == result.n_unreadable > 0 and not is_lost[-3:].any()
        assert rows["label"][~is_lost].isin(model.classes_).all()

    @pytest.mark.parametrize("name", ["empty", "no.csv"])
    def test_nothing(self, model, tmp_path, name):
        (tmp_path / "empty").mkdir()
        (tmp_path / "no.csv").write_text("path,slide\n")
        with pytest.raises((ValueError, FileNotFoundError), match=name):
            predict(model, tmp_path / name, tmp_path / "out")
        with pytest.raises((ValueError, FileNotFoundError), match=name):
            predict(model, tmp_path / name, tmp_path / "out")


class TestProgress:
    """The share that is done, and the time left, are known."""

    @pytest.fixture(autouse=True)
    def slow(self, monkeypatch):
        monkeypatch.setattr("skblood._writing._DELAY", 0)
        monkeypatch.setattr("skblood._writing._BETWEEN_LINES", 0)

    def test_of_planned_images(self, model, source, tmp_path, capsys):
        out = predict(model, source, tmp_path / "out", verbose=True).folder
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(" images")[0] for line in lines] == [
            f"predict: {n} of {N}" for n in (4, 8, N)
        ]
        (out / parts(out)[1]).unlink()
        predict(model, source, out, verbose=True)
        assert capsys.readouterr().err.startswith("predict: 4 of 4 images")

    def test_of_tar_shards_by_those_that_are_done(self, model, images, tmp_path, capsys):
        for i in range(3):
            write_tar(tmp_path / f"{i}.tar", images[0][:4], [None] * 4)
        out = predict(model, str(tmp_path / "*.tar"), tmp_path / "out", verbose=True).folder
        lines = capsys.readouterr().err.splitlines()
        assert lines[0].startswith("predict: 4 images, ")
        assert lines[1].startswith("predict: 8 of 12 images")
        (out / parts(out)[1]).unlink()
        predict(model, str(tmp_path / "*.tar"), out, verbose=True)
        assert capsys.readouterr().err.startswith("predict: 4 of 4 images")


class TestUnreadable:
    def test_urls_keep_their_names(self, model, source, tmp_path):
        fsspec = pytest.importorskip("fsspec")
        fsspec.filesystem("memory").pipe("/in/a.png", (source / "000.png").read_bytes())
        names = ["memory://in/a.png", "memory://in/missing.png"]
        (tmp_path / "t.csv").write_text("path\n" + "\n".join(names))
        with pytest.raises(ValueError, match=r"\n  memory://in/missing\.png: "):
            predict(model, tmp_path / "t.csv", tmp_path / "out")
        out = predict(model, tmp_path / "t.csv", tmp_path / "out", on_error="skip").folder
        assert read_predictions(out)["path"].tolist() == names

    def test_raise_and_resume_after_the_repair(self, model, source, images, tmp_path):
        path = damage(source)
        with pytest.raises(ValueError, match=f"1 of the next 4 images.*\n *{path}: not an image"):
            predict(model, source, tmp_path / "out")
        assert len(parts(tmp_path / "out")) == 1  # and no temporary file
        Image.fromarray(images[0][5]).save(path)
        result = predict(model, source, tmp_path / "out")
        assert (result.n_images, result.n_resumed) == (N, 1)

    def test_skip(self, model, source, tmp_path):
        damage(source)
        result = predict(model, source, tmp_path / "out", on_error="skip")
        assert (result.n_images, result.n_unreadable) == (N, 1)
        rows = read_predictions(result.folder)
        assert rows["path"].is_unique and len(rows) == N
        assert (rows["label"] == "").tolist() == [i == 5 for i in range(N)]
        assert rows["error"][5].startswith("not an image") and (rows["error"] == "").sum() == N - 1
        assert rows["probability"].isna().sum() == 1
        again = predict(model, source, tmp_path / "out", on_error="skip")
        assert again == {**result, "n_resumed": 3}

    @pytest.mark.parametrize("is_there", [True, False])
    def test_raise_and_go_on_by_skip(self, model, source, tmp_path, is_there):
        path = damage(source)
        with pytest.raises(ValueError, match="cannot be read"):
            predict(model, source, tmp_path / "out")
        if not is_there:
            path.unlink()
        expected = nullcontext() if is_there else pytest.warns(UserWarning, match="has changed")
        with expected:
            result = predict(model, source, tmp_path / "out", on_error="skip")
        assert (result.n_images, result.n_resumed, result.n_unreadable) == (N, 1, 1)
        rows = read_predictions(result.folder)
        assert (rows["error"] != "").tolist() == [i == 5 for i in range(N)]
        assert ("no such file" in rows["error"][5]) != is_there

    @pytest.mark.parametrize("task", ["predict", "embed"])
    def test_all(self, model, source, tmp_path, task):
        for i in range(N):
            damage(source, i)
        options = {"on_error": "skip", "task": task}
        result = predict(model, source, tmp_path / "out", **options)
        assert result.n_unreadable == result.n_images == len(read_predictions(result.folder)) == N
        schemas = {str(pq.read_schema(path)) for path in result.folder.glob("part-*")}
        assert len(schemas) == 1


class TestResume:
    @pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's
    def test_is_a_data_set_of_other_tools(self, model, source, tmp_path):
        folder = predict(model, source, tmp_path / "out", partition_size=5).folder
        expected = read_predictions(folder)
        frames = [pd.read_parquet(folder), dataset(folder).to_table().to_pandas()]
        frames.append(pytest.importorskip("dask.dataframe").read_parquet(folder).compute())
        for frame in frames:
            assert frame["path"].tolist() == expected["path"].tolist()
        assert not list(folder.glob("[!_.]*[!0-9].*[!t]"))  # nothing else is in sight

    @pytest.mark.parametrize("name", ["missing", "empty"])
    def test_a_wrong_source_leaves_nothing(self, model, tmp_path, name):
        (tmp_path / "empty").mkdir()
        with pytest.raises((FileNotFoundError, ValueError), match=name):
            predict(model, tmp_path / name, tmp_path / "out")
        with pytest.raises(FileNotFoundError, match="no folder of predictions"):
            read_predictions(tmp_path / "out")

    def test_what_is_there_is_not_computed_again(self, model, source, tmp_path, monkeypatch):
        first = predict(model, source, tmp_path / "out")
        monkeypatch.setattr(model, "predict_proba", None)
        second = predict(model, source, tmp_path / "out")
        assert second == {**first, "n_resumed": 3}

    def test_a_missing_shard_is_computed(self, model, source, tmp_path):
        out = predict(model, source, tmp_path / "out").folder
        expected = read_predictions(out)
        (out / parts(out)[1]).unlink()
        with pytest.raises(ValueError, match=r"has 2 of 3 shards.*incomplete=True"):
            read_predictions(out)
        assert len(read_predictions(out, incomplete=True)) == N - SIZE
        assert predict(model, source, out).n_resumed == 2
        pd.testing.assert_frame_equal(read_predictions(out), expected, check_exact=True)

    @pytest.mark.parametrize("keep", [0, 10, -1])
    def test_a_cut_shard_is_computed_again(self, model, source, tmp_path, keep):
        out = predict(model, source, tmp_path / "out").folder
        expected, path = read_predictions(out), out / parts(out)[1]
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.warns(UserWarning, match=f"{path.name}' is damaged"):
            assert predict(model, source, out).n_resumed == 2
        pd.testing.assert_frame_equal(read_predictions(out), expected, check_exact=True)

    def test_changed_bytes_are_seen(self, model, source, tmp_path):
        out = predict(model, source, tmp_path / "out").folder
        path = out / parts(out)[0]
        content = bytearray(path.read_bytes())
        column = pq.read_metadata(path).row_group(0).column(2)
        # The end of its last page: numbers.
        content[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged"):
            read_predictions(out)

    def test_left_over_files_of_a_killed_run(self, model, source, tmp_path):
        out = predict(model, source, tmp_path / "out").folder
        (out / ".part-x.parquet.0123.tmp").write_bytes(b"half")
        predict(model, source, out)
        assert not [*out.glob("*.tmp")]

    def test_with_other_images_than_were_planned(self, model, source, images, tmp_path):
        """The images are those that were found at the first start."""
        out = predict(model, source, tmp_path / "out").folder
        Image.fromarray(images[0][0]).save(source / "new.png")
        with pytest.warns(UserWarning, match=f"it holds {N + 1} images, not {N} images"):
            assert predict(model, source, out).n_images == N
        with pytest.warns(UserWarning, match=f"it holds nothing, not {N} images"):
            for path in source.iterdir():
                path.unlink()
            assert predict(model, source, out).n_images == N

    @pytest.mark.parametrize("kind", ["tar", "*.tar", "csv"])
    def test_a_changed_shard_or_table_is_refused(self, model, source, images, tmp_path, kind):
        file = tmp_path / f"x.{kind[-3:]}"
        names = "".join(f"{path}\n" for path in source.iterdir())
        file.write_text(f"path\n{names}")
        if kind != "csv":
            write_tar(file, images[0][:N], [None] * N)
        given = str(file if kind != "*.tar" else tmp_path / kind)
        out = predict(model, given, tmp_path / "out").folder
        assert predict(model, given, out).n_resumed
        before = read_predictions(out)
        file.write_text(f"path\n{names[: len(names) // N]}")
        (out / parts(out)[0]).rename(tmp_path / "part")
        with pytest.raises(ValueError, match=rf"(?s)have changed.*{file.name}.*another folder"):
            predict(model, given, out)
        (tmp_path / "part").rename(out / "part-00000000.parquet")
        pd.testing.assert_frame_equal(read_predictions(out), before)

    def test_new_shards_are_told(self, model, images, tmp_path):
        write_tar(tmp_path / "a.tar", images[0][:2], [None] * 2)
        predict(model, str(tmp_path / "*.tar"), tmp_path / "out")
        write_tar(tmp_path / "b.tar", images[0][2:4], [None] * 2)
        with pytest.warns(UserWarning, match="it holds 2 shards, not 1 shards"):
            predict(model, str(tmp_path / "*.tar"), tmp_path / "out")

    def test_each_changed_byte_of_the_plan_is_seen(self, model, source, tmp_path):
        pd.DataFrame({"path": sorted(map(str, source.iterdir())), "slide": "s0"}).to_csv(
            source / "t.csv", index=False
        )
        out = predict(model, source / "t.csv", tmp_path / "out").folder
        (out / parts(out)[0]).unlink()
        plan, rng = out / "_plan" / "00000000.plan", np.random.default_rng(0)
        content = plan.read_bytes()
        for place in rng.integers(len(content), size=20):
            changed = bytearray(content)
            changed[place] ^= 1 << rng.integers(8)
            plan.write_bytes(changed)
            with pytest.raises(ValueError, match=r"00000000\.plan', which lists.*is damaged.*anew"):
                predict(model, source / "t.csv", out)
        plan.unlink()
        with pytest.raises(ValueError, match=r"00000000\.plan', which lists.*is missing.*anew"):
            predict(model, source / "t.csv", out)
        plan.write_bytes(content)
        assert predict(model, source / "t.csv", out).n_resumed == 2

    @pytest.mark.parametrize("name", ["_plan/plan.json", "_manifest.json"])
    def test_each_changed_byte_of_the_lists_is_seen(self, model, source, tmp_path, name):
        out = predict(model, source, tmp_path / "out").folder
        content, rng = (out / name).read_bytes(), np.random.default_rng(0)
        for place in rng.integers(len(content), size=20):
            changed = bytearray(content)
            changed[place] ^= 1 << rng.integers(8)
            (out / name).write_bytes(changed)
            with pytest.raises(ValueError, match="damaged"):
                predict(model, source, out)

    def test_a_plan_that_is_gone(self, model, source, tmp_path):
        out = predict(model, source, tmp_path / "out").folder
        (out / parts(out)[0]).unlink()
        (out / "_plan").rename(tmp_path / "plan")
        with pytest.raises(FileNotFoundError, match=r"_plan/plan.json', which lists.*missing"):
            predict(model, source, out)

    def test_a_copy_of_another_shard_is_none(self, model, source, tmp_path):
        out = predict(model, source, tmp_path / "out").folder
        before, first = read_predictions(out), (out / parts(out)[0]).read_bytes()
        (out / "part-00000099.parquet").write_bytes(first)
        pd.testing.assert_frame_equal(read_predictions(out), before)
        (out / parts(out)[1]).write_bytes(first)
        with pytest.raises(ValueError, match="has 2 of 3 shards"):
            read_predictions(out)
        with pytest.warns(UserWarning, match=f"{parts(out)[1]}' is damaged"):
            assert predict(model, source, out).n_resumed == 2
        pd.testing.assert_frame_equal(read_predictions(out), before)


class TestAnotherRun:
    @pytest.fixture
    def out(self, model, source, tmp_path):
        return predict(model, source, tmp_path / "out").folder

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"task": "embed"}, "task predict, not embed"),
            ({"partition_size": 3}, "partition_size 4, not 3"),
            ({"model_name": "x"}, "model_name None, not given"),
        ],
    )
    def test_other_settings(self, model, source, out, options, message):
        before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
        with pytest.raises(ValueError, match=f"holds other predictions: {message}.*`overwrite`"):
            predict(model, source, out, **options)
        assert before == {path: path.read_bytes() for path in out.iterdir() if path.is_file()}

    def test_another_version(self, model, source, out, monkeypatch):
        monkeypatch.setattr("skblood.streaming._results.version", lambda name: "0.0.9")
        with pytest.raises(ValueError, match=r"holds other predictions: skblood .*, not 0\.0\.9"):
            predict(model, source, out)

    def test_one_that_has_not_begun_is_replaced(self, model, source, tmp_path, monkeypatch):
        """It was killed while the images were listed."""
        out = predict(model, source, tmp_path / "out").folder
        manifest = json.loads((out / "_manifest.json").read_text())
        for name in ("digest", "given", "n_partitions"):
            del manifest[name]
        for name in parts(out):
            (out / name).unlink()
        write_manifest(out, manifest)
        with pytest.raises(ValueError, match="has 0 of the shards"):
            read_predictions(out)
        assert predict(model, source, out, task="embed").n_images == N

    def test_a_renamed_model_is_the_same(self, model, source, tmp_path):
        predict(model, source, tmp_path / "out", model_name="a")
        result = predict(model, source, tmp_path / "out", model_name="b")
        assert result.n_resumed == result.n_shards
        (tmp_path / "out" / "part-00000000.parquet").unlink()
        predict(model, source, tmp_path / "out", model_name="b")
        assert set(read_predictions(tmp_path / "out")["model"]) == {"a"}

    def test_a_setting_of_the_model_is_named(self, model, source, out):
        other = skblood.reconfigure(model, prior="blood")
        with pytest.raises(ValueError, match="predictions: class_factors None, not") as error:
            predict(other, source, out)
        assert "MLPCellClassifier" not in str(error.value)

    def test_another_source(self, model, source, out, tmp_path):
        other = source.rename(tmp_path / "others")
        with pytest.raises(ValueError, match=r"source .*cells.*not.*others"):
            predict(model, other, out)

    def test_another_model(self, model, images, source, out):
        other = skblood.MLPCellClassifier((8,), max_epochs=2, random_state=1).fit(*images)
        with pytest.raises(ValueError, match="holds other predictions: model MLP"):
            predict(other, source, out)
        with pytest.raises(ValueError, match="holds other predictions: class_factors"):
            predict(reconfigure(model, classes=model.classes_[:2]), source, out)

    def test_the_same_model_from_a_file(self, model, source, out, tmp_path):
        again = skblood.load(skblood.save(model, tmp_path / "m.skblood"))
        assert predict(again, source, out).n_resumed == 3

    def test_overwrite(self, model, images, source, out):
        (out / "mine.txt").write_text("mine")
        result = predict(model, source, out, overwrite=True, partition_size=3, task="embed")
        assert (result.n_resumed, result.n_shards, len(parts(out))) == (0, 4, 4)
        assert len(read_predictions(out)) == N and (out / "mine.txt").read_text() == "mine"

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize(
        "content", ["{", "[]", "{}", '{"kind": "mine"}', '{"kind": "skblood"}']
    )
    def test_damaged_manifest(self, model, source, out, content, overwrite):
        (out / "_manifest.json").write_text(content)
        with pytest.raises(ValueError, match="not a manifest of predictions"):
            predict(model, source, out, overwrite=overwrite)
        with pytest.raises(ValueError, match="not a manifest of predictions"):
            read_predictions(out)
        assert len(parts(out)) == 3

    def test_a_folder_of_other_files(self, model, source, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("mine")
        for overwrite in (False, True):
            with pytest.raises(FileExistsError, match=r"other files \(thesis.txt\)"):
                predict(model, source, tmp_path / "out", overwrite=overwrite)
        assert os.listdir(tmp_path / "out") == ["thesis.txt"]

    def test_a_file(self, model, source, tmp_path):
        (tmp_path / "out").write_text("mine")
        with pytest.raises(NotADirectoryError, match="is a file"):
            predict(model, source, tmp_path / "out")

    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no folder of predictions"):
            read_predictions(tmp_path / "no")

    def test_an_outdated_worker_writes_nothing(self, model, source, out):
        """It has lived longer than the command that had started it."""
        with PredictionFolder(model, source, out, partition_size=SIZE) as old:
            partition, settings = old.partitions[0], old.settings
        predict(model, source, out, overwrite=True, partition_size=SIZE)
        before = (out / parts(out)[0]).read_bytes()
        with pytest.raises(ValueError, match="has become a folder of other predictions"):
            predict_partition(model, partition, out, settings)
        assert (out / parts(out)[0]).read_bytes() == before and len(parts(out)) == 3


names_of_open_files = pytest.mark.skipif(
    not os.path.exists("/proc/self/fd"), reason="names of open files as Linux has them"
)


class TestDisk:
    def test_another_process_writes(self, model, source, tmp_path):
        with (
            lock(tmp_path / "out" / "_manifest.json"),
            pytest.raises(BlockingIOError, match="is writing"),
        ):
            predict(model, source, tmp_path / "out")
        predict(model, source, tmp_path / "out")

    @names_of_open_files
    def test_order(self, model, source, tmp_path, monkeypatch):
        """The content reaches the disk before the name, and the name before the next shard."""
        events, fsync, replace = [], os.fsync, os.replace

        def sync(descriptor):
            name = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            events.append("folder" if name.is_dir() else f"content {name.suffix}")
            fsync(descriptor)

        def rename(old, new):
            events.append(f"name {Path(new).suffix}")
            replace(old, new)

        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(os, "replace", rename)
        predict(model, source, tmp_path / "out", partition_size=N)
        shard = events.index("name .parquet")
        assert events[shard - 1 : shard + 2] == ["content .tmp", "name .parquet", "folder"]
        assert events[-3:] == ["content .tmp", "name .json", "folder"]

    @names_of_open_files
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
    def test_full_disk(self, model, source, tmp_path, monkeypatch, code):
        out, fsync = tmp_path / "out", os.fsync
        name = parts(predict(model, source, tmp_path / "all").folder)[1]

        def fail(descriptor):
            if name in os.readlink(f"/proc/self/fd/{descriptor}"):
                raise OSError(code, os.strerror(code))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=r"The shard was not written.*start again, which resumes"):
            predict(model, source, out)
        assert len(parts(out)) == 1
        monkeypatch.undo()
        assert predict(model, source, out).n_resumed == 1

    @pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root writes everywhere")
    def test_read_only_folder(self, model, source, tmp_path):
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(PermissionError):
                predict(model, source, tmp_path / "out")
        finally:
            tmp_path.chmod(0o700)


# Runs predictions in forked processes, so that kills fall into the work and not into imports.
KILLS = """
import os, random, signal, sys, time, warnings
import torch
torch.set_num_threads(1)
import skblood
from skblood.streaming import predict_shards
model, source, out, seed = skblood.load(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
warnings.simplefilter("ignore")
random.seed(seed)

def start():
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            predict_shards(model, source, out, partition_size=2)
            code = 0
        finally:
            os._exit(code)
    return pid

n_killed, longest = 0, 0.05
while n_killed < 20:
    began = time.monotonic()
    pid = start()
    time.sleep(random.uniform(0, longest))
    os.kill(pid, signal.SIGKILL)
    killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    n_killed += killed
    if not killed:  # it was done: begin anew
        for name in os.listdir(out):
            if name.startswith("part-") and random.random() < 0.7:
                os.unlink(os.path.join(out, name))
    longest = min(longest * 1.3, 1.0)
    print(killed, len([n for n in os.listdir(out) if n.startswith("part-")]) if os.path.isdir(out)
          else 0, flush=True)
assert os.waitpid(start(), 0)[1] == 0
"""


@pytest.fixture(scope="module")
def many(images, tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("many") / "cells", images[0])


@pytest.fixture(scope="module")
def undisturbed(model, many, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    return read_predictions(predict(model, many, out, partition_size=2).folder)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
class TestKills:
    def test_at_random_moments(self, model, many, undisturbed, tmp_path):
        file, out = skblood.save(model, tmp_path / "m.skblood"), tmp_path / "out"
        command = [sys.executable, "-c", KILLS, file, many, out, "0"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        numbers = {line for line in result.stdout.splitlines() if line.startswith("True")}
        assert len(numbers) > 3  # kills at different states
        pd.testing.assert_frame_equal(read_predictions(out), undisturbed, check_exact=True)
        assert json.loads((out / "_manifest.json").read_text())["complete"] is True
        assert not [*out.glob("*.tmp")]

    def test_a_worker(self, model, many, undisturbed, tmp_path):
        out, killed = tmp_path / "out", []

        def kill_one():
            while not [*out.glob("part-*")]:
                time.sleep(0.01)
            killed.append(multiprocessing.active_children()[0])
            os.kill(killed[0].pid, signal.SIGKILL)

        thread = threading.Thread(target=kill_one, daemon=True)
        thread.start()
        with pytest.warns(UserWarning, match="A worker process has died"):
            result = predict(model, many, out, partition_size=2, n_workers=2)
        thread.join()
        assert result.n_images == len(undisturbed) and result.n_shards == 32
        pd.testing.assert_frame_equal(read_predictions(out), undisturbed, check_exact=True)
        assert not multiprocessing.active_children()

    def test_two_commands_at_once(self, model, many, undisturbed, tmp_path):
        file, out = skblood.save(model, tmp_path / "m.skblood"), tmp_path / "out"
        code = (
            "import sys, skblood; from skblood.streaming import predict_shards\n"
            "predict_shards(skblood.load(sys.argv[1]), *sys.argv[2:], partition_size=2)"
        )
        command = [sys.executable, "-c", code, file, many, out]
        both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        errors = [each.communicate()[1] for each in both]
        for each, error in zip(both, errors, strict=True):
            assert each.returncode == 0 or "BlockingIOError" in error
        assert any(each.returncode == 0 for each in both)
        pd.testing.assert_frame_equal(read_predictions(out), undisturbed, check_exact=True)
