"""`skblood predict` and `skblood evaluate` without a model file."""

import io

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from skblood import save
from skblood.cli._app import app
from skblood.images import read_images
from skblood.io import load_pretrained


def shell(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="skblood")
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def folder(drawn, tmp_path):
    """Sixteen cells as <class>/<number>.png."""
    for i, (image, label) in enumerate(zip(*drawn, strict=True)):
        if i < 16:
            file = tmp_path / "cells" / label / f"{i:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return tmp_path / "cells"


def test_predict(folder, tmp_path):
    text = shell("predict", folder).stdout
    frame, model = pd.read_csv(io.StringIO(text)), load_pretrained()
    assert len(frame) == 16
    assert frame["label"].tolist() == model.predict(read_images(frame["path"])).tolist()
    assert list(frame)[3:] == [f"p_{label}" for label in model.classes_]
    file = next(folder.glob("*/*.png"))
    assert shell("predict", file).stdout.splitlines()[1].startswith(str(file))
    assert shell("predict", save(model, tmp_path / "model"), folder).stdout == text


def test_evaluate_warns_of_training_images(folder, drawn, trained_on):
    trained_on(drawn[0][:5])
    result = shell("evaluate", folder)
    assert result.stdout.startswith("16 images")
    assert "warning: 5 of the 16 images to be scored on" in result.stderr
    trained_on(drawn[0][20:])
    assert "warning" not in shell("evaluate", folder).stderr
