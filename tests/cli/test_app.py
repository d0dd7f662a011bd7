"""Help, exit codes, messages; `info`, `export`, `datasets`; and what each command imports."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.utils import Bunch
from typer.testing import CliRunner

import skblood
from skblood.cli import _predict, main
from skblood.cli._app import app
from skblood.cli._output import to_json
from skblood.cli._settings import parse_value

from .conftest import CLASSES

COMMANDS = ["train", "evaluate", "predict", "embed", "audit", "export", "info", "datasets"]


class TestHelp:
    @pytest.mark.parametrize("command", [c for c in COMMANDS if c != "datasets"])
    def test_each_command_shows_how(self, shell, command):
        text = shell(command, "--help").stdout
        assert f"skblood {command} " in text.partition("Examples:")[2]

    def test_all_commands_are_named(self, shell):
        text = shell("--help").stdout
        assert all(f" {command} " in text for command in COMMANDS)

    def test_version(self, shell):
        assert shell("--version").stdout.strip() == skblood.__version__

    @pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["datasets", "list"]])
    def test_nothing_heavy_is_imported(self, words):
        code = (
            "import sys\nfrom skblood.cli._app import app\n"
            f"try:\n    app({words!r})\nexcept SystemExit:\n    pass\n"
            "heavy = {'torch', 'timm', 'sklearn', 'pandas', 'matplotlib', 'PIL'}\n"
            "print('heavy:', sorted(heavy & set(sys.modules)))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert result.stdout.splitlines()[-1] == "heavy: []", result.stderr


class TestExitCodes:
    def test_module_and_entry_point(self, shell, tmp_path):
        with shell.start("info", tmp_path / "no.skblood") as process:
            stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (1, "")
        assert stderr.startswith("skblood: ") and "no.skblood" in stderr
        assert "Traceback" not in stderr
        with pytest.raises(SystemExit) as ended, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["skblood", "--version"])
            main()
        assert ended.value.code == 0

    def test_traceback(self, shell, tmp_path):
        result = shell("--traceback", "info", tmp_path / "no.skblood", code=1)
        assert "Traceback" in result.stderr and "FileNotFoundError" in result.stderr

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["trian"], "Did you mean 'train'?"),
            (["predict"], "MODEL"),
            (["info", "m", "--crad"], "--card"),
            (["datasets"], "Missing command"),
            (["info", "m", "--card", "--json"], "leave one of the two out"),
        ],
    )
    def test_usage(self, shell, words, message):
        result = shell(*words, code=2)
        assert message in result.stderr
        assert result.stdout == ""

    def test_ctrl_c(self, shell, model_file, cell_folder, monkeypatch):
        def broken_off(arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(_predict, "find_images", broken_off)
        result = shell("predict", model_file, cell_folder, code=130)
        assert result.stderr == "skblood: broken off by Ctrl-C.\n"

    @pytest.mark.parametrize("error", [MemoryError("too large"), ConnectionError("no net")])
    def test_errors_of_the_library(self, shell, model_file, cell_folder, monkeypatch, error):
        def fail(arguments):
            raise error

        monkeypatch.setattr(_predict, "find_images", fail)
        result = shell("predict", model_file, cell_folder, code=1)
        assert result.stderr == f"skblood: {error}\n"

    def test_a_mistake_of_ours_keeps_its_traceback(self, model_file, cell_folder, monkeypatch):
        def fail(arguments):
            raise AttributeError("a bug")

        monkeypatch.setattr(_predict, "find_images", fail)
        result = CliRunner().invoke(app, ["predict", str(model_file), str(cell_folder)])
        assert isinstance(result.exception, AttributeError)

    def test_warnings_are_one_line(self, shell, model_file, cell_folder, monkeypatch):
        def warn(arguments):
            warnings.simplefilter("default")
            warnings.warn("beware", UserWarning, stacklevel=1)
            raise ValueError("enough")

        monkeypatch.setattr(_predict, "find_images", warn)
        result = shell("predict", model_file, cell_folder, code=1)
        assert result.stderr == "skblood: warning: beware\nskblood: enough\n"

    def test_a_reader_that_goes_away(self, shell, model_file, cell_folder):
        with shell.start("predict", model_file, cell_folder) as process:
            process.stdout.close()
            stderr = process.stderr.read()
        assert process.returncode == 1
        assert stderr == ""


class TestInfo:
    def test_text(self, shell, model_file):
        text = shell("info", model_file).stdout
        assert "MLPCellClassifier" in text
        assert "48 images: basophil 16, monocyte 16, platelet 16" in text
        assert "test        15 images: accuracy" in text

    def test_json(self, shell, model_file):
        info = json.loads(shell("info", model_file, "--json").stdout)
        assert info["attributes"]["classes_"] == list(CLASSES)
        assert info["evaluation"]["test"]["n_images"] == 15

    def test_card(self, shell, model_file):
        card = shell("info", model_file, "--card").stdout
        assert card.rstrip("\n") == skblood.load_info(model_file)["card"].rstrip("\n")
        assert "# Model card: MLPCellClassifier" in card

    def test_embedder(self, shell, tmp_path):
        embedder = skblood.CellEmbedder("cellnet_t", random_state=0)
        file = tmp_path / "e.skblood"
        skblood.save(embedder.fit(np.zeros((2, 28, 28, 3), np.uint8)), file)
        text = shell("info", file).stdout
        assert "CellEmbedder" in text and "28 x 28 px, 3 channels" in text

    def test_a_single_evaluation(self, shell, model_file, cell_folder, tmp_path):
        model = skblood.load(model_file)
        cells = skblood.datasets.load_image_folder(cell_folder, split="val")
        report = skblood.evaluation.evaluate(model, cells.data, cells.target)
        file = skblood.save(model, tmp_path / "m.skblood", evaluation=report)
        assert "evaluated   15 images: accuracy" in shell("info", file).stdout


class TestExport:
    def test_it_answers_as_the_model_does(self, shell, model_file, cell_folder, tmp_path):
        import onnxruntime

        out = tmp_path / "new" / "cells.onnx"
        assert "differs from the model by" in shell("export", model_file, out).stdout
        document = json.loads(shell("export", model_file, out, "--json", "--overwrite").stdout)
        assert document["path"] == str(out)
        assert 0 <= document["largest_difference"] < 1e-4
        cells = skblood.datasets.load_image_folder(cell_folder, split="test")
        images = skblood.images.read_images(cells.data)
        (found,) = onnxruntime.InferenceSession(out).run(None, {"images": images})
        model = skblood.load(model_file).set_params(precision="float32")
        np.testing.assert_allclose(found, model.predict_proba(images), atol=1e-4)

    def test_a_file_that_is_there(self, shell, model_file, tmp_path):
        out = tmp_path / "cells.onnx"
        out.write_text("mine")
        assert "--overwrite" in shell("export", model_file, out, code=1).stderr
        assert out.read_text() == "mine"


class TestDatasets:
    def test_list(self, shell):
        text = shell("datasets", "list").stdout
        assert "bloodmnist" in text and "CC BY 4.0" in text
        names = [row["name"] for row in json.loads(shell("datasets", "list", "--json").stdout)]
        assert names == ["bloodmnist", "pbc"]

    def test_describe(self, shell, cell_folder):
        lines = shell("datasets", "describe", cell_folder).stdout.splitlines()
        assert lines[0].split() == ["class", "train", "val", "test"]
        assert lines[1].split() == ["basophil", "16", "5", "5"]
        assert lines[-1].split() == ["total", "48", "15", "15"]

    def test_describe_without_parts(self, shell, cell_folder):
        words = ("datasets", "describe", cell_folder / "val")
        assert shell(*words).stdout.splitlines()[-1].split() == ["total", "15"]
        document = json.loads(shell(*words, "--json").stdout)
        assert document == {"n_images": 15, "counts": {"images": dict.fromkeys(CLASSES, 5)}}

    def test_fetch(self, shell, tmp_path, monkeypatch):
        called = []

        def fetch_pbc(data_home):
            called.append(data_home)
            return Bunch(DESCR="PBC\n")

        monkeypatch.setattr(skblood.datasets, "fetch_pbc", fetch_pbc)
        assert shell("datasets", "fetch", "pbc", "--folder", tmp_path).stdout == "PBC\n"
        assert called == [tmp_path]
        assert "raabin" in shell("datasets", "fetch", "raabin", code=2).stderr

    def test_a_set_by_its_name(self, shell, monkeypatch, cell_folder):
        def fetch_bloodmnist():
            return skblood.datasets.load_image_folder(cell_folder, split="all")

        monkeypatch.setattr(skblood.datasets, "fetch_bloodmnist", fetch_bloodmnist)
        result = shell("datasets", "describe", "bloodmnist", "--json")
        assert json.loads(result.stdout)["n_images"] == 78


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("none", None),
        ("None", None),
        ("adamw", "adamw"),
        ("[256, 64]", (256, 64)),
        ("(256,)", (256,)),
        ("[]", ()),
        ("[true, false]", (True, False)),
        ("{basophil = 2.0}", {"basophil": 2.0}),
        ("{'ig': 2}", {"ig": 2}),
        ("torchvision/resnet18", "torchvision/resnet18"),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_values(text, value):
    found = parse_value(text)
    assert found == value and type(found) is type(value)


def test_json_has_no_nan():
    document = {"a": np.array([1, np.nan]), "b": (float("inf"), np.float32(2)), 3: None}
    assert json.loads(to_json(document)) == {"a": [1, None], "b": [None, 2], "3": None}
