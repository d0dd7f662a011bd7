"""Files of more than 8 bits: what is refused, stated depths, and who remembers them."""

import pickle
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from skblood import MLPCellClassifier, audit, load, model_card, save
from skblood.datasets import (
    find_unreadable,
    load_cells,
    load_csv,
    load_image_folder,
    merge_datasets,
)
from skblood.images import read_images
from skblood.inference import FeatureStore


def write_png(path, values):
    """Write 16-bit values (h, w, c), which Pillow cannot: gray, with alpha, RGB, or RGBA."""
    height, width, n_channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[n_channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values.reshape(height, -1))
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    coded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(coded))
    return path


def write_tiff(path, values, **options):
    """Write values of any integer type (h, w, c) as gray or interleaved RGB."""
    gray = values.shape[2] == 1
    options.setdefault("photometric", "minisblack" if gray else "rgb")
    tifffile.imwrite(path, values[..., 0] if gray else values, **options)
    return path


WRITERS = {
    "gray png": (1, write_png),
    "color png": (3, write_png),
    "gray tiff": (1, write_tiff),
    "color tiff": (3, write_tiff),
    "color tiff, big-endian": (3, lambda path, values: write_tiff(path, values, byteorder=">")),
    "color tiff, deflate": (3, lambda path, values: write_tiff(path, values, compression="zlib")),
    "int16 tiff": (1, lambda path, values: write_tiff(path, values.astype(np.int16))),
    "uint32 tiff": (1, lambda path, values: write_tiff(path, values.astype(np.uint32))),
    "int32 tiff": (1, lambda path, values: write_tiff(path, values.astype(np.int32))),
}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    """Return a function that writes a file of values with the channels of the format."""
    n_channels, function = WRITERS[request.param]
    return lambda values, name="cell.x": function(tmp_path / name, values[..., :n_channels])


def values_of(noise, bits):
    """Return pixels, and the same as values of this many bits."""
    pixels = noise(9, 8, 3)
    pixels[0] = 255
    return pixels, np.rint(pixels / 255 * (2**bits - 1)).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_stated_or_refused(write, noise, bits):
    pixels, values = values_of(noise, bits)
    path = write(values)
    with pytest.raises(ValueError, match=r"depth is unclear.*bit_depth=12\b"):
        read_images([path])
    read = read_images([path], bit_depth=bits)[0]
    is_gray = np.ptp(read.astype(int), axis=2).max() == 0
    np.testing.assert_array_equal(read, pixels[..., [0, 0, 0]] if is_gray else pixels)
    with pytest.raises(ValueError, match=r"outside of 0\.\.255 \(8 bits\)"):
        read_images([write(values + 256)], bit_depth=8)


def test_16_bits_need_no_statement(write, noise, request):
    pixels, values = values_of(noise, 16)
    if "int16 tiff" in request.node.name:  # does not hold them
        return
    path = write(values)
    read = read_images([path])
    np.testing.assert_array_equal(read_images([path], bit_depth=16), read)
    assert (read[0, ..., 0] == pixels[..., 0]).all()


def test_dark_images_of_16_bits_are_read_if_stated(tmp_path):
    path = write_png(tmp_path / "dark.png", np.full((4, 4, 3), 9000, np.uint16))
    with pytest.raises(ValueError, match="depth is unclear"):
        read_images([path])
    assert (read_images([path], bit_depth=16) == 35).all()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_min_is_white(tmp_path, noise, dtype):
    pixels, path = noise(20, 16), tmp_path / "white.tif"
    scale = {"u1": 1, "u2": 257, "f4": 1 / 255}[dtype]
    tifffile.imwrite(path, ((255 - pixels) * np.float64(scale)).astype(dtype), photometric=0)
    np.testing.assert_array_equal(read_images([path])[0, ..., 0], pixels)
    if dtype == "u2":
        values = np.rint((255 - pixels) / 255 * 4095).astype(np.uint16)
        tifffile.imwrite(path, values, photometric=0)
        read = read_images([path], bit_depth=12)[0, ..., 0]
        np.testing.assert_array_equal(read, pixels)


def test_signed_8_bits_are_refused(tmp_path, noise):
    path = write_tiff(tmp_path / "int8.tif", noise(9, 8, 1).astype(np.int8))
    with pytest.raises(ValueError, match=r"signed values of 8 bits.*uint8"):
        read_images([path], bit_depth=8)


