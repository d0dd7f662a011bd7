"""Anything that somebody may give as X, by hypothesis, and whether it is images.

What is right is judged here from the rules of the documentation, not by the package: uint8 means
0..255, floats mean 0..1; (n, h, w) or (n, h, w, c) with c = 1, 3 or 4; rows that fold to a square.
"""

import array
import atexit
import shutil
import tempfile
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from math import isqrt
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from hypothesis import strategies as st
from PIL import Image

DTYPES = (
    *("uint8", "uint8", "uint8", "float32", "float32", "float64", "float64", "float16"),
    *("longdouble", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"),
    *("complex64", "complex128", "object", "U3", "S3", "datetime64[s]", "timedelta64[s]"),
)
RANGES = ("0..1", "0..1", "0..1", "0..255", "-1..1", "huge", "tiny", "nan", "inf", "zeros", "ones")
LAYOUTS = (
    *("plain", "plain", "fortran", "reversed", "strided", "read-only", "masked", "masked a value"),
    *("memmap", "big endian", "matrix", "list", "tuple", "deque", "torch", "list of arrays"),
    *("list of tensors", "object array", "frame", "memoryview"),
)
MODES = (
    *("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBa"),
    *("La", "RGBX", "I;16", "I;16L", "I;16B"),
)


@dataclass(frozen=True)
class Case:
    """Something that is given as X.

    Attributes
    ----------
    what : str
        Its description.
    value : object
    verdict : {"good", "bad", "any"}
        Whether a fit must take it or refuse it, if it has enough images.
    n : int
        Images, where it may be taken.
    as_features : {"good", "bad", "any"} or None
        The verdict of a model that takes rows of numbers; None is the same.
    shape : tuple or None
        Height, width and channels of an image, or the width of a row; None where they may vary.
    """

    what: str
    value: object = field(repr=False)
    verdict: str
    n: int = 0
    as_features: str | None = None
    shape: tuple | None = None

    def verdict_of(self, features, n_least):
        """Return the verdict of a model that takes features, or not, and needs n images."""
        verdict = self.as_features if features and self.as_features else self.verdict
        return "bad" if verdict == "good" and self.n < n_least else verdict

    def verdict_to_predict(self, shape):
        """Return the verdict of a model that was fitted on pixels of a shape."""
        if self.shape is None or self.verdict == "bad" or self.value is None:
            # What no model takes may still be rows of numbers, of a width that was not fitted.
            return "bad" if self.verdict == "bad" and self.shape is None else "any"
        fits = self.shape == shape or self.shape == (int(np.prod(shape)),)
        if len(self.shape) == 3 and self.shape[:2] == shape[:2] and not fits:
            return "any"  # gray images get three channels, but three may be one with these first
        return self.verdict if fits else "bad"


def judge_array(a):
    """Return verdict, n, verdict as features, and shape, of a plain array."""
    if a.ndim < 2 or a.ndim > 4 or a.size == 0 or a.dtype.kind not in "buifO":
        return "bad", 0, None, None
    if a.ndim == 2:
        return _judge_table(a)
    shape = (*a.shape[1:], 1) if a.ndim == 3 else a.shape[1:]
    if shape[2] not in (1, 3, 4) or (a.ndim == 3 and a.shape[2] in (1, 3, 4)):
        return "bad", 0, None, None
    if a.dtype.kind == "O" or not _holds_pixels(a):
        return "bad", 0, None, None
    # A network may be too deep for images that are smaller than this.
    verdict = "good" if min(shape[:2]) >= 8 else "any"
    return verdict, len(a), None, (*shape[:2], 3 if shape[2] == 4 else shape[2])


def _judge_table(a):
    n, width = a.shape
    if a.dtype.kind == "O":
        return "any", n, None, None
    if not np.isfinite(a).all():
        return "bad", 0, None, None
    if any(isqrt(width // c) >= 8 and c * isqrt(width // c) ** 2 == width for c in (1, 3)):
        return ("good" if _holds_pixels(a) else "bad"), n, None, (width,)
    fits = np.abs(a.astype(np.longdouble)).max() <= np.finfo(np.float32).max
    return "bad", n, ("good" if fits else "bad"), (width,)


def _holds_pixels(a):
    if a.dtype.kind == "f":
        return bool(np.isfinite(a).all() and a.min() >= 0 and a.max() <= 1)
    return a.dtype == np.uint8


@st.composite
def shapes(draw):
    """Draw a shape of 0 to 5 axes, often one of images."""
    side = st.sampled_from([0, 1, 2, 3, 8, 16, 16, 16, 17])
    n = draw(st.sampled_from([0, 1, 2, 3, 4, 6, 6, 6, 6]))
    kind = draw(st.sampled_from(["images", "images", "gray", "rows", "fitting", "odd"]))
    if kind == "images":
        return n, draw(side), draw(side), draw(st.sampled_from([1, 3, 3, 3, 4, 0, 2, 5]))
    if kind == "gray":
        return n, draw(side), draw(side)
    if kind == "rows":
        return n, draw(st.sampled_from([0, 1, 3, 7, 48, 64, 192, 256, 768, 769]))
    if kind == "fitting":
        return max(n, 2), 16, 16, 3
    return tuple(draw(st.lists(side, max_size=5)))


def fill(shape, dtype, values, seed):
    """Return an array of random values."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind if dtype != "object" else "O"
    if kind == "f":
        return _floats(shape, dtype, values, rng)
    if kind in "ui":
        high = min(np.iinfo(dtype).max, 300 if values == "0..255" else 2**40)
        low = 0 if kind == "u" or values != "-1..1" else -high
        return rng.integers(low, high, shape, endpoint=True).astype(dtype)
    if kind == "c":
        return (rng.random(shape) + 1j * rng.random(shape)).astype(dtype)
    if kind in "mM":
        return rng.integers(0, 10**9, shape).astype(dtype)
    numbers = rng.integers(0, 255, shape)
    if kind == "O":
        odd = {"nan": None, "inf": "x", "huge": {}, "tiny": 1j}
        numbers = numbers.astype(object)
        if numbers.size and values in odd:
            numbers.flat[0] = odd[values]
        return numbers
    return numbers.astype(dtype)


def _floats(shape, dtype, values, rng):
    a = rng.random(shape)
    a = {"0..255": a * 255, "-1..1": a * 2 - 1, "zeros": a * 0, "ones": a * 0 + 1}.get(values, a)
    info = np.finfo(dtype)
    a = np.asarray(a, dtype)
    if a.size and values in ("nan", "inf"):
        a.flat[rng.integers(a.size)] = float(values)
    if values == "huge":
        a = np.asarray(a * info.max, dtype)
    if values == "tiny":
        a = np.asarray(a * info.tiny, dtype)
    return a


@st.composite
def arrays(draw):
    """Draw an array in any layout, or something that stands for one."""
    shape, layout = draw(shapes()), draw(st.sampled_from(LAYOUTS))
    dtype, values = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(RANGES))
    a = fill(shape, dtype, values, draw(st.integers(0, 2**32 - 1)))
    what = f"{layout}, {dtype} of shape {shape}, {values}"
    verdict, n, as_features, where = judge_array(a)
    laid = lay_out(a, layout)
    if laid is None:
        layout, laid = "plain", a
    if layout == "masked a value":
        if np.ma.is_masked(laid):
            verdict, as_features = "bad", None
        return Case(what, laid, verdict, n, as_features, where)
    if layout in ("list", "tuple", "deque", "torch", "frame", "matrix"):
        # The dtype or the nesting is another then, and small integers are no uint8.
        return Case(what, laid, "bad" if verdict == "bad" and a.ndim > 2 else "any", n)
    if layout in ("list of arrays", "list of tensors", "object array"):
        # Each item is an image of its own then.
        return Case(what, laid, "any", len(laid))
    return Case(what, laid, verdict, n, as_features, where)


def lay_out(a, layout):
    """Return the array in a layout, or None where it has none such."""
    if layout == "fortran":
        return np.asfortranarray(a)
    if layout == "reversed":
        return a[::-1].copy()[::-1] if a.ndim else None
    if layout == "strided":
        return np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else None
    if layout == "read-only":
        a = a.copy()
        a.setflags(write=False)
        return a
    if layout.startswith("masked"):
        masked = np.ma.masked_array(a, mask=np.zeros(a.shape, bool))
        if layout == "masked a value" and a.size:
            masked.mask.flat[0] = True
        return masked
    if layout == "memmap":
        return _as_memmap(a)
    if layout == "big endian":
        return a.astype(a.dtype.newbyteorder(">")) if a.dtype.kind in "uif" else None
    if layout == "matrix":
        return np.asmatrix(a) if a.ndim == 2 else None
    if layout in ("list", "tuple", "deque"):
        return (
            {"list": list, "tuple": tuple, "deque": deque}[layout](a.tolist()) if a.ndim else None
        )
    if layout == "torch":
        return _as_tensor(a)
    if layout == "list of arrays":
        return list(a) if a.ndim else None
    if layout == "list of tensors":
        tensor = _as_tensor(a)
        return None if tensor is None or not a.ndim else list(tensor)
    if layout == "object array":
        return _as_objects(a) if a.ndim else None
    if layout == "frame":
        import pandas as pd

        return pd.DataFrame(a) if a.ndim == 2 else pd.Series(list(a)) if a.ndim == 1 else None
    if layout == "memoryview":
        is_table = a.ndim < 3 and a.dtype.kind in "uif" and a.dtype != np.longdouble
        return memoryview(a) if is_table else None
    return a


def _as_memmap(a):
    if a.size == 0 or a.dtype.hasobject:
        return None
    mapped = np.memmap(tempfile.TemporaryFile(), a.dtype, "w+", shape=a.shape)
    mapped[...] = a
    return mapped


def _as_tensor(a):
    try:
        return torch.from_numpy(a.copy())
    except TypeError:
        return None


def _as_objects(a):
    objects = np.empty(len(a), dtype=object)
    objects[:] = list(a) if a.ndim == 1 else [each for each in a]
    return objects


@cache
def file_folder():
    """Return a folder of image files, which is gone with this process."""
    folder = Path(tempfile.mkdtemp(prefix="odd-images-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rng = np.random.default_rng(0)
    for i in range(6):
        pixels = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    Image.fromarray(pixels[:9]).save(folder / "flat.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no image\n" * 9)
    (folder / "folder.png").mkdir()
    return folder


@st.composite
def files(draw):
    """Draw a sequence of paths, all right or one of them wrong."""
    folder = file_folder()
    paths = [str(folder / f"{i}.png") for i in range(6)]
    wrong = {"none": None, "bytes": b"0.png", "number": 3, "nan": np.nan, "array": np.zeros((4, 4))}
    wrong |= {name: str(folder / f"{name}.png") for name in ("empty", "text", "folder", "flat")}
    wrong |= {"missing": "no/such.png", "no name": "", "nul": "a\0b.png", "long": "x" * 5000}
    fault = draw(st.sampled_from([None, None, *wrong]))
    if fault is not None:
        paths[draw(st.integers(0, 5))] = wrong[fault]
    as_paths = draw(st.booleans())
    if as_paths:
        paths = [Path(p) if isinstance(p, str) and "\0" not in p else p for p in paths]
    holder = draw(
        st.sampled_from(["list", "tuple", "deque", "array", "series", "frame", "column", "string"])
    )
    value = _hold(paths, holder, can_be_strings=fault is None and not as_paths)
    what = f"paths in a {holder}, {fault or 'all right'}"
    # numpy turns some of these into text that is a path to nowhere, which is refused as well.
    return Case(what, value, "good" if fault is None else "bad", 6)


def _hold(items, holder, can_be_strings):
    import pandas as pd

    objects = np.empty(len(items), dtype=object)
    objects[:] = [each if not isinstance(each, np.ndarray) else str(each) for each in items]
    if holder in ("tuple", "deque"):
        return {"tuple": tuple, "deque": deque}[holder](items)
    if holder == "array":
        return objects
    if holder == "string" and can_be_strings:
        return np.array(items)
    if holder == "series":
        return pd.Series(objects)
    if holder == "frame":
        return pd.DataFrame({"path": objects})
    if holder == "column":
        return objects[:, None]
    return list(items)


@st.composite
def pil_images(draw):
    """Draw PIL images of a mode, or of mixed ones and sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    modes = draw(st.lists(st.sampled_from(MODES), min_size=1, max_size=2))
    same_size = draw(st.sampled_from([True, True, True, False]))
    images, verdict = [], "good" if same_size else "bad"
    for i in range(6):
        mode = modes[i % len(modes)]
        size = (16, 16) if same_size or i else (16, 9)
        images.append(_pil_image(mode, size, rng))
    if modes == ["F"] and draw(st.booleans()):
        images[0], verdict = Image.fromarray(np.full((16, 16), 300, np.float32)), "bad"
    return Case(f"PIL images of {modes}, {verdict}", images, verdict, 6)


def _pil_image(mode, size, rng):
    if mode == "F":
        return Image.fromarray(rng.random(size[::-1], dtype=np.float32))
    if mode == "I" or mode.startswith("I;16"):
        wide = Image.fromarray(rng.integers(0, 65536, size[::-1]).astype(np.uint16))
        return wide if mode == "I;16" else _deep(wide, mode)
    rgb = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3)).astype(np.uint8))
    if mode == "LAB":
        return Image.merge("LAB", rgb.split())
    if mode in ("La", "RGBa"):
        return rgb.convert({"La": "LA", "RGBa": "RGBA"}[mode]).convert(mode)
    return rgb.convert("L").convert("LA").convert("PA") if mode == "PA" else rgb.convert(mode)


