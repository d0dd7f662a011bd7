import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skblood.datasets._download import ensure_file, resolve_data_home

CONTENT = np.random.default_rng(0).bytes(200_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture(autouse=True)
def content(server):
    server.content = CONTENT


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "cells.bin"


def visible(folder):
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_download(server, file, checksum):
    ensure_file(file, server.url, checksum)
    assert file.read_bytes() == CONTENT
    assert visible(file.parent) == ["cells.bin"]
    assert file.stat().st_mode & 0o777 == 0o644  # others may read it
    ensure_file(file, server.url, checksum)
    ensure_file(file, server.url, checksum, download=False)
    assert server.n_requests == 1


def test_damaged_file_is_replaced_by_a_verified_one_only(server, file):
    file.parent.mkdir()
    file.write_bytes(b"damaged")
    server.content = b"not better"
    with pytest.raises(OSError, match=r"failed: .* does not match"):
        ensure_file(file, server.url, MD5)
    assert file.read_bytes() == b"damaged"
    assert visible(file.parent) == ["cells.bin"]
    server.content = CONTENT
    ensure_file(file, server.url, MD5)
    assert file.read_bytes() == CONTENT


def test_broken_connection_is_tried_again(server, file):
    server.breaks = [100_000, 0]
    ensure_file(file, server.url, MD5)
    assert file.read_bytes() == CONTENT
    assert server.n_requests == 3


def test_error_after_the_last_attempt(server, file):
    server.status = 404
    with pytest.raises(OSError, match=r"cells\.bin failed: 404") as caught:
        ensure_file(file, server.url, MD5)
    for part in [server.url, repr(str(file)), MD5, "data_home=", "SKBLOOD_DATA_HOME"]:
        assert part in str(caught.value)
    assert visible(file.parent) == []


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_download_false(server, file, content):
    if content:
        file.parent.mkdir()
        file.write_bytes(content)
    with pytest.raises(OSError, match=rf"missing or damaged.*download=True, or .*{MD5}"):
        ensure_file(file, server.url, MD5, download=False)
    assert server.n_requests == 0
    assert file.parent.exists() == bool(content)


def test_folder_that_cannot_be_written(server, file):
    file.parent.write_text("a file")
    with pytest.raises(OSError, match=r"failed: .*home'.*data_home="):
        ensure_file(file, server.url, MD5)
    assert server.n_requests == 0


def test_two_at_once_download_once(server, file):
    barrier = threading.Barrier(2)

    def fetch(_):
        barrier.wait(10)
        ensure_file(file, server.url, MD5)
        return file.read_bytes() == CONTENT

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetch, range(2))) == [True, True]
    assert server.n_requests == 1


def test_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SKBLOOD_DATA_HOME", str(tmp_path / "environment"))
    assert resolve_data_home(str(tmp_path)) == tmp_path
    assert resolve_data_home(None) == tmp_path / "environment"
    monkeypatch.delenv("SKBLOOD_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert resolve_data_home(None) == tmp_path / "skblood_data"
