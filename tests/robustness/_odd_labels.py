"""Anything that somebody may give beside X, by hypothesis: labels, weights, validation images."""

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import scipy.sparse
import torch
from hypothesis import strategies as st

N = 12  # images that the labels are for


@dataclass(frozen=True)
class Arguments:
    """What is given to `fit`, or to `partial_fit`, beside X.

    Attributes
    ----------
    what : str
        Its description.
    values : dict of str to object
        The arguments.
    verdict : {"good", "bad", "any"}
    n_classes : int or None
        Classes, where it may be taken and they are known.
    """

    what: str
    values: dict = field(repr=False)
    verdict: str
    n_classes: int | None = None


def _of(*labels):
    return [labels[i % len(labels)] for i in range(N)]


def _pandas(name):
    import pandas as pd

    makers = {
        "series": lambda: pd.Series(_of("a", "b")),
        "odd index": lambda: pd.Series(_of("a", "b"), index=range(50, 50 + N)),
        "categorical": lambda: pd.Series(_of("a", "b"), dtype="category"),
        "bare categorical": lambda: pd.Categorical(_of("a", "b"), categories=["c", "b", "a"]),
        "categorical with NaN": lambda: pd.Categorical(_of("a", "b", None)),
        "Int64": lambda: pd.Series(_of(1, 2), dtype="Int64"),
        "Int64 with NA": lambda: pd.Series(_of(1, 2, None), dtype="Int64"),
        "boolean": lambda: pd.Series(_of(True, False), dtype="boolean"),
        "boolean with NA": lambda: pd.Series(_of(True, None), dtype="boolean"),
        "string": lambda: pd.Series(_of("a", "b"), dtype="string"),
        "string with NA": lambda: pd.Series(_of("a", None), dtype="string"),
        "index": lambda: pd.Index(_of("a", "b")),
        "frame": lambda: pd.DataFrame({"y": _of("a", "b")}),
        "frame of two": lambda: pd.DataFrame({"y": _of("a", "b"), "z": _of(1, 2)}),
        "dates": lambda: pd.Series(pd.date_range("2020-01-01", periods=N)),
    }
    return makers[name]()


