"""Decoded files in a store, and the progress bar."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from skblood.images import _files, _stack, read_images
from skblood.inference import FeatureStore


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


class TestStore:
    @pytest.mark.parametrize("size", [None, (8, 8), (30, 30)], ids=str)
    @pytest.mark.parametrize("mapped", [False, True])
    def test_decoded_once(self, files, store, decoded, size, mapped, monkeypatch):
        paths, _ = files
        expected = read_images(paths, size=size)
        decoded.clear()
        if mapped:
            monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        for rows in (range(40), [7, 3, 3, 39, 0]):
            images = read_images([paths[i] for i in rows], size=size, store=store)
            np.testing.assert_array_equal(images, expected[rows])
            assert images.flags.writeable
        assert sorted(decoded) == sorted(paths)
        assert len(store) == store.n_computed == 40

    def test_files_are_known_by_their_content(self, files, store, decoded, noise, save, tmp_path):
        paths, images = files
        read_images(paths, store=store)
        decoded.clear()
        moved = shutil.move(paths[0], tmp_path / "renamed.png")
        copy = shutil.copy(paths[1], tmp_path / "copy.png")
        np.testing.assert_array_equal(read_images([moved, copy], store=store), images[:2])
        assert decoded == []
        status, other = paths[5].stat(), noise(20, 16, 3)
        save(other, "5.png")
        os.utime(paths[5], ns=(status.st_atime_ns, status.st_mtime_ns))
        np.testing.assert_array_equal(read_images([paths[5]], store=store)[0], other)
        assert decoded == [paths[5]]

    @pytest.mark.parametrize(
        "other", [{"size": (9, 8)}, {"channels": 1}, {"interpolation": "nearest"}, {"crop": 0.9}]
    )
    def test_other_preprocessing(self, files, store, other):
        options = {"size": (8, 8)}
        read_images(files[0], store=store, **options)
        options |= other
        images = read_images(files[0], store=store, **options)
        np.testing.assert_array_equal(images, read_images(files[0], **options))
        assert store.n_computed == 80

    @pytest.mark.parametrize("version", ["_VERSION", "PIL.__version__", "torch.__version__"])
    def test_other_versions(self, files, store, version, monkeypatch):
        read_images(files[0], store=store)
        monkeypatch.setattr(f"skblood.images._files.{version}", "another")
        read_images(files[0], store=store)
        assert store.n_computed == 80

    def test_changed_while_it_is_read(self, files, store, monkeypatch, noise, save):
        """Pixels are never stored under the key of other bytes."""
        paths, read = files[0], _files.read_image

        def read_late(path, *args, **options):
            image = read(path, *args, **options)
            if path == paths[5]:
                save(noise(20, 16, 3), "5.png")
            return image

        monkeypatch.setattr(_files, "read_image", read_late)
        with pytest.raises(ValueError, match=r"position 5: .*5.png: changed while it was read"):
            read_images(paths, store=store)
        assert len(store) == 39

    def test_damaged_files_are_tried_again(self, files, store, decoded):
        paths, images = files
        for i in (2, 10):  # the same bytes twice
            paths[i].write_bytes(b"no image")
        for _ in range(2):
            decoded.clear()
            unreadable = {}
            good = np.delete(images, [2, 10], axis=0)
            read = read_images(paths, store=store, unreadable=unreadable)
            np.testing.assert_array_equal(read, good)
            assert list(unreadable) == [2, 10]
        assert decoded == [paths[2]]

    def test_other_forms_and_large_results(self, store, files, monkeypatch):
        paths, images = files
        read_images(images, store=store)
        read_images([Image.fromarray(image) for image in images], store=store)
        assert not os.path.exists(store.location)
        folders = []
        monkeypatch.setattr(
            _stack, "empty_images", lambda s, folder: folders.append(folder) or np.empty(s, "u1")
        )
        read_images(paths, store=store)
        assert folders == [store.location]
