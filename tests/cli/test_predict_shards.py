"""`skblood predict` and `embed` that write a folder of shards."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import skblood
from skblood._writing import lock
from skblood.datasets import make_blood_cells
from skblood.streaming import read_predictions

from .conftest import CLASSES


class TestPredict:
    def test_rows_are_those_of_a_table(self, shell, model_file, cell_folder, tmp_path):
        table = shell.table("predict", model_file, cell_folder / "test")
        result = shell("predict", model_file, cell_folder / "test", "--out", tmp_path / "out")
        assert result.stdout == "" and "15 images in 1 shards." in result.stderr
        rows = read_predictions(tmp_path / "out")
        assert set(rows.pop("error")) == {""} and [*rows] == [*table]
        text = ["path", "label", "model"]
        pd.testing.assert_frame_equal(rows[text], table[text], check_dtype=False)
        columns = [name for name in table if name not in text]
        np.testing.assert_allclose(rows[columns], table[columns], atol=1e-6)

    def test_again_and_json(self, shell, model_file, cell_folder, tmp_path):
        words = ("predict", model_file, cell_folder / "test", "--out", tmp_path / "out", "--json")
        first = json.loads(shell(*words).stdout)
        assert first == {
            "n_images": 15,
            "n_unreadable": 0,
            "n_shards": 1,
            "n_resumed": 0,
            "folder": str(tmp_path / "out"),
        }
        assert json.loads(shell(*words).stdout) == {**first, "n_resumed": 1}
        assert json.loads(shell(*words, "--on-error", "skip").stdout) == {**first, "n_resumed": 1}
        assert "error" in read_predictions(tmp_path / "out")

    def test_settings_of_the_model(self, shell, net_file, cell_folder, tmp_path):
        words = ("predict", net_file, cell_folder / "test", "--out", tmp_path / "out")
        shell(*words, "--classes", "basophil,monocyte", "--crop", "0.8")
        rows = read_predictions(tmp_path / "out")
        assert rows["p_platelet"].eq(0).all()
        result = shell(*words, code=1)
        assert "crop 0.8, not 1.0" in result.stderr and "class_factors [" in result.stderr

    @pytest.mark.filterwarnings("default:The source has changed")
    def test_new_images_are_told(self, shell, model_file, cell_folder, tmp_path):
        words = ("predict", model_file, cell_folder / "test", "--out", tmp_path / "out")
        shell(*words, "--partition-size", 4)
        assert len(list((tmp_path / "out").glob("*.parquet"))) == 4
        assert "has changed" not in shell(*words, "--partition-size", 4).stderr
        source = shutil.copytree(cell_folder / "test", tmp_path / "in")
        words = ("predict", model_file, source, "--out", tmp_path / "more")
        shell(*words)
        shutil.copy(next(source.rglob("*.*g")), source / "new.png")
        told = shell(*words).stderr
        assert "it holds 16 images, not 15 images" in told and "--overwrite" in told

    def test_a_name_of_neither(self, shell, model_file, cell_folder, tmp_path):
        words = ("predict", model_file, cell_folder / "test", "--out", tmp_path / "rows.v1")
        result = shell(*words, code=2)
        assert "has no dot" in result.stderr.replace("\n", " ").replace("│", "")

    def test_columns_of_a_table(self, shell, model_file, cell_table, tmp_path):
        file = cell_table(lambda frame: frame.assign(slide=range(len(frame)), model="mine"))
        shell("predict", model_file, file, "--out", tmp_path / "out")
        table = pd.read_csv(file, dtype=str)
        rows = read_predictions(tmp_path / "out")
        assert rows["slide"].tolist() == table["slide"].tolist()
        assert rows["given_label"].tolist() == table["label"].tolist()
        assert set(rows["given_model"]) == {"mine"} and set(rows["model"]) == {model_file.name}
        assert all((tmp_path / "out" / path).exists() for path in rows["path"])

    def test_unreadable(self, shell, model_file, cell_folder, tmp_path):
        (tmp_path / "in").mkdir()
        for i, path in enumerate(sorted((cell_folder / "test" / "platelet").iterdir())):
            content = b"no image" if i == 1 else path.read_bytes()
            (tmp_path / "in" / f"Zelle ä,{i}.png").write_bytes(content)
        words = ("predict", model_file, tmp_path / "in", "--out", tmp_path / "out")
        result = shell(*words, code=1)
        assert "Zelle ä,1.png: not an image" in result.stderr
        assert "--on-error skip" in result.stderr
        assert json.loads((tmp_path / "out" / "_manifest.json").read_text())["complete"] is False
        words = (*words, "--on-error", "skip", "--overwrite", "--json")
        result = shell(*words)
        assert json.loads(result.stdout)["n_unreadable"] == 1
        assert "1 of 5 images cannot be read" in result.stderr
        assert read_predictions(tmp_path / "out")["path"][0].endswith("Zelle ä,0.png")

    def test_other_cells(self, shell, tmp_path):
        X, _ = make_blood_cells(60, image_size=64, random_state=0)
        for name, pixels in (("known", X), ("other", 255 - X)):
            (tmp_path / name).mkdir()
            for i, image in enumerate(pixels):
                Image.fromarray(image).save(tmp_path / name / f"{i}.png")
        known = shell("predict", "pbc8", tmp_path / "known", "--out", tmp_path / "a")
        other = shell("predict", "pbc8", tmp_path / "other", "--out", tmp_path / "b")
        assert "unlike" not in known.stderr
        assert other.stderr.count("unlike those that the model was trained on") == 1

    def test_frame(self, shell, tmp_path):
        X, _ = make_blood_cells(30, image_size=64, random_state=0)
        (tmp_path / "in").mkdir()
        for i, pixels in enumerate(X):
            Image.fromarray(pixels).save(tmp_path / "in" / f"{i}.png")
        words = ("predict", tmp_path / "in", "--frame", "auto", "--out", tmp_path / "out")
        assert "frame: " in shell(*words).stderr
        assert json.loads(shell(*words, "--json").stdout)["n_resumed"] == 1

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--workers", "2"], "write a folder"),
            (["--workers", "2", "--out", "a.csv"], "write a folder"),
            (["--workers", "0", "--out", "a"], "must be 1 or more"),
            (["--workers", "2", "--dask", "x", "--out", "a"], "give one"),
        ],
    )
    def test_options(self, shell, model_file, cell_folder, options, message):
        assert message in shell("predict", model_file, cell_folder, *options, code=2).stderr

    def test_another_process_writes_it(self, shell, model_file, cell_folder, tmp_path):
        words = ("predict", model_file, cell_folder, "--out", tmp_path / "out", "--overwrite")
        with lock(tmp_path / "out" / "_manifest.json"):
            assert "is writing" in shell(*words, code=1).stderr
        assert [*(tmp_path / "out").iterdir()] == []


@pytest.mark.slow
def test_dask(shell, model_file, cell_folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    words = ("predict", model_file, cell_folder / "test", "--out")
    options = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster:
        address = cluster.scheduler_address
        result = shell(*words, tmp_path / "out", "--dask", address, "--json")
    assert json.loads(result.stdout)["n_images"] == 15
    shell(*words, tmp_path / "here", "--workers", "1")
    rows = (read_predictions(tmp_path / name) for name in ("out", "here"))
    pd.testing.assert_frame_equal(*rows, check_exact=True)


class TestCount:
    def test_as_of_a_table(self, shell, model_file, cell_table, tmp_path):
        file = cell_table(lambda frame: frame.assign(slide=["A", "B"] * (len(frame) // 2)))
        words = ("predict", model_file, file, "--out")
        shell(*words, tmp_path / "a.csv")
        shell(*words, tmp_path / "out")
        options = ("--group-column", "slide", "--json")
        expected = json.loads(shell("count", tmp_path / "a.csv", *options).stdout)
        assert json.loads(shell("count", tmp_path / "out", *options).stdout) == expected
        result = shell("count", tmp_path / "out", "--group-column", "patient", code=1)
        assert "has no column ['patient']" in result.stderr

    def test_unreadable_cells_are_rejected(self, shell, model_file, cell_folder, tmp_path):
        (tmp_path / "in").mkdir()
        for i, path in enumerate(sorted((cell_folder / "test" / "monocyte").iterdir())):
            content = b"no image" if i == 1 else path.read_bytes()
            (tmp_path / "in" / f"{i}.png").write_bytes(content)
        words = ("predict", model_file, tmp_path / "in", "--out", tmp_path / "out")
        shell(*words, "--on-error", "skip")
        options = ("--min-probability", "0.01", "--json")
        (row,) = json.loads(shell("count", tmp_path / "out", *options).stdout)["count"][:1]
        shell(
            "predict",
            model_file,
            tmp_path / "in",
            "--out",
            tmp_path / "a.csv",
            *words[5:],
            "--on-error",
            "skip",
        )
        (same,) = json.loads(shell("count", tmp_path / "a.csv", *options).stdout)["count"][:1]
        assert row == same


class TestEmbed:
    def test_model(self, shell, net_file, cell_folder, tmp_path):
        words = ("embed", net_file, cell_folder / "test", "--out")
        shell(*words, tmp_path / "a.npz")
        expected = np.load(tmp_path / "a.npz")
        shell(*words, tmp_path / "out")
        rows = read_predictions(tmp_path / "out").drop(columns="error")
        np.testing.assert_allclose(rows.iloc[:, 1:], expected["features"], rtol=1e-5)
        assert rows["path"].tolist() == expected["path"].tolist()

    def test_backbone(self, shell, cell_folder, tmp_path):
        words = ("embed", "--backbone", "blood8-2", cell_folder / "test", "--image-size", "28")
        result = shell(*words, "--out", tmp_path / "out", code=2)
        assert "blood8-2" in result.stderr

    def test_unreadable_are_empty_rows(self, shell, net_file, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.png").write_bytes(b"no image")
        words = ("embed", net_file, tmp_path / "in", "--out", tmp_path / "out")
        shell(*words, "--on-error", "skip")
        rows = read_predictions(tmp_path / "out")
        assert rows["error"].tolist() != [""] and rows["feature_0"].isna().all()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A table of so many images that a command takes a while."""
    folder = tmp_path_factory.mktemp("many")
    X, _ = make_blood_cells(16, image_size=28, random_state=0)
    for i, pixels in enumerate(X):
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    names = [f"{i % 16:02}.png" for i in range(30_000)]
    pd.DataFrame({"path": names, "row": range(len(names))}).to_csv(folder / "many.csv")
    return folder / "many.csv"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
