"""Files of several pages, files of other plugins of Pillow, and large files."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from skblood import audit
from skblood.datasets import find_unreadable
from skblood.images import _decode, read_images, resize_images

CHANNELS = [
    {"imagej": True, "metadata": {"axes": "CYX"}},
    {"ome": True, "metadata": {"axes": "CYX"}},
    {"photometric": "minisblack"},
    {"photometric": "minisblack", "compression": "zlib"},
    {"photometric": "minisblack", "metadata": {"axes": "CYX"}},
]
STACKS = [
    {"imagej": True, "metadata": {"axes": "ZYX"}},
    {"imagej": True, "metadata": {"axes": "TYX"}},
    {"ome": True, "metadata": {"axes": "ZYX"}},
    {"ome": True, "metadata": {"axes": "TYX"}},
    {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
    {"photometric": "minisblack", "metadata": {"axes": "TYX"}},
]
# Only the first page has an entry in the file.
BLOCKS = [
    (3, {"imagej": True, "metadata": {"axes": "CYX"}}),
    (5, {"imagej": True, "metadata": {"axes": "ZYX"}}),
    (3, {"photometric": "minisblack"}),
    (4, {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}),
]


class TestPages:
    @pytest.mark.parametrize("options", CHANNELS, ids=str)
    @pytest.mark.parametrize("bits", [8, 12])
    def test_three_gray_pages_are_color(self, tmp_path, noise, options, bits):
        image, path = noise(20, 16, 3), tmp_path / "cell.tif"
        image[0], planes = 255, image.transpose(2, 0, 1)
        if bits == 12:
            planes = np.rint(planes / 255 * 4095).astype(np.uint16)
        tifffile.imwrite(path, planes, **options)
        np.testing.assert_array_equal(read_images([path], bit_depth=12)[0], image)

    @pytest.mark.parametrize("options", STACKS, ids=str)
    def test_stacks_of_three_are_refused(self, tmp_path, noise, options):
        path = tmp_path / "stack.tif"
        tifffile.imwrite(path, noise(3, 20, 16), **options)
        with pytest.raises(ValueError, match=r"3 pages or frames.*Save the page"):
            read_images([path])

    @pytest.mark.parametrize(("n", "options"), BLOCKS, ids=str)
    def test_pages_that_are_only_described(self, tmp_path, noise, n, options):
        path = tmp_path / "block.tif"
        tifffile.imwrite(path, noise(n, 20, 16), truncate=True, **options)
        expected = rf"1 page\(s\), but its description states {n}\b.*Save the image"
        with pytest.raises(ValueError, match=expected):
            read_images([path])
        with Image.open(path) as image, pytest.raises(ValueError, match=expected):
            read_images([image])

    @pytest.mark.parametrize(
        ("shape", "options"),
        [
            ((20, 16), {"imagej": True}),
            ((20, 16, 3), {"imagej": True}),
            ((20, 16, 3), {"photometric": "rgb"}),
            ((3, 20, 16), {"photometric": "rgb", "planarconfig": "separate"}),
            ((20, 16), {"description": '{"shape": [60, 80]}', "metadata": None}),  # before a crop
        ],
        ids=str,
    )
    def test_descriptions_of_one_image(self, tmp_path, noise, shape, options):
        path, image = tmp_path / "cell.tif", noise(*shape)
        tifffile.imwrite(path, image, **options)
        image = image.transpose(1, 2, 0) if shape[0] == 3 else image.reshape(20, 16, -1)
        np.testing.assert_array_equal(read_images([path])[0], np.broadcast_to(image, (20, 16, 3)))

    @pytest.mark.parametrize(
        "shape", [(2, 9, 8), (4, 9, 8), (30, 9, 8), (2, 9, 8, 3), (3, 9, 8, 3)], ids=str
    )
    def test_other_numbers_of_pages_are_refused(self, tmp_path, noise, shape):
        path = tmp_path / "stack.tif"
        tifffile.imwrite(
            path, noise(*shape), photometric="rgb" if len(shape) == 4 else "minisblack"
        )
        expected = f"{shape[0]} pages or frames. Only three gray pages"
        assert expected in find_unreadable([path])[0]
        with pytest.raises(ValueError, match=expected):
            audit([path])

    def test_pages_of_different_sizes_are_refused(self, tmp_path, noise):
        path = tmp_path / "sizes.tif"
        with tifffile.TiffWriter(path) as file:
            for side in (9, 9, 8):
                file.write(noise(side, 9))
        assert "3 pages or frames" in find_unreadable([path])[0]

    @pytest.mark.parametrize("first", [False, True])
    def test_thumbnails_and_pyramids_are_no_pages(self, tmp_path, noise, first):
        path, image = tmp_path / "pyramid.tif", noise(64, 48, 3)
        reduced = [(image[::step, ::step], 1) for step in (2, 4, 8)]
        with tifffile.TiffWriter(path) as file:
            for pixels, kind in [*reduced, (image, 0)] if first else [(image, 0), *reduced]:
                file.write(pixels, subfiletype=kind, photometric="rgb")
        np.testing.assert_array_equal(read_images([path])[0], image)

    @pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
    def test_animations_are_refused(self, save, suffix):
        frames = [Image.new("RGB", (6, 5), color) for color in ("black", "white", "red")]
        path = save(frames[0], f"cell.{suffix}", save_all=True, append_images=frames[1:])
        assert "3 pages or frames" in find_unreadable([path])[0]
        with Image.open(path) as image:
            with pytest.raises(ValueError, match=r"3 pages.*Pass image\.copy\(\)"):
                read_images([image])
            assert (read_images([image.copy()]) < 9).all()
            image.seek(1)
            assert (read_images([image]) > 246).all()  # the current frame of a PIL image
            assert image.tell() == 1

    def test_previews_in_a_jpeg_file(self, save, smooth):
        """Cameras add them; the first image is the photograph."""
        image = smooth(32, 24)
        small = Image.fromarray(image[::4, ::4])
        path = save(Image.fromarray(image), "cell.mpo", save_all=True, append_images=[small])
        with Image.open(path) as opened:
            assert opened.format == "MPO" and opened.n_frames == 2
            expected = np.asarray(opened.convert("RGB"))
            np.testing.assert_array_equal(read_images([opened])[0], expected)
        np.testing.assert_array_equal(read_images([path])[0], expected)


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
showpage
"""
FITS = b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80)
FITS += b"NAXIS   =                    2".ljust(80) + b"NAXIS1  =                    8".ljust(80)
FITS += b"NAXIS2  =                    8".ljust(80) + b"END".ljust(80)
OTHERS = {
    "EPS": EPS,
    "FITS": FITS.ljust(2880) + bytes(2880),
    "BUFR": b"BUFR" + bytes(64),
    "GRIB": b"GRIB\0\0\0\1" + bytes(64),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "MPEG": b"\0\0\1\xb3\0\x80\x08" + bytes(64),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(4) + b"\x08\0\x08\0\x60\0" + bytes(6) + b"\1\0\x09\0",
}