@pytest.mark.parametrize(("kind", "n_channels"), [("P5", 1), ("P6", 3)])
def test_deep_ppm(tmp_path, noise, kind, n_channels):
    """Pillow reduces color to 8 bits, and scales gray to 16."""
    values, path = noise(9, 8, n_channels).astype(">u2") * 257, tmp_path / "a.ppm"
    path.write_bytes(f"{kind} 8 9 65535\n".encode() + values.tobytes())
    if kind == "P5":
        np.testing.assert_array_equal(read_images([path], channels=1)[0], values // 257)
        path.write_bytes(f"{kind} 8 9 4095\n".encode() + (values // 17).tobytes())
    for text in (path.read_bytes(), b"P3 1 1 4095 9 9 9", b"P2 1 1 4095 9"):
        path.write_bytes(text)
        for bit_depth in (None, 12):
            with pytest.raises(ValueError, match=r"PPM of more than 8 bits.*as PNG or TIFF"):
                read_images([path], bit_depth=bit_depth)


def test_deep_jpeg_2000_is_refused(tmp_path, noise):
    path = tmp_path / "cell.jp2"
    Image.fromarray(noise(64, 64, 3)).save(path, irreversible=False)
    head, mark, rest = path.read_bytes().partition(b"\xff\x4f\xff\x51")
    path.write_bytes(head + mark + rest[:38] + bytes([11]) + rest[39:])
    with pytest.raises(ValueError, match="JPEG2000 of more than 8 bits"):
        read_images([path], bit_depth=12)
    values = noise(64, 64).astype(np.uint16) * 257
    Image.fromarray(values).save(path, irreversible=False)
    np.testing.assert_array_equal(read_images([path])[0, ..., 0], values // 257)


class TestUnclear:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("mark", ["hot pixel", "hot pixels", "scale bar"])
    def test_marks_do_not_hide_12_bits(self, tmp_path, rng, mark, channels):
        values = rng.integers(0, 4096, (100, 100, channels)).astype(np.uint16)
        places = {
            "hot pixel": np.s_[0, 0],
            "hot pixels": np.s_[::25, ::25],
            "scale bar": np.s_[-2:],
        }
        values[places[mark]] = rng.integers(2**15, 2**16) if mark == "hot pixels" else 65535
        path = write_tiff(tmp_path / "cell.tif", values)
        with pytest.raises(ValueError, match=r"97 % up to [34]\d{3}\).*depth is unclear"):
            read_images([path])
        with pytest.raises(ValueError, match=r"outside of 0\.\.4095.*scale bar"):
            read_images([path], bit_depth=12)

    def test_dark_fluorescence_of_16_bits_is_read(self, tmp_path, rng):
        y, x = np.mgrid[-50:50, -50:50]
        values = 500 + rng.poisson(200, (100, 100)) + 60000 * np.exp(-(x**2 + y**2) / 50)
        path = write_tiff(tmp_path / "cell.tif", values.astype(np.uint16)[..., None])
        assert read_images([path]).max() > 230


@pytest.mark.parametrize("dtype", ["f2", "f8", "f4 color"])
def test_tiff_that_pillow_cannot_decode(tmp_path, noise, dtype):
    path, n_channels = tmp_path / "cell.tif", 3 if "color" in dtype else 1
    write_tiff(path, (noise(9, 8, n_channels) / 255).astype(dtype[:2]))
    with pytest.raises(ValueError, match=r"a TIFF of an unusual kind.*8 or 16 bits"):
        read_images([path])


def test_floats_out_of_range(tmp_path, noise):
    path = write_tiff(tmp_path / "cell.tif", noise(9, 8, 1).astype(np.float32))
    with pytest.raises(
        ValueError, match=r"floats of \d\.\.2\d\d, outside of 0\.\.1.*Save integers"
    ):
        read_images([path])


def test_transparency_of_deep_color(tmp_path, noise):
    pixels, values = values_of(noise, 12)
    opaque = np.full((9, 8, 1), 65535, np.uint16)
    path = write_png(tmp_path / "opaque.png", np.dstack([values, opaque]))
    np.testing.assert_array_equal(read_images([path], bit_depth=12)[0], pixels)
    half = np.dstack([np.full((9, 8, 3), 65535, np.uint16), opaque // 2])
    half[0, 0] = 0, 0, 0, 65535
    read = read_images([write_png(tmp_path / "half.png", half)])[0]
    assert (read[0, 0] == 0).all() and (read[1:] == 255).all()


def test_deep_color_behind_a_thumbnail(tmp_path, noise):
    path, (pixels, values) = tmp_path / "cell.tif", values_of(noise, 12)
    with tifffile.TiffWriter(path) as file:
        file.write(values[::2, ::2], subfiletype=1, photometric="rgb")
        file.write(values, photometric="rgb")
    np.testing.assert_array_equal(read_images([path], bit_depth=12)[0], pixels)


def test_unusual_deep_color_is_named(tmp_path, noise):
    planes = write_tiff(tmp_path / "planes.tif", noise(3, 9, 8).astype(np.uint16) * 257)
    tifffile.imwrite(planes, noise(3, 9, 8).astype(np.uint16), photometric="rgb", planarconfig=2)
    gray_alpha = write_png(tmp_path / "la.png", noise(9, 8, 2).astype(np.uint16) * 257)
    for path, why in ((planes, "separate planes"), (gray_alpha, "16-bit gray with alpha")):
        with pytest.raises(ValueError, match=why):
            read_images([path])


def test_packed_12_bits_are_known(tmp_path, noise):
    """The tag of the file tells 12 bits, so that 0..4095 is its whole range."""
    path, packed = tmp_path / "packed.tif", noise(4, 12)
    Image.fromarray(packed).save(path)
    data = path.read_bytes()
    for tag, before, after in ((256, 12, 8), (258, 8, 12)):  # the width, and the bits
        (kind,) = (k for k in (3, 4) if struct.pack("<HHII", tag, k, 1, before) in data)
        old, new = (struct.pack("<HHII", tag, kind, 1, value) for value in (before, after))
        data = data.replace(old, new)
    path.write_bytes(data)
    first = packed[:, 0].astype(int) * 16 + packed[:, 1] // 16
    read = read_images([path], channels=1)
    assert read.shape == (1, 4, 8, 1)
    np.testing.assert_array_equal(read[0, :, 0, 0], np.rint(first / 4095 * 255))


@pytest.mark.parametrize("bit_depth", [0, 7, 17, 12.0, "12"])
def test_invalid_depths(noise, bit_depth):
    with pytest.raises((TypeError, ValueError), match="bit_depth"):
        read_images(noise(2, 9, 8, 3), bit_depth=bit_depth)


@pytest.fixture
def folder(tmp_path, noise):
    """Return a folder of two classes with 20 files of 12 bits each, and the same pixels."""
    images = noise(40, 16, 16, 3)
    images[:20] //= 2
    images[:, 0] = 255
    for i, image in enumerate(images):
        path = tmp_path / "cells" / ("dark" if i < 20 else "light") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, np.rint(image / 255 * 4095).astype(np.uint16))
    return tmp_path / "cells", images


class TestLoaders:
    def test_paths_state_the_depth(self, folder, tmp_path):
        path, images = folder
        X = load_image_folder(path, bit_depth=12, return_X_y=True)[0]
        np.testing.assert_array_equal(read_images(X), images)
        np.testing.assert_array_equal(read_images(X[::-1], bit_depth=14), images[::-1])
        np.testing.assert_array_equal(read_images(pickle.loads(pickle.dumps(X))), images)
        assert find_unreadable(X) == {} and len(find_unreadable(X.astype(str))) == 40
        assert load_cells(path, bit_depth=np.int64(12)).data[0].bit_depth == 12
        assert load_image_folder(path).data.dtype.kind == "U"
        frame = load_image_folder(path, bit_depth=12).frame
        for X in (frame["path"], frame[["path"]], frame.sample(frac=1).sort_index()["path"]):
            np.testing.assert_array_equal(read_images(X), images)

    def test_tables_and_merged_sets(self, folder, tmp_path):
        path, images = folder
        cells = load_image_folder(path, bit_depth=12)
        (tmp_path / "cells.csv").write_text(cells.frame.to_csv(index=False))
        for load_table in (load_csv, load_cells):
            table = load_table(tmp_path / "cells.csv", bit_depth=12)
            for X in (table.data, table.frame["path"], table.frame[["path"]]):
                np.testing.assert_array_equal(read_images(X), images)
        merged = merge_datasets({"a": cells}, random_state=0)
        np.testing.assert_array_equal(read_images(merged.data), images)

    def test_audit_reads_the_same(self, folder):
        X = load_image_folder(folder[0], bit_depth=12).data
        assert {finding.kind for finding in audit(X).findings} <= {"near_identical"}
        with pytest.raises(ValueError, match="depth is unclear"):
            audit(X.astype(str))

    def test_store_keeps_depths_apart(self, folder, tmp_path):
        path, _ = folder
        X, store = load_image_folder(path).data, FeatureStore(tmp_path / "store")
        for bits in (12, 16, 12):
            expected = read_images(X, bit_depth=bits)
            np.testing.assert_array_equal(read_images(X, bit_depth=bits, store=store), expected)
        assert store.n_computed == 80


class TestModels:
    @pytest.fixture
    def fitted(self, folder):
        X, y = load_image_folder(folder[0], bit_depth=12, return_X_y=True)
        return MLPCellClassifier((8,), max_epochs=2, random_state=0).fit(X, y), X, y

    def test_fit_remembers(self, fitted, folder, tmp_path):
        clf, X, y = fitted
        paths, expected = X.astype(str), clf.predict_proba(folder[1])
        save(clf, tmp_path / "deep.skblood")
        for model in (clf, load(tmp_path / "deep.skblood"), pickle.loads(pickle.dumps(clf))):
            for given in (X, paths, model.read_images(paths)):
                np.testing.assert_allclose(model.predict_proba(given), expected, atol=1e-6)
        assert clf.score(paths, y) == clf.score(folder[1], y)
        assert "values of 12 bits" in model_card(clf)
        again = MLPCellClassifier((8,), max_epochs=1).fit(clf.read_images(paths), y)
        assert again.spec_.bit_depth == 12
        assert clf.partial_fit(paths, y).spec_.bit_depth == 12

    def test_a_path_states_its_own_depth(self, fitted, tmp_path):
        clf, X, _ = fitted
        for name, pixels in zip("ab", read_images(X[:2]), strict=True):
            (tmp_path / "other" / name).mkdir(parents=True)
            values = np.rint(pixels / 255 * (2**14 - 1)).astype(np.uint16)
            write_png(tmp_path / "other" / name / "14.png", values)
        theirs = load_image_folder(tmp_path / "other", bit_depth=14).data
        np.testing.assert_allclose(clf.predict_proba(theirs), clf.predict_proba(X[:2]), atol=1e-6)
        with pytest.raises(ValueError, match=r"outside of 0\.\.4095 \(12 bits\)"):
            clf.predict(theirs.astype(str))

    def test_several_depths_in_a_fit(self, folder):
        path, _ = folder
        twelve, fourteen = (load_image_folder(path, bit_depth=bits).data for bits in (12, 14))
        X, y = np.concatenate([twelve[::2], fourteen[1::2]]), ["a", "b"] * 20
        clf = MLPCellClassifier((8,), max_epochs=1, random_state=0)
        with pytest.raises(
            ValueError, match=r"several bit depths, \[12, 14\].*read_images\(X, size"
        ):
            clf.fit(X, y)
        clf.fit(read_images(X, size=(16, 16)), y)
        clf.fit(twelve, y).predict(X)

    def test_models_of_8_bits_refuse_and_the_advice_works(self, folder):
        path, images = folder
        X, y = load_image_folder(path, return_X_y=True)
        clf = MLPCellClassifier((8,), max_epochs=1, random_state=0).fit(images, y)
        assert clf.spec_.bit_depth is None
        with pytest.raises(ValueError, match=r"bit_depth=12(?s:.*)read_images take bit_depth"):
            clf.predict(X)
        assert (clf.predict(read_images(X, bit_depth=12)) == clf.predict(images)).all()


@pytest.mark.parametrize("divide", [255, 256, 128])
def test_black_images_are_warned_of(noise, divide):
    X, y = noise(40, 16, 16, 3), ["a", "b"] * 20
    clf = MLPCellClassifier((8,), max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match=r"these images are black.*X / 255"):
        clf.fit((X / divide).astype(np.uint8), y)
    with pytest.warns(UserWarning, match="these images are black"):
        clf.predict((X / divide).astype(np.uint8))
    clf.fit(X / 255, y).predict(X[:1] // 2)
    clf.predict(np.zeros_like(X[:1]))  # a blank field
    with pytest.warns(UserWarning, match="these images are black"):
        clf.predict(X[:1] // 128)
