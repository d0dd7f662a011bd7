"""Encoded images in memory: the same pixels, checks, errors and store entries as of files."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from skblood import FeatureStore
from skblood.datasets import find_unreadable
from skblood.images import EncodedImage, file_key, is_table, map_images, read_images


def encode(path, **options):
    return EncodedImage(path.read_bytes(), path.name, **options)


def outcome(item, **options):
    """Return the pixels of an item, or why it cannot be read, without its name."""
    found = {}
    try:
        return read_images([item], unreadable=found, **options).tolist()
    except ValueError:
        return found[0].partition(": ")[2]


class TestLikeFiles:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("rgb.png", {}),
            ("rgb.jpg", {"quality": 80}),
            ("rgb.tif", {}),
            ("rgb.bmp", {}),
            ("rgb.webp", {"lossless": True}),
            ("rgb.gif", {}),
            ("rgb.jp2", {}),
            ("rgb.ppm", {}),
            ("rgb.tga", {}),
            ("named_png", {"format": "PNG"}),
        ],
    )
    def test_formats(self, save, smooth, name, options):
        path = save(smooth(20, 24), name, **options)
        assert outcome(encode(path)) == outcome(path)
        assert np.shape(outcome(path)) == (1, 20, 24, 3)

    def test_large_tiff_that_pillow_maps(self, save, noise):
        path = save(noise(300, 300, 3), "raw.tif")
        np.testing.assert_array_equal(read_images([encode(path)]), read_images([path]))

    def test_rotated_by_exif(self, save, noise):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = save(noise(8, 12, 3), "cell.png", exif=exif)
        assert outcome(encode(path)) == outcome(path)
        assert np.shape(outcome(path)) == (1, 12, 8, 3)

    def test_16_bits_of_gray_with_a_depth(self, save):
        path = save(np.full((5, 5), 4095, np.uint16), "deep.png")
        assert outcome(encode(path)) == outcome(path)
        assert "their depth is unclear" in outcome(encode(path))
        assert outcome(encode(path), bit_depth=12) == np.full((1, 5, 5, 3), 255).tolist()
        assert outcome(encode(path, bit_depth=12)) == np.full((1, 5, 5, 3), 255).tolist()

    def test_16_bits_of_color(self, tmp_path, rng):
        tifffile = pytest.importorskip("tifffile")
        path = tmp_path / "deep.tif"
        tifffile.imwrite(path, rng.integers(0, 65536, (9, 7, 3), dtype=np.uint16))
        assert outcome(encode(path)) == outcome(path)
        assert np.shape(outcome(path)) == (1, 9, 7, 3)

    def test_deep_ppm_is_refused(self, tmp_path):
        path = tmp_path / "deep.ppm"
        path.write_bytes(b"P6 2 2 65535\n" + bytes(24))
        assert outcome(encode(path)) == outcome(path)
        assert "more than 8 bits" in outcome(path)

    def test_pages(self, save, noise):
        pages = [Image.fromarray(noise(6, 6, 3)) for _ in range(2)]
        path = save(pages[0], "pages.tif", save_all=True, append_images=pages[1:])
        assert outcome(encode(path)) == outcome(path)
        assert "2 pages or frames" in outcome(path)

    def test_more_pixels_than_allowed(self, save, noise, monkeypatch):
        path = save(noise(20, 20, 3))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
        assert outcome(encode(path)) == outcome(path)
        assert "MAX_IMAGE_PIXELS = 399" in outcome(path)

    def test_a_format_that_starts_programs(self, tmp_path):
        path = tmp_path / "cell.png"
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
        assert outcome(encode(path)) == outcome(path)
        assert "not an image that Pillow can read" in outcome(path)

    def test_cut_anywhere(self, save, noise):
        path = save(noise(6, 5, 3))
        data = path.read_bytes()
        for end in range(0, len(data), 7):
            path.write_bytes(data[:end])
            assert outcome(encode(path)) == outcome(path)

    def test_every_damaged_byte(self, save, noise):
        path = save(noise(6, 5, 3), "cell.bmp")
        data = path.read_bytes()
        for i in range(0, len(data)):
            path.write_bytes(data[:i] + bytes([data[i] ^ 255]) + data[i + 1 :])
            assert outcome(encode(path)) == outcome(path)


class TestErrors:
    def test_names(self):
        bad = [EncodedImage(b"", "a.tar/1.png"), EncodedImage(b"no image", "a.tar/2.png")]
        with pytest.raises(ValueError, match=r"(?s)2 of 2 .*position 1: a\.tar/2\.png: not an im"):
            read_images(bad)
        assert list(find_unreadable(bad)) == [0, 1]

    @pytest.mark.parametrize("data", ["cell.png", None, io.BytesIO(b"")])
    def test_no_bytes(self, data):
        with pytest.raises(TypeError, match=f"data is a {type(data).__name__}, not bytes"):
            EncodedImage(data, "cell")

    def test_a_single_one(self):
        with pytest.raises(ValueError, match=r"X is a single encoded image\. Pass .*\[X\]"):
            is_table(EncodedImage(b"", "cell"))

    def test_with_pil_images(self, save, noise):
        image = Image.fromarray(noise(4, 4, 3))
        with pytest.raises(ValueError, match=r"an encoded image at 0 .*a PIL image at 1"):
            read_images([encode(save(image)), image])


class TestUse:
    def test_with_paths(self, files):
        paths, images = files
        mixed = [encode(p) if i % 2 else p for i, p in enumerate(paths)]
        np.testing.assert_array_equal(read_images(mixed), images)
        np.testing.assert_array_equal(read_images(np.array(mixed, object)), images)
        assert map_images(np.shape, mixed) == ([(20, 16, 3)] * 40, {})
        assert not is_table(mixed)

    def test_pickle_and_repr(self, files):
        image = encode(files[0][3], bit_depth=12)
        copy = pickle.loads(pickle.dumps(image))
        assert (copy.data, copy.name, copy.bit_depth) == (image.data, "3.png", 12)
        assert repr(copy) == f"<EncodedImage '3.png': {len(image.data):,} bytes>"

    def test_memory_of_the_caller(self):
        data = bytearray(b"abc")
        image = EncodedImage(memoryview(data), "x")
        data[0] = 0
        assert image.data == b"abc"

    def test_key_and_store_of_the_file(self, files, tmp_path, decoded):
        paths, images = files
        assert file_key(encode(paths[0])) == file_key(paths[0])
        assert (
            file_key(encode(paths[0], bit_depth=9)) == file_key(paths[0], 9) != file_key(paths[0])
        )
        store = FeatureStore(tmp_path / "store")
        read_images(paths, size=(16, 16), store=store)
        assert len(decoded) == 40
        result = read_images([encode(p) for p in paths], size=(16, 16), store=store)
        assert len(decoded) == 40
        np.testing.assert_array_equal(result, read_images(images, size=(16, 16)))

    def test_predictions(self, files):
        from skblood import TransferCellClassifier

        paths = files[0]
        model = TransferCellClassifier("cellnet_t", image_size=16, max_epochs=1, random_state=0)
        model.fit([encode(p) for p in paths], ["a", "b"] * 20)
        np.testing.assert_array_equal(
            model.predict_proba([encode(p) for p in paths]), model.predict_proba(paths)
        )