def _deep(wide, mode):
    if mode == "I":
        return Image.fromarray(np.asarray(wide).astype(np.int32))
    dtype = "<u2" if mode == "I;16L" else ">u2"
    return Image.frombytes(mode, wide.size, np.asarray(wide).astype(dtype).tobytes())


class _Anything:
    """An object of nothing that X could be."""


THINGS = {
    "None": lambda: None,
    "number": lambda: 3,
    "float": lambda: float("nan"),
    "text": lambda: "cell.png",
    "path": lambda: Path("cell.png"),
    "bytes": lambda: b"cell.png",
    "bytearray": lambda: bytearray(48),
    "PIL image": lambda: Image.new("RGB", (16, 16)),
    "object": _Anything,
    "class": lambda: np.ndarray,
    "function": lambda: len,
    "module": lambda: np,
    "ellipsis": lambda: ...,
    "generator": lambda: (np.zeros((16, 16, 3), np.uint8) for _ in range(6)),
    "iterator": lambda: iter(["a.png", "b.png"]),
    "map": lambda: map(str, range(6)),
    "zip": lambda: zip("ab", "cd", strict=True),
    "range": lambda: range(6),
    "dict": lambda: {"X": np.zeros((6, 16, 16, 3))},
    "dict of paths": lambda: {"a.png": 1, "b.png": 2},
    "dict views": lambda: {"a.png": 1}.keys(),
    "set": lambda: {"a.png", "b.png"},
    "frozenset": lambda: frozenset({1, 2}),
    "empty list": lambda: [],
    "empty lists": lambda: [[], []],
    "list of None": lambda: [None] * 6,
    "list of dicts": lambda: [{"path": "a.png"}] * 6,
    "list of sets": lambda: [{1, 2}] * 6,
    "list of objects": lambda: [_Anything()] * 6,
    "list of bytes": lambda: [b"a.png"] * 6,
    "list of numbers": lambda: [1, 2, 3, 4, 5, 6],
    "list of generators": lambda: [(i for i in range(3))] * 6,
    "ragged rows": lambda: [[1, 2], [3], [4], [5], [6], [7]],
    "ragged images": lambda: [[[1, 2], [3, 4]], [[1, 2]]],
    "mixed": lambda: [1, "a", None, 2.5, [], {}],
    "arrays and paths": lambda: [np.zeros((16, 16)), "a.png"] * 3,
    "arrays of mixed axes": lambda: [np.zeros((16, 16)), np.zeros((2, 16, 16, 3))] * 3,
    "sparse matrix": lambda: scipy.sparse.csr_matrix(np.eye(6, 192)),
    "sparse array": lambda: scipy.sparse.coo_array(np.eye(6, 192)),
    "list of sparse": lambda: [scipy.sparse.eye(16)] * 6,
    "structured": lambda: np.zeros(6, dtype=[("a", int), ("b", float)]),
    "record": lambda: np.rec.fromarrays([np.arange(6), np.arange(6.0)]),
    "array.array": lambda: array.array("B", range(6)),
    "sparse tensor": lambda: torch.eye(6, 192).to_sparse(),
    "meta tensor": lambda: torch.empty(6, 16, 16, 3, device="meta"),
    "meta tensors": lambda: [torch.empty(16, 16, 3, device="meta")] * 6,
    "sparse tensors": lambda: [torch.eye(16).to_sparse()] * 6,
    "complex tensor": lambda: torch.zeros(6, 16, 16, 3, dtype=torch.complex64),
    "nested tensor": lambda: torch.nested.nested_tensor(
        [torch.zeros(2, 3), torch.zeros(3, 3)], layout=torch.jagged
    ),
    "module of torch": lambda: torch.nn.Linear(2, 2),
    "module list": lambda: torch.nn.ModuleList([torch.nn.Linear(2, 2)]),
    "frame with NaN": lambda: _frame([[0.5] * 192] * 5 + [[np.nan] * 192]),
    "frame of strings": lambda: _frame([["a", "b"]] * 6),
    "mixed frame": lambda: _frame([["a", 1.0, None]] * 6),
    "frame of no columns": lambda: _frame([[]] * 6),
    "frame of two columns of paths": lambda: _frame([["a.png", "b.png"]] * 6),
    "frame of dates": lambda: _frame(np.zeros((6, 192), "datetime64[s]")),
    "nullable frame": lambda: _frame([[1, None]] * 6).astype("Int64"),
    "categories": lambda: _frame([["a.png"]] * 6).astype("category"),
    "duplicate columns": lambda: _frame(np.full((6, 2), "a", object)).set_axis(["x", "x"], axis=1),
    "series of lists": lambda: _frame({"x": [[1, 2]] * 6})["x"],
    "index": lambda: _frame([[1]] * 6).index,
    "group by": lambda: _frame({"x": [1, 2], "y": [3, 4]}).groupby("x"),
}


