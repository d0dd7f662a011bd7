"""The array that images are read into: its shape, its chunks, and its file if it is large."""

import gc
from pathlib import Path

import numpy as np
import pytest

from skblood.images import _read, _stack, convert_channels, read_images, resize_images
from skblood.images._stack import ImageStack, chunk_size, empty_images

SMALL, OTHER, LARGE = (6, 5), (4, 7), (12, 9)


@pytest.fixture
def all_mapped(monkeypatch):
    """Make each array a file, however small."""
    monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)


def count_mapped():
    """Count the deleted files that this process has mapped."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc here")
    return sum("(deleted)" in line and "/tmp" in line for line in maps.read_text().splitlines())


class TestShape:
    """In any order, the result is that of reading all images and then stacking them."""

    @pytest.mark.parametrize(
        "sizes",
        [[SMALL] * 4, [LARGE] * 4, [SMALL] * 70 + [LARGE], [LARGE, SMALL, OTHER], [SMALL, OTHER]],
        ids=lambda sizes: str(sizes[-3:]),
    )
    @pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
    @pytest.mark.parametrize("mapped", [False, True])
    def test_sizes(self, noise, sizes, interpolation, mapped, monkeypatch):
        if mapped:
            monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        cells = [noise(*size, 3) for size in sizes]
        images = read_images(cells, size=(8, 8), interpolation=interpolation)
        if set(sizes) != {SMALL}:  # a common smaller size is kept
            cells = [resize_images(cell[None], (8, 8), interpolation)[0] for cell in cells]
        np.testing.assert_array_equal(images, cells)

    @pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2]])
    def test_rgb_among_gray(self, noise, order):
        cells = [noise(6, 5), noise(6, 5, 3), noise(6, 5, 1)]
        images = read_images([cells[i] for i in order])
        expected = [convert_channels(np.atleast_3d(cells[i]), 3) for i in order]
        np.testing.assert_array_equal(images, expected)

    def test_sizes_that_differ_are_counted(self, noise):
        named = r"have 3 sizes.*4 x 4 \(first at position 0\), 6 x 5 \(first at position 1\)"
        with pytest.raises(ValueError, match=named):
            read_images([noise(4, 4), noise(6, 5), noise(6, 5), noise(7, 1)])


class TestChunks:
    def test_size(self, files, noise, monkeypatch):
        given, read_files = [], _read.read_files
        monkeypatch.setattr(
            _read,
            "read_files",
            lambda p, *args, **kw: given.append(len(p)) or read_files(p, *args, **kw),
        )
        monkeypatch.setattr(_stack, "_CHUNK", 10)
        monkeypatch.setattr(_stack, "_SMALLEST_CHUNK", 4)
        assert read_images(files[0]).shape == (40, 20, 16, 3)
        assert given == [4, 10, 10, 10, 6]  # the first few tell the shape
        monkeypatch.undo()
        stacks = [ImageStack(20, None, "bilinear") for _ in range(2)]
        assert chunk_size(stacks) == 16
        for stack in stacks:
            stack.append(noise(300, 300, 3), 0)
        assert chunk_size(stacks[:1]) == 248
        assert chunk_size(stacks) == 124

    def test_memory(self, save, noise):
        """The result, and little besides."""
        import tracemalloc

        path = save(noise(64, 64, 3), "cell.bmp")
        tracemalloc.start()
        images = read_images([path] * 1500)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < images.nbytes + 1.5 * 256 * 64 * 64 * 3


class TestMapped:
    def test_only_large_arrays(self, monkeypatch):
        monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 1000)
        assert empty_images((10, 100)).base is None
        mapped = empty_images((10, 101))
        assert type(mapped) is np.ndarray and mapped.flags.writeable
        assert isinstance(mapped.base, np.memmap)

    def test_deleted_with_the_array(self, files, noise, tmp_path, all_mapped):
        before = count_mapped()
        images = read_images(files[0])
        np.testing.assert_array_equal(images, files[1])
        some = images[3:5]
        del images
        assert count_mapped() == before + 1
        some = read_images([noise(6, 5, 3), noise(12, 9, 3)], size=(8, 8))
        assert some.shape == (2, 8, 8, 3) and count_mapped() == before + 1
        del some
        files[0][-1].write_bytes(b"no image")
        with pytest.raises(ValueError, match="1 of 40 image files cannot be read"):
            read_images(files[0])
        gc.collect()
        assert count_mapped() == before
        named = empty_images((3, 4, 5, 3), tmp_path / "new" / "folder")
        assert list((tmp_path / "new" / "folder").iterdir()) == []
        del named

    def test_disk_without_space(self, tmp_path, monkeypatch, all_mapped):
        def reserve(file, n_bytes):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(_stack, "_reserve", reserve)
        with pytest.raises(
            OSError, match=r"take 0.003 GB.*No space left.*parameter memory"
        ) as error:
            empty_images((1000, 1000, 3), tmp_path)
        assert str(tmp_path) in str(error.value)
        assert list(tmp_path.iterdir()) == []

    def test_space_is_reserved(self, tmp_path):
        """Otherwise a disk that becomes full later kills the process that writes."""
        with open(tmp_path / "file", "wb") as file:
            _stack._reserve(file, 3_000_000)
            status = Path(file.name).stat()
        assert status.st_size == 3_000_000
        assert getattr(status, "st_blocks", 1e6) * 512 >= 3_000_000