class TestInterrupts:
    @pytest.mark.parametrize(
        ("workers", "sent"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)]
    )
    def test_ctrl_c_and_resume(self, shell, model_file, many, tmp_path, workers, sent):
        out = tmp_path / "out"
        words = ("predict", model_file, many, "--out", out, "--workers", workers)
        process = shell.start(*words)
        while not [*out.glob("part-*")]:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130 and "leaked" not in errors
        assert "The same command continues from there." in errors
        assert "interrupted by Ctrl-C" in errors and "Traceback" not in errors
        n_done = len([*out.glob("part-*")])
        result = json.loads(shell(*words[:-2], "--json", "--workers", "1").stdout)
        assert result["n_images"] == 30_000 and result["n_resumed"] >= n_done > 0
        rows = read_predictions(out)
        assert rows["row"].astype(int).tolist() == list(range(30_000))
        assert set(rows["label"]) <= set(CLASSES)

    def test_workers_end_with_a_command_that_is_killed(self, shell, model_file, many, tmp_path):
        out = tmp_path / "out"
        process = shell.start("predict", model_file, many, "--out", out, "--workers", "2")
        while not [*out.glob("part-*")]:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=60)  # ends when the last process closes the pipe
        n_done = len([*out.glob("part-*")])
        time.sleep(1)
        assert len([*out.glob("part-*")]) == n_done
        loaded = skblood.load(model_file)
        assert (
            skblood.streaming.predict_shards(
                loaded, [str(many)], out, model_name=model_file.name
            ).n_images
            == 30_000
        )
