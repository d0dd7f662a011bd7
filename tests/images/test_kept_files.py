"""Decoded files in a store, files that are left out, and the progress bar."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from skblood.images import _files, _stack, read_images
from skblood.inference import FeatureStore

N = 40


@pytest.fixture
def paths(tmp_path, noise):
    paths = [tmp_path / f"{i}.png" for i in range(N)]
    for path in paths:
        Image.fromarray(noise(20, 16, 3)).save(path)
    return paths


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded, to be cleared at will."""
    names, read_file = [], _files._read_file

    def read(path, channels):
        names.append(os.path.basename(path))
        return read_file(path, channels)

    monkeypatch.setattr(_files, "_read_file", read)
    return names


class TestDecodedOnce:
    @pytest.mark.parametrize("size", [None, (8, 8), (30, 30)], ids=str)
    @pytest.mark.parametrize("mapped", [False, True])
    def test_same_images(self, paths, store, decoded, size, mapped, monkeypatch):
        expected = read_images(paths, size=size)
        assert len(decoded) == N
        if mapped:
            monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        for n_decoded in (2 * N, 2 * N):
            images = read_images(paths, size=size, store=store)
            np.testing.assert_array_equal(images, expected)
            assert images.flags.writeable
            assert len(decoded) == n_decoded
        assert len(store) == store.n_computed == N

    def test_sizes_that_differ(self, paths, store, decoded, noise):
        Image.fromarray(noise(7, 9, 3)).save(paths[5])
        Image.fromarray(noise(50, 40, 3)).save(paths[35])
        expected = read_images(paths, size=(30, 30))
        for _ in range(2):
            images = read_images(paths, size=(30, 30), store=store)
            np.testing.assert_array_equal(images, expected)
        assert len(decoded) == 2 * N

    def test_any_part_in_any_order(self, paths, store, decoded):
        images = read_images(paths, store=store)
        decoded.clear()
        rows = [7, 3, 3, 39, 0]
        again = read_images([paths[i] for i in rows], store=store)
        np.testing.assert_array_equal(again, images[rows])
        assert decoded == []

    def test_a_renamed_file_is_found_again(self, paths, store, decoded, tmp_path):
        images = read_images(paths, store=store)
        decoded.clear()
        (tmp_path / "elsewhere").mkdir()
        moved = [shutil.move(path, tmp_path / "elsewhere" / f"x{path.name}") for path in paths]
        np.testing.assert_array_equal(read_images(moved, store=store), images)
        assert decoded == []

    def test_a_changed_file_is_decoded_anew(self, paths, store, decoded, noise):
        read_images(paths, store=store)
        decoded.clear()
        status, other = paths[5].stat(), noise(20, 16, 3)
        Image.fromarray(other).save(paths[5])
        os.utime(paths[5], ns=(status.st_atime_ns, status.st_mtime_ns))
        np.testing.assert_array_equal(read_images(paths, store=store)[5], other)
        assert decoded == ["5.png"]

    @pytest.mark.parametrize(
        "other", [{"size": (9, 8)}, {"channels": 1}, {"interpolation": "nearest"}], ids=str
    )
    def test_other_preprocessing(self, paths, store, decoded, other):
        options = {"size": (8, 8)}
        read_images(paths, store=store, **options)
        decoded.clear()
        images = read_images(paths, store=store, **{**options, **other})
        assert len(decoded) == N
        np.testing.assert_array_equal(images, read_images(paths, **{**options, **other}))

    @pytest.mark.parametrize("version", ["_VERSION", "PIL.__version__", "torch.__version__"])
    def test_other_versions(self, paths, store, decoded, version, monkeypatch):
        read_images(paths, store=store)
        monkeypatch.setattr(f"skblood.images._files.{version}", "another")
        read_images(paths, store=store)
        assert len(decoded) == 2 * N

    def test_copies_are_decoded_once(self, paths, store, decoded, tmp_path):
        copy = shutil.copy(paths[3], tmp_path / "copy.png")
        images = read_images([paths[3], copy, paths[3]], store=store)
        assert (images == images[0]).all()
        assert decoded == ["3.png"]

    def test_changed_while_it_is_read(self, paths, store, decoded, monkeypatch, noise):
        """Pixels never come under the key of other bytes."""
        read_file = _files._read_file

        def read_late(path, channels):
            image = read_file(path, channels)
            if path == paths[5]:
                Image.fromarray(noise(20, 16, 3)).save(path)
            return image

        monkeypatch.setattr(_files, "_read_file", read_late)
        with pytest.raises(ValueError, match=r"position 5: .*5.png: changed while it was read"):
            read_images(paths, store=store)
        assert len(store) == N - 1

    def test_pil_images_and_arrays_are_not_kept(self, store, noise):
        cells = [noise(6, 5, 3) for _ in range(3)]
        read_images(cells, store=store)
        read_images([Image.fromarray(cell) for cell in cells], store=store)
        assert not os.path.exists(store.location)

    def test_large_result_lies_in_the_folder_of_the_store(self, paths, store, monkeypatch):
        folders, empty_images = [], _stack.empty_images
        monkeypatch.setattr(
            _stack,
            "empty_images",
            lambda shape, folder: folders.append(folder) or empty_images(shape, folder),
        )
        read_images(paths, store=store)
        read_images(paths)
        assert folders == [store.location, None]