class TestOtherPlugins:
    @pytest.fixture(autouse=True)
    def no_process(self, monkeypatch):
        def refuse(*args, **options):
            raise AssertionError("a process was started")

        for name in ("Popen", "run", "check_call", "check_output", "call"):
            monkeypatch.setattr(f"subprocess.{name}", refuse)
        monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
        monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", refuse)

    @pytest.mark.parametrize("kind", OTHERS)
    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
    def test_files_are_unreadable(self, tmp_path, kind, suffix):
        path = tmp_path / f"cell.{suffix}"
        path.write_bytes(OTHERS[kind])
        expected = "not an image that Pillow can read as PNG, JPEG, TIFF"
        assert expected in find_unreadable([path])[0]
        with pytest.raises(ValueError, match=expected):
            audit([path])

    @pytest.mark.parametrize("kind", OTHERS)
    def test_opened_files_are_refused_before_they_are_decoded(self, tmp_path, kind):
        path = tmp_path / "cell.png"
        path.write_bytes(OTHERS[kind])
        with Image.open(path) as image, pytest.raises(ValueError, match=f"a file of {kind}"):
            assert image.format == kind
            read_images([image])

    def test_what_the_user_has_decoded_is_read(self, noise):
        image = Image.fromarray(noise(9, 8, 3))
        image.format = "EPS"
        with pytest.raises(ValueError, match=r"a file of EPS\. Convert it to PNG"):
            read_images([image])
        np.testing.assert_array_equal(read_images([image.copy()])[0], np.asarray(image))

    @pytest.mark.parametrize("suffix", ["jp2", "ppm", "tga", "bmp"])
    def test_all_formats_that_are_named(self, save, noise, suffix):
        image = noise(9, 8, 3)
        path = save(image, f"cell.{suffix}", **({"irreversible": False} if suffix == "jp2" else {}))
        np.testing.assert_array_equal(read_images([path])[0], image)