# Name -> verdict, classes (None: not known), and the labels.
LABELS = {
    "str": ("good", 2, lambda: _of("a", "b")),
    "three": ("good", 3, lambda: _of("a", "b", "c")),
    "unicode": ("good", 2, lambda: _of("ä 中", "🩸")),
    "no and blank": ("good", 2, lambda: _of("", " ")),
    "numpy str": ("good", 2, lambda: np.array(_of("a", "b"))),
    "objects": ("good", 2, lambda: np.array(_of("a", "b"), dtype=object)),
    "StringDType": ("any", 2, lambda: np.array(_of("a", "b"), dtype=np.dtypes.StringDType())),
    "column": ("good", 2, lambda: np.array(_of(0, 1))[:, None]),
    "bool": ("good", 2, lambda: np.array(_of(True, False))),
    "tuple": ("good", 2, lambda: tuple(_of(4, 7))),
    "uint64": ("good", 2, lambda: np.array(_of(0, 2**64 - 1), dtype=np.uint64)),
    "int8": ("good", 2, lambda: np.array(_of(-128, 127), dtype=np.int8)),
    "whole floats": ("good", 2, lambda: _of(0.0, 5.0)),
    "read-only": ("good", 2, lambda: np.broadcast_to(np.array(_of(0, 1)), (N,))),
    "reversed": ("good", 2, lambda: np.array(_of(0, 1))[::-1]),
    "tensor": ("any", 2, lambda: torch.tensor(_of(0, 1))),
    "huge ints": ("any", 2, lambda: _of(10**30, 1)),
    "bytes": ("any", 2, lambda: _of(b"a", b"b")),
    "numpy bytes": ("any", 2, lambda: np.array(_of(b"a", b"b"))),
    "float16": ("any", 2, lambda: np.array(_of(0, 1), np.float16)),
    "decimals": ("any", 2, lambda: _of(Decimal(1), Decimal(2))),
    "dates": ("any", 2, lambda: _of(date(2020, 1, 1), datetime(2021, 1, 1))),
    "deque": ("any", 2, lambda: deque(_of("a", "b"))),
    "masked": ("any", 2, lambda: np.ma.masked_array(_of(0, 1))),
    "range": ("good", N, lambda: range(N)),
    "one class": ("bad", None, lambda: ["a"] * N),
    "None": ("bad", None, lambda: None),
    "scalar": ("bad", None, lambda: 3),
    "text": ("bad", None, lambda: "ab" * (N // 2)),
    "empty": ("bad", None, lambda: []),
    "short": ("bad", None, lambda: _of("a", "b")[:-1]),
    "long": ("bad", None, lambda: [*_of("a", "b"), "a"]),
    "two columns": ("bad", None, lambda: np.zeros((N, 2), int)),
    "multilabel": ("bad", None, lambda: np.eye(N, 3, dtype=int)),
    "one-hot": ("bad", None, lambda: np.eye(2)[_of(0, 1)]),
    "three axes": ("bad", None, lambda: np.zeros((N, 1, 1), int)),
    "lists": ("bad", None, lambda: [[0], [1, 2]] * (N // 2)),
    "sets": ("bad", None, lambda: _of({1}, {2})),
    "dicts": ("bad", None, lambda: _of({}, {"a": 1})),
    "objects of nothing": ("bad", None, lambda: [object() for _ in range(N)]),
    "continuous": ("bad", None, lambda: np.linspace(0, 1, N)),
    "NaN": ("bad", None, lambda: _of(0.0, np.nan)),
    "infinity": ("bad", None, lambda: _of(0.0, np.inf)),
    "None among": ("bad", None, lambda: _of("a", "b", None)),
    "NaN among str": ("bad", None, lambda: np.array(_of("a", "b", np.nan), dtype=object)),
    "NaT": ("bad", None, lambda: np.array(_of("2020-01-01", "NaT"), "datetime64[D]")),
    "complex": ("bad", None, lambda: np.array(_of(1j, 2j))),
    "int and str": ("bad", None, lambda: np.array(_of(1, "a"), dtype=object)),
    "list of int and str": ("any", 2, lambda: _of(1, "a")),
    "int and bool": ("any", None, lambda: np.array(_of(1, 0, True), dtype=object)),
    "str and bytes": ("bad", None, lambda: np.array(_of("a", b"a"), dtype=object)),
    "tuples": ("bad", None, lambda: _of((1, 2), (3, 4))),
    "dict": ("bad", None, lambda: dict.fromkeys(range(N))),
    "set": ("bad", None, lambda: set(range(N))),
    "generator": ("bad", None, lambda: (i % 2 for i in range(N))),
    "sparse": ("bad", None, lambda: scipy.sparse.csr_matrix(np.array(_of(0, 1))[:, None])),
    "structured": ("bad", None, lambda: np.zeros(N, dtype=[("a", int)])),
    "masked values": ("bad", None, lambda: np.ma.masked_array(_of(0, 1), mask=_of(0, 0, 1))),
    "meta tensor": ("bad", None, lambda: torch.empty(N, dtype=torch.long, device="meta")),
    **{
        f"pandas {name}": (verdict, classes, lambda name=name: _pandas(name))
        for name, verdict, classes in [
            ("series", "good", 2),
            ("odd index", "good", 2),
            ("categorical", "good", 2),
            ("bare categorical", "good", 2),
            ("categorical with NaN", "bad", None),
            ("Int64", "good", 2),
            ("Int64 with NA", "bad", None),
            ("boolean", "good", 2),
            ("boolean with NA", "bad", None),
            ("string", "good", 2),
            ("string with NA", "bad", None),
            ("index", "good", 2),
            ("frame", "any", 2),
            ("frame of two", "bad", None),
            ("dates", "any", N),
        ]
    },
}
WEIGHTS = {
    "None": ("good", lambda: None),
    "ones": ("good", lambda: np.ones(N)),
    "list": ("good", lambda: [1, 2] * (N // 2)),
    "halves": ("good", lambda: np.full(N, 0.5, np.float32)),
    "some zero": ("good", lambda: _of(0, 1, 1)),
    "tiny": ("good", lambda: np.full(N, 1e-300)),
    "one and tiny": ("any", lambda: _of(1e-300, 1.0)),
    "scalar": ("any", lambda: 2.0),
    "negative": ("bad", lambda: _of(1, -1)),
    "negative zero": ("any", lambda: _of(1.0, 1.0, -0.0)),
    "NaN": ("bad", lambda: _of(1, np.nan)),
    "infinite": ("bad", lambda: _of(1, np.inf)),
    "all zero": ("bad", lambda: np.zeros(N)),
    "huge": ("bad", lambda: np.full(N, 1e300)),
    "one huge": ("bad", lambda: [1.0] * (N - 1) + [1e12]),
    "short": ("bad", lambda: np.ones(N - 1)),
    "long": ("bad", lambda: np.ones(N + 1)),
    "empty": ("bad", lambda: []),
    "column": ("any", lambda: np.ones((N, 1))),
    "two columns": ("bad", lambda: np.ones((N, 2))),
    "text": ("bad", lambda: ["heavy"] * N),
    "balanced": ("bad", lambda: "balanced"),
    "numbers as text": ("any", lambda: ["1"] * N),
    "None among": ("bad", lambda: _of(1, None)),
    "dict": ("bad", lambda: {"a": 2}),
    "complex": ("bad", lambda: np.full(N, 1j)),
    "bool": ("any", lambda: _of(True, False, True)),
    "sets": ("bad", lambda: [{1}] * N),
    "generator": ("bad", lambda: (1.0 for _ in range(N))),
    "tensor": ("any", lambda: torch.ones(N)),
    "dates": ("bad", lambda: np.zeros(N, "datetime64[s]")),
}


def _cells(n=6, shape=(16, 16, 3)):
    return np.random.default_rng(1).integers(0, 256, (n, *shape)).astype(np.uint8)


VALIDATION = {
    "right": ("good", lambda: (_cells(), _of("a", "b")[:6])),
    "rows": ("good", lambda: (_cells().reshape(6, -1), _of("a", "b")[:6])),
    "one image": ("good", lambda: (_cells(1), ["a"])),
    "no labels": ("bad", lambda: (_cells(), None)),
    "no images": ("bad", lambda: (None, ["a", "b"])),
    "empty": ("bad", lambda: (_cells(0), [])),
    "another size": ("bad", lambda: (_cells(6, (17, 16, 3)), _of("a", "b")[:6])),
    "gray": ("good", lambda: (_cells(6, (16, 16, 1)), _of("a", "b")[:6])),
    "floats to 255": ("bad", lambda: (_cells().astype(float), _of("a", "b")[:6])),
    "other labels": ("bad", lambda: (_cells(), _of("a", "c")[:6])),
    "labels of another kind": ("bad", lambda: (_cells(), _of(0, 1)[:6])),
    "short": ("bad", lambda: (_cells(), _of("a", "b")[:5])),
    "NaN": ("bad", lambda: (_cells(), [np.nan, "a", "b", "a", "b", "a"])),
    "text": ("bad", lambda: ("cells", "labels")),
    "missing files": ("bad", lambda: (["no.png"] * 6, _of("a", "b")[:6])),
}
CLASSES = {
    "right": ("good", lambda: ["a", "b"]),
    "more": ("good", lambda: np.array(["a", "b", "z"])),
    "repeated": ("good", lambda: ["b", "a", "a"]),
    "None": ("bad", lambda: None),
    "one": ("bad", lambda: ["a"]),
    "empty": ("bad", lambda: []),
    "others": ("bad", lambda: ["c", "d"]),
    "of another kind": ("bad", lambda: [0, 1]),
    "mixed": ("bad", lambda: np.array(["a", "b", 1, None], dtype=object)),
    "NaN": ("bad", lambda: [0.0, np.nan]),
    "scalar": ("bad", lambda: 3),
    "text": ("bad", lambda: "ab"),
    "dict": ("bad", lambda: {"a": 0, "b": 1}),
    "set": ("bad", lambda: {"a", "b"}),
    "lists": ("bad", lambda: [["a"], ["b", "c"]]),
    "two axes": ("bad", lambda: [["a", "b"], ["c", "d"]]),
    "objects": ("bad", lambda: [object(), object()]),
}


@st.composite
def odd_labels(draw, partial=False):
    """Draw what `fit`, or `partial_fit`, is given beside 12 images."""
    choice = draw(st.sampled_from(["y", "y", "weights", "classes" if partial else "validation"]))
    right = {"y": _of("a", "b")}
    if choice == "y":
        name = draw(st.sampled_from(list(LABELS)))
        verdict, n_classes, make = LABELS[name]
        classes = {"classes": None if n_classes is None else make()} if partial else {}
        verdict = "any" if partial and verdict == "good" and name == "column" else verdict
        return Arguments(f"y: {name}", {"y": make(), **classes}, verdict, n_classes)
    if choice == "weights":
        name = draw(st.sampled_from(list(WEIGHTS)))
        verdict, make = WEIGHTS[name]
        classes = {"classes": ["a", "b"]} if partial else {}
        values = {**right, "sample_weight": make(), **classes}
        return Arguments(f"sample_weight: {name}", values, verdict, 2)
    if choice == "classes":
        name = draw(st.sampled_from(list(CLASSES)))
        verdict, make = CLASSES[name]
        return Arguments(f"classes: {name}", {**right, "classes": make()}, verdict)
    name = draw(st.sampled_from(list(VALIDATION)))
    verdict, make = VALIDATION[name]
    X_val, y_val = make()
    return Arguments(f"X_val, y_val: {name}", {**right, "X_val": X_val, "y_val": y_val}, verdict, 2)
