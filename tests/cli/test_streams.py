"""The standard output, Ctrl-C, and what reaches a terminal."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import skblood
from skblood._writing import printable
from skblood.cli._app import app
from skblood.datasets import load_csv

from .conftest import draw

pytestmark = pytest.mark.skipif(os.name != "posix", reason="streams and names as POSIX has them")
LOST = "skblood: The standard output cannot be written"


def end(*words):
    """Run a command with the streams of the moment, and return its exit code."""
    closed = sys.stdout is None
    with pytest.raises(SystemExit) as ended:
        app([str(word) for word in words], prog_name="skblood")
    if closed:
        sys.stdout.close()  # what the command put in its place
    return ended.value.code or 0


def run(code, **options):
    """Run Python code in another process."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **options)


class TestLostOutput:
    """A result that was not written is not a success."""

    @pytest.mark.parametrize("words", [["--help"], ["--version"], ["datasets", "list"]])
    def test_closed(self, monkeypatch, capsys, words):
        monkeypatch.setattr(sys, "stdout", None)
        assert end(*words) == 1
        assert capsys.readouterr().err.count("skblood: ") == 1

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
    def test_full_disk(self, monkeypatch, capsys):
        with open("/dev/full", "w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert end("datasets", "list", "--json") == 1
        assert capsys.readouterr().err.startswith(f"{LOST}: [Errno 28]")

    def test_not_needed(self, monkeypatch, model_file, cell_folder, tmp_path):
        monkeypatch.setattr(sys, "stdout", None)
        assert end("predict", model_file, cell_folder, "--out", tmp_path / "p.csv") == 0

    def test_process(self):
        """Python says nothing more at exit."""
        code = (
            "import sys; sys.argv[1:] = ['datasets', 'list']; from skblood.cli import main; main()"
        )
        result = run(code, preexec_fn=lambda: os.close(1))
        assert result.returncode == 1
        assert result.stderr == f"{LOST}: [Errno 9] Bad file descriptor\n"

    def test_without_standard_error(self, monkeypatch):
        stdout = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", None)
        assert end("info", "nowhere") == 1 and stdout.buffer.getvalue() == b""
        sys.stderr.close()

    def test_narrow_encoding(self, hostile, monkeypatch):
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", stdout)
        assert end("info", hostile.model) == 0
        assert rb"gr\xfcn" in stdout.buffer.getvalue()


class TestInterrupt:
    @pytest.mark.parametrize("module", ["typer", "skblood.cli._train"])
    def test_while_importing(self, module):
        code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder:
    def find_spec(self, name, *args):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
from skblood.cli import main
sys.meta_path.insert(0, Finder())
main()
"""
        result = run(code)
        assert (result.returncode, result.stderr) == (130, "skblood: interrupted by Ctrl-C.\n")

    def test_while_a_string_is_executed(self, tmp_path):
        """Python remembers that, and would end by the signal, not with 130."""
        (tmp_path / "typer.py").write_text("exec('raise KeyboardInterrupt')")
        paths = f"{tmp_path}{os.pathsep}{Path(skblood.__file__).parents[1]}"
        env = {**os.environ, "PYTHONPATH": paths}
        assert run("from skblood.cli import main; main()", env=env).returncode == 130

    @pytest.mark.slow
    @pytest.mark.parametrize("delay", [0.2, 0.5, 1, 2, 4])
    def test_at_any_moment(self, shell, tmp_path, delay):
        out = tmp_path / "a.skblood"
        with shell.start("train", "synthetic", "--out", out, "--epochs", 500) as process:
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=120)
        assert process.returncode == 130 and "Traceback" not in stderr


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model, and a folder of cells, with names that spoof a terminal or a spreadsheet."""
    folder = tmp_path_factory.mktemp("hostile")
    X, y = draw(24, 0)
    classes = np.array(["=1+1", "\x1b[31mred\nline\x9b\u202e", "@grün"])
    names = classes[np.unique(y, return_inverse=True)[1]]
    clf = skblood.MLPCellClassifier((8,), max_epochs=1, random_state=0).fit(X, names)
    hostile = SimpleNamespace(cells=folder / "cells", model=folder / "m.skblood")
    skblood.save(clf, hostile.model)
    for i, (image, name) in enumerate(zip(X, names, strict=True)):
        file = hostile.cells / name / f"-{i}\x1b[2J\n.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return hostile


class TestNames:
    WORDS = (
        ("info", "{model}"),
        ("info", "{model}", "--card"),
        ("info", "{model}", "--json"),
        ("predict", "{model}", "{cells}"),
        ("predict", "{model}", "{cells}", "--json"),
        ("query", "{model}", "{cells}", "-k", "3"),
        ("query", "{model}", "{cells}", "-k", "3", "--json"),
        ("adapt", "{model}", "{cells}", "--out", "{model}.1", "--overwrite"),
        ("adapt", "{model}", "{cells}", "--out", "{model}.1", "--overwrite", "--json"),
        ("evaluate", "{model}", "{cells}"),
        ("evaluate", "{model}", "{cells}", "--json"),
        ("audit", "{cells}"),
        ("audit", "{cells}", "--json"),
        ("datasets", "describe", "{cells}"),
        ("datasets", "describe", "{cells}", "--json"),
    )

    @pytest.mark.parametrize("words", WORDS, ids=" ".join)
    def test_no_control_characters(self, shell, hostile, words):
        result = shell(*(word.format(**vars(hostile)) for word in words))
        for text in (result.stdout, result.stderr):
            assert all(c.isprintable() or c == "\n" for c in text)
            assert not any(line.startswith("line") for line in text.splitlines())
        if "--json" in words:
            assert json.loads(result.stdout)

    @pytest.mark.parametrize("words", [["predict", "\x1b"], ["\x1bx"], ["info", "a", "\x1bx"]])
    def test_errors(self, shell, words):
        result = shell(*words, code=1 if words[0] == "predict" else 2)
        assert "\x1b" not in result.stderr and r"\x1b" in result.stderr

    @pytest.mark.filterwarnings("ignore:Glyph")
    def test_cells_of_tables(self, shell, hostile, tmp_path, monkeypatch):
        """No cell is a formula; load_csv reads paths as they are, and labels escaped."""
        monkeypatch.chdir(hostile.cells / "=1+1")
        out, files = tmp_path / "p.csv", sorted(os.listdir())
        shell("predict", "--out", out, "--", hostile.model, *files)
        decided = out.with_name("decided.csv")  # no table of predictions any more
        decided.write_text(out.read_text().replace(",probability,", ",sure,", 1))
        cells = load_csv(decided)
        assert [os.path.basename(path) for path in cells.data] == files
        labels = skblood.load(hostile.model).predict(files)
        assert cells.target.tolist() == [printable(label, keep="") for label in labels]
        assert r"p_\x1b[31mred\nline\x9b\u202e" in out.read_text().splitlines()[0]
        shell("evaluate", hostile.model, hostile.cells, "--out", tmp_path)
        tables = [out, tmp_path / "predictions.csv", tmp_path / "confusion_matrix.csv"]
        lines = "".join(file.read_text() for file in tables).splitlines()
        starts = {cell.lstrip('"')[:1] for line in lines for cell in line.split(",")}
        assert not starts & set("=+-@\t\r")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
def test_file_names_that_are_not_utf_8(shell, model_file, cell_folder, tmp_path):
    cells = tmp_path / "cells"
    cells.mkdir()
    for i, image in enumerate(sorted((cell_folder / "test" / "platelet").iterdir())):
        (cells / os.fsdecode(b"Zell\x81%d.png" % i)).write_bytes(image.read_bytes())
    escaped = f"{cells}/Zell\\udc810.png"
    assert shell.table("predict", model_file, cells)["path"][0] == escaped
    document = json.loads(shell("predict", model_file, cells, "--json").stdout)
    assert document["predictions"][0]["path"] == escaped
    for name in ("p.csv", "p.parquet", "e.npz", "e.csv"):
        command = "embed" if name[0] == "e" else "predict"
        shell(command, model_file, cells, "--out", tmp_path / name)
    assert escaped in (tmp_path / "p.csv").read_text()
    assert escaped in (tmp_path / "e.csv").read_text()
    folder, findings = tmp_path / "classes", tmp_path / "findings.csv"
    folder.mkdir()
    for label in ("platelet", "monocyte"):
        (folder / label).symlink_to(cells)
    shell("evaluate", model_file, folder, "--out", tmp_path / "evaluation")
    shell("audit", folder, "--out", findings)
    shell("datasets", "describe", folder)
    assert r"Zell\udc810.png" in findings.read_text()
