"""`skblood predict` and `skblood evaluate` without a model file."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from skblood import save
from skblood.cli._app import app
from skblood.images import read_images
from skblood.io import load_pretrained


@pytest.fixture
def shell():
    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="skblood")
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def folder(drawn, tmp_path):
    """Sixteen cells as <class>/<number>.png."""
    for i, (image, label) in enumerate(zip(*drawn, strict=True)):
        if i < 16:
            file = tmp_path / "cells" / label / f"{i:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return tmp_path / "cells"


def read(text):
    return pd.read_csv(io.StringIO(text))


class TestPredict:
    def test_a_folder(self, shell, folder):
        frame = read(shell("predict", folder).stdout)
        model = load_pretrained()
        assert len(frame) == 16
        assert frame["label"].tolist() == model.predict(read_images(frame["path"])).tolist()
        assert list(frame)[3:] == [f"p_{label}" for label in model.classes_]

    def test_files_and_patterns(self, shell, folder):
        files = sorted(folder.glob("*/*.png"))[:3]
        assert read(shell("predict", *files).stdout)["path"].tolist() == list(map(str, files))
        assert len(read(shell("predict", folder / "*" / "*.png").stdout)) == 16
        assert len(read(shell("predict", files[0], folder).stdout)) == 17

    def test_an_npz_file(self, shell, drawn, tmp_path):
        X, y = drawn
        codes = np.unique(y, return_inverse=True)[1][:, None]
        np.savez(tmp_path / "a.npz", test_images=X[:5], test_labels=codes[:5])
        assert len(read(shell("predict", tmp_path / "a.npz").stdout)) == 5

    def test_a_model_file_goes_first(self, shell, folder, tmp_path):
        file = save(load_pretrained(), tmp_path / "model")
        assert shell("predict", file, folder).stdout == shell("predict", folder).stdout

    def test_a_word_that_is_neither(self, shell, tmp_path):
        """A model alone, or a folder that is not there."""
        message = "is no image, folder or npz file. If it is a model, name images, too."
        assert message in shell("predict", "cells.skblood", code=2).stderr

    def test_the_wrong_model_file(self, shell, folder, tmp_path):
        (tmp_path / "notes.txt").write_text("no model")
        result = shell("predict", tmp_path / "notes.txt", folder, code=1)
        assert "is not a file that skblood.save wrote" in result.stderr

    def test_the_help_tells_of_it(self, shell):
        text = " ".join(shell("predict", "--help").stdout.split())
        assert "[MODEL] IMAGES" in text and "pretrained model" in text


class TestEvaluate:
    def test_a_folder(self, shell, folder):
        report = json.loads(shell("evaluate", folder, "--json").stdout)
        model = load_pretrained()
        paths = sorted(folder.glob("*/*.png"))
        right = model.predict(read_images(paths)) == [path.parent.name for path in paths]
        assert report["n_images"] == 16
        assert report["scores"]["accuracy"]["value"] == pytest.approx(right.mean())

    @pytest.mark.filterwarnings("default::skblood.pretrained.SeenImagesWarning")
    def test_training_images_are_told(self, shell, folder, drawn, trained_on):
        trained_on(drawn[0][:5])
        result = shell("evaluate", folder)
        assert "warning: 5 of the 16 images to be scored on" in result.stderr
        trained_on(drawn[0][20:])
        assert "warning" not in shell("evaluate", folder).stderr

    def test_too_many_words(self, shell, folder):
        assert "not 3 things" in shell("evaluate", "a", "b", folder, code=2).stderr

    def test_labels_that_it_does_not_know(self, shell, folder):
        next(folder.iterdir()).rename(folder / "blast")
        assert "blast" in shell("evaluate", folder, code=1).stderr
