"""`skblood info` and `skblood export`."""

import json

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier

import skblood
from skblood.cli._output import to_json
from skblood.estimators import describe_prior
from skblood.evaluation import evaluate
from skblood.io._container import pack, unpack

from .conftest import CLASSES, draw


def test_json_has_no_nan():
    document = {"a": np.array([1, np.nan]), "b": (float("inf"), np.float32(2)), 3: None}
    assert json.loads(to_json(document)) == {"a": [1, None], "b": [None, 2], "3": None}


class TestInfo:
    def test_classifier(self, shell, model_file):
        text = shell("info", model_file).stdout
        assert "MLPCellClassifier" in text and "28 x 28 px, 3 channels" in text
        assert "48 images: basophil 16, monocyte 16, platelet 16" in text
        assert "validated   on 15 images" in text
        assert "network     dense layers on the pixels, from random weights (trained from" in text
        assert "device      cpu, where it was trained\n" in text
        assert "test        15 images: accuracy" in text

    def test_adapted(self, shell, tmp_path):
        model = skblood.load_pretrained("pbc8", device="cpu")
        X = skblood.datasets.make_blood_cells(20, image_size=32, random_state=0)[0]
        y = [None] * 16 + ["ig", "monocyte"] * 2
        prior = {"ig": 1, "monocyte": 3}
        adapted = model.adapt(X, y, classes=["ig", "monocyte"], prior=prior, random_state=0)
        adapted = skblood.reconfigure(adapted, crop=0.75)
        file = skblood.save(adapted, tmp_path / "m.skblood")
        text = shell("info", file).stdout
        assert f"adapted     {' + '.join(adapted.adaptation_.steps)}\n" in text
        assert "            labeled cells: ig 2, monocyte 2; unlabeled: 16\n" in text
        assert "crop        0.75 of each side\n" in text
        assert f"predicts    {describe_prior(adapted)}\n" in text
        assert "2 of 8 classes: ig, monocyte. Prior" in text and "ig 0.25, monocyte 0.75" in text
        account = json.loads(shell("info", file, "--json").stdout)["attributes"]["adaptation_"]
        assert account["n_labelled"]["ig"] == 2 and account["reason"] == adapted.adaptation_.reason

    def test_pretrained(self, shell, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "blood8-2").mkdir()
        text = shell("info", "blood8-2").stdout
        assert "trained on  11,274 images" in text
        assert "network     cell_lite0, from the weights of blood8-2, all of it trained\n" in text
        network = json.loads(shell("info", "pbc8", "--json").stdout)["network"]
        scratch = "cellnet_s, from random weights (trained from scratch)"
        assert network == {"backbones": [scratch], "device": "cpu"}

    def test_json(self, shell, model_file):
        info = json.loads(shell("info", model_file, "--json").stdout)
        assert info["attributes"]["classes_"] == list(CLASSES)
        assert info["evaluation"]["test"]["n_images"] == 15

    def test_card(self, shell, model_file):
        card = shell("info", model_file, "--card").stdout
        assert "parameter hidden" in card and "callbacks" not in card
        assert card.rstrip("\n") == skblood.load_info(model_file)["card"].rstrip("\n")

    @pytest.mark.parametrize(
        ("evaluation", "shown"),
        [
            (None, "--card prints"),
            ({"n_images": 6, "scores": {}}, "evaluated   6 images: \n"),
            ({"scores": {"n_images": 6, "scores": {}}}, "scores      6 images: \n"),
            ({"n_images": 6, "scores": {"accuracy": {"value": None}}}, "accuracy  [, ]"),
            ({"n_images": 6, "scores": {"f1_macro": {"value": 0.5}}}, "f1_macro 0.500 [, ]"),
        ],
    )
    def test_whatever_a_file_holds(self, evaluation, shown, shell, model_file, tmp_path):
        contents = unpack(model_file)
        document = contents.document | {"evaluation": evaluation}
        path = tmp_path / "cells.skblood"
        path.write_bytes(pack(document, contents.tensors, contents.card, contents.version))
        assert shown in shell("info", path).stdout

    def test_a_model_that_no_fit_has_trained(self, shell, model_file, tmp_path):
        model = skblood.load(model_file)
        model.fit_settings_ |= {"max_epochs": "55 steps of 32 cells"}
        model.training_data_ |= {"n_validation_images": 0}
        text = shell("info", skblood.save(model, tmp_path / "m.skblood")).stdout
        assert "epoch" not in text and "validated" not in text

    def test_composite(self, shell, tmp_path):
        X, y = draw(8, 0)
        net = skblood.MLPCellClassifier((8,), max_epochs=1, random_state=0)
        path = skblood.save(VotingClassifier([("net", net)]).fit(X, y), tmp_path / "v.skblood")
        assert "VotingClassifier" in (text := shell("info", path).stdout)
        assert "28 x 28 px, 3 channels" in text and "epoch       1 of 1" in text

    def test_embedder(self, shell, tmp_path):
        embedder = skblood.CellEmbedder("cellnet_t", random_state=0).fit(draw(2, 0)[0])
        text = shell("info", skblood.save(embedder, tmp_path / "e.skblood")).stdout
        assert "CellEmbedder" in text and "28 x 28 px, 3 channels" in text
        assert "trained on" not in text

    def test_single_evaluation(self, shell, model_file, test_cells, tmp_path):
        model = skblood.load(model_file)
        report = evaluate(model, test_cells.data, test_cells.target)
        file = skblood.save(model, tmp_path / "m.skblood", evaluation=report)
        assert "evaluated   15 images: accuracy" in shell("info", file).stdout


def test_export(shell, model_file, test_cells, tmp_path):
    import onnxruntime

    out = tmp_path / "new" / "cells.onnx"
    assert "differs from the model by" in shell("export", model_file, out).stdout
    assert "--overwrite" in shell("export", model_file, out, code=1).stderr
    document = json.loads(shell("export", model_file, out, "--json", "--overwrite").stdout)
    assert document["path"] == str(out)
    assert 0 <= document["largest_difference"] < 1e-4
    images = skblood.images.read_images(test_cells.data)
    (found,) = onnxruntime.InferenceSession(out).run(None, {"images": images})
    expected = skblood.load(model_file).predict_proba(test_cells.data)
    np.testing.assert_allclose(found, expected, atol=1e-2)  # the model may use bfloat16


def test_pretrained_models_are_known_by_name(shell, cell_folder, tmp_path):
    """As by `info` and `predict`."""
    out, cell = tmp_path / "e.csv", next((cell_folder / "test" / "platelet").iterdir())
    result = shell("embed", "pbc8", cell, "--out", out)
    assert "model: pbc8 (pretrained)" in result.stderr and out.is_file()
    result = shell("export", "pbc8", tmp_path / "m.onnx", "--classes", "ig,blast", code=1)
    assert "model: pbc8 (pretrained)" in result.stderr and "not among" in result.stderr
