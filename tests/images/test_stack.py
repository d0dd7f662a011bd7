"""The array that images are read into: its shape, its chunks, and its file when it is large."""

import gc
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skblood.images import _stack, convert_channels, read_images, resize_images
from skblood.images._stack import ImageStack, empty_images


@pytest.fixture
def all_mapped(monkeypatch):
    """Make each array a file, however small."""
    monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)


@pytest.fixture
def paths(tmp_path, noise):
    """Forty files of 10 x 8 pixels, in a folder of their own."""
    paths = [tmp_path / "cells" / f"{i}.png" for i in range(40)]
    paths[0].parent.mkdir()
    for path in paths:
        Image.fromarray(noise(10, 8, 3)).save(path)
    return paths


def n_mapped():
    """Count the deleted files that this process has mapped."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc here")
    return sum("(deleted)" in line and "/tmp" in line for line in maps.read_text().splitlines())


class TestShape:
    """Whatever comes in whatever order, the result is that of reading all and then stacking."""

    SMALL, OTHER, LARGE = (6, 5), (4, 7), (12, 9)

    @pytest.mark.parametrize(
        "sizes",
        [
            [SMALL] * 4,
            [LARGE] * 4,
            [SMALL, SMALL, LARGE, SMALL],
            [LARGE, SMALL, SMALL, OTHER],
            [SMALL, OTHER, SMALL, OTHER],
        ],
        ids=str,
    )
    @pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
    @pytest.mark.parametrize("mapped", [False, True])
    def test_sizes(self, noise, sizes, interpolation, mapped, monkeypatch):
        if mapped:
            monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        cells, size = [noise(*size, 3) for size in sizes], (8, 8)
        images = read_images(cells, size=size, interpolation=interpolation)
        if len(set(sizes)) == 1 and sizes[0] == self.SMALL:
            expected = np.stack(cells)  # a common smaller size is kept
        else:
            expected = np.concatenate(
                [resize_images(cell[None], size, interpolation) for cell in cells]
            )
        np.testing.assert_array_equal(images, expected)
        assert images.dtype == np.uint8

    @pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
    def test_colour_among_gray(self, noise, order):
        cells = [noise(6, 5), noise(6, 5, 3), noise(6, 5, 1)]
        images = read_images([cells[i] for i in order])
        expected = [convert_channels(np.atleast_3d(cells[i]), 3) for i in order]
        np.testing.assert_array_equal(images, expected)

    def test_repaired_after_many(self, noise):
        cells = [noise(6, 5, 3) for _ in range(70)] + [noise(12, 9, 3)]
        images = read_images(cells, size=(8, 8))
        expected = np.concatenate([resize_images(cell[None], (8, 8)) for cell in cells])
        np.testing.assert_array_equal(images, expected)

    def test_sizes_that_differ_are_counted(self, noise):
        cells = [noise(4, 4), noise(6, 5), noise(6, 5), noise(7, 7)]
        with pytest.raises(ValueError, match="have 3 sizes") as error:
            read_images(cells)
        assert (
            "6 x 5 (2 images, the first at position 1), 4 x 4 (1 images, the first at position 0), "
            "7 x 7 (1 images, the first at position 3). Set image_size="
        ) in str(error.value)


class TestChunks:
    def test_no_more_than_a_chunk_is_read_at_a_time(self, paths, monkeypatch):
        given = []

        def read(paths, *args):
            given.append(len(paths))
            return read_files(paths, *args)

        from skblood.images import _read

        read_files = _read.read_files
        monkeypatch.setattr(_read, "read_files", read)
        monkeypatch.setattr(_stack, "_CHUNK", 10)
        monkeypatch.setattr(_stack, "_SMALLEST_CHUNK", 4)
        assert read_images(paths).shape == (40, 10, 8, 3)
        # The first few tell the shape.
        assert given == [4, 10, 10, 10, 6]

    def test_large_images_come_in_smaller_ones(self, noise):
        stack = ImageStack(500, None, "bilinear")
        stack.append(noise(200, 200, 3), 0)
        assert _stack.chunk_size([stack]) == 256
        stack = ImageStack(20, None, "bilinear")
        stack.append(noise(1000, 1000, 3), 0)
        assert 16 <= _stack.chunk_size([stack]) < 25

    def test_memory(self, tmp_path, noise):
        """The result, and little besides."""
        import tracemalloc

        Image.fromarray(noise(64, 64, 3)).save(path := tmp_path / "cell.bmp")
        paths = [path] * 2000
        tracemalloc.start()
        images = read_images(paths)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert images.nbytes == 2000 * 64 * 64 * 3
        assert peak < images.nbytes + 1.5 * 256 * 64 * 64 * 3


class TestMapped:
    def test_only_what_is_large(self, monkeypatch):
        monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 1000)
        assert empty_images((10, 100)).base is None
        mapped = empty_images((10, 101))
        assert type(mapped) is np.ndarray
        assert isinstance(mapped.base, np.memmap)

    def test_same_images(self, paths, all_mapped):
        mapped = read_images(paths)
        assert isinstance(mapped.base.base, np.memmap)
        assert mapped.flags.writeable
        np.testing.assert_array_equal(mapped, [np.asarray(Image.open(path)) for path in paths])

    def test_gone_with_the_array(self, paths, all_mapped):
        before = n_mapped()
        images = read_images(paths)
        assert n_mapped() == before + 1
        some = images[3:5]
        del images
        assert n_mapped() == before + 1
        del some
        assert n_mapped() == before

    def test_no_name_is_left_in_the_folder(self, tmp_path, all_mapped):
        images = empty_images((3, 4, 5, 3), tmp_path / "new" / "folder")
        images[:] = 7
        assert (images == 7).all()
        del images
        assert list((tmp_path / "new" / "folder").iterdir()) == []

    def test_gone_after_an_exception(self, paths, all_mapped):
        before = n_mapped()
        paths[-1].write_bytes(b"no image")
        with pytest.raises(ValueError, match="1 of 40 image files cannot be read"):
            read_images(paths)
        gc.collect()
        assert n_mapped() == before

    def test_repair_leaves_one(self, noise, all_mapped):
        before = n_mapped()
        images = read_images([noise(6, 5, 3), noise(12, 9, 3)], size=(8, 8))
        assert n_mapped() == before + 1
        assert images.shape == (2, 8, 8, 3)

    def test_disk_without_room(self, tmp_path, monkeypatch, all_mapped):
        usage = shutil.disk_usage(tmp_path)._replace(free=1_500_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
        with pytest.raises(OSError, match=r"The images take 0.003 GB") as error:
            empty_images((1000, 1000, 3), tmp_path)
        assert "0.0015 GB are free" in str(error.value)
        assert f"the disk of {str(tmp_path)!r}" in str(error.value)
        assert "Name a folder on another disk, by the parameter memory or" in str(error.value)
        assert list(tmp_path.iterdir()) == []

    def test_disk_that_is_filled_meanwhile(self, tmp_path, monkeypatch, all_mapped):
        def reserve(file, n_bytes):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(_stack, "_reserve", reserve)
        with pytest.raises(OSError, match=r"\(\[Errno 28\] No space left on device\). Name a fold"):
            empty_images((1000, 1000, 3), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_room_is_reserved(self, tmp_path):
        """Else a disk that becomes full later would kill the process that writes."""
        with open(tmp_path / "file", "wb") as file:
            _stack._reserve(file, 3_000_000)
            status = Path(file.name).stat()
        assert status.st_size == 3_000_000
        if hasattr(status, "st_blocks"):
            assert status.st_blocks * 512 >= 3_000_000