class TestLargeFiles:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        """Take images of more than 10,000 pixels for large ones."""
        monkeypatch.setattr(_decode, "_MANY_PIXELS", 10_000)
        monkeypatch.setattr(_decode, "_STRIP", 3_000)

    @pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK", "LA"])
    def test_converted_in_strips(self, save, smooth, mode):
        image = Image.fromarray(smooth(160, 120)).convert(mode)
        suffix = "tif" if mode == "CMYK" else "png"
        expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(read_images([save(image, f"cell.{suffix}")])[0], expected)
        np.testing.assert_array_equal(read_images([image])[0], expected)

    @pytest.mark.parametrize("orientation", [1, 6])
    @pytest.mark.parametrize(
        ("crop", "n_decoded"), [(1.0, 80 * 60), (0.5, 160 * 120), (2.0, 40 * 30)]
    )
    def test_jpeg_is_decoded_at_a_reduced_size(
        self, save, smooth, monkeypatch, orientation, crop, n_decoded
    ):
        pixels, exif = [], Image.Exif()
        exif[0x0112] = orientation
        path = save(smooth(160, 120), "cell.jpg", quality=95, exif=exif)
        expected = read_images([path], size=(7, 7), crop=crop, interpolation="nearest")
        monkeypatch.setattr(_decode, "_MANY_PIXELS", 10**9)
        whole = read_images([path], size=(7, 7), crop=crop)
        monkeypatch.setattr(_decode, "_MANY_PIXELS", 10_000)
        load = ImageFile.ImageFile.load
        monkeypatch.setattr(
            ImageFile.ImageFile, "load", lambda im: pixels.append(im.width * im.height) or load(im)
        )
        reduced = read_images([path], size=(7, 7), crop=crop)
        assert pixels[0] == n_decoded and expected.shape == reduced.shape
        assert np.abs(reduced - whole.astype(int)).max() <= 2
        pixels.clear()
        for options in ({}, {"size": (7, 7), "interpolation": "nearest"}, {"size": (80, 80)}):
            read_images([path], **options)
            assert pixels[0] == 160 * 120

    def test_one_at_a_time(self, save, smooth, monkeypatch):
        paths = [save(smooth(160, 120), f"{i}.png") for i in range(8)]
        monkeypatch.setattr("os.cpu_count", lambda: 4)
        inside, most = set(), []

        def crop(image, fraction, crop_image=None):
            inside.add(id(image))
            most.append(len(inside))
            result = resize_images(image[None], (80, 60))[0]
            inside.discard(id(image))
            return result

        monkeypatch.setattr("skblood.images._read.crop_image", crop)
        assert read_images(paths, size=(80, 60)).shape == (8, 80, 60, 3)
        assert max(most) == 1
