"""read_images on image files and PIL images: every mode, orientation and form of path."""

import os
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageOps

from skblood.images import convert_channels, read_images, resize_images


def write(folder, image, name="cell.png", **options):
    """Save a PIL image or array, and return its path."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    path = folder / name
    image.save(path, **options)
    return path


@pytest.fixture
def paths(tmp_path, noise):
    """Twelve PNG files of one size, and their pixels."""
    images = noise(12, 9, 8, 3)
    return [write(tmp_path, image, f"{i}.png") for i, image in enumerate(images)], images


class TestFormsOfPaths:
    @pytest.mark.parametrize(
        "form",
        [
            list,
            tuple,
            np.array,
            lambda paths: [str(path) for path in paths],
            lambda paths: [np.str_(path) for path in paths],
            lambda paths: np.array([str(path) for path in paths]),
            lambda paths: np.array([str(path) for path in paths], np.dtypes.StringDType()),
            lambda paths: np.array([[str(path)] for path in paths]),
            lambda paths: [str(path) if i % 2 else path for i, path in enumerate(paths)],
            lambda paths: [os.path.relpath(path) for path in paths],
        ],
    )
    def test_all_read_alike_and_in_order(self, paths, form):
        files, images = paths
        np.testing.assert_array_equal(read_images(form(files)), images)

    def test_a_path_may_be_repeated(self, paths):
        files, images = paths
        np.testing.assert_array_equal(read_images([files[3]] * 5), images[[3] * 5])

    def test_suffixes_do_not_matter(self, tmp_path, noise):
        image = noise(9, 8, 3)
        path = write(tmp_path, image, "cell.dat", format="PNG")
        np.testing.assert_array_equal(read_images([path])[0], image)

    def test_user_list_is_not_changed(self, paths):
        files, _ = paths
        before = list(files)
        read_images(files)
        assert files == before


class TestModes:
    """Each mode of Pillow, in a file and as a PIL image."""

    @pytest.fixture(params=["file", "PIL"])
    def read(self, request, tmp_path):
        """Read one PIL image, directly or by way of a file."""

        def by_file(image, name="cell.png", **options):
            return read_images([write(tmp_path, image, name)], **options)[0]

        def directly(image, name=None, **options):
            return read_images([image], **options)[0]

        return by_file if request.param == "file" else directly

    def test_rgb(self, read, noise):
        image = noise(9, 8, 3)
        np.testing.assert_array_equal(read(Image.fromarray(image)), image)
        gray = read(Image.fromarray(image), channels=1)
        expected = np.asarray(Image.fromarray(image).convert("L"))
        np.testing.assert_array_equal(gray[..., 0], expected)

    @pytest.mark.parametrize("name", ["cell.png", "cell.tif", "cell.bmp"])
    def test_gray(self, read, noise, name):
        image = noise(9, 8)
        rgb = np.repeat(image[..., None], 3, axis=-1)
        np.testing.assert_array_equal(read(Image.fromarray(image), name), rgb)
        np.testing.assert_array_equal(read(Image.fromarray(image), name, channels=1), rgb[..., :1])

    def test_one_bit(self, read, noise):
        image = noise(9, 8) > 127
        expected = np.repeat(255 * image[..., None].astype(np.uint8), 3, axis=-1)
        np.testing.assert_array_equal(read(Image.fromarray(image)), expected)

    def test_palette(self, read, smooth):
        image = Image.fromarray(smooth(9, 8)).quantize(7)
        assert image.mode == "P"
        np.testing.assert_array_equal(read(image), np.asarray(image.convert("RGB")))

    def test_transparent_palette(self, read, smooth):
        image = Image.fromarray(smooth(9, 8)).quantize(7)
        clear = image.getpixel((0, 0))
        image.info["transparency"] = clear
        expected = np.asarray(image.convert("RGB")).copy()
        expected[np.asarray(image) == clear] = 255
        np.testing.assert_array_equal(read(image), expected)

    def test_transparent_gray_and_colour(self, read, noise):
        for mode, clear in (("L", 7), ("RGB", (7, 7, 7))):
            image = Image.new(mode, (4, 3), clear)
            image.putpixel((1, 1), 0 if mode == "L" else (0, 0, 0))
            image.info["transparency"] = clear
            result = read(image)
            assert (result[1, 1] == 0).all()
            assert (result == 255).all(axis=-1).sum() == 11

    def test_rgba_lies_on_white(self, read, noise):
        image = noise(9, 8, 4)
        result = read(Image.fromarray(image))
        white = Image.new("RGBA", (8, 9), "white")
        expected = Image.alpha_composite(white, Image.fromarray(image)).convert("RGB")
        assert np.abs(result - np.asarray(expected).astype(int)).max() <= 1
        np.testing.assert_array_equal(result, convert_channels(image[None])[0])

    def test_gray_with_alpha(self, read, noise):
        image = Image.merge("LA", [Image.fromarray(noise(9, 8)), Image.new("L", (8, 9), 0)])
        assert (read(image) == 255).all()
        assert read(image, channels=1).shape == (9, 8, 1)

    def test_cmyk(self, read, smooth):
        image = Image.fromarray(smooth(9, 8)).convert("CMYK")
        expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(read(image, "cell.tif"), expected)

    @pytest.mark.parametrize("name", ["cell.png", "cell.tif"])
    def test_16_bit_gray(self, read, name):
        values = np.array([[0, 128, 129, 257, 32768], [65535, 65406, 65407, 385, 386]], np.uint16)
        image = Image.fromarray(values)
        assert image.mode == "I;16"
        expected = np.rint(values / 257)
        np.testing.assert_array_equal(read(image, name, channels=1)[..., 0], expected)
        np.testing.assert_array_equal(read(image, name)[..., 2], expected)

    def test_32_bit_gray_within_16_bits(self, read):
        values = np.array([[0, 257], [65535, 514]], np.int32)
        result = read(Image.fromarray(values), "cell.tif", channels=1)
        assert result[..., 0].tolist() == [[0, 1], [255, 2]]

    @pytest.mark.parametrize("value", [-1, 65536])
    def test_32_bit_gray_beyond_16_bits(self, read, value):
        image = Image.fromarray(np.array([[0, value]], np.int32))
        with pytest.raises(
            ValueError, match=rf"1 of 1 .*\n.*{value}.*16-bit images are in 0..65535"
        ) as e:
            read(image, "cell.tif")
        assert "position 0" in str(e.value)

    def test_float_gray(self, read, noise):
        values = noise(9, 8)
        image = Image.fromarray((values / 255).astype(np.float32))
        assert image.mode == "F"
        np.testing.assert_array_equal(read(image, "cell.tif", channels=1)[..., 0], values)

    @pytest.mark.parametrize("value", [-0.5, 200.0, np.nan])
    def test_float_gray_beyond_0_to_1(self, read, value):
        image = Image.fromarray(np.array([[0, value]], np.float32))
        with pytest.raises(ValueError, match=r"1 of 1 .* cannot be read:\n  position 0.*in 0\.\.1"):
            read(image, "cell.tif")


@pytest.mark.parametrize("mode", ["YCbCr", "HSV"])
def test_colour_spaces_of_pil_images(mode, smooth):
    image = Image.fromarray(smooth(9, 8)).convert(mode)
    np.testing.assert_array_equal(read_images([image])[0], np.asarray(image.convert("RGB")))


def test_premultiplied_gray():
    """Pillow turns "La" into "LA" only."""
    image = Image.new("LA", (3, 2), (100, 0))
    assert (read_images([image.convert("La")]) == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "tif", "gif", "ppm"])
def test_file_formats(tmp_path, smooth, suffix):
    image = smooth(32, 24)
    path = write(tmp_path, image, f"cell.{suffix}")
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(read_images([path])[0], expected)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_animations(tmp_path, suffix):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("black", "white", "black")]
    path = tmp_path / f"cell.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert (read_images([path]) == 0).all()


def test_current_frame_of_pil_images_is_kept(tmp_path):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("black", "white")]
    frames[0].save(tmp_path / "cell.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "cell.gif") as image:
        image.seek(1)
        assert (read_images([image]) == 255).all()
        assert image.tell() == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["file", "PIL"])
def test_exif_orientation(tmp_path, smooth, orientation, form):
    """A turned image with the tag that turns it back equals the upright one."""
    upright = Image.fromarray(smooth(48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright
    if orientation in turns:
        stored = upright.transpose(Image.Transpose(turns[orientation]))
    path = write(tmp_path, stored, "cell.jpg", exif=exif, quality=100, subsampling=0)
    if form == "file":
        result = read_images([path])[0]
    else:
        with Image.open(path) as image:
            result = read_images([image])[0]
    assert result.shape == (48, 32, 3)
    assert np.abs(result - np.asarray(upright).astype(int)).max() <= 8


class TestSizes:
    def test_different_sizes_are_resized(self, tmp_path, noise):
        images = [noise(9, 8, 3), noise(40, 50, 3), noise(20, 20, 3)]
        paths = [write(tmp_path, image, f"{i}.png") for i, image in enumerate(images)]
        expected = [resize_images(image[None], (16, 12)) for image in images]
        read = read_images(paths, size=(16, 12))
        np.testing.assert_array_equal(read, np.concatenate(expected))

    def test_different_sizes_without_a_size(self, tmp_path, noise):
        paths = [write(tmp_path, noise(9, w, 3), f"{w}.png") for w in (8, 8, 7)]
        with pytest.raises(ValueError, match=r"2 sizes.*9 x 7 \(1 images.*position 2.*image_size"):
            read_images(paths)

    def test_small_images_of_one_size_are_kept(self, paths):
        files, images = paths
        np.testing.assert_array_equal(read_images(files, size=(32, 32)), images)

    def test_large_images_are_never_all_in_memory(self, tmp_path, monkeypatch):
        path = write(tmp_path, Image.new("RGB", (400, 400)))
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        read_images([path], size=(16, 16))
        tracemalloc.start()
        read_images([path] * 40, size=(16, 16))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * (400 * 400 * 3)

    def test_a_turned_image_is_measured_upright(self, tmp_path, noise):
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = write(tmp_path, noise(8, 9, 3), "turned.png", exif=exif)
        upright = write(tmp_path, noise(9, 8, 3), "upright.png")
        assert read_images([turned, upright]).shape == (2, 9, 8, 3)


class TestPilImages:
    def test_neither_changed_nor_closed(self, tmp_path, noise):
        images = [Image.fromarray(noise(30, 20, 3)), Image.fromarray(noise(30, 20)).convert("P")]
        exif = images[0].getexif()
        exif[0x0112] = 6
        before = [image.copy() for image in images]
        read_images(images, size=(9, 9))
        for image, old in zip(images, before, strict=True):
            assert (image.mode, image.size) == (old.mode, old.size)
            assert ImageChops.difference(image.convert("RGB"), old.convert("RGB")).getbbox() is None
        assert images[0].getexif()[0x0112] == 6

    def test_of_open_files(self, paths):
        files, images = paths
        opened = [Image.open(path) for path in files]
        np.testing.assert_array_equal(read_images(opened), images)
        np.testing.assert_array_equal(read_images([opened[0]] * 3), images[[0, 0, 0]])
        for image in opened:
            image.getpixel((0, 0))
            image.close()

    def test_read_one_after_the_other(self, monkeypatch):
        """Pillow loads an image at its first use, and the list may hold it twice."""
        busy, overlaps = threading.Lock(), []

        def note(image):
            overlaps.append(not busy.acquire(blocking=False))
            time.sleep(0.001)
            busy.release()
            return image

        monkeypatch.setattr("PIL.ImageOps.exif_transpose", note)
        read_images([Image.new("RGB", (4, 4))] * 20)
        assert overlaps == [False] * 20

    @pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "F"])
    def test_no_pixels(self, mode):
        with pytest.raises(ValueError, match=r"1 of 1 PIL images .*\n  position 0: .*: no pixels"):
            read_images([Image.new(mode, (0, 5))])

    def test_unreadable_ones_are_named(self, tmp_path, noise):
        path = write(tmp_path, noise(50, 50, 3))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with (
            Image.open(path) as cut,
            pytest.raises(
                ValueError, match=r"1 of 2 PIL images cannot be read:\n  position 1: .*trunc"
            ),
        ):
            read_images([Image.new("RGB", (50, 50)), cut])


class TestThreads:
    def test_files_are_closed(self, paths):
        """ResourceWarnings are errors in this suite; open descriptors are counted as well."""
        files, _ = paths
        folder = Path("/proc/self/fd")
        if not folder.is_dir():
            pytest.skip("open files cannot be counted here")
        before = len(list(folder.iterdir()))
        read_images(files * 5)
        assert len(list(folder.iterdir())) <= before

    def test_several_threads_read(self, paths, monkeypatch):
        files, images = paths
        meeting = threading.Barrier(2, timeout=10)
        transpose = ImageOps.exif_transpose

        def wait(image):
            meeting.wait()
            return transpose(image)

        monkeypatch.setattr("os.cpu_count", lambda: 2)
        monkeypatch.setattr("PIL.ImageOps.exif_transpose", wait)
        np.testing.assert_array_equal(read_images(files), images)

    def test_threads_end(self, paths):
        before = threading.active_count()
        read_images(paths[0])
        assert threading.active_count() == before

    def test_interrupting_does_not_read_on(self, paths, monkeypatch):
        """Ctrl-C is no reason of one file: it ends the reading."""
        read = []

        def interrupt(image):
            read.append(image)
            raise KeyboardInterrupt

        monkeypatch.setattr("os.cpu_count", lambda: 1)
        monkeypatch.setattr("PIL.ImageOps.exif_transpose", interrupt)
        with pytest.raises(KeyboardInterrupt):
            read_images(paths[0] * 50)
        assert len(read) < 300
