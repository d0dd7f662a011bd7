"""Clients that are not there."""

import sys

import dask
import pytest

import skblood.distributed


def test_none(model, shards, tmp_path):
    with pytest.raises(ValueError, match=r"There is no Dask client\. Pass client="):
        skblood.distributed.predict(model, shards, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_scheduler_there(model, shards, tmp_path):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9 "),
    ):
        skblood.distributed.predict(model, shards, tmp_path / "out", client="tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()


def test_without_the_package(model, shards, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"skblood\[dask,shards\]"):
        skblood.distributed.predict(model, shards, tmp_path / "out", client="tcp://127.0.0.1:9")
