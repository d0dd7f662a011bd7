"""Downloads, from a server on this machine."""

import hashlib
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skblood.datasets import _download
from skblood.datasets._download import ensure_file, resolve_data_home

CONTENT = np.random.default_rng(0).bytes(400_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
# A whole number of the pieces that are written: what breaks after it has brought them all.
BREAK = 2 * _download._CHUNK


@pytest.fixture
def server(server):
    server.content = CONTENT
    return server


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "cells.bin"


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def part_of(file):
    return file.with_name("cells.bin.part")


def written(file):
    """Return what tells one writing of a file from another; reading changes none of it."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


class TestWhole:
    @pytest.mark.parametrize("checksum", [MD5, SHA256])
    def test_download(self, server, file, checksum):
        ensure_file(file, server.url, checksum)
        assert file.read_bytes() == CONTENT
        assert server.asked == [None]
        assert visible(file.parent) == ["cells.bin"]

    def test_file_can_be_read_by_whom_the_umask_allows(self, server, file):
        ensure_file(file, server.url, MD5)
        other = file.with_name("other")
        other.touch()
        assert file.stat().st_mode == other.stat().st_mode

    @pytest.mark.parametrize("download", [True, False])
    def test_whole_file_is_not_touched(self, server, file, download):
        file.parent.mkdir()
        file.write_bytes(CONTENT)
        before = written(file)
        ensure_file(file, server.url, MD5, download=download)
        assert written(file) == before
        assert server.asked == []
        assert os.listdir(file.parent) == ["cells.bin"]

    def test_damaged_file_is_replaced(self, server, file):
        file.parent.mkdir()
        file.write_bytes(b"damaged")
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT

    def test_damaged_file_stays_until_there_is_a_better_one(self, server, file):
        file.parent.mkdir()
        file.write_bytes(b"damaged")
        server.content = b"no better"
        with pytest.raises(OSError, match="does not match"):
            ensure_file(file, server.url, MD5)
        assert file.read_bytes() == b"damaged"
        assert visible(file.parent) == ["cells.bin"]


class TestBrokenOff:
    def test_gone_on_with_in_the_same_call(self, server, file):
        server.breaks = [BREAK, BREAK]
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == [None, f"bytes={BREAK}-", f"bytes={2 * BREAK}-"]
        assert visible(file.parent) == ["cells.bin"]

    def test_gone_on_with_in_the_next_call(self, server, file, monkeypatch):
        monkeypatch.setattr(_download, "_WAITS", ())
        server.breaks = [BREAK]
        with pytest.raises(OSError, match=r"download of cells\.bin failed"):
            ensure_file(file, server.url, MD5)
        assert visible(file.parent) == ["cells.bin.part"]
        assert part_of(file).read_bytes() == CONTENT[:BREAK]
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == [None, f"bytes={BREAK}-"]
        assert visible(file.parent) == ["cells.bin"]

    def test_given_up_after_a_few_attempts(self, server, file):
        server.breaks = [_download._CHUNK] * 9
        with pytest.raises(OSError, match="failed"):
            ensure_file(file, server.url, MD5)
        assert len(server.asked) == 4
        assert part_of(file).stat().st_size == 4 * _download._CHUNK

    def test_server_without_ranges_starts_over(self, server, file):
        server.ranges = False
        server.breaks = [BREAK]
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == [None, f"bytes={BREAK}-"]

    def test_silent_server(self, server, file, monkeypatch):
        monkeypatch.setattr(_download, "_TIMEOUT", (5, 0.2))
        monkeypatch.setattr(_download, "_WAITS", ())
        server.breaks = [BREAK]
        server.stall.clear()
        with pytest.raises(OSError, match="timed out"):
            ensure_file(file, server.url, MD5)
        assert part_of(file).read_bytes() == CONTENT[:BREAK]

    @pytest.mark.parametrize("ranges", [True, False])
    def test_part_of_another_file(self, server, file, ranges):
        file.parent.mkdir()
        part_of(file).write_bytes(b"of another file")
        server.ranges = ranges
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == (["bytes=15-", None] if ranges else ["bytes=15-"])

    def test_part_that_is_too_long(self, server, file):
        file.parent.mkdir()
        part_of(file).write_bytes(CONTENT + b"more")
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == [f"bytes={len(CONTENT) + 4}-", None]

    def test_part_that_is_whole(self, server, file):
        """The process ended between the last byte and the new name."""
        file.parent.mkdir()
        part_of(file).write_bytes(CONTENT)
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == [f"bytes={len(CONTENT)}-"]

    def test_part_as_long_as_the_file_with_other_content(self, server, file):
        file.parent.mkdir()
        part_of(file).write_bytes(CONTENT[::-1])
        ensure_file(file, server.url, MD5)
        assert file.read_bytes() == CONTENT
        assert server.asked == [f"bytes={len(CONTENT)}-", None]


class TestErrors:
    def test_wrong_checksum(self, server, file):
        wrong = "md5:" + "0" * 32
        with pytest.raises(OSError, match=f"{wrong[4:]} but got {MD5[4:]}") as caught:
            ensure_file(file, server.url, wrong)
        assert server.url in str(caught.value)
        assert visible(file.parent) == []
        assert server.asked == [None]

    def test_no_network(self, closed_url, file, monkeypatch):
        monkeypatch.setattr(_download.time, "sleep", lambda seconds: pytest.fail("it waits"))
        with pytest.raises(OSError, match="by hand and save it as") as caught:
            ensure_file(file, closed_url, MD5)
        for part in [closed_url, repr(str(file)), MD5]:
            assert part in str(caught.value)
        assert visible(file.parent) == []

    @pytest.mark.parametrize("status", [403, 404, 500])
    def test_refusal_of_the_server(self, server, file, status):
        server.statuses = [status]
        with pytest.raises(OSError, match=rf"failed: {status} .*by hand"):
            ensure_file(file, server.url, MD5)
        assert visible(file.parent) == []

    @pytest.mark.parametrize(("content", "state"), [(None, "is not there"), (b"cut", "is damaged")])
    def test_download_false(self, server, file, content, state):
        if content:
            file.parent.mkdir()
            file.write_bytes(content)
        with pytest.raises(OSError, match=rf"{state}.*Pass download=True, or: .*{MD5}"):
            ensure_file(file, server.url, MD5, download=False)
        assert server.asked == []
        assert file.exists() == file.parent.exists() == bool(content)

    def test_file_in_the_place_of_the_folder(self, server, file):
        file.parent.write_text("a file")
        with pytest.raises(OSError, match="cannot be written to the folder") as caught:
            ensure_file(file, server.url, MD5)
        for part in [repr(str(file.parent)), "data_home=", "SKBLOOD_DATA_HOME"]:
            assert part in str(caught.value)
        assert server.asked == []

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to any folder"
    )
    def test_folder_without_the_right_to_write(self, server, file):
        file.parent.mkdir(mode=0o500)
        with pytest.raises(OSError, match=r"cannot be written to the folder .*data_home="):
            ensure_file(file, server.url, MD5)
        assert server.asked == []

    def test_full_disk(self, server, file, monkeypatch):
        def fail(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(_download._ResumingDownloader, "_save", fail)
        with pytest.raises(OSError, match=r"No space left.*by hand"):
            ensure_file(file, server.url, MD5)


class TestAtOnce:
    def test_two_threads(self, server, file):
        barrier = threading.Barrier(2)

        def fetch(_):
            barrier.wait(10)
            ensure_file(file, server.url, MD5)
            return file.read_bytes() == CONTENT

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(fetch, range(2))) == [True, True]
        assert server.asked == [None]

    def test_another_process(self, server, file):
        server.breaks = [BREAK]
        server.stall.clear()
        context = multiprocessing.get_context("spawn")
        other = context.Process(target=ensure_file, args=(file, server.url, MD5), daemon=True)
        other.start()
        deadline = time.monotonic() + 120
        while not server.asked:
            assert other.is_alive() and time.monotonic() < deadline
            time.sleep(0.01)
        with ThreadPoolExecutor(1) as pool:
            mine = pool.submit(ensure_file, file, server.url, MD5)
            time.sleep(0.3)
            waits = not mine.done()
            asked = list(server.asked)
            server.stall.set()  # before anything can fail: the pool waits for both
            mine.result(60)
        # While the other one was in the middle of it, this one had not asked.
        assert waits
        assert asked == [None]
        other.join(60)
        assert other.exitcode == 0
        assert file.read_bytes() == CONTENT
        assert server.asked == [None, f"bytes={BREAK}-"]


class TestDataHome:
    def test_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SKBLOOD_DATA_HOME", "elsewhere")
        assert resolve_data_home(str(tmp_path)) == tmp_path

    def test_environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SKBLOOD_DATA_HOME", str(tmp_path))
        assert resolve_data_home(None) == tmp_path

    def test_default(self, tmp_path, monkeypatch):
        monkeypatch.delenv("SKBLOOD_DATA_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert resolve_data_home(None) == tmp_path / "skblood_data"
