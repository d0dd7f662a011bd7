"""Image files, right ones of all kinds and damaged ones, and what they must be read as."""

import io
import os
import struct
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from skblood.datasets import make_blood_cells
from skblood.images import read_images
from tests.robustness._outcome import CRASH, HANG, OVERDONE, SILENCE, WRONG, Outcome, judge

NOISE = "warnings"
EXACT, NEAR, FAR = 0, 6, 25  # mean difference in gray levels: lossless, lossy, few colours
SIDE = 24
FORMATS = {"jpg": "JPEG", "tiff": "TIFF"}
_TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@dataclass(frozen=True)
class OddFile:
    """A file, and what it must be read as.

    Attributes
    ----------
    path : Path
    kind : str
    pixels : ndarray of shape (h, w, 3), or None
        What a right file holds.
    tolerance : float or None
        Mean difference from `pixels`; None where the file must be named as unreadable, or, with
        `is_random`, may be either.
    is_random : bool
    """

    path: Path
    kind: str
    pixels: np.ndarray | None = None
    tolerance: float | None = None
    is_random: bool = False


def encode(image, suffix, **options):
    """Return the content of a file."""
    stream = io.BytesIO()
    image.save(stream, FORMATS.get(suffix, suffix), **options)
    return stream.getvalue()


def right_files(cell):
    """Yield kind, suffix, content, pixels and tolerance of files that are right."""
    rgb, gray = Image.fromarray(cell), np.asarray(Image.fromarray(cell).convert("L"))
    as_rgb = np.repeat(gray[..., None], 3, axis=2)
    for suffix in ("png", "bmp", "tiff"):
        yield suffix, suffix, encode(rgb, suffix), cell, EXACT
    yield "webp", "webp", encode(rgb, "webp", lossless=True), cell, EXACT
    yield "lossy webp", "webp", encode(rgb, "webp", quality=95), cell, NEAR
    yield "jpg", "jpg", encode(rgb, "jpg", quality=95), cell, NEAR
    yield "progressive", "jpg", encode(rgb, "jpg", quality=95, progressive=True), cell, NEAR
    yield "CMYK", "jpg", encode(rgb.convert("CMYK"), "jpg", quality=95), cell, NEAR
    yield "gif", "gif", encode(rgb, "gif"), cell, FAR
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "ICC", "png", encode(rgb, "png", icc_profile=profile), cell, EXACT
    for suffix in ("png", "tiff"):
        deep = Image.fromarray(gray.astype(np.uint16) * 257)
        yield f"16-bit {suffix}", suffix, encode(deep, suffix), as_rgb, EXACT
    red, *others = rgb.split()
    planes = encode(red, "tiff", save_all=True, append_images=others)
    yield "planes as pages", "tiff", planes, cell, EXACT
    floats = Image.fromarray((gray / 255).astype(np.float32))
    yield "float", "tiff", encode(floats, "tiff"), as_rgb, EXACT
    yield from _with_transparency(cell, gray)
    one_bit = np.where(gray[..., None] > 127, 255, 0).astype(np.uint8).repeat(3, axis=2)
    yield "1-bit", "png", encode(Image.fromarray(gray > 127), "png"), one_bit, EXACT
    yield "wrong suffix", "jpg", encode(rgb, "png"), cell, EXACT
    yield "no suffix", "", encode(rgb, "png"), cell, EXACT
    yield "1 x 1", "png", encode(rgb.crop((0, 0, 1, 1)), "png"), cell[:1, :1], EXACT
    long = np.resize(cell.reshape(-1, 3), (1, 10_000, 3))
    yield "1 x 10000", "png", encode(Image.fromarray(long), "png"), long, EXACT
    for tag, turn in _TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        turned = Image.fromarray(np.ascontiguousarray(turn(cell[:, : SIDE - 4])))
        upright = cell[:, : SIDE - 4]
        yield f"EXIF {tag}", "png", encode(turned, "png", exif=exif), upright, EXACT


def _with_transparency(cell, gray):
    alpha = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1))
    for name, colour in (("RGBA", cell), ("LA", gray[..., None])):
        share = alpha[..., None] / 255
        laid = np.rint(colour * share + 255 * (1 - share)).astype(np.uint8)
        laid = np.broadcast_to(laid, (SIDE, SIDE, 3))
        image = Image.fromarray(np.dstack([colour, alpha]), mode=name)
        yield name, "png", encode(image, "png"), laid, 1
    palette = Image.fromarray(cell).quantize(16)
    codes = np.asarray(palette)
    laid = np.asarray(palette.convert("RGB")).copy()
    laid[codes == 3] = 255
    yield "palette", "png", encode(palette, "png", transparency=3), laid, EXACT


def _animated(rgb):
    others = [Image.new("RGB", rgb.size, (i, 0, 0)) for i in (50, 100)]
    for suffix in ("gif", "png", "webp", "tiff"):
        content = encode(rgb, suffix, save_all=True, append_images=others)
        yield f"animated {suffix}", suffix, content