class TestUnreadable:
    @pytest.fixture(params=[False, True], ids=["no store", "store"])
    def options(self, request, store):
        return {"store": store} if request.param else {}

    @pytest.fixture
    def damaged(self, paths, tmp_path):
        """Positions of what cannot be read, and a part of the reason."""
        shutil.copy(paths[2], paths[30])
        for i in (2, 30):  # the same bytes twice
            paths[i].write_bytes(paths[2].read_bytes()[:100])
        paths[7].unlink()
        paths[8].write_bytes(b"")
        return {2: "runcated", 7: "no such file", 8: "an empty file", 30: "runcated"}

    def test_all_are_named(self, paths, damaged, options):
        with pytest.raises(ValueError, match=rf"^4 of {N} image files cannot be read:\n") as error:
            read_images(paths, **options)
        lines = str(error.value).split("\n")[1:-1]
        assert len(lines) == 4
        for line, (i, why) in zip(lines, damaged.items(), strict=True):
            assert line.startswith(f"  position {i}: {paths[i]}: ")
            assert why in line

    def test_the_others_are_kept_all_the_same(self, paths, damaged, store, decoded):
        for _ in range(2):
            with pytest.raises(ValueError, match="cannot be read"):
                read_images(paths, store=store)
        assert len(store) == N - 4
        # What is damaged is tried again.
        assert len(decoded) == N - 4 + 2 * 2

    def test_left_out(self, paths, damaged, options):
        good = [path for i, path in enumerate(paths) if i not in damaged]
        unreadable = {}
        images = read_images(paths, unreadable=unreadable, **options)
        np.testing.assert_array_equal(images, read_images(good))
        assert list(unreadable) == list(damaged)
        for i, why in damaged.items():
            assert unreadable[i].startswith(f"{paths[i]}: ")
            assert why in unreadable[i]

    def test_nothing_is_left_out(self, paths, options):
        unreadable = {}
        assert len(read_images(paths, unreadable=unreadable, **options)) == N
        assert unreadable == {}

    def test_none_is_left(self, paths, damaged, options):
        bad = [paths[i] for i in damaged]
        with pytest.raises(ValueError, match="4 of 4 image files cannot be read"):
            read_images(bad, unreadable={}, **options)

    def test_pil_images(self, paths):
        cut = paths[0].read_bytes()[:150]
        paths[0].write_bytes(cut)
        unreadable = {}
        with Image.open(paths[0]) as bad, Image.open(paths[1]) as good:
            assert len(read_images([bad, good], unreadable=unreadable)) == 1
        assert list(unreadable) == [0]


class TestProgress:
    @pytest.fixture
    def bars(self, monkeypatch):
        """The options of the bars, which are shown at once."""
        from skblood.images import _read

        made, tqdm = [], _read.tqdm

        def at_once(**options):
            made.append(options)
            return tqdm(**{**options, "delay": 0})

        monkeypatch.setattr(_read, "tqdm", at_once)
        return made

    def test_bar(self, paths, bars, capsys):
        read_images(paths, progress=True)
        assert f"{N}/{N}" in capsys.readouterr().err
        assert bars[0]["delay"] == 1

    def test_silent_by_default(self, paths, bars, capsys):
        read_images(paths)
        assert capsys.readouterr() == ("", "")

    def test_silent_when_it_is_quick(self, paths, capsys):
        read_images(paths, progress=True)
        assert capsys.readouterr() == ("", "")
