"""Damaged tables, archives and folders for the loaders."""

import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from skblood.datasets import load_csv, load_image_folder, load_npz
from tests.robustness._outcome import judge

TEXTS = {
    "right": "path,label\na.png,x\nb.png,y\n",
    "semicolons": "path;label\na.png;x\nb.png;y\n",
    "no rows": "path,label\n",
    "nothing": "",
    "blank lines": "\n\n\n",
    "no header": "a.png,x\nb.png,y\n",
    "other columns": "file,class\na.png,x\n",
    "ragged": "path,label\na.png,x,1,2,3\nb.png\n",
    "open quote": 'path,label\n"a.png,x\nb.png,y\n',
    "no label": "path,label\na.png,\nb.png,y\n",
    "missing files": "path,label\nc.png,x\nd.png,y\n",
    "two labels": "path,label\na.png,x\na.png,y\n",
    "columns twice": "path,label,label\na.png,x,y\nb.png,y,x\n",
    "BOM": "\ufeffpath,label\na.png,x\nb.png,y\n",
    "nul": "path,label\na\0.png,x\nb.png,y\n",
    "carriage returns": "path,label\ra.png,x\rb.png,y\r",
    "one huge cell": "path,label\n" + "a" * 200_000 + ",x\n",
    "only delimiters": ",,,\n,,,\n",
    "a folder": "path,label\n.,x\nb.png,y\n",
}
ARRAYS = {
    "right": lambda n: {"images": np.zeros((n, 8, 8, 3), np.uint8), "labels": np.arange(n) % 2},
    "no labels": lambda n: {"images": np.zeros((n, 8, 8, 3), np.uint8)},
    "no images": lambda n: {"labels": np.arange(n)},
    "short labels": lambda n: {"images": np.zeros((n, 8, 8), np.uint8), "labels": np.zeros(n - 1)},
    "floats": lambda n: {"images": np.zeros((n, 8, 8, 3)), "labels": np.arange(n)},
    "objects": lambda n: {"images": np.array([{}] * n), "labels": np.array([None] * n)},
    "str labels": lambda n: {
        "images": np.zeros((n, 8, 8), np.uint8),
        "labels": np.array(["a"] * n),
    },
    "NaN labels": lambda n: {"images": np.zeros((n, 8, 8), np.uint8), "labels": np.full(n, np.nan)},
    "one axis": lambda n: {"images": np.zeros(n, np.uint8), "labels": np.arange(n)},
    "multilabel": lambda n: {"images": np.zeros((n, 8, 8), np.uint8), "labels": np.ones((n, 3))},
    "scalars": lambda n: {"images": np.uint8(3), "labels": np.uint8(3)},
}


def damage(data, draw_int, kind):
    """Return bytes cut off, with turned bits, with a hole of zeros, or as they are."""
    data = bytearray(data)
    if kind == "cut" and data:
        return bytes(data[: draw_int(0, len(data) - 1)])
    if kind == "flipped" and data:
        for _ in range(draw_int(1, 8)):
            data[draw_int(0, len(data) - 1)] ^= 1 << draw_int(0, 7)
    if kind == "hole" and data:
        start = draw_int(0, len(data) - 1)
        data[start : start + 40] = bytes(len(data[start : start + 40]))
    return bytes(data)


@st.composite
def odd_sources(draw):
    """Draw a loader, and the files that it is to read: name -> content."""
    loader = draw(st.sampled_from(["csv", "npz", "folder"]))
    kind = draw(st.sampled_from(["whole", "cut", "flipped", "hole"]))

    def draw_int(low, high):
        return draw(st.integers(low, high))

    if loader == "csv":
        name = draw(st.sampled_from(list(TEXTS)))
        encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "latin-1"]))
        content = damage(TEXTS[name].encode(encoding, "replace"), draw_int, kind)
    elif loader == "npz":
        name = draw(st.sampled_from([*ARRAYS, "npy", "zip", "text", "empty"]))
        content = damage(_npz(name), draw_int, kind)
    else:
        name = draw(st.sampled_from(["right", "flat", "empty", "class empty", "file", "missing"]))
        content, kind = b"", "whole"
    return loader, name, kind, content


def _npz(name):
    stream = io.BytesIO()
    if name in ARRAYS:
        arrays = {
            f"{split}_{key}": value
            for split in ("train", "val", "test")
            for key, value in ARRAYS[name](4).items()
        }
        np.savez(stream, **arrays)
    elif name == "npy":
        np.save(stream, np.zeros((4, 8, 8, 3), np.uint8))
    elif name == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("train_images.npy", b"no array")
    elif name == "text":
        stream.write(b"no archive at all\n" * 5)
    return stream.getvalue()


def outcome_of_source(source, folder):
    """Load a source from a folder, which is emptied before."""
    loader, name, kind, content = source
    folder = Path(folder)
    _clear(folder)
    for file in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(folder / file)
    path = folder / "source"
    if loader == "folder":
        _make_folder(path, name)
        load = load_image_folder
    else:
        path.write_bytes(content)
        load = load_csv if loader == "csv" else load_npz
    verdict = "good" if name == "right" and kind == "whole" and b"\xff" not in content else "any"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # noise of numpy's, zipfile's or pandas' readers
        return judge(
            lambda: load(path, return_X_y=True), f"{loader}, {name}, {kind}", verdict, _check
        )


def _check(answer):
    X, y = answer
    return None if len(X) == len(y) > 0 else f"{len(X)} images and {len(y)} labels"


def _make_folder(path, name):
    if name == "missing":
        return
    if name == "file":
        path.touch()
        return
    path.mkdir()
    for label in {"right": "xy", "class empty": "xy"}.get(name, ""):
        (path / label).mkdir()
        if name == "right":
            Image.new("RGB", (4, 4)).save(path / label / "cell.png")
    if name == "flat":
        Image.new("RGB", (4, 4)).save(path / "cell.png")


def _clear(folder):
    for directory, folders, files in os.walk(folder, topdown=False):
        for file in files:
            os.unlink(os.path.join(directory, file))
        for name in folders:
            os.rmdir(os.path.join(directory, name))
