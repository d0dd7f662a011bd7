"""The form of X: tables go to scikit-learn, everything else to read_images."""

import array
from collections import deque
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import sparse

from skblood.images import holds_arrays, is_table, read_images


class OnlyArray:
    """Offers ``__array__`` and nothing else, as in scikit-learn's checks."""

    def __array__(self, dtype=None, copy=None):
        return np.zeros((5, 9, 9))


class Dataset(OnlyArray):
    """Offers what h5py and zarr offer."""

    ndim, shape = 3, (5, 9, 9)


class Polars:
    """A column of strings as polars has it: no ndim, no kind of dtype."""

    shape, dtype = (2, 1), "String"

    def __array__(self, dtype=None, copy=None):
        return np.array([["a.png"], ["b.png"]], dtype=object)


def boxed(*items):
    box = np.empty(len(items), object)
    for i, item in enumerate(items):
        box[i] = item
    return box


PIL = Image.new("L", (4, 4))

TABLES = [
    *(np.zeros((5, 4)), np.zeros((5, 1), np.uint8), np.zeros((5, 4)).astype(object)),
    *(np.zeros((5, 1)).astype(object), np.array([["a", "b"], ["c", "d"]]), np.array(1.0)),
    np.zeros(5, dtype=[("a", "f4"), ("b", "f4")]),
    *([[1, 2], [3, 4]], [[]], [np.zeros(3), np.zeros(3)], boxed(np.zeros(3), np.zeros(3))),
    *([1, 2, 3], range(3), None, array.array("d", [1, 2]), [None, 1.0]),
    *(torch.zeros(5, 4), torch.zeros(5), torch.tensor(1), OnlyArray()),
    *(sparse.csr_matrix(np.eye(3)), sparse.coo_array(np.eye(3))),
    *(pd.DataFrame(np.zeros((4, 3))), pd.DataFrame({"a": [1.0, 2.0]}), pd.Series([1.0, 2.0])),
    pd.DataFrame({"file": ["a.png"], "n": [1]}),
    *(np.ndarray, np, torch.Tensor),
]

PATHS = [
    *(["a.png"], (Path("a.png"),), deque(["a.png"]), np.array(["a.png"]), [np.str_("a.png")]),
    *(np.array(["a.png"], dtype=np.dtypes.StringDType()), boxed(Path("a.png"), Path("b.png"))),
    *(np.array([["a.png"], ["b.png"]]), boxed(Path("a.png")).reshape(-1, 1), Polars()),
    *(pd.Series(["a", "b"], [7, 3], dtype=t) for t in (object, "str", "string", "category")),
    *(pd.DataFrame({"file": ["a.png", "b.png"]}, [7.5, 3.5]), pd.Index(["a.png"])),
    *([PIL], boxed(PIL), pd.DataFrame({"image": [PIL]}), ["a.png", 3], [None, "a.png"], [None]),
]

ARRAYS = [
    *(np.zeros((2, 9, 8, 3)), np.zeros((2, 9, 8), bool), Dataset()),
    *(torch.zeros(2, 9, 8), np.zeros((2, 9, 8)).tolist(), ((np.zeros(8), np.zeros(8)),)),
    *([np.zeros((9, 8)), np.zeros((9, 7))], [torch.zeros(9, 8, 3)], boxed(np.zeros((9, 8)))),
    *(pd.Series([np.zeros((9, 9)), np.zeros((9, 8))]), boxed(np.zeros((9, 8)).tolist())),
]


def test_tables():
    for X in TABLES:
        assert is_table(X), X
        with pytest.raises(ValueError, match="Use unflatten_rows for tables"):
            read_images(X)


def test_images():
    for X in PATHS + ARRAYS:
        assert not is_table(X), X
    for X in ARRAYS:
        assert holds_arrays(X), X
    for X in PATHS:
        assert not holds_arrays(X), X


def test_single_image():
    for path in ("cells/", Path("cells")):
        with pytest.raises(
            ValueError, match=r"single path.*list of paths.*\[X\].*load_image_folder"
        ):
            read_images(path)
    with pytest.raises(ValueError, match=r"single PIL image.*\[X\]"):
        read_images(PIL)


def test_mixed_forms_are_named_with_positions():
    X = ["a.png", np.zeros((9, 9)), Path("b.png"), None, PIL, 1.5, 1.5]
    named = "a path at 0 (2 of 7), an array at 1 (1 of 7), a missing value at 3 (1 of 7)"
    with pytest.raises(ValueError, match="must all be paths") as error:
        read_images(X)
    assert named in str(error.value) and "a float at 5 (2 of 7)" in str(error.value)


@pytest.mark.parametrize(
    "form",
    [
        *(list, tuple, deque, np.array, lambda paths: [str(path) for path in paths]),
        *(lambda paths: np.array([[str(path)] for path in paths]), pd.Series),
        lambda paths: pd.DataFrame({"file": paths}, index=range(40)[::-1]),
    ],
)
def test_all_forms_of_paths_are_read_in_order(files, form):
    paths, images = files
    before = list(paths)
    np.testing.assert_array_equal(read_images(form(paths)), images)
    assert paths == before
