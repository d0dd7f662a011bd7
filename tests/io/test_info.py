"""What a file tells of its model without the network being built."""

import json

import numpy as np
import pytest
import safetensors
import torch

import skblood
from skblood.evaluation import EvaluationReport, evaluate


def test_json_can_hold_it(model, path):
    info = skblood.load_info(skblood.save(model, path))
    assert json.loads(json.dumps(info)).keys() == info.keys()
    assert info["class"] == type(model).__name__
    assert info["skblood"] == skblood.__version__
    assert info["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert info["evaluation"] is None
    assert info["left_out"] == []
    assert f"# Model card: {type(model).__name__}" in info["card"]


def test_no_network_is_built(mlp, path, monkeypatch):
    skblood.save(mlp, path)
    monkeypatch.setattr(skblood.MLPCellClassifier, "_make_backbones", None)
    info = skblood.load_info(path)
    assert info["parameters"]["hidden_layer_sizes"] == [8]
    assert info["attributes"]["classes_"] == mlp.classes_.tolist()
    assert info["attributes"]["history_"][0]["train_loss"] == mlp.history_[0, "train_loss"]
    with pytest.raises(skblood.ModelFileError):
        skblood.load(path)


def test_preprocessing(model, path):
    info = skblood.load_info(skblood.save(model, path))
    network = model.net_.module_ if hasattr(model, "net_") else model.network_
    said = info["preprocessing"]["backbones"]
    assert len(said) == len(network.backbones)
    np.testing.assert_allclose(said[0]["mean"], network.backbones[0].standardize.mean)
    np.testing.assert_allclose(said[0]["std"], network.backbones[0].standardize.std)
    assert info["preprocessing"]["crop"] == model.crop_
    assert info["preprocessing"]["image_size"] in (
        None,
        list(info["attributes"]["image_shape_"][:2]),
    )


class TestEvaluation:
    def test_a_report(self, mlp, cells, path):
        report = evaluate(mlp, *cells, n_resamples=20)
        info = skblood.load_info(skblood.save(mlp, path, evaluation=report))
        assert info["evaluation"] == report.to_dict()
        assert "48 images." in info["card"]

    def test_several_reports(self, mlp, cells, path):
        reports = {name: evaluate(mlp, *cells, n_resamples=20) for name in ("here", "there")}
        info = skblood.load_info(skblood.save(mlp, path, evaluation=reports))
        assert info["evaluation"].keys() == reports.keys()
        assert "### there" in info["card"]

    def test_of_probabilities_of_0(self, mlp, path):
        """Scores that are infinite, or that there are none of, are no reason to lose a model."""
        classes = mlp.classes_
        proba = np.eye(3)[[1, 2, 0]]
        report = EvaluationReport.from_predictions(classes, classes[[1, 2, 0]], y_proba=proba)
        info = skblood.load_info(skblood.save(mlp, path, evaluation=report))
        assert info["evaluation"]["scores"]["accuracy"]["value"] == 0.0

    @pytest.mark.parametrize("wrong", [0.99, {"accuracy": 0.99}, "good"])
    def test_other_things(self, wrong, mlp, path):
        with pytest.raises(TypeError, match="must be an EvaluationReport"):
            skblood.save(mlp, path, evaluation=wrong)
        assert not path.exists()


def test_other_tools_open_the_file(mlp, path):
    skblood.save(mlp, path)
    with safetensors.safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["model"])["model"]["class"] == "MLPCellClassifier"
        assert set(file.keys()) == set(mlp.net_.module_.state_dict())
        weight = file.get_tensor("head.0.weight")
    torch.testing.assert_close(weight, mlp.net_.module_.head[0].weight.detach())


def test_a_header_beyond_the_bound(mlp, path, monkeypatch):
    from skblood.io import _container

    monkeypatch.setattr(_container, "_MAX_HEADER", 1000)
    with pytest.raises(ValueError, match="a file takes 1,000"):
        skblood.save(mlp, path)
    assert not path.exists()
