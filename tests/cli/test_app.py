"""Help, exit codes, messages, and what is imported."""

import subprocess
import sys
import warnings

import pytest

import skblood
from skblood.cli import _app, _predict, main

COMMANDS = ["train", "evaluate", "predict", "count", "embed", "audit", "compare", "export", "info"]
COMMANDS += ["query", "review", "adapt", "explain"]


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_examples(self, shell, command):
        text = shell(command, "--help").stdout
        assert f"\n    skblood {command} " in text.partition("Examples:")[2]

    def test_options(self, shell):
        """Texts and metavars are those of the docstrings."""
        text = " ".join(shell("train", "--help").stdout.split())
        assert "--val DATA Validation images, instead of" in text
        assert "--json Print one JSON document" in text
        assert "--device NAME cpu, cuda" in text and "Parameters" not in text

    def test_commands(self, shell):
        text = shell("--help").stdout
        assert all(f"\n  {command} " in text for command in [*COMMANDS, "datasets"])

    def test_version(self, shell, monkeypatch):
        assert shell("--version").stdout.strip() == skblood.__version__
        monkeypatch.setattr(sys, "argv", ["skblood", "--version"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0


HEAVY = {
    "torch",
    "timm",
    "sklearn",
    "scipy",
    "pandas",
    "numpy",
    "matplotlib",
    "PIL",
    "skorch",
    "tqdm",
}
LIGHT = {
    "help": [["--help"], *([name, "--help"] for name in _app._COMMANDS)],
    "typing error": [
        ["trian"],
        ["train", "cells/", "--epoks", "3"],
        ["predict", "m", "--crop", "half"],
        ["predict", "m", "c/", "--crop", "1", "--frame", "auto"],
        ["query", "m", "c/", "--out", "a.xlsx"],
        ["embed", "m", "--out", "a.csv"],
    ],
    "missing file": [
        ["train", "no/", "--out", "m.skblood"],
        ["evaluate", "no.skblood", "no/"],
        ["report", "no.skblood", "no/", "--out", "r.html"],
        ["compare", "no.skblood", "mo.skblood", "no/"],
        ["predict", "no.skblood", "no/"],
        ["predict", "no.png"],
        ["count", "no.csv"],
        ["query", "no.skblood", "no/"],
        ["review", "no/"],
        ["adapt", "blood8-2", "no.csv", "--out", "m.skblood"],
        ["explain", "blood8-2", "no.png", "--out", "a.png"],
        ["embed", "no.skblood", "a.png", "--out", "a.csv"],
        ["audit", "no/"],
        ["export", "no.skblood", "m.onnx"],
        ["info", "no.skblood"],
        ["datasets", "describe", "no/"],
    ],
    "info": [["info", "blood8-2"], ["info", "blood8-2", "--card"], ["info", "{model}"]],
}


@pytest.mark.parametrize("kind", LIGHT)
def test_nothing_heavy_is_imported(kind, model_file, tmp_path):
    """So that the answer comes at once."""
    words = [[word.format(model=model_file) for word in line] for line in LIGHT[kind]]
    code = f"""
import os, sys
from skblood.cli._app import app
os.chdir({str(tmp_path)!r})
for words in {words!r}:
    try:
        app(words, prog_name="skblood")
    except SystemExit as ended:
        heavy = sorted({HEAVY!r} & set(sys.modules))
        print("ended:", words, ended.code or 0, heavy, flush=True)
        if heavy:
            break
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True)
    ended = [line for line in result.stdout.splitlines() if line.startswith("ended:")]
    code = {"help": 0, "typing error": 2, "missing file": 1, "info": 0}[kind]
    assert ended == [f"ended: {line} {code} []" for line in words], result.stderr


class TestErrors:
    @pytest.fixture
    def predict(self, shell, model_file, cell_folder, monkeypatch):
        """Run `skblood predict` with a function in place of the search for images."""

        def run(function, code):
            monkeypatch.setattr(_predict._batches, "Images", lambda names, *_: function(names))
            return shell("predict", model_file, cell_folder, code=code)

        return run

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["trian"], "Did you mean 'train'?"),
            (["predict"], "MODEL"),
            (["info", "m", "--crad"], "--card"),
            (["datasets"], "Missing command"),
            (["datasets", "fetch", "raabin"], "raabin"),
            (["info", "m", "--card", "--json"], "leave one of the two out"),
            (["evaluate", "a", "b", "c"], "not 3 things"),
        ],
    )
    def test_usage(self, shell, words, message):
        result = shell(*words, code=2)
        assert message in result.stderr and "--help' for help" in result.stderr
        assert result.stdout == ""

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (KeyboardInterrupt(), 130, "interrupted by Ctrl-C."),
            (MemoryError(), 1, "MemoryError"),
            (ConnectionError("no net"), 1, "no net"),
        ],
    )
    def test_one_line(self, predict, error, code, message):
        def fail(*arguments):
            raise error

        assert predict(fail, code).stderr == f"skblood: {message}\n"

    def test_warnings(self, predict):
        def warn(*arguments):
            warnings.simplefilter("default")
            warnings.warn("beware:\n  of \x1b", UserWarning, stacklevel=1)
            raise ValueError("enough")

        expected = "skblood: warning: beware: of \\x1b\nskblood: enough\n"
        assert predict(warn, 1).stderr == expected

    def test_bug_keeps_its_traceback(self, predict):
        def fail(*arguments):
            raise AttributeError("a bug")

        with pytest.raises(AttributeError, match="a bug"):
            predict(fail, 1)

    def test_traceback(self, shell, tmp_path):
        result = shell("--traceback", "info", tmp_path / "no.skblood", code=1)
        assert "Traceback" in result.stderr and "FileNotFoundError" in result.stderr

    def test_module(self, shell, model_file, cell_folder):
        """A reader that stops reading, as `head` does, is no error to report."""
        with shell.start("predict", model_file, cell_folder) as process:
            process.stdout.close()
            assert "Error" not in (said := process.stderr.read()) and "skblood: " not in said
        assert process.returncode == 1
