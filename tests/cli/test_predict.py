"""`skblood predict` and `skblood embed`: every form of images in, every form of table out."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skblood
from skblood.datasets import load_image_folder, load_npz

from .conftest import CLASSES


@pytest.fixture
def test_cells(cell_folder):
    return load_image_folder(cell_folder, split="test")


@pytest.fixture
def damaged(cell_folder, tmp_path):
    """Five images of which the second and the fourth cannot be read."""
    folder = tmp_path / "new"
    folder.mkdir()
    good = sorted((cell_folder / "test" / "platelet").iterdir())
    for i in range(5):
        (folder / f"{i}.png").write_bytes(b"no image" if i % 2 else good[i].read_bytes())
    return folder


def read(text):
    return pd.read_csv(io.StringIO(text), keep_default_na=False)


class TestTable:
    def test_columns_and_values(self, shell, model_file, cell_folder, test_cells):
        frame = read(shell("predict", model_file, cell_folder / "test").stdout)
        assert list(frame) == ["path", "label", "probability", *(f"p_{c}" for c in CLASSES)]
        assert frame["path"].tolist() == sorted(test_cells.data)
        model = skblood.load(model_file)
        expected = model.predict_proba(frame["path"].tolist())
        np.testing.assert_allclose(frame.iloc[:, 3:], expected, rtol=1e-12)
        np.testing.assert_allclose(frame["probability"], expected.max(axis=1), rtol=1e-12)
        assert frame["label"].tolist() == model.predict(frame["path"].tolist()).tolist()

    @pytest.mark.parametrize("with_file", [False, True])
    def test_json(self, shell, model_file, damaged, tmp_path, with_file):
        more = ["--out", tmp_path / "a.csv"] if with_file else []
        result = shell("predict", model_file, damaged, "--json", "--on-error", "skip", *more)
        document = json.loads(result.stdout)
        assert (document["n_images"], document["n_unreadable"]) == (5, 2)
        rows = document["predictions"]
        assert rows[0]["label"] in CLASSES and rows[0]["probability"] <= 1
        assert rows[1]["probability"] is None and "not an image" in rows[1]["error"]
        assert (tmp_path / "a.csv").exists() == with_file

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_file(self, shell, model_file, cell_folder, tmp_path, suffix):
        out = tmp_path / "deep" / f"new{suffix}"
        result = shell("predict", model_file, cell_folder / "test", "--out", out)
        assert result.stdout == ""
        frame = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
        printed = read(shell("predict", model_file, cell_folder / "test").stdout)
        assert frame["label"].tolist() == printed["label"].tolist()
        np.testing.assert_allclose(frame["p_monocyte"], printed["p_monocyte"], rtol=1e-12)
        assert [path.name for path in out.parent.iterdir()] == [out.name]

    def test_a_file_that_is_there(self, shell, model_file, cell_folder, tmp_path):
        out = tmp_path / "new.csv"
        out.write_text("mine")
        words = ("predict", model_file, cell_folder / "test", "--out", out)
        assert "--overwrite" in shell(*words, code=1).stderr
        assert out.read_text() == "mine"
        shell(*words, "--overwrite")
        assert len(pd.read_csv(out)) == 15

    def test_another_suffix(self, shell, model_file, cell_folder):
        result = shell("predict", model_file, cell_folder, "--out", "new.xlsx", code=2)
        assert "must end in .csv or .parquet" in result.stderr

    def test_parquet_without_pyarrow(self, shell, model_file, cell_folder, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        result = shell("predict", model_file, cell_folder, "--out", "new.parquet", code=1)
        assert 'pip install "skblood[parquet]"' in result.stderr

    def test_labels_that_are_numbers(self, shell, npz_file, cell_folder, tmp_path):
        model = skblood.MLPCellClassifier((8,), max_epochs=1, random_state=0)
        file = skblood.save(
            model.fit(*load_npz(npz_file, "train", return_X_y=True)), tmp_path / "m"
        )
        frame = read(shell("predict", file, cell_folder / "test").stdout)
        assert set(frame["label"]) <= {0, 1, 2}
        assert "p_0" in frame


class TestImages:
    def test_order_is_kept(self, shell, model_file, test_cells):
        paths = test_cells.data[[7, 2, 11, 2]].tolist()
        assert read(shell("predict", model_file, *paths).stdout)["path"].tolist() == paths

    def test_more_than_a_chunk(self, shell, model_file, test_cells, monkeypatch):
        monkeypatch.setattr("skblood.cli._predict._CHUNK", 4)
        frame = read(shell("predict", model_file, *test_cells.data).stdout)
        expected = skblood.load(model_file).predict(test_cells.data)
        assert frame["label"].tolist() == expected.tolist()

    @pytest.mark.parametrize(
        ("pattern", "n"),
        [("test/platelet/*.png", 5), ("test/**/*.png", 15), ("test/*", 15), ("**", 78)],
    )
    def test_patterns(self, shell, model_file, cell_folder, pattern, n):
        frame = read(shell("predict", model_file, cell_folder / pattern).stdout)
        assert len(frame) == frame["path"].nunique() == n

    def test_a_file_whose_name_is_a_pattern(self, shell, model_file, test_cells, tmp_path):
        file = tmp_path / "cell[1].png"
        file.write_bytes(Path(test_cells.data[0]).read_bytes())
        assert read(shell("predict", model_file, file).stdout)["path"].tolist() == [str(file)]

    def test_npz(self, shell, model_file, npz_file):
        frame = read(shell("predict", model_file, npz_file).stdout)
        expected = skblood.load(model_file).predict(load_npz(npz_file, "train").data)
        assert frame["label"].tolist()[:48] == expected.tolist()
        assert frame["path"].tolist()[59] == f"{npz_file}[59]"

    def test_npz_beside_files(self, shell, model_file, npz_file, cell_folder):
        result = shell("predict", model_file, npz_file, cell_folder, code=1)
        assert "name it alone" in result.stderr

    @pytest.mark.parametrize(
        ("name", "message"),
        [("*.png", "No file matches"), ("", "holds no image"), ("no.png", "no such file")],
    )
    def test_nothing_there(self, shell, model_file, tmp_path, name, message):
        assert message in shell("predict", model_file, tmp_path / name, code=1).stderr


class TestUnreadable:
    def test_all_are_named(self, shell, model_file, damaged, monkeypatch):
        monkeypatch.setattr("skblood.cli._predict._CHUNK", 2)
        result = shell("predict", model_file, damaged, code=1)
        assert "2 of 5 image files cannot be used" in result.stderr
        assert "1.png" in result.stderr and "3.png" in result.stderr
        assert result.stdout == ""

    @pytest.mark.parametrize("chunk", [2, 1024])
    def test_rows_stay_empty(self, shell, model_file, damaged, monkeypatch, chunk):
        monkeypatch.setattr("skblood.cli._predict._CHUNK", chunk)
        good = read(shell("predict", model_file, damaged / "0.png", damaged / "4.png").stdout)
        result = shell("predict", model_file, damaged, "--on-error", "skip")
        frame = read(result.stdout)
        assert [Path(path).name for path in frame["path"]] == [f"{i}.png" for i in range(5)]
        assert (frame["label"] == "").tolist() == [False, True, False, True, False]
        assert frame["p_platelet"][1] == ""
        assert frame["error"].tolist()[:2] == ["", "not an image that Pillow can read"]
        assert frame["label"][[0, 4]].tolist() == good["label"].tolist()
        assert "2 of 5 images cannot be read" in result.stderr

    def test_none_can_be_read(self, shell, model_file, damaged):
        frame = read(shell("predict", model_file, damaged / "1.png", "--on-error", "skip").stdout)
        assert frame["label"].tolist() == [""]

    def test_another_error_is_not_skipped(self, shell, model_file, tmp_path):
        """The model works at the size of its images, 28 px, and 40 px is an error."""
        Image.new("RGB", (40, 40)).save(tmp_path / "large.png")
        result = shell("predict", model_file, tmp_path, "--on-error", "skip", code=1)
        assert "fitted with (28, 28, 3)" in result.stderr


class TestModel:
    def test_no_model(self, shell, cell_folder, tmp_path):
        (tmp_path / "a.csv").write_text("path,label")
        assert "Traceback" not in shell("predict", tmp_path / "a.csv", cell_folder, code=1).stderr

    def test_embedder(self, shell, cell_folder, test_cells, tmp_path):
        embedder = skblood.CellEmbedder("cellnet_t", random_state=0).fit(test_cells.data)
        file = skblood.save(embedder, tmp_path / "embedder.skblood")
        assert "predicts no classes" in shell("predict", file, cell_folder, code=1).stderr

    def test_device_that_is_not_there(self, shell, model_file, cell_folder):
        result = shell("predict", model_file, cell_folder, "--device", "tpu", code=1)
        assert "tpu" in result.stderr


class TestEmbed:
    def test_a_classifier(self, shell, cell_folder, test_cells, tmp_path):
        clf = skblood.TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0)
        file = skblood.save(clf.fit(test_cells.data, test_cells.target), tmp_path / "m.skblood")
        shell("embed", file, cell_folder / "test", "--out", tmp_path / "f.npz")
        with np.load(tmp_path / "f.npz") as arrays:
            features, paths = arrays["features"], arrays["path"]
        assert features.shape == (15, 48)
        assert features.dtype == np.float32
        assert paths.tolist() == sorted(test_cells.data)

    def test_an_embedder(self, shell, test_cells, tmp_path):
        embedder = skblood.CellEmbedder("cellnet_t", random_state=0).fit(test_cells.data)
        file = skblood.save(embedder, tmp_path / "embedder.skblood")
        shell("embed", file, *test_cells.data, "--out", tmp_path / "f.parquet")
        frame = pd.read_parquet(tmp_path / "f.parquet")
        assert frame.pop("path").tolist() == test_cells.data.tolist()
        assert np.array_equal(frame, embedder.transform(test_cells.data))

    def test_a_backbone(self, shell, cell_folder, tmp_path):
        out, options = tmp_path / "f.csv", ("--backbone", "cellnet_t", "--image-size", 20)
        shell("embed", *options, cell_folder / "test", "--out", out)
        assert pd.read_csv(out).shape == (15, 49)
        assert (
            "There already"
            in shell("embed", *options, cell_folder / "test", "--out", out, code=1).stderr
        )

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("cells.skblood", "--out", "f.npz"), "name a model file and images"),
            (("--backbone", "celnet_t", "x", "--out", "f.npz"), "Did you mean 'cellnet_t'"),
            (("--backbone", "cellnet_t", "x", "--out", "f.txt"), ".csv or .parquet or .npz"),
            (("cells.skblood", "x"), "--out"),
        ],
    )
    def test_wrong_command_line(self, shell, words, message):
        assert message in shell("embed", *words, code=2).stderr


class TestCrop:
    """Cells within a frame that is twice as large, of which half of each side is looked at."""

    @pytest.fixture
    def framed(self, cell_folder, tmp_path):
        """The test cells, each within a frame of white."""
        for file in sorted((cell_folder / "test").glob("*/*.png")):
            picture = Image.new("RGB", (56, 56), "white")
            picture.paste(Image.open(file), (14, 14))
            framed = tmp_path / "framed" / file.parent.name / file.name
            framed.parent.mkdir(parents=True, exist_ok=True)
            picture.save(framed)
        return tmp_path / "framed"

    def test_what_is_in_the_frame(self, shell, model_file, cell_folder, framed):
        bare = read(shell("predict", model_file, cell_folder / "test").stdout)
        cropped = read(shell("predict", model_file, framed, "--crop", 0.5).stdout)
        assert cropped.iloc[:, 1:].equals(bare.iloc[:, 1:])
        whole = read(shell("predict", model_file, framed, "--crop", 1).stdout)
        assert not whole.iloc[:, 1:].equals(bare.iloc[:, 1:])
        report = shell("evaluate", model_file, framed, "--crop", 0.5).stdout
        assert report == shell("evaluate", model_file, cell_folder).stdout

    def test_in_place_of_the_one_of_the_model(self, shell, model_file, cell_folder, tmp_path):
        model = skblood.load(model_file)
        model._reframe(0.5)
        narrow = skblood.save(model, tmp_path / "narrow.skblood")
        words = (narrow, cell_folder / "test")
        found = read(shell("predict", *words, "--crop", 1).stdout)
        assert found.equals(read(shell("predict", model_file, cell_folder / "test").stdout))
        assert not found.equals(read(shell("predict", *words).stdout))

    def test_arrays(self, shell, model_file, npz_file):
        found = read(shell("predict", model_file, npz_file, "--crop", 0.5).stdout)
        X = load_npz(npz_file).data
        model = skblood.load(model_file)
        model._reframe(0.5)
        np.testing.assert_allclose(found.iloc[:, 3:], model.predict_proba(X), rtol=1e-12)

    def test_in_a_pipeline(self, shell, test_cells, cell_folder, framed, tmp_path):
        X, y = test_cells.data, test_cells.target
        embedder = skblood.CellEmbedder("cellnet_t", image_size=28, random_state=0)
        pipeline = make_pipeline(embedder, LogisticRegression()).fit(X, y)
        file = skblood.save(pipeline, tmp_path / "pipeline.skblood")
        bare = read(shell("predict", file, cell_folder / "test").stdout)
        cropped = read(shell("predict", file, framed, "--crop", 0.5).stdout)
        assert cropped.iloc[:, 1:].equals(bare.iloc[:, 1:])

    def test_nothing_to_be_cropped(self, shell, npz_file, tmp_path):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit([[0], [1]], [0, 1])
        file = skblood.save(pipeline, tmp_path / "pipeline.skblood")
        result = shell("predict", file, npz_file, "--crop", 0.5, code=1)
        assert "No step of the Pipeline reads images, so leave --crop out" in result.stderr

    def test_skip(self, shell, model_file, framed):
        (framed / "z.png").write_bytes(b"damaged")
        words = ("predict", model_file, framed, "--crop", 0.5)
        assert "z.png" in shell(*words, code=1).stderr
        frame = read(shell(*words, "--on-error", "skip").stdout)
        assert (frame["label"] == "").tolist() == [*[False] * 15, True]

    @pytest.mark.parametrize(
        ("crop", "code", "message"),
        [
            (0, 1, "crop must be a number in 0.01..4"),
            (200, 1, "the share of each side that is kept"),
            ("half", 2, "Invalid value for '--crop'"),
        ],
    )
    def test_no_crop(self, shell, model_file, cell_folder, crop, code, message):
        words = ("predict", model_file, cell_folder / "test", "--crop", crop)
        assert message in shell(*words, code=code).stderr
