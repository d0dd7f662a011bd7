"""`skblood predict` and `skblood evaluate` without a model file use the pretrained model."""

import io
import json

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from skblood.cli._app import app
from skblood.images import read_images


@pytest.fixture
def folder(synthetic, tmp_path):
    """Sixteen cells as <class>/<number>.png."""
    for i in range(16):
        file = tmp_path / "cells" / synthetic[1][i] / f"{i:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(synthetic[0][i]).save(file)
    return tmp_path / "cells"


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="skblood")
    assert result.exit_code == code, result.output
    return result


def test_predict(folder, pretrained):
    frame = pd.read_csv(io.StringIO(run("predict", folder).stdout))
    assert frame["label"].tolist() == pretrained.predict(read_images(frame["path"])).tolist()
    assert list(frame)[3:] == [f"p_{label}" for label in pretrained.classes_]


@pytest.mark.filterwarnings("default::skblood.pretrained.TrainingOverlapWarning")
def test_evaluate(folder, pretrained, synthetic, trained_on):
    report = json.loads(run("evaluate", folder, "--json").stdout)
    right = pretrained.predict(synthetic[0][:16]) == synthetic[1][:16]
    assert report["n_images"] == 16
    assert report["scores"]["accuracy"]["value"] == pytest.approx(right.mean())
    trained_on(synthetic[0][:5])
    assert "warning: 5 of the 16 images to be scored" in run("evaluate", folder).stderr


def test_a_word_that_is_no_model_and_no_images():
    message = "is no image, folder or npz file. If it is a model, name images, too."
    assert message in run("predict", "cells.skblood", code=2).stderr
