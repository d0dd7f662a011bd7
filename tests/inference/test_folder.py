"""The folder of a FeatureStore: location, damage, full disks, many processes and hosts."""

import errno
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from skblood.inference import FeatureStore, _folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "rows"


@pytest.fixture
def restart(monkeypatch):
    """Return a function that forgets what the process knows of folders, as another one does."""
    return lambda: monkeypatch.setattr(_folder, "_by_folder", {})


@pytest.fixture
def filled(tmp_path, network, make_keys):
    """A store in a folder, with the features of the first 100 of 600 keys in two files."""
    store, keys = FeatureStore(tmp_path), make_keys(600)
    for part in (keys[:64], keys[64:100]):
        store.fetch(b"net", part, network.on(part))
    network.seen.clear()
    return store


@pytest.fixture
def file(filled, folder):
    """The first file of the store."""
    return sorted(folder.iterdir(), key=lambda path: path.name.split("-")[1])[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestLocation:
    def test_folder_is_made_when_needed(self, tmp_path, monkeypatch, network, make_keys, refuse):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        store, keys = FeatureStore("~/not/there yet, 100% #1?"), make_keys(2)
        assert (len(store), store.n_computed, store.n_bytes) == (0, 0, 0)
        store.clear()
        assert list(tmp_path.iterdir()) == []
        store.fetch(b"net", keys, network.on(keys))
        (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert path.parent == tmp_path / "not" / "there yet, 100% #1?" / "rows"
        assert store.n_bytes == path.stat().st_size
        same = FeatureStore(path.parents[1])
        assert network.made(same.fetch(b"net", keys, refuse), keys)
        assert len(FeatureStore(tmp_path)) == 0

    def test_is_a_file(self, tmp_path, make_keys, refuse):
        (tmp_path / "cells.txt").write_text("neutrophil")
        store = FeatureStore(tmp_path / "cells.txt")
        with pytest.raises(OSError, match=r"cannot be used .*must be a folder") as error:
            store.fetch(b"net", make_keys(3), refuse)
        assert str(tmp_path / "cells.txt") in str(error.value)

    def test_foreign_files_stay(self, filled, tmp_path, folder, file, make_keys, network):
        (tmp_path / "features.sqlite").write_text("rows of former versions")
        foreign = ["cells.safetensors", ".hidden.tmp", f"{file.name}.bak", f".{'0' * 31}.tmp"]
        for name in foreign:
            shutil.copy(file, folder / name)
            os.utime(folder / name, (0, 0))
        store, keys = FeatureStore(tmp_path, max_bytes=8000), make_keys(600)
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert store.n_bytes <= 8000 and not file.exists()
        filled.clear()
        assert names(folder) == sorted(foreign)
        assert (tmp_path / "features.sqlite").is_file()

    def test_files_are_named_by_what_is_in_them(self, filled, file):
        tensors = load_file(file)
        assert file.name.split("-")[2:4] == ["64", str(file.stat().st_size)]
        assert tensors["keys"].shape == tensors["digests"].shape == (64, 16)
        assert tensors["rows"].shape == (tensors["ends"][-1],) == (64 * 20,)


class TestDamage:
    @pytest.mark.parametrize("region", ["length", "json", "ends", "digests", "keys", "rows"])
    def test_flipped_bits(self, filled, file, network, make_keys, restart, refuse, region):
        """Rows are as they were computed, whatever is changed; what is damaged is told once."""
        content, keys = file.read_bytes(), make_keys(600)[:100]
        start = 8 + int.from_bytes(content[:8], "little")
        begins = dict(zip(("ends", "digests", "keys", "rows"), (0, 512, 1536, 2560), strict=True))
        begins = {"length": 0, "json": 8, **{name: start + n for name, n in begins.items()}}
        stops = [*list(begins.values())[1:], len(content)]
        stop = dict(zip(begins, stops, strict=True))[region]
        for place in np.linspace(begins[region], stop - 1, 8).astype(int):
            network.seen.clear()
            restart()
            damaged = bytearray(content)
            damaged[place] ^= 1 << place % 8
            file.write_bytes(damaged)
            with pytest.warns(UserWarning, match=r"Rows in .* are damaged.*again") as caught:
                assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
            assert len(caught) == 1 and caught[0].filename == __file__
            expected = [(place - begins["rows"]) // 20] if region == "rows" else list(range(64))
            assert network.all_seen == expected
            restart()
            assert network.made(filled.fetch(b"net", keys, refuse), keys)  # whole again
            filled.clear()
            file.write_bytes(content)
            filled.fetch(b"net", keys[64:], network.on(keys[64:]))

    @pytest.mark.parametrize("n_bytes", [0, 5, 8, 100, 2000, 3500])
    def test_truncated(self, filled, file, network, make_keys, restart, refuse, n_bytes):
        content, keys = file.read_bytes(), make_keys(600)[:100]
        os.truncate(file, n_bytes)
        restart()
        with pytest.warns(UserWarning, match=r"are damaged"):
            assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        assert set(network.all_seen) <= set(range(64))
        assert file.exists() == (n_bytes == 3500 < len(content))  # some of its rows are whole
        restart()
        assert network.made(filled.fetch(b"net", keys, refuse), keys)

    def test_foreign_content(self, filled, file, network, make_keys, restart):
        contents = [b"neutrophil, 12\n" * 9, b"\xff" * 5000, b"\0" * 99]
        save_file({"keys": np.zeros((64, 16))}, file)
        for content in [file.read_bytes(), *contents]:
            file.write_bytes(content)
            restart()
            network.seen.clear()
            with pytest.warns(UserWarning, match=r"are damaged"):
                keys = make_keys(600)[:64]
                assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
            filled.clear()

    def test_folder_named_like_a_file(self, filled, file, network, make_keys, restart):
        keys = make_keys(600)[:100]
        file.unlink()
        file.mkdir()
        restart()
        assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        filled.clear()
        assert names(file.parent) == [file.name]

    def test_file_of_another_group(self, filled, file, network, make_network, make_keys, restart):
        """A renamed file: its rows were computed by another network."""
        keys, other = make_keys(600)[:64], make_network(5)
        filled.fetch(b"other", keys[:1], other.on(keys))
        group = next(name for name in names(file.parent) if name[:32] != file.name[:32])[:32]
        shutil.copy(file, file.with_name(group + file.name[32:]))
        restart()
        other.seen.clear()
        with pytest.warns(UserWarning, match=r"are damaged"):
            filled.fetch(b"other", keys, other.on(keys))
        assert other.all_seen == list(range(1, 64))

    def test_damaged_images_are_decoded_again(self, tmp_path, folder, make_keys):
        """A row of one channel would turn an image gray."""
        store, keys = FeatureStore(tmp_path), [key.tobytes() for key in make_keys(3)]
        images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
        store.fetch_images((), keys, lambda rows: list(images[rows]))
        (file,) = folder.iterdir()
        os.truncate(file, file.stat().st_size - 40)
        with pytest.warns(UserWarning, match="are damaged"):
            found = store.fetch_images((), keys, lambda rows: list(images[rows]))
        assert np.array_equal(found, images)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
class TestUnwritable:
    @pytest.fixture(autouse=True)
    def refuse_writing(self, filled, monkeypatch, code):
        """Let each file break off after some bytes."""

        def write(path, content):
            with open(path, "wb") as file:
                file.write(content[:999])
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr("pathlib.Path.write_bytes", write)

    def test_computed_with_one_warning(self, filled, folder, network, make_keys, code):
        keys = make_keys(600)
        with pytest.warns(UserWarning) as caught:
            assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        assert network.all_seen == list(range(100, 600))
        assert len(caught) == 1 and caught[0].filename == __file__
        text = str(caught[0].message)
        assert f"be stored in {filled.location!r}" in text and os.strerror(code) in text
        assert "Free disk space, make it writable" in text
        assert len(filled) == 100
        assert len(names(folder)) == 2  # nothing half-written

    def test_stored_rows_are_read_without_warning(self, filled, network, make_keys, refuse):
        keys = make_keys(600)[:100]
        assert network.made(filled.fetch(b"net", keys, refuse), keys)


def test_write_protected_folder(filled, folder, file, network, make_keys, restart):
    keys = make_keys(600)[:110]
    os.truncate(file, 10)
    folder.chmod(0o500)
    restart()
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.warns(UserWarning) as caught:
            assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
    finally:
        folder.chmod(0o700)
    assert [("damaged" in str(w.message), "stored" in str(w.message)) for w in caught] == [
        (True, False),
        (False, True),
    ]


class TestHosts:
    """Two processes that know different things of one folder."""

    @pytest.fixture
    def hosts(self, filled, tmp_path):
        """Their views of the folder: each has seen the first two files."""
        hosts = _folder.FolderRows(tmp_path), _folder.FolderRows(tmp_path)
        for host in hosts:
            host.find(b"net", [b"0" * 16])
        return hosts

    def test_rows_of_the_other_are_found(self, hosts):
        rows = {bytes([i]) * 16: b"row" for i in range(5)}
        hosts[0].add(b"net", rows, 2**30)
        assert hosts[1].find(b"net", list(rows)) == rows
        assert hosts[1].find(b"other", list(rows)) == {}

    def test_new_files_alone_are_opened(self, hosts, monkeypatch):
        opened = []

        def spy(path, *args):
            opened.append(path.name)
            return open(path, *args)

        monkeypatch.setattr(_folder, "open", spy, raising=False)
        rows = {bytes([i]) * 16: b"row" for i in range(5)}
        hosts[0].add(b"net", rows, 2**30)
        hosts[1].find(b"net", [*rows, b"not there, 16 B."])
        assert len(opened) == 2 and len(set(opened)) == 1  # its keys, then its rows

    @pytest.mark.parametrize("code", [errno.ENOENT, errno.ESTALE, errno.EIO])
    def test_file_that_is_gone(self, hosts, monkeypatch, make_keys, code):
        def fail(*args):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(_folder, "open", fail, raising=False)
        keys = [key.tobytes() for key in make_keys(600)[:100]]
        assert hosts[1].find(b"net", keys) == {}

    def test_file_that_is_cut_while_it_is_read(self, hosts, folder, make_keys):
        for path in folder.iterdir():
            os.truncate(path, 3500)
        keys = [key.tobytes() for key in make_keys(600)[:100]]
        with pytest.warns(UserWarning, match="are damaged"):
            assert 0 < len(hosts[1].find(b"net", keys)) < 100

    def test_evicted_and_computed_anew(self, hosts):
        rows = {b"k" * 16: b"row"}
        hosts[0].add(b"net", rows, 2**30)
        assert hosts[1].find(b"net", list(rows)) == rows
        hosts[0].clear()
        assert hosts[1].find(b"net", list(rows)) == {}
        hosts[0].add(b"net", rows, 2**30)
        assert hosts[1].find(b"net", list(rows)) == rows

    def test_late_listing_costs_computing_alone(
        self, filled, network, make_keys, restart, monkeypatch, tmp_path
    ):
        """As of network file systems, which may show a folder as it was some seconds ago."""
        keys, late = make_keys(600), os.listdir(tmp_path / "rows")
        monkeypatch.setattr(os, "listdir", lambda folder: late)
        for _ in range(2):
            assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        assert len(network.all_seen) == 2 * 500
        monkeypatch.undo()
        network.seen.clear()
        assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        assert network.seen == [] and len(filled) == 1100

    def test_knowledge_of_evicted_files_goes(self, hosts):
        for i in range(20):
            hosts[0].add(b"net", {i.to_bytes(16, "big"): b"x" * 100}, 1000)
        hosts[0].find(b"net", [b"0" * 16])
        (places,), (known,) = hosts[0]._places.values(), hosts[0]._known.values()
        assert len(places) == len(known) <= 3


class TestEviction:
    def test_whatever_the_group_the_oldest_go(self, tmp_path, network, make_keys, restart):
        keys, store = make_keys(120), FeatureStore(tmp_path, max_bytes=12_000)
        for i in range(6):
            part = keys[20 * i : 20 * i + 20]
            store.fetch(bytes([i]), part, network.on(part))
        restart()
        network.seen.clear()
        for i in (5, 4, 3, 2, 1, 0):
            part = keys[20 * i : 20 * i + 20]
            store.fetch(bytes([i]), part, network.on(part))
        assert len(network.seen) == 2 * store.n_computed / 40 < 6

    def test_two_that_evict_at_once_remove_no_more(self, tmp_path, monkeypatch):
        """The second one lists the folder before the first removes a file."""
        first, second = _folder.FolderRows(tmp_path), _folder.FolderRows(tmp_path)
        for i in range(10):
            first.add(b"net", {i.to_bytes(16, "big"): b"x" * 500}, 2**30)
        n_bytes, files = first.figures()[2], second._files()
        first._evict(n_bytes // 2)
        monkeypatch.setattr(second, "_files", lambda: files)
        second._evict(n_bytes // 2)
        assert first.figures()[0] == 5

    def test_abandoned_temporary_files(self, filled, folder, file, network, make_keys, restart):
        old, new = (folder / f".{digit * 32}.tmp" for digit in "01")
        for path in (old, new):
            path.write_bytes(b"half a fi")
        os.utime(old, (file.stat().st_mtime - 3700,) * 2)
        restart()  # once a process
        keys = make_keys(110)
        filled.fetch(b"net", keys, network.on(keys))
        assert not old.exists() and new.exists()


class TestMerging:
    """Images that come one at a time."""

    def test_few_files(self, tmp_path, folder, network, make_keys, restart, refuse):
        keys, store, other = make_keys(300), FeatureStore(tmp_path), make_keys(1, seed=1)
        store.fetch(b"other", other, network.on(other))
        for i in range(300):
            part = keys[i : i + 1]
            assert network.made(store.fetch(b"net", part, network.on(part)), part)
        assert len(names(folder)) < 70
        assert (len(store), store.n_computed) == (301, 301)
        for _ in range(2):
            assert network.made(store.fetch(b"net", keys, refuse), keys)
            restart()
        assert network.made(store.fetch(b"other", other, refuse), other)

    def test_rows_that_were_merged_meanwhile_are_found(self, tmp_path):
        hosts = _folder.FolderRows(tmp_path), _folder.FolderRows(tmp_path)
        rows = {i.to_bytes(16, "big"): b"row %d" % i for i in range(64)}
        for i, (key, row) in enumerate(rows.items()):
            if i == 63:
                assert len(hosts[1].find(b"net", rows)) == 63
            hosts[0].add(b"net", {key: row}, 2**30)
        assert len(names(tmp_path / "rows")) == 1
        assert hosts[1].find(b"net", list(rows)) == rows

    def test_each_process_merges_its_own(self, tmp_path, folder):
        hosts = _folder.FolderRows(tmp_path), _folder.FolderRows(tmp_path)
        rows = {i.to_bytes(16, "big"): b"row %d" % i for i in range(100)}
        for i, (key, row) in enumerate(rows.items()):
            hosts[i % 2].add(b"net", {key: row}, 2**30)
        assert len(names(folder)) == 100
        for i in range(28):
            hosts[0].add(b"net", {bytes([i + 1]) * 16: b"row"}, 2**30)
        assert len(names(folder)) == 50 + 1 + 14
        assert hosts[1].find(b"net", list(rows)) == rows


def test_many_stores_are_made_at_once(tmp_path, network, make_keys):
    keys = make_keys(4)
    for i in range(8):
        store = FeatureStore(tmp_path / str(i))

        def fetch(row, store=store):
            key = keys[row : row + 1]
            return network.made(store.fetch(b"net", key, network.on(key)), key)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(fetch, range(4)))
        assert len(store) == 4


@pytest.mark.slow
def test_processes_share_a_store(tmp_path, make_keys):
    keys, store = make_keys(900), FeatureStore(tmp_path)

    def fetch(_):
        features = store.fetch(b"net", keys, lambda rows: keys[rows].astype(np.float32))
        return np.array_equal(features, keys.astype(np.float32))

    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        assert all(joblib.Parallel(n_jobs=2)(joblib.delayed(fetch)(i) for i in (0, 1)))
    assert 900 <= len(store) <= 1800
    store.fetch(b"net", keys, lambda rows: pytest.fail("computed again"))


# Fetches overlapping sets of images until it is killed; the store evicts all the time.
WRITER = """
import sys
import numpy as np
from skblood.inference import FeatureStore

location, seed, max_bytes = sys.argv[1], *map(int, sys.argv[2:])
rng, store = np.random.default_rng(seed), FeatureStore(location, max_bytes=max_bytes)
numbers = np.arange(2000, dtype=np.uint64)
keys = np.stack([numbers, numbers], axis=1)
print("started", flush=True)
while True:
    part = keys[rng.choice(2000, 300, replace=False)]
    features = store.fetch(b"net", part, lambda rows: np.repeat(part[rows, :1], 99, 1).astype("f4"))
    assert (features == part[:, :1]).all()
    print("fetched", flush=True)
"""


@pytest.mark.parametrize("max_bytes", [150_000, 2**30])
def test_killed_processes_leave_an_intact_store(tmp_path, folder, restart, max_bytes):
    def start(seed):
        command = [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path)]
        command += [str(seed), str(max_bytes)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    writers = [start(seed) for seed in range(3)]
    for writer in writers:
        assert writer.stdout.readline() == "started\n"
    for n_fetches, writer in zip((1, 3, 6), writers, strict=True):
        for _ in range(n_fetches):
            assert writer.stdout.readline() == "fetched\n"  # or it died by an error
        writer.kill()
        writer.wait()
        writer.stdout.close()
    restart()
    numbers = np.arange(2000, dtype=np.uint64)
    keys, seen = np.stack([numbers, numbers], axis=1), []

    def compute(rows):
        seen.extend(rows)
        return np.repeat(keys[rows, :1], 99, axis=1).astype("f4")

    store = FeatureStore(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (store.fetch(b"net", keys, compute) == keys[:, :1]).all()
    assert len(seen) < 2000
    assert all(_folder._NAME.fullmatch(n) or _folder._TEMPORARY.fullmatch(n) for n in names(folder))
    assert sum(name.endswith(".tmp") for name in names(folder)) <= 3
