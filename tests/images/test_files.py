"""Image files and PIL images: modes, orientation, damage, threads."""

import contextlib
import io
import os
import threading
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageOps

from skblood.images import convert_channels, map_images, read_images, resize_images


@pytest.fixture(params=["file", "PIL"])
def read(request, save):
    """Return a function that reads one PIL image, directly or from a file."""

    def read(image, name="cell.png", **options):
        return read_images([save(image, name) if request.param == "file" else image], **options)[0]

    return read


class TestModes:
    """Each mode of Pillow, in a file and as a PIL image."""

    def test_rgb_gray_and_one_bit(self, read, noise):
        image = noise(9, 8, 3)
        np.testing.assert_array_equal(read(Image.fromarray(image)), image)
        gray = np.asarray(Image.fromarray(image).convert("L"))[..., None]
        np.testing.assert_array_equal(read(Image.fromarray(image), channels=1), gray)
        rgb = np.repeat(image[..., :1], 3, axis=-1)
        np.testing.assert_array_equal(read(Image.fromarray(image[..., 0]), "cell.tif"), rgb)
        np.testing.assert_array_equal(read(Image.fromarray(rgb[..., 0] > 127)), 255 * (rgb > 127))

    def test_palette_and_cmyk(self, read, smooth):
        image = Image.fromarray(smooth(9, 8)).quantize(7)
        np.testing.assert_array_equal(read(image), np.asarray(image.convert("RGB")))
        clear = image.getpixel((0, 0))
        image.info["transparency"] = clear
        expected = np.asarray(image.convert("RGB")).copy()
        expected[np.asarray(image) == clear] = 255
        np.testing.assert_array_equal(read(image), expected)
        image = Image.fromarray(smooth(9, 8)).convert("CMYK")
        np.testing.assert_array_equal(read(image, "cell.tif"), np.asarray(image.convert("RGB")))

    def test_transparency_on_white(self, read, noise):
        image = noise(9, 8, 4)
        result = read(Image.fromarray(image))
        white = Image.new("RGBA", (8, 9), "white")
        expected = Image.alpha_composite(white, Image.fromarray(image)).convert("RGB")
        assert np.abs(result - np.asarray(expected).astype(int)).max() <= 1
        np.testing.assert_array_equal(result, convert_channels(image[None])[0])
        gray = Image.merge("LA", [Image.fromarray(noise(9, 8)), Image.new("L", (8, 9), 0)])
        assert (read(gray, channels=1) == 255).all()
        keyed = Image.new("RGB", (4, 3), (7, 7, 7))
        keyed.info["transparency"] = (7, 7, 7)
        assert (read(keyed) == 255).all()

    @pytest.mark.parametrize("name", ["cell.png", "cell.tif"])
    def test_16_bit_gray(self, read, name):
        values = np.array([[0, 128, 129, 257, 32768], [65535, 65406, 65407, 385, 386]], np.uint16)
        expected = np.rint(values / 257)
        np.testing.assert_array_equal(read(Image.fromarray(values), name)[..., 2], expected)
        wide = Image.fromarray(values.astype(np.int32))
        np.testing.assert_array_equal(read(wide, "32.tif", channels=1)[..., 0], expected)

    def test_float_gray(self, read, noise):
        values = noise(9, 8)
        image = Image.fromarray((values / 255).astype(np.float32))
        np.testing.assert_array_equal(read(image, "cell.tif", channels=1)[..., 0], values)

    @pytest.mark.parametrize("value", [np.int32(-1), np.int32(65536), np.float32(200)])
    def test_out_of_range(self, read, value):
        with pytest.raises(ValueError, match=r"1 of 1 .*\n  position 0: .*(0\.\.65535|0\.\.1)"):
            read(Image.fromarray(np.full((2, 2), value, value.dtype)), "cell.tif")