def _frame(data):
    import pandas as pd

    return pd.DataFrame(data)


@st.composite
def things(draw):
    """Draw what is no X, whatever it is."""
    name = draw(st.sampled_from(list(THINGS)))
    numbers = name in ("ragged rows", "list of numbers")
    return Case(name, THINGS[name](), "any" if numbers else "bad")


TENSORS = {
    "bfloat16": ("good", lambda x: x.to(torch.bfloat16)),
    "half": ("good", lambda x: x.half()),
    "with gradient": ("good", lambda x: x.requires_grad_()),
    "parameter": ("good", torch.nn.Parameter),
    "uint8": ("good", lambda x: (x * 255).to(torch.uint8)),
    "int64": ("bad", lambda x: (x * 255).long()),
    "times 255": ("bad", lambda x: x * 255),
    "channels first": ("bad", lambda x: x.permute(0, 3, 1, 2)),
    "expanded": ("good", lambda x: x[:1].expand(6, -1, -1, -1)),
    "conjugate": ("bad", lambda x: (x * 1j).conj()),
    "negative bit": ("bad", lambda x: torch._neg_view(x)),
    "float8": ("any", lambda x: x.to(torch.float8_e4m3fn)),
    "inference": ("good", lambda x: _inference_tensor(x)),
}


def _inference_tensor(x):
    with torch.inference_mode():
        return x * 0.5


@st.composite
def tensors(draw):
    """Draw a torch tensor of six images, or a list of them."""
    name = draw(st.sampled_from(list(TENSORS)))
    verdict, change = TENSORS[name]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    value = change(torch.rand(6, 16, 16, 3, generator=generator))
    in_list = draw(st.booleans())
    value = list(value) if in_list else value
    shape = (16, 16, 3) if verdict == "good" else None
    return Case(f"tensor, {name}{', in a list' * in_list}", value, verdict, 6, shape=shape)


def odd_images():
    """Return the strategy of everything."""
    return st.one_of(arrays(), arrays(), arrays(), files(), pil_images(), things(), tensors())