def no_images(cell):
    """Yield kind, suffix and content of files that must be named as unreadable."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("cell.txt", "no image")
    yield from _animated(Image.fromarray(cell))
    dark = Image.fromarray(cell[..., 0].astype(np.uint16))
    yield "8 bits in 16", "png", encode(dark, "png")
    yield "postscript", "png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n"
    yield "empty", "png", b""
    yield "text", "jpg", b"a,b,c\n" * 50
    yield "html", "jpg", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "zip", "jpg", archive.getvalue()
    yield "zeros", "png", bytes(5000)
    yield "bomb", "png", _png_header(50_000, 50_000)
    yield "bomb", "gif", b"GIF89a" + struct.pack("<HH", 50_000, 50_000) + bytes(20)
    yield "bomb", "bmp", _bmp_header(50_000, 50_000)
    yield "bomb", "tiff", _wide_tiff()
    far = Image.fromarray(np.full((SIDE, SIDE), 300, np.float32))
    yield "float of 300", "tiff", encode(far, "tiff")
    yield "header alone", "png", encode(Image.fromarray(cell), "png")[:33]


def _png_header(width, height):
    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + content + chunk(b"IEND", b"")


def _bmp_header(width, height):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 1, 1, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info + bytes(100)


def _wide_tiff():
    content = bytearray(encode(Image.new("L", (SIDE, SIDE)), "tiff"))
    start = struct.unpack("<I", content[4:8])[0]
    for i in range(struct.unpack("<H", content[start : start + 2])[0]):
        at = start + 2 + 12 * i
        if struct.unpack("<H", content[at : at + 2])[0] in (256, 257):
            content[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 50_000)
    return bytes(content)


def make_files(folder, n, rng):
    """Make n odd files in a folder.

    Parameters
    ----------
    folder : Path
    n : int
        Files, at least as many as there are kinds; the rest is damaged at random.
    rng : numpy.random.Generator

    Returns
    -------
    files : list of OddFile
    """
    cells, _ = make_blood_cells(8, image_size=SIDE, random_state=int(rng.integers(2**31)))
    files, whole = _special_files(folder), []
    for i, (kind, suffix, content, pixels, tolerance) in enumerate(right_files(cells[0])):
        path = folder / f"right_{i}.{suffix}".rstrip(".")
        path.write_bytes(content)
        files.append(OddFile(path, kind, pixels, tolerance))
    for i, (kind, suffix, content) in enumerate(no_images(cells[0])):
        path = folder / f"bad_{i}.{suffix}"
        path.write_bytes(content)
        files.append(OddFile(path, kind))
    for cell in cells:
        whole += [(kind, suffix, content) for kind, suffix, content, *_ in right_files(cell)]
    while len(files) < n:
        kind, suffix, content = whole[rng.integers(len(whole))]
        path = folder / f"damaged_{len(files)}.{suffix}"
        how, damaged = damage(content, rng)
        path.write_bytes(damaged)
        files.append(OddFile(path, f"{kind}, {how}", is_random=True))
    return files


def damage(content, rng):
    """Cut a file's content off, or turn bits of it, often in the header."""
    if rng.random() < 0.4:
        return "cut off", content[: rng.integers(1, len(content))]
    content = bytearray(content)
    end = len(content) if rng.random() < 0.5 else min(100, len(content))
    for _ in range(rng.integers(1, 10)):
        content[rng.integers(end)] ^= 1 << rng.integers(8)
    return "bits turned", bytes(content)


def _special_files(folder):
    """Make what is no regular file, or cannot be opened."""
    (folder / "folder.png").mkdir()
    kinds = ["folder"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
        kinds.append("pipe")
    links = {"dangling": "no/such/file", "loop": "loop.png", "device": "/dev/zero"}
    for name, target in links.items():
        (folder / f"{name}.png").symlink_to(target)
    kinds += [*links, "missing"]
    if hasattr(os, "geteuid") and os.geteuid():  # root may read what nobody may
        (folder / "forbidden.png").write_bytes(b"x")
        (folder / "forbidden.png").chmod(0)
        kinds.append("forbidden")
    return [OddFile(folder / f"{kind}.png", kind) for kind in kinds]


def outcome_of_file(file):
    """Read one file by itself."""
    return outcomes_of_files([file])[0]


def outcomes_of_files(files):
    """Read files one by one, and once all together, and compare with what must come.

    Returns
    -------
    outcomes : list of Outcome
        One for each file, and one for the reading of all.
    """
    outcomes, readable = [], []
    for file in files:
        unreadable = {}
        outcome, noise = _read([file.path], unreadable, file.kind)
        outcomes.append(_judge(file, outcome, unreadable, noise))
        if not unreadable:
            readable.append(file.path)
    found = {}
    paths = [file.path for file in files]
    outcome, _ = _read(paths, found, "all files", size=(SIDE, SIDE))
    if outcome.is_allowed and len(files) - len(found) != len(readable):
        outcome = Outcome(WRONG, f"{len(found)} of all are named, {len(readable)} can be read")
    return [*outcomes, outcome]


def _read(paths, unreadable, what, size=None):
    with warnings.catch_warnings(record=True) as noise:
        warnings.simplefilter("always")
        outcome = judge(lambda: read_images(paths, size=size, unreadable=unreadable), what)
    return outcome, [str(each.message) for each in noise]


def _judge(file, outcome, unreadable, noise):
    if outcome.kind in (CRASH, HANG):
        return outcome
    if noise:
        return Outcome(WRONG, f"{file.kind}: warns {noise[0]}")
    if unreadable:
        reason = unreadable[0].removeprefix(f"{file.path}: ")
        if file.tolerance is not None:
            return Outcome(OVERDONE, f"{file.kind}: {reason}")
        return outcome if len(reason) > 3 else Outcome(WRONG, f"{file.kind}: {reason!r}")
    if file.is_random or file.tolerance is None:
        return outcome if file.is_random else Outcome(SILENCE, file.kind)
    return _compare(file, outcome)


def _compare(file, outcome):
    read = outcome.value[0]
    if read.shape != file.pixels.shape:
        return Outcome(WRONG, f"{file.kind}: {read.shape}, not {file.pixels.shape}")
    difference = float(np.abs(read.astype(int) - file.pixels).mean())
    if difference > file.tolerance:
        return Outcome(WRONG, f"{file.kind}: {difference:.1f} gray levels from what it holds")
    return outcome