def test_modes_that_no_file_has(smooth):
    image = Image.fromarray(smooth(9, 8)).convert("YCbCr")
    np.testing.assert_array_equal(read_images([image])[0], np.asarray(image.convert("RGB")))
    image = Image.new("LA", (3, 2), (100, 0))
    assert (read_images([image.convert("La")]) == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif"])
def test_file_formats(save, smooth, suffix):
    path = save(smooth(32, 24), f"cell.{suffix}")
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB"))
    renamed = path.rename(path.with_suffix(".dat"))
    np.testing.assert_array_equal(read_images([renamed])[0], expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(save, smooth, orientation):
    upright = Image.fromarray(smooth(48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    turn = turns.get(orientation)
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    path = save(stored, "cell.jpg", exif=exif, quality=100, subsampling=0)
    with Image.open(path) as image:
        for X in ([path], [image]):
            result = read_images(X)[0]
            assert result.shape == (48, 32, 3)
            assert np.abs(result - np.asarray(upright).astype(int)).max() <= 8


class TestPilImages:
    def test_neither_changed_nor_closed(self, files, noise):
        paths, images = files
        opened = Image.open(paths[0])
        np.testing.assert_array_equal(read_images([opened] * 3), images[[0] * 3])
        opened.getpixel((0, 0))
        opened.close()
        image = Image.fromarray(noise(30, 20)).convert("P")
        image.getexif()[0x0112] = 6
        before = image.copy()
        read_images([image], size=(9, 9))
        assert ImageChops.difference(image.convert("L"), before.convert("L")).getbbox() is None
        assert image.getexif()[0x0112] == 6

    def test_one_thread(self, monkeypatch):
        """Pillow loads an image at its first use, and the list may hold it twice."""
        threads = set()
        monkeypatch.setattr(
            "PIL.ImageOps.exif_transpose",
            lambda image: threads.add(threading.get_ident()) or image,
        )
        read_images([Image.new("RGB", (4, 4))] * 16)  # a chunk
        assert len(threads) == 1

    def test_unreadable(self, save, noise):
        path = save(noise(50, 50, 3))
        path.write_bytes(path.read_bytes()[:4000])
        unreadable = {}
        with Image.open(path) as cut:
            X = [Image.new("RGB", (50, 50)), cut, Image.new("L", (0, 5))]
            assert len(read_images(X, unreadable=unreadable)) == 1
            with pytest.raises(ValueError, match="2 of 3 PIL images cannot be read:"):
                read_images(X)
        assert "truncated" in unreadable[1] and "no pixels" in unreadable[2]


def find_unreadable(paths):
    found = {}
    with contextlib.suppress(ValueError):  # if none can be read
        read_images(paths, size=(8, 8), unreadable=found)
    return {i: why.removeprefix(f"{paths[i]}: ") for i, why in found.items()}


class TestDamage:
    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_all_are_named_with_the_reason(self, tmp_path, files, noise):
        paths, images = files
        data = paths[0].read_bytes()

        def file(name, content):
            (tmp_path / name).write_bytes(content)
            return tmp_path / name

        (tmp_path / "folder.png").mkdir()
        os.mkfifo(tmp_path / "pipe.png")  # must not block
        damaged = {
            tmp_path / "missing.png": "no such file",
            tmp_path / "folder.png": "a folder or device",
            tmp_path / "pipe.png": "a folder or device",
            file("empty.png", b""): "not an image that Pillow can read",
            file("text.png", b"neutrophil, 12\n" * 9): "not an image that Pillow can read",
            file("half.png", data[: len(data) // 2]): "truncated",
            tmp_path / ("x" * 300): "name too long",
            "nul\0byte.png": "null byte",
        }
        X = [paths[0], *damaged, paths[1]]
        with pytest.raises(ValueError, match=r"^8 of 10 image files cannot be read:\n") as error:
            read_images(X)
        lines = str(error.value).split("\n")
        for i, (path, reason) in enumerate(damaged.items(), 1):
            name = str(path).replace("\0", "\\x00")  # control characters are escaped
            name = name if len(name) < 200 else name[:90]
            assert lines[i].startswith(f"  position {i}: {name}") and reason in lines[i]
        assert lines[-1].startswith("Repair them, or leave them and their labels out")
        unreadable = {}
        np.testing.assert_array_equal(read_images(X, unreadable=unreadable), images[:2])
        results, reasons = map_images(np.shape, X)
        assert list(reasons) == list(unreadable) == list(range(1, 9))
        assert [shape for shape in results if shape is not None] == [(20, 16, 3)] * 2
        with pytest.raises(ValueError, match="8 of 8 image files cannot be read"):
            read_images(list(damaged), unreadable={})

    def test_of_many_ten_are_named(self, tmp_path):
        with pytest.raises(ValueError, match=r"^500 of 500 image files") as error:
            read_images([tmp_path / f"{i}.png" for i in range(500)])
        lines = str(error.value).split("\n")
        assert lines[10].startswith("  position 9: ") and lines[11] == "  ... and 490 more"
        assert str(error.value).count("bit_depth") == 1 and len(lines) == 13

    def test_long_paths_are_cut(self):
        with pytest.raises(ValueError, match="12 of 12 image files") as error:
            read_images(["iVBORw0KGgo" * 500] * 12)
        assert len(str(error.value)) < 3000

    @pytest.mark.parametrize(("limit", "is_bomb"), [(319, True), (320, False)])
    def test_decompression_bombs(self, files, monkeypatch, limit, is_bomb):
        """Pillow only warns; here it is a reason, whatever the filters."""
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reason = find_unreadable(files[0][:1]).get(0, "")
        assert ("more pixels than PIL" in reason) == is_bomb

    @pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
    def test_random_damage_is_read_or_named(self, tmp_path, smooth, suffix):
        stream, rng = io.BytesIO(), np.random.default_rng(0)
        Image.fromarray(smooth(40, 30)).save(
            stream, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix)
        )
        paths = [tmp_path / f"{i}.{suffix}" for i in range(30)]
        for i, path in enumerate(paths):
            data = bytearray(stream.getvalue())
            for _ in range(rng.integers(1, 20)):
                data[rng.integers(min(200, len(data)))] ^= 1 << rng.integers(8)
            path.write_bytes(data[: rng.integers(len(data))] if i % 3 == 0 else data)
        reasons = find_unreadable(paths)
        assert reasons
        readable = [path for i, path in enumerate(paths) if i not in reasons]
        if readable:
            assert read_images(readable, size=(16, 16)).shape == (len(readable), 16, 16, 3)


class TestReading:
    def test_sizes(self, save, noise):
        images = [noise(9, 8, 3), noise(40, 50, 3), noise(20, 20, 3)]
        paths = [save(image, f"{i}.png") for i, image in enumerate(images)]
        expected = [resize_images(image[None], (16, 12)) for image in images]
        np.testing.assert_array_equal(read_images(paths, size=(16, 12)), np.concatenate(expected))
        with pytest.raises(ValueError, match=r"3 sizes.*20 x 20 \(first at position 2"):
            read_images(paths)

    def test_large_images_are_never_all_in_memory(self, save, monkeypatch):
        path = save(Image.new("RGB", (400, 400)))
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        read_images([path], size=(16, 16))
        tracemalloc.start()
        read_images([path] * 40, size=(16, 16))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * (400 * 400 * 3)

    def test_threads_and_files_are_closed(self, files, monkeypatch):
        paths, images = files
        meeting = threading.Barrier(2, timeout=10)
        transpose = ImageOps.exif_transpose

        def meet(image, **options):
            meeting.wait()
            return transpose(image, **options)

        monkeypatch.setattr("os.cpu_count", lambda: 2)
        monkeypatch.setattr("PIL.ImageOps.exif_transpose", meet)
        folder = Path("/proc/self/fd")
        before = threading.active_count(), folder.is_dir() and len(list(folder.iterdir()))
        np.testing.assert_array_equal(read_images(paths), images)
        assert before == (threading.active_count(), folder.is_dir() and len(list(folder.iterdir())))
