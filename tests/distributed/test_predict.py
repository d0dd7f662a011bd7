"""Prediction by a Dask cluster: the rows of one process, exactly once, whatever is killed."""

import os
import random
import signal
import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import distributed
import pytest
from pandas.testing import assert_frame_equal
from typer.testing import CliRunner

import skblood.distributed
from skblood.cli._app import app
from skblood.distributed import _job, _predict
from skblood.streaming import predict_shards, read_predictions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(model, shards, tmp_path_factory):
    """Return the rows that one process computes."""
    folder = tmp_path_factory.mktemp("expected") / "rows"
    predict_shards(model, shards, folder)
    rows = read_predictions(folder)
    assert len(rows) == 144
    return rows


def assert_whole(folder, expected):
    assert_frame_equal(read_predictions(folder), expected)
    # No part of a shard, no lock and no token is left.
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("how", ["client", "cluster", "address", "default"])
def test_the_rows_of_one_process(cluster, client, model, shards, expected, tmp_path, how):
    given = {"client": client, "cluster": cluster, "address": cluster.scheduler_address}
    with client.as_current():
        result = skblood.distributed.predict(model, shards, tmp_path / "out", client=given.get(how))
    assert (result.n_images, result.n_shards, result.n_resumed) == (144, 24, 0)
    assert_whole(tmp_path / "out", expected)
    assert not any(name.startswith("skblood") for name in _plugins(client))
    assert client.status == "running"


def _plugins(client):
    return {name for names in client.run(_list_plugins).values() for name in names}


def _list_plugins(dask_worker):
    return [*dask_worker.plugins]


def test_features_and_columns(client, model, shards, tmp_path):
    options = {"task": "embed", "on_error": "skip", "model_name": "m"}
    predict_shards(model, shards, tmp_path / "alone", **options)
    skblood.distributed.predict(model, shards, tmp_path / "out", client=client, **options)
    alone, rows = (read_predictions(tmp_path / name) for name in ("alone", "out"))
    assert {"feature_0", "model", "error"} <= {*rows.columns}
    assert_frame_equal(rows, alone)


def test_the_command(cluster, client, model, shards, expected, tmp_path):
    skblood.save(model, tmp_path / "m.skblood")
    words = ["predict", tmp_path / "m.skblood", shards, "--out", tmp_path / "out"]
    words += ["--dask", cluster.scheduler_address]
    result = CliRunner().invoke(app, [*map(str, words)], prog_name="skblood")
    assert result.exit_code == 0, result.stderr
    assert "144 images in 24 shards" in result.stderr
    assert_frame_equal(read_predictions(tmp_path / "out")[expected.columns], expected)


def test_it_resumes_what_another_began(client, model, shards, expected, tmp_path):
    predict_shards(model, shards, tmp_path / "out")
    for path in [*(tmp_path / "out").glob("part-*.parquet")][::2]:
        path.unlink()
    result = skblood.distributed.predict(model, shards, tmp_path / "out", client=client)
    assert (result.n_images, result.n_shards, result.n_resumed) == (144, 24, 12)
    assert_whole(tmp_path / "out", expected)
    other = model.set_params()  # the same model
    assert (
        skblood.distributed.predict(other, shards, tmp_path / "out", client=client).n_resumed == 24
    )
    with pytest.raises(ValueError, match="holds other predictions"):
        skblood.distributed.predict(model, shards, tmp_path / "out", client=client, task="embed")


def test_few_are_in_flight(client, model, shards, expected, tmp_path, monkeypatch):
    """The scheduler knows of few partitions at a time, and of one copy of the model."""
    monkeypatch.setattr(_predict, "_IN_FLIGHT", 3)
    seen, submit = [], client.submit

    def count(function, *args, **options):
        seen.append(len(client.futures))
        assert len(distributed.protocol.pickle.dumps((function, args, options))) < 5_000
        return submit(function, *args, **options)

    monkeypatch.setattr(client, "submit", count)
    skblood.distributed.predict(model, shards, tmp_path / "out", client=client)
    assert len(seen) == 24
    assert max(seen) <= 4
    assert_whole(tmp_path / "out", expected)


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize("seed", range(3))
def test_a_worker_is_killed(cluster, client, model, shards, expected, tmp_path, seed):
    """At a random moment, by kill -9; its nanny starts another one."""
    chance = random.Random(seed)
    client.wait_for_workers(2, timeout=120)
    nanny = chance.choice([*cluster.workers.values()])

    def kill():
        time.sleep(chance.uniform(0.1, 1.5))
        os.kill(nanny.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        result = skblood.distributed.predict(model, shards, tmp_path / "out", client=client)
    finally:
        thread.join()
    assert (result.n_images, result.n_shards) == (144, 24)
    assert_frame_equal(read_predictions(tmp_path / "out"), expected)


@pytest.mark.parametrize("n_done", [1, 12])
def test_the_scheduler_is_killed(commands, client, model, shards, expected, tmp_path, n_done):
    """The client ends with an error; the same call with another scheduler resumes."""
    out, cluster = tmp_path / "out", commands()

    def kill():
        while len([*out.glob("part-*.parquet")]) < n_done:
            time.sleep(0.01)
        cluster.scheduler.kill()

    thread = threading.Thread(target=kill)
    with cluster.connect() as lost:
        thread.start()
        with pytest.raises(ConnectionError, match=r"scheduler was lost.*which resumes"):
            skblood.distributed.predict(model, shards, out, client=lost)
        thread.join()
        lost.close(timeout=1)
    cluster.end()  # workers finish what they have begun
    n_left = len([*out.glob("part-*.parquet")])
    result = skblood.distributed.predict(model, shards, out, client=client)
    assert n_done <= n_left == result.n_resumed
    assert_whole(out, expected)


class TestErrors:
    def test_a_worker_of_another_version(self, client, model, shards, tmp_path, monkeypatch):
        monkeypatch.setattr(_job, "version", lambda name: "0.0.1")
        with pytest.raises(ImportError, match=r"worker tcp://.* has skblood .*client 0\.0\.1"):
            skblood.distributed.predict(model, shards, tmp_path / "out", client=client)
        assert [*tmp_path.glob("out/part-*")] == []

    @pytest.mark.parametrize("unseen", ["folder", "images"])
    def test_a_worker_of_another_file_system(
        self, client, model, shards, tmp_path, monkeypatch, unseen
    ):
        """Which lacks the file that the client has put into the folder, or an image."""
        if unseen == "folder":
            token = nullcontext(SimpleNamespace(name=str(tmp_path / "out" / ".token")))
            monkeypatch.setattr(_predict, "NamedTemporaryFile", lambda **options: token)
        else:
            monkeypatch.setattr(_predict, "_find_image", lambda partitions: ["/elsewhere/0.png"])
        with pytest.raises(FileNotFoundError, match=r"does not see '.*a file system that they"):
            skblood.distributed.predict(model, shards, tmp_path / "out", client=client)
        assert [*tmp_path.glob("out/part-*")] == []

    def test_unreadable_images(self, client, model, shards, tmp_path):
        (tmp_path / "a.png").write_bytes(b"no image")
        with pytest.raises(ValueError, match=r"cannot be read:\n.*a\.png"):
            skblood.distributed.predict(model, tmp_path / "a.png", tmp_path / "out", client=client)
        result = skblood.distributed.predict(
            model, tmp_path / "a.png", tmp_path / "new", client=client, on_error="skip"
        )
        assert result.n_unreadable == 1
