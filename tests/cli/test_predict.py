"""`skblood predict`: forms of images, tables, unreadable files and crops."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skblood
from skblood.datasets import load_image_folder, load_npz, make_blood_cells

from .conftest import CLASSES


class TestTable:
    def test_columns_and_values(self, shell, model_file, cell_folder, test_cells):
        frame = shell.table("predict", model_file, cell_folder / "test")
        assert list(frame) == [
            "path",
            "label",
            "probability",
            *(f"p_{c}" for c in CLASSES),
            "model",
        ]
        assert set(frame.pop("model")) == {model_file.name}
        assert frame["path"].tolist() == sorted(test_cells.data)
        model = skblood.load(model_file)
        expected = model.predict_proba(frame["path"].tolist())
        np.testing.assert_allclose(frame.iloc[:, 3:], expected, rtol=1e-12)
        np.testing.assert_allclose(frame["probability"], expected.max(axis=1), rtol=1e-12)
        assert frame["label"].tolist() == model.predict(frame["path"].tolist()).tolist()

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_file(self, shell, model_file, cell_folder, tmp_path, suffix):
        out = tmp_path / "deep" / f"new{suffix}"
        words = ("predict", model_file, cell_folder / "test", "--out", out)
        assert shell(*words).stdout == ""
        frame = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
        printed = shell.table(*words[:3])
        assert frame["label"].tolist() == printed["label"].tolist()
        np.testing.assert_allclose(frame["p_monocyte"], printed["p_monocyte"], rtol=1e-12)
        assert "--overwrite" in shell(*words, code=1).stderr
        shell(*words, "--overwrite")
        assert [path.name for path in out.parent.iterdir()] == [out.name]

    def test_files_that_cannot_be_written(self, shell, model_file, cell_folder, monkeypatch):
        words = ("predict", model_file, cell_folder, "--out")
        assert "must end in .csv or .parquet" in shell(*words, "new.xlsx", code=2).stderr
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert "skblood[parquet]" in shell(*words, "new.parquet", code=1).stderr


class TestImages:
    def test_order_and_chunks(self, shell, model_file, test_cells, monkeypatch):
        monkeypatch.setattr("skblood.cli._batches._SIZE", 3)
        paths = test_cells.data[[7, 2, 11, 2, 9, 0, 14]].tolist()
        frame = shell.table("predict", model_file, *paths)
        assert frame["path"].tolist() == paths
        assert frame["label"].tolist() == skblood.load(model_file).predict(paths).tolist()

    @pytest.mark.parametrize(
        ("pattern", "n"),
        [("test/platelet/*.png", 5), ("test/*", 15), ("**", 78)],
    )
    def test_patterns(self, shell, model_file, cell_folder, pattern, n):
        frame = shell.table("predict", model_file, cell_folder / pattern)
        assert len(frame) == frame["path"].nunique() == n

    def test_name_that_looks_like_a_pattern(self, shell, model_file, test_cells, tmp_path):
        file = tmp_path / "cell[1].png"
        file.write_bytes(Path(test_cells.data[0]).read_bytes())
        assert shell.table("predict", model_file, file)["path"].tolist() == [str(file)]

    def test_npz(self, shell, model_file, npz_file, cell_folder):
        frame = shell.table("predict", model_file, npz_file)
        expected = skblood.load(model_file).predict(load_npz(npz_file).data)
        assert frame["label"].tolist() == expected.tolist()
        assert frame["path"].tolist()[59] == f"{npz_file}[59]"
        result = shell("predict", model_file, npz_file, cell_folder, code=1)
        assert "name it alone" in result.stderr

    @pytest.mark.parametrize(
        ("name", "message"),
        [("*.png", "no image file in"), ("no.png", "There is no image, folder or table")],
    )
    def test_nothing_there(self, shell, model_file, tmp_path, name, message):
        assert message in shell("predict", model_file, tmp_path / name, code=1).stderr


class TestUnreadable:
    @pytest.fixture
    def damaged(self, cell_folder, tmp_path):
        """A folder of five files, of which the second and the fourth are no images."""
        folder = tmp_path / "new"
        folder.mkdir()
        good = sorted((cell_folder / "test" / "platelet").iterdir())
        for i in range(5):
            (folder / f"{i}.png").write_bytes(b"no image" if i % 2 else good[i].read_bytes())
        return folder

    @pytest.mark.parametrize("chunk", [1, 2, 1024])
    def test_raise_and_skip(self, shell, model_file, damaged, monkeypatch, count_decodes, chunk):
        good = shell.table("predict", model_file, damaged / "0.png", damaged / "4.png")
        monkeypatch.setattr("skblood.cli._batches._SIZE", chunk)
        count_decodes()
        failed = shell("predict", model_file, damaged, code=1)
        assert count_decodes() == {1}
        # Rows are printed as they are known.
        assert len(failed.stdout.splitlines()) == (2 if chunk == 1 else 0)
        assert "2 of 5 image files cannot be read" in failed.stderr
        assert "1.png: not an image" in failed.stderr and "3.png: not an" in failed.stderr
        count_decodes()
        words = ("predict", model_file, damaged, "--on-error", "skip")
        frame = shell.table(*words)
        assert count_decodes() == {1}
        assert [Path(path).name for path in frame["path"]] == [f"{i}.png" for i in range(5)]
        assert (frame["label"] == "").tolist() == [False, True, False, True, False]
        assert frame["p_platelet"][1] == ""
        assert frame["error"].str[:33].tolist()[:2] == ["", "not an image that Pillow can read"]
        assert frame["label"][[0, 4]].tolist() == good["label"].tolist()
        assert "2 of 5 images cannot be read" in shell(*words).stderr

    def test_json(self, shell, model_file, damaged, tmp_path):
        words = ("predict", model_file, damaged, "--on-error", "skip", "--json")
        document = json.loads(shell(*words, "--out", tmp_path / "a.csv").stdout)
        assert (document["n_images"], document["n_unreadable"]) == (5, 2)
        first, second = document["predictions"][:2]
        assert first["label"] in CLASSES and first["probability"] <= 1
        assert second["probability"] is None and "not an image" in second["error"]
        assert len(pd.read_csv(tmp_path / "a.csv")) == 5

    def test_pipeline(self, shell, pipeline_file, damaged):
        frame = shell.table("predict", pipeline_file, damaged, "--on-error", "skip")
        assert (frame["label"] == "").tolist() == [False, True, False, True, False]

    def test_another_error_is_not_skipped(self, shell, model_file, tmp_path):
        """The model takes images of 28 px."""
        Image.new("RGB", (40, 40)).save(tmp_path / "large.png")
        result = shell("predict", model_file, tmp_path, "--on-error", "skip", code=1)
        assert "fitted with (28, 28, 3)" in result.stderr


class TestModel:
    def test_no_model(self, shell, cell_folder, tmp_path):
        model = tmp_path / "a.json"
        model.write_text("{}")
        result = shell("predict", model, cell_folder, code=1)
        assert "not a file that skblood.save wrote" in result.stderr
        assert "If it is a model, name images" in shell("predict", model, code=2).stderr

    def test_a_pretrained_name_is_never_a_folder(self, shell, cell_folder, tmp_path, monkeypatch):
        shutil.copytree(cell_folder, tmp_path / "pbc8")
        monkeypatch.chdir(tmp_path)
        assert shell("predict", "pbc8", "./pbc8").stderr.startswith("model: pbc8 (pretrained)\n")
        message = shell("predict", "pbc8", code=2).stderr
        assert "'pbc8' is a pretrained model" in message

    @pytest.mark.parametrize(
        "words",
        [
            ("predict", "cels.skblood"),
            ("predict", "cels.skblood", "a.png"),
            ("evaluate", "cels.skblood", "new"),
            ("embed", "cels.skblood", "new", "--out", "e.npz"),
            ("export", "cels.skblood", "a.onnx"),
            ("info", "cels.skblood"),
        ],
    )
    def test_misspelled_model(self, shell, tmp_path, monkeypatch, words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "cells.skblood").touch()
        message = shell(*words, code=1).stderr
        assert "model file 'cels.skblood'" in message and "there is" in message
        assert str(tmp_path / "cells.skblood") in message and "Errno" not in message
        assert [path.name for path in tmp_path.iterdir()] == ["cells.skblood"]

    @pytest.mark.parametrize("command", ["predict", "evaluate", "audit"])
    def test_misspelled_folder(self, shell, model_file, tmp_path, monkeypatch, command):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "cells").mkdir()
        model = [model_file] * (command != "audit")
        message = shell(command, *model, "cels/", code=1).stderr
        assert f"but there is {str(tmp_path / 'cells')!r}" in message

    def test_embedder(self, shell, cell_folder, test_cells, tmp_path):
        embedder = skblood.CellEmbedder("cellnet_t", random_state=0).fit(test_cells.data)
        file = skblood.save(embedder, tmp_path / "embedder.skblood")
        assert "predicts no classes" in shell("predict", file, cell_folder, code=1).stderr


@pytest.fixture(scope="module")
def pipeline_file(test_cells, tmp_path_factory):
    """A Pipeline whose first step reads the images."""
    embedder = skblood.CellEmbedder("cellnet_t", image_size=28, random_state=0)
    pipeline = make_pipeline(embedder, LogisticRegression())
    pipeline.fit(test_cells.data, test_cells.target)
    return skblood.save(pipeline, tmp_path_factory.mktemp("pipeline") / "pipeline.skblood")


@pytest.fixture(scope="module")
def frame_model(tmp_path_factory):
    """A model that resizes its images, for those of any size."""
    X, y = make_blood_cells(160, image_size=28, random_state=3)
    keep = np.isin(y, ["basophil", "monocyte", "platelet"])
    options = {"image_size": 28, "max_epochs": 1, "random_state": 0}
    clf = skblood.TransferCellClassifier("cellnet_t", **options).fit(X[keep], y[keep])
    return skblood.save(clf, tmp_path_factory.mktemp("frame") / "cells.skblood")


@pytest.fixture(scope="module")
def framed(cell_folder, tmp_path_factory):
    """The test cells, each in the center of a white image of twice the size."""
    folder = tmp_path_factory.mktemp("framed")
    for file in sorted((cell_folder / "test").glob("*/*.png")):
        picture = Image.new("RGB", (56, 56), "white")
        picture.paste(Image.open(file), (14, 14))
        (folder / file.parent.name).mkdir(exist_ok=True)
        picture.save(folder / file.parent.name / file.name)
    return folder


class TestCrop:
    def test_classifier(self, shell, model_file, cell_folder, framed):
        bare = shell.table("predict", model_file, cell_folder / "test")
        cropped = shell.table("predict", model_file, framed, "--crop", 0.5)
        assert cropped.iloc[:, 1:].equals(bare.iloc[:, 1:])
        whole = shell("predict", model_file, framed, "--crop", 1, code=1)
        assert "(56, 56, 3)" in whole.stderr
        report = shell("evaluate", model_file, framed, "--crop", 0.5).stdout
        assert report == shell("evaluate", model_file, cell_folder).stdout

    def test_pipeline(self, shell, pipeline_file, cell_folder, framed):
        bare = shell.table("predict", pipeline_file, cell_folder / "test")
        cropped = shell.table("predict", pipeline_file, framed, "--crop", 0.5)
        assert cropped.iloc[:, 1:].equals(bare.iloc[:, 1:])

    def test_frame_auto(self, shell, frame_model, cell_folder, framed):
        model = frame_model
        result = shell("predict", model, framed, "--frame", "auto")
        crop = skblood.measured_crop(skblood.load(model), sorted(framed.glob("*/*.png")))
        assert crop == pytest.approx(0.5, abs=0.07)
        assert f"crop={crop:g}" in result.stderr and "the model expects 0." in result.stderr
        given = shell("predict", model, framed, "--crop", crop)
        assert result.stdout == given.stdout
        report = shell("evaluate", model, framed, "--frame", "auto")
        assert report.stdout == shell("evaluate", model, framed, "--crop", crop).stdout
        other = shutil.copy(model, framed.parent / "other.skblood")
        both = shell("compare", model, other, framed, "--frame", "auto").stderr
        assert both.count("frame: ") == 2
        whole = shell("predict", model, cell_folder / "test", "--frame", "auto")
        assert "crop=1 " in whole.stderr

    def test_frame_and_crop(self, shell, model_file, framed):
        for command in ("predict", "evaluate"):
            result = shell(command, model_file, framed, "--crop", 0.5, "--frame", "auto", code=2)
            assert "give either --frame" in result.stderr

    def test_no_step_reads_images(self, shell, npz_file, tmp_path):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit([[0], [1]], [0, 1])
        file = skblood.save(pipeline, tmp_path / "pipeline.skblood")
        result = shell("predict", file, npz_file, code=1)
        assert "No step of the Pipeline reads images" in result.stderr

    @pytest.mark.parametrize(("crop", "code", "message"), [(0, 1, "crop"), ("half", 2, "--crop")])
    def test_wrong_crop(self, shell, model_file, cell_folder, crop, code, message):
        words = ("predict", model_file, cell_folder / "test", "--crop", crop)
        assert message in shell(*words, code=code).stderr


class TestPrior:
    OPTIONS = ("--classes", "basophil,platelet", "--prior", "basophil=1,platelet=3")

    def test_classifier_and_pipeline(self, shell, model_file, cell_folder, tmp_path):
        model = skblood.load(model_file)
        pipeline = make_pipeline(model)
        words = [cell_folder / "test", *self.OPTIONS]
        table = shell.table("predict", model_file, *words)
        prior = {"basophil": 1, "platelet": 3}
        expected = skblood.reconfigure(model, classes=[*prior], prior=prior)
        found = table.filter(like="p_")
        np.testing.assert_allclose(found, expected.predict_proba(table["path"].tolist()))
        assert (found["p_monocyte"] == 0).all()
        file = skblood.save(pipeline, tmp_path / "pipeline.skblood")
        again = shell.table("predict", file, *words)
        assert again.drop(columns="model").equals(table.drop(columns="model"))

    def test_evaluate(self, shell, model_file, cell_folder, test_cells):
        def scores(*options):
            report = json.loads(
                shell("evaluate", model_file, cell_folder, *options, "--json").stdout
            )
            return report["scores"], report["note"]

        options = ("--prior", "basophil=1,monocyte=1,platelet=8")
        found, note = scores(*options)
        assert note.startswith("Prior (class shares that are assumed): basophil 0.1, monocyte 0.1,")
        assert "accuracy_at_shares" in found
        plain, note = scores("--shares", options[1])
        assert note == ""
        assert found["accuracy_at_shares"]["value"] >= plain["accuracy_at_shares"]["value"]
        assert "accuracy_at_shares" not in scores()[0]

    def test_errors(self, shell, model_file, cell_folder):
        words = ("predict", model_file, cell_folder / "test")
        assert (
            "no share of 'basophil', 'monocyte'"
            in shell(*words, "--prior", "platelet=1", code=1).stderr
        )
        assert "must be blood" in shell(*words, "--prior", "platelet=x", code=2).stderr
        assert "not among the classes" in shell(*words, "--classes", "ig,blast", code=1).stderr

    def test_export(self, shell, model_file, test_cells, tmp_path):
        import onnxruntime

        out = tmp_path / "two.onnx"
        shell("export", model_file, out, *self.OPTIONS)
        session = onnxruntime.InferenceSession(out)
        images = skblood.images.read_images(test_cells.data)
        assert (session.run(None, {"images": images})[0][:, 1] == 0).all()
        note = session.get_modelmeta().custom_metadata_map["prior"]
        assert note.startswith("Predictions are restricted to 2 of 3 classes: basophil, platelet.")


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    """Files of cells of two classes."""
    weights = {"monocyte": 1, "platelet": 1}
    X, y = make_blood_cells(40, image_size=16, class_weights=weights, random_state=0)
    folder = tmp_path_factory.mktemp("two")
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / label / f"{i:02}.png")
    return load_image_folder(folder)


NET = skblood.MLPCellClassifier((8,), max_epochs=2, random_state=0)
EMBEDDER = skblood.CellEmbedder("cellnet_t", image_size=16, random_state=0)
ENSEMBLES = {
    "votes": VotingClassifier([("net", NET)], voting="soft"),
    "calibrated": CalibratedClassifierCV(NET, cv=2),
    "threshold": FixedThresholdClassifier(NET, threshold=0.99),
    "pipeline with a threshold": make_pipeline(
        EMBEDDER, FixedThresholdClassifier(LogisticRegression(), threshold=0.99)
    ),
}


@pytest.mark.parametrize("name", ENSEMBLES)
def test_ensembles_and_thresholds(shell, two_classes, tmp_path, name):
    """The members of an ensemble read the images; labels may not be the most probable ones."""
    X, y = two_classes.data, two_classes.target
    model = clone(ENSEMBLES[name]).fit(X, y)
    file, bad = skblood.save(model, tmp_path / "model.skblood"), tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    words, folder = ("predict", file, *X, bad), Path(X[0]).parents[1]
    assert "1 of 41 image files cannot be read" in shell(*words, code=1).stderr
    frame = shell.table(*words, "--on-error", "skip")
    assert frame["label"].tolist() == [*model.predict(X), ""]
    document = json.loads(shell("evaluate", file, folder, "--json").stdout)
    assert document["scores"]["accuracy"]["value"] == pytest.approx(model.score(X, y))
    if name in ("calibrated", "threshold"):
        result = shell("embed", file, folder, "--out", tmp_path / "e.npz", code=1)
        assert "has no features of its own" in result.stderr


class TestTables:
    @pytest.fixture
    def table(self, test_cells, tmp_path):
        """A table of cells in other order, in another folder, with columns of all kinds."""
        names = [str(Path(x).relative_to(Path(x).parents[1])) for x in test_cells.data[[7, 2, 11]]]
        shutil.copytree(Path(test_cells.data[0]).parents[1], tmp_path / "sub", dirs_exist_ok=True)
        columns = {"label": ["a", "b", ""], "slide": ["007", "12E4", ""], "note": ["=1", "NA", "x"]}
        frame = pd.DataFrame({"slide": columns.pop("slide"), "path": names, **columns})
        return frame.to_csv(tmp_path / "sub" / "cells.csv", index=False, sep=";")

    def test_columns_are_carried_through(self, shell, model_file, table, tmp_path):
        file = tmp_path / "sub" / "cells.csv"
        frame = shell.table("predict", model_file, file)
        own = ["path", "label", "probability", *(f"p_{c}" for c in CLASSES), "model"]
        assert list(frame) == [*own, "slide", "given_label", "note"]
        assert frame["slide"].tolist() == ["007", "12E4", ""]
        assert frame["given_label"].tolist() == ["a", "b", ""]
        assert frame["note"].tolist() == ["'=1", "NA", "x"]
        assert [Path(x).parents[1] for x in frame["path"]] == [tmp_path / "sub"] * 3
        bare = shell.table("predict", model_file, *frame["path"])
        assert frame[own].equals(bare)

    def test_again(self, shell, model_file, table, tmp_path):
        """Predictions are a table of cells; no name is lost, no formula marked twice."""
        once = tmp_path / "sub" / "once.csv"
        shell("predict", model_file, tmp_path / "sub" / "cells.csv", "--out", once)
        frame = shell.table("predict", model_file, once)
        twice = ["given_given_label", "given_probability", *(f"given_p_{c}" for c in CLASSES)]
        assert list(frame)[6:] == ["model", *twice, "given_model", "slide", "given_label", "note"]
        assert frame["note"][0] == "'=1" and frame["given_label"][0] == "a"

    def test_other_columns_and_images_beside(self, shell, model_file, table, tmp_path, test_cells):
        file, image = tmp_path / "sub" / "cells.csv", test_cells.data[0]
        text = file.read_text().replace("path", "file").replace("label", "error")
        file.write_text(text + "x;no.png;;\n")
        words = ("predict", model_file, image, file, "--path-column", "file")
        assert "1 of 5 image files cannot be read" in shell(*words, code=1).stderr
        frame = shell.table(*words, "--on-error", "skip")
        assert list(frame)[6:] == ["model", "error", "slide", "given_error", "note"]
        assert frame["slide"].tolist() == ["", "007", "12E4", "", "x"]
        assert frame["error"].astype(bool).tolist() == [False] * 4 + [True]
        out = tmp_path / "p.parquet"
        shell(*words, "--on-error", "skip", "--out", out)
        assert pd.read_parquet(out)["slide"].tolist() == frame["slide"].tolist()

    def test_no_such_column(self, shell, model_file, table, tmp_path):
        words = ("predict", model_file, tmp_path / "sub" / "cells.csv", "--path-column", "fil")
        assert "has no column ['fil']" in shell(*words, code=1).stderr

    def test_embed(self, shell, model_file, table, tmp_path):
        out = tmp_path / "e.csv"
        shell("embed", model_file, tmp_path / "sub" / "cells.csv", "--out", out)
        assert len(pd.read_csv(out)) == 3


def test_cells_unlike_those_of_the_training(shell, tmp_path):
    """One warning, of enough cells, on the standard error."""
    X, _ = make_blood_cells(60, image_size=64, random_state=0)
    for n in (60, 40):
        file = tmp_path / f"{n}.npz"
        np.savez(file, test_images=255 - X[:n], test_labels=np.zeros(n, np.int64))
        result = shell("predict", "pbc8", file)
        n_warnings = result.stderr.count("these cells are unlike those that the model was trained")
        assert n_warnings == (n == 60)
        assert len(result.stdout.splitlines()) == n + 1
