"""`skblood predict` and `skblood evaluate` without a model file use the pretrained model."""

import io
import json

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from skblood.cli._app import app
from skblood.images import read_images
from skblood.io import load_pretrained


@pytest.fixture(scope="module")
def pretrained():
    return load_pretrained(device="cpu")


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="skblood")
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.filterwarnings("default::skblood.pretrained.TrainingOverlapWarning")
def test_predict_and_evaluate(synthetic, pretrained, trained_on, tmp_path):
    X, y = synthetic[0][:16], synthetic[1][:16]
    for i in range(16):
        (tmp_path / y[i]).mkdir(exist_ok=True)
        Image.fromarray(X[i]).save(tmp_path / y[i] / f"{i:02}.png")
    predicted = run("predict", tmp_path)
    assert predicted.stderr.startswith("model: blood8-2 (pretrained)\n")
    frame = pd.read_csv(io.StringIO(predicted.stdout))
    assert frame["label"].tolist() == pretrained.predict(read_images(frame["path"])).tolist()
    assert list(frame)[3:] == [*(f"p_{label}" for label in pretrained.classes_), "model"]
    trained_on(X[:5])
    result = run("evaluate", tmp_path, "--json")
    report = json.loads(result.stdout)
    assert report["n_images"] == 16
    right = pretrained.predict(X) == y
    assert report["scores"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert result.stderr.startswith("model: blood8-2 (pretrained)\n")
    assert "trained on 5 of the 16 images of X: scores" in result.stderr
