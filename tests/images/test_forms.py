"""Which form X has: tables go to scikit-learn, the rest to read_images."""

import array
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import sparse

from skblood.images import is_table, read_images


class OnlyArray:
    """Offers ``__array__`` and nothing else, as scikit-learn's checks do."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values


class Dataset(OnlyArray):
    """Offers what h5py and zarr offer."""

    @property
    def ndim(self):
        return self.values.ndim


def boxed(*items):
    """Return items as a 1-D object array, whatever they are."""
    box = np.empty(len(items), object)
    for i, item in enumerate(items):
        box[i] = item
    return box


TABLES = {
    "2-D floats": np.zeros((5, 4)),
    "2-D uint8": np.zeros((5, 4), np.uint8),
    "2-D column": np.zeros((5, 1)),
    "2-D objects of numbers": np.zeros((5, 4)).astype(object),
    "2-D column of objects of numbers": np.zeros((5, 1)).astype(object),
    "2-D strings": np.array([["a", "b"], ["c", "d"]]),
    "complex": np.zeros((5, 4), complex),
    "structured": np.zeros(5, dtype=[("a", "f4"), ("b", "f4")]),
    "1-D": np.zeros(5),
    "0-D": np.array(1.0),
    "no rows": np.zeros((0, 4)),
    "no items": np.array([], dtype=object),
    "list of lists": [[1, 2], [3, 4]],
    "list of an empty list": [[]],
    "list of 1-D arrays": [np.zeros(3), np.zeros(3)],
    "objects of 1-D arrays": boxed(np.zeros(3), np.zeros(3)),
    "list of numbers": [1, 2, 3],
    "list of lists of strings": [["a.png"], ["b.png"]],
    "list of bytes": [b"a.png"],
    "list of None": [None, None],
    "empty list": [],
    "empty tuple": (),
    "array.array": array.array("d", [1, 2]),
    "range": range(3),
    "bytes": b"abc",
    "None": None,
    "scalar": 3.5,
    "dict": {"a": 1},
    "set": {"a.png"},
    "2-D tensor": torch.zeros(5, 4),
    "1-D tensor": torch.zeros(5),
    "sparse matrix": sparse.csr_matrix(np.eye(3)),
    "sparse array": sparse.coo_array(np.eye(3)),
    "only __array__": OnlyArray(np.zeros((5, 4))),
    "only __array__ of images": OnlyArray(np.zeros((5, 9, 9))),
    "2-D memoryview": memoryview(np.zeros((5, 4))),
    "2-D dataset": Dataset(np.zeros((5, 4))),
}

IMAGES = {
    "4-D": np.zeros((2, 9, 8, 3)),
    "3-D": np.zeros((2, 9, 8)),
    "3-D bool": np.zeros((2, 9, 8), bool),
    "5-D": np.zeros((2, 9, 8, 7, 3)),
    "4-D without images": np.zeros((0, 9, 8, 3)),
    "3-D objects": np.zeros((2, 9, 8)).astype(object),
    "4-D tensor": torch.zeros(2, 9, 8, 3),
    "4-D dataset": Dataset(np.zeros((2, 9, 8, 3))),
    "3-D memoryview": memoryview(np.zeros((2, 9, 8))),
    "nested lists": np.zeros((2, 9, 8)).tolist(),
    "nested tuples of arrays": ((np.zeros(8), np.zeros(8)),),
    "list of str": ["a.png"],
    "tuple of Path": (Path("a.png"),),
    "deque of str": deque(["a.png"]),
    "array of str": np.array(["a.png", "b.png"]),
    "array of StringDType": np.array(["a.png"], dtype=np.dtypes.StringDType()),
    "list of np.str_": [np.str_("a.png")],
    "objects of Path": boxed(Path("a.png")),
    "column of str": np.array([["a.png"], ["b.png"]]),
    "column of objects": boxed(Path("a.png"), Path("b.png")).reshape(-1, 1),
    "list of PIL": [Image.new("L", (4, 4))],
    "objects of PIL": boxed(Image.new("L", (4, 4))),
    "list of arrays": [np.zeros((9, 8)), np.zeros((9, 7))],
    "list of tensors": [torch.zeros(9, 8, 3)],
    "objects of arrays": boxed(np.zeros((9, 8)), np.zeros((9, 7))),
    "column of arrays": boxed(np.zeros((9, 8)), np.zeros((9, 7))).reshape(-1, 1),
    "path first, then a number": ["a.png", 3],
    "str": "a.png",
    "Path": Path("a.png"),
    "PIL": Image.new("L", (4, 4)),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    assert is_table(TABLES[name]) is True


@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    assert is_table(IMAGES[name]) is False


@pytest.mark.parametrize("name", TABLES)
def test_read_images_refuses_tables(name):
    with pytest.raises(ValueError, match="unflatten_rows takes tables"):
        read_images(TABLES[name])


@pytest.mark.parametrize("path", ["cells/", Path("cells")])
def test_single_path(path):
    with pytest.raises(
        ValueError, match=r"single path, 'cells/?'.*list of paths.*load_image_folder"
    ):
        read_images(path)


def test_single_pil_image():
    with pytest.raises(ValueError, match=r"single PIL image.*\[X\]"):
        read_images(Image.new("RGB", (9, 9)))


def test_mixed_forms_are_named_with_positions():
    X = ["a.png", np.zeros((9, 9)), Path("b.png"), None, Image.new("L", (4, 4)), np.zeros((8, 8))]
    with pytest.raises(ValueError, match="must all be paths") as error:
        read_images(X)
    message = str(error.value)
    assert "a path at positions 0, 2" in message
    assert "an array at positions 1, 5" in message
    assert "a NoneType at position 3" in message
    assert "a PIL image at position 4" in message


def test_mixed_forms_name_some_positions_of_many():
    with pytest.raises(ValueError, match=r"a path at positions 0, 1, 2, 3, 4, \.\.\.") as error:
        read_images(["a.png"] * 50 + [1.5])
    assert "a float at position 50" in str(error.value)


class TestPandas:
    """DataFrames and Series; the layer itself does without pandas."""

    @pytest.fixture
    def pd(self):
        return pytest.importorskip("pandas")

    @pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
    def test_paths(self, pd, dtype):
        paths = pd.Series(["a.png", "b.png"], index=[7, 3], dtype=dtype)
        assert is_table(paths) is False
        assert is_table(paths.to_frame("file")) is False
        assert is_table(pd.Index(paths)) is False

    def test_images(self, pd):
        arrays = pd.Series([np.zeros((9, 9)), np.zeros((9, 8))])
        assert is_table(arrays) is False
        assert is_table(pd.DataFrame({"image": [Image.new("L", (4, 4))]})) is False

    def test_tables(self, pd):
        assert is_table(pd.DataFrame(np.zeros((4, 3)))) is True
        assert is_table(pd.DataFrame({"a": [1.0, 2.0]})) is True
        assert is_table(pd.DataFrame({"file": ["a.png"], "n": [1]})) is True
        assert is_table(pd.DataFrame({"file": ["a.png"], "other": ["b.png"]})) is True
        assert is_table(pd.DataFrame({"file": []})) is True
        assert is_table(pd.Series([1.0, 2.0])) is True
        assert is_table(pd.Series([], dtype=object)) is True

    @pytest.mark.parametrize("form", ["Series", "DataFrame"])
    def test_reading_keeps_the_order_of_rows(self, pd, form, tmp_path):
        for name, gray in (("a", 10), ("b", 200)):
            Image.new("RGB", (4, 3), (gray,) * 3).save(tmp_path / f"{name}.png")
        X = pd.Series([tmp_path / "b.png", tmp_path / "a.png"], index=[1, 0], name="file")
        X = X.to_frame() if form == "DataFrame" else X
        before = X.copy()
        assert read_images(X)[:, 0, 0, 0].tolist() == [200, 10]
        assert X.equals(before)

    def test_missing_path_is_named(self, pd):
        with pytest.raises(ValueError, match="a float at position 1"):
            read_images(pd.Series(["a.png", float("nan")], dtype=object))
