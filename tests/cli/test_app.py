"""Help, exit codes, messages, and what is imported."""

import subprocess
import sys
import warnings

import pytest

import skblood
from skblood.cli import _predict, main

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

    def test_nothing_heavy_is_imported(self):
        code = (
            "import sys\nfrom skblood.cli._app import app\n"
            "for words in (['--help'], ['train', '--help'], ['trian'], ['datasets', 'list']):\n"
            "    try:\n        app(words)\n    except SystemExit:\n        pass\n"
            "heavy = {'torch', 'timm', 'sklearn', 'pandas', 'matplotlib', 'PIL'}\n"
            "print('heavy:', sorted(heavy & set(sys.modules)))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert result.stdout.splitlines()[-1] == "heavy: []", result.stderr


class TestErrors:
    @pytest.fixture
    def predict(self, shell, model_file, cell_folder, monkeypatch):
        """Run `skblood predict` with a function in place of the search for images."""

        def run(function, code):
            monkeypatch.setattr(_predict._data, "find_images", lambda names, *_: function(names))
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
