"""Replacing a file: whatever happens meanwhile, the old one or the new one is there, whole."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

import skblood
from skblood import _writing
from skblood._writing import escape_formula, lock, printable, read_formula, replace_file

OLD, NEW = b"old" * 1000, b"new" * 2000
posix = pytest.mark.skipif(os.name != "posix", reason="as POSIX has it")


@pytest.fixture
def old(path):
    path.write_bytes(OLD)
    return path


def names(path):
    return sorted(os.listdir(path.parent))


@pytest.mark.parametrize("name", ["x" * 240, "ü" * 110, ".hidden", "two words"])
def test_a_new_file_and_a_replaced_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (OLD, NEW):
        assert str(replace_file(name, content)) == name
        assert (tmp_path / name).read_bytes() == content
        assert names(tmp_path / name) == [name]


@posix
def test_mode_and_link(path, tmp_path):
    for umask, mode in [(0o022, 0o644), (0o077, 0o600)]:
        before = os.umask(umask)
        try:
            replace_file(path, OLD)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.unlink()
    path.write_bytes(OLD)
    link = tmp_path / "latest"
    link.symlink_to(path.name)
    replace_file(link, NEW)
    assert link.is_symlink()
    assert path.read_bytes() == NEW


def test_content_is_on_the_disk_before_the_name_is(old, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: done.append("fsync") or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda a, b: done.append("replace") or replace(a, b))
    replace_file(old, NEW)
    assert done[:2] == ["fsync", "replace"]


class TestFailures:
    @pytest.mark.parametrize("function", ["fsync", "replace"])
    @pytest.mark.parametrize("error", [OSError(errno.EIO, "no"), KeyboardInterrupt()])
    def test_the_old_file_is_whole_and_no_litter_is_left(self, function, error, old, monkeypatch):
        def fail(*args):
            raise error

        monkeypatch.setattr(os, function, fail)
        with pytest.raises(type(error)):
            replace_file(old, NEW)
        monkeypatch.undo()
        assert old.read_bytes() == OLD
        assert names(old) == [old.name]

    @pytest.mark.parametrize(
        ("number", "kind", "advice"),
        [
            (errno.ENOSPC, OSError, "was not written: No space left on device. Make room"),
            (errno.EACCES, PermissionError, "Permission denied.*use another folder"),
        ],
    )
    def test_the_error_says_what_to_do(self, number, kind, advice, old, monkeypatch):
        def fail(descriptor):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(kind, match=advice) as error:
            replace_file(old, NEW)
        assert error.value.errno == number
        assert error.value.filename == str(old.resolve())

    def test_what_is_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            replace_file(tmp_path / "new" / "model.skblood", NEW)
        with pytest.raises(IsADirectoryError, match="is a folder"):
            replace_file(tmp_path, NEW)
        if os.name == "posix":
            with pytest.raises(OSError, match="is a device or a pipe"):
                replace_file("/dev/null", NEW)

    def test_a_write_protected_file(self, old, monkeypatch):
        # The system's answer is made here: root may write everywhere.
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(PermissionError, match="is write-protected"):
            replace_file(old, NEW)
        with pytest.raises(TypeError):
            skblood.save(object(), old)
        assert old.read_bytes() == OLD


@posix
def test_kill_at_any_moment(old):
    """A child writes old and new by turns until it is killed."""
    code = (
        "import runpy, sys; replace_file = runpy.run_path(sys.argv[1])['replace_file']\n"
        "print(flush=True)\n"
        "while True: [replace_file(sys.argv[2], c * 10**5) for c in (b'new', b'old')]"
    )
    command = [sys.executable, "-c", code, _writing.__file__, old]  # alone it imports no torch
    for delay in (0.0, 0.011, 0.023):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert old.read_bytes() in (OLD, b"new" * 10**5, b"old" * 10**5)
    replace_file(old, NEW)
    assert old.read_bytes() == NEW


class TestLock:
    WHO = "Process {}" if sys.platform == "linux" else "Another process"

    @pytest.fixture
    def held(self, path):
        """The process that holds the lock of the path."""
        code = (
            "import runpy, sys, pathlib; lock = runpy.run_path(sys.argv[1])['lock']\n"
            "with lock(pathlib.Path(sys.argv[2])): print(flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", code, _writing.__file__, path]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            yield process
            process.kill()

    def test_held_by_another_process(self, held, path, monkeypatch):
        """A process that waits tells it, and goes on when the other process has ended."""
        who = self.WHO.format(held.pid)
        with pytest.raises(BlockingIOError, match=who) as error, lock(path, wait=False):
            pass
        assert repr(str(path)) in str(error.value)
        monkeypatch.setattr(_writing, "PATIENCE", 0)
        monkeypatch.setattr(_writing, "warn_of_lock", lambda file: held.kill())
        with lock(path):
            assert names(path) == [f".{path.name}.lock"]
        assert names(path) == []

    def test_warning(self, held, path):
        with pytest.warns(UserWarning, match=rf"{self.WHO.format(held.pid)} .*\.lock"):
            _writing.warn_of_lock(path.with_name(f".{path.name}.lock"))

    def test_released_after_an_error(self, path):
        for _ in range(2):
            with pytest.raises(KeyError), lock(path, wait=False):
                raise KeyError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lympho\x1b]0;x\x07\x9b1m\x7f", r"lympho\x1b]0;x\x07\x9b1m\x7f"),
        ("\u202e\u2066\u2028\udc81", r"\u202e\u2066\u2028\udc81"),
        ("Größe\xa0白血球\u200c \\n", "Größe\xa0白血球\u200c \\n"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown
    assert printable(f"{text}\n\t") == f"{shown}\n\t"
    assert printable(f"{text}\n\t", keep="") == shown + r"\n\t"


@pytest.mark.parametrize("text", ["=1+1.png", "+", "-a", "@x", "\tq", "'=", "''-", "\r", "\uff1dx"])
def test_formulas(text):
    assert escape_formula(text) == f"'{text}"
    assert read_formula(escape_formula(text)) == text


@pytest.mark.parametrize("text", ["", "'", "a=1", "'a", "./-a", " =1"])
def test_no_formulas(text):
    assert escape_formula(text) == read_formula(text) == text
