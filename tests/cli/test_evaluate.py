"""`skblood evaluate` and `skblood audit`."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import skblood
from skblood.datasets import load_image_folder
from skblood.evaluation import evaluate

from .conftest import CLASSES


@pytest.fixture
def expected(model_file, cell_folder):
    """The report of the library."""
    cells = load_image_folder(cell_folder, split="test")
    return evaluate(skblood.load(model_file), cells.data, cells.target)


class TestEvaluate:
    def test_the_test_part(self, shell, model_file, cell_folder, expected):
        assert shell("evaluate", model_file, cell_folder).stdout == f"{expected}\n"

    def test_json(self, shell, model_file, cell_folder, expected):
        result = shell("evaluate", model_file, cell_folder, "--json")
        assert json.loads(result.stdout) == json.loads(json.dumps(expected.to_dict()))

    @pytest.mark.parametrize(("split", "n"), [("val", 15), ("all", 78)])
    def test_another_part(self, shell, model_file, cell_folder, split, n):
        result = shell("evaluate", model_file, cell_folder, "--split", split)
        assert result.stdout.startswith(f"{n} images")

    def test_folder_without_parts(self, shell, model_file, cell_folder):
        folder = cell_folder / "val"
        assert shell("evaluate", model_file, folder).stdout.startswith("15 images")
        result = shell("evaluate", model_file, folder, "--split", "val", code=1)
        assert "has no parts" in result.stderr

    def test_no_such_part(self, shell, model_file, cell_folder):
        result = shell("evaluate", model_file, cell_folder, "--split", "tset", code=1)
        assert "holds the parts train, val, test" in result.stderr

    def test_files(self, shell, model_file, cell_folder, expected, tmp_path):
        out = tmp_path / "new" / "evaluation"
        shell("evaluate", model_file, cell_folder, "--out", out)
        metrics = json.loads((out / "metrics.json").read_text())
        assert metrics["scores"]["f1_macro"]["value"] == expected.scores["f1_macro"].value
        confusions = pd.read_csv(out / "confusion_matrix.csv", index_col=0)
        assert confusions.index.tolist() == list(confusions) == list(CLASSES)
        assert np.array_equal(confusions, expected.confusion_matrix)
        assert pd.read_csv(out / "classes.csv")["support"].tolist() == [5, 5, 5]
        predictions = pd.read_csv(out / "predictions.csv")
        assert list(predictions)[:4] == ["path", "true", "label", "probability"]
        right = (predictions["true"] == predictions["label"]).mean()
        assert right == pytest.approx(expected.scores["accuracy"].value)
        for name in ("confusion_matrix", "wrong_cells"):
            with Image.open(out / f"{name}.png") as picture:
                assert min(picture.size) > 100

    def test_files_that_are_there(self, shell, model_file, cell_folder, tmp_path):
        (tmp_path / "wrong_cells.png").write_text("mine")
        words = ("evaluate", model_file, cell_folder, "--out", tmp_path)
        assert "wrong_cells.png" in shell(*words, code=1).stderr
        assert [path.name for path in tmp_path.iterdir()] == ["wrong_cells.png"]
        shell(*words, "--overwrite")
        assert len(list(tmp_path.iterdir())) == 6

    def test_nothing_wrong(self, shell, model_file, cell_folder, tmp_path):
        """All cells that it knows: no picture of wrong ones, not even an old one."""
        cells = load_image_folder(cell_folder, split="all")
        right = skblood.load(model_file).predict(cells.data) == cells.target
        cells.frame[right].drop(columns="split").to_csv(tmp_path / "right.csv", index=False)
        out = tmp_path / "evaluation"
        words = ("evaluate", model_file, tmp_path / "right.csv", "--out", out, "--overwrite")
        shell("evaluate", model_file, cell_folder, "--out", out)
        assert shell(*words, "--json").stdout.count('"value": 1.0') > 3
        assert not (out / "wrong_cells.png").exists()
        assert (out / "confusion_matrix.png").exists()

    def test_labels_that_the_model_does_not_know(self, shell, model_file, cell_folder, tmp_path):
        shutil.copytree(cell_folder / "test", tmp_path / "cells")
        (tmp_path / "cells" / "platelet").rename(tmp_path / "cells" / "thrombocyte")
        result = shell("evaluate", model_file, tmp_path / "cells", code=1)
        assert "'thrombocyte'" in result.stderr

    def test_a_class_that_is_missing(self, shell, model_file, cell_folder, tmp_path):
        shutil.copytree(cell_folder / "test", tmp_path / "cells")
        shutil.rmtree(tmp_path / "cells" / "platelet")
        result = shell("evaluate", model_file, tmp_path / "cells", "--json")
        assert json.loads(result.stdout)["support"] == [5, 5, 0]

    def test_groups(self, shell, model_file, cell_folder, tmp_path):
        frame = load_image_folder(cell_folder, split="test").frame
        frame["slide"] = np.arange(len(frame)) % 5
        frame.to_csv(tmp_path / "cells.csv", index=False)
        words = ("evaluate", model_file, tmp_path / "cells.csv", "--group-column", "slide")
        assert json.loads(shell(*words, "--json").stdout)["n_groups"] == 5


class TestAudit:
    @pytest.fixture
    def leaky(self, cell_folder, tmp_path):
        """A test image that is a training image, too."""
        folder = tmp_path / "leaky"
        shutil.copytree(cell_folder, folder)
        copied = sorted((folder / "train" / "platelet").iterdir())[0]
        shutil.copy(copied, folder / "test" / "platelet" / "leak.png")
        return folder

    def test_report(self, shell, leaky):
        result = shell("audit", leaky)
        assert result.stdout.startswith("79 images: 48 train, 15 val, 16 test\n1 pair of copies")
        assert "leak.png" in result.stdout

    def test_fail(self, shell, leaky, cell_folder):
        result = shell("audit", leaky, "--fail", code=1)
        assert result.stdout.startswith("79 images")
        assert "The split leaks" in result.stderr
        shell("audit", cell_folder, "--fail")
        assert "has no parts" in shell("audit", cell_folder / "val", "--fail", code=1).stderr

    def test_table(self, shell, leaky, tmp_path):
        out = tmp_path / "findings.csv"
        shell("audit", leaky, "--out", out)
        row = pd.read_csv(out).iloc[0]
        assert row["kind"] == "identical_files"
        assert row["splits"] == "train; test"
        assert row["names"].endswith("leak.png")
        assert "--overwrite" in shell("audit", leaky, "--out", out, code=1).stderr

    def test_json(self, shell, leaky):
        document = json.loads(shell("audit", leaky, "--json").stdout)
        assert document["n_images"] == 79
        assert document["findings"][0]["splits"] == ["train", "test"]

    def test_groups_of_a_table(self, shell, cell_folder, tmp_path):
        frame = load_image_folder(cell_folder, split="all").frame
        frame["patient"] = "A"
        frame.to_csv(tmp_path / "cells.csv", index=False)
        words = ("audit", tmp_path / "cells.csv", "--group-column", "patient", "--fail")
        assert "1 groups cross it" in shell(*words, code=1).stderr

    def test_image_without_a_part(self, shell, cell_folder, tmp_path):
        frame = load_image_folder(cell_folder, split="all").frame
        frame.loc[3, "split"] = None
        frame.to_csv(tmp_path / "cells.csv", index=False)
        result = shell("audit", tmp_path / "cells.csv", code=1)
        assert "1 images have no split, the first at position 3" in result.stderr
