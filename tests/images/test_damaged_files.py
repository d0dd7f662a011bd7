"""Files that cannot be read: all are named at once, each with its reason."""

import contextlib
import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from skblood.images import read_images


def find_unreadable(paths):
    """Return position -> reason."""
    found = {}
    with contextlib.suppress(ValueError):  # as where none can be read
        read_images(paths, size=(8, 8), unreadable=found)
    return {i: why.removeprefix(f"{paths[i]}: ") for i, why in found.items()}


@pytest.fixture
def good(tmp_path, noise):
    path = tmp_path / "good.png"
    Image.fromarray(noise(20, 20, 3)).save(path)
    return path


@pytest.fixture
def damaged(tmp_path, good):
    """One path for each way in which a file fails, and a part of the reason."""
    data = good.read_bytes()

    def file(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    (tmp_path / "folder.png").mkdir()
    return {
        tmp_path / "missing.png": "no such file",
        tmp_path / "folder.png": "a folder",
        file("empty.png", b""): "an empty file",
        file("text.png", b"neutrophil, 12\n" * 9): "not an image that Pillow can read",
        file("zeros.png", bytes(500)): "not an image that Pillow can read",
        file("short.png", data[:20]): "",
        file("half.png", data[: len(data) // 2]): "truncated",
        file("no_end.png", data[: data.index(b"IDAT") + 30]): "truncated",
        good / "below.png": "Not a directory",
        tmp_path / ("x" * 300): "name too long",
        "nul\0byte.png": "null byte",
        "": "no such file",
    }


def test_every_reason(damaged):
    reasons = find_unreadable(list(damaged))
    assert list(reasons) == list(range(len(damaged)))
    for reason, part in zip(reasons.values(), damaged.values(), strict=True):
        assert part in reason
        assert reason


def test_all_are_named_in_one_error(damaged, good):
    X = [good, *damaged, good]
    n = len(damaged)
    with pytest.raises(
        ValueError, match=rf"^{n} of {n + 2} image files cannot be read:\n"
    ) as error:
        read_images(X)
    lines = str(error.value).split("\n")
    assert len(lines) == n + 2
    for i, (path, line) in enumerate(zip(damaged, lines[1:-1], strict=True), 1):
        assert line.startswith(f"  position {i}: {path}: ")
    assert lines[-1].startswith("Repair them, or leave them and their labels out")


def test_hundreds_are_named_without_gaps(tmp_path):
    with pytest.raises(ValueError, match="300 of 300 image files") as error:
        read_images([tmp_path / f"{i}.png" for i in range(300)])
    assert all(f"{i}.png: no such file" in str(error.value) for i in range(300))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert find_unreadable([tmp_path / "pipe.png"]) == {0: "not a regular file"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_forbidden_file(good):
    good.chmod(0)
    assert "ermission" in find_unreadable([good])[0]


@pytest.mark.parametrize("limit", [399, 150])
@pytest.mark.filterwarnings("default")
def test_decompression_bombs(good, monkeypatch, limit):
    """Pillow only warns up to twice the limit; here both are reasons, whatever the filters."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = find_unreadable([good])[0]
    assert "decompression bomb" in reason
    assert str(limit) in reason or str(2 * limit) in reason


@pytest.mark.parametrize("limit", [400, None])
def test_images_within_the_limit(good, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert find_unreadable([good]) == {}


def corrupted(data, rng):
    """Return a file's bytes with some bits turned, or cut short, or both."""
    kind = rng.integers(3)
    data = bytearray(data)
    if kind != 1:
        for _ in range(rng.integers(1, 20)):
            # Headers are where a reader can be led astray; pixels mostly decode.
            end = 200 if rng.random() < 0.5 else len(data)
            data[rng.integers(min(end, len(data)))] ^= 1 << rng.integers(8)
    if kind != 0:
        data = data[: rng.integers(len(data))]
    return bytes(data)


@pytest.mark.parametrize("form", ["jpg", "png", "gif", "webp", "tif", "bmp", "P", "I;16", "exif"])
@pytest.mark.filterwarnings("ignore")
def test_random_damage_is_read_or_named(tmp_path, smooth, form):
    """315 damaged files: no exception but the one that names them."""
    image, options = Image.fromarray(smooth(40, 30)), {}
    suffix = {"P": "png", "I;16": "tif", "exif": "jpg"}.get(form, form)
    if form == "P":
        image = image.quantize(16)
    if form == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if form == "exif":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix), **options)
    rng = np.random.default_rng(sum(map(ord, form)))
    paths = [tmp_path / f"{i}.{suffix}" for i in range(35)]
    for path in paths:
        path.write_bytes(corrupted(stream.getvalue(), rng))

    reasons = find_unreadable(paths)
    assert reasons
    with pytest.raises(ValueError, match=rf"^{len(reasons)} of 35 image files") as error:
        read_images(paths, size=(16, 16))
    assert all(f"position {i}: {paths[i]}: {why}" in str(error.value) for i, why in reasons.items())
    readable = [path for i, path in enumerate(paths) if i not in reasons]
    if readable:
        assert read_images(readable, size=(16, 16)).shape == (len(readable), 16, 16, 3)
