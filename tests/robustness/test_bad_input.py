"""Generated X, y, weights and files: an answer, or a refusal that says what to do.

The same draws in each run. ``python -m benchmarks.reliability`` draws 2,000 new ones for each
estimator. Below is what fell over once, each by itself.
"""

import tracemalloc
import types
from collections import UserList, deque

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from skblood import CellEmbedder, TransferCellClassifier, audit
from skblood.datasets import load_csv, load_npz
from skblood.images import is_table, read_images
from tests.robustness._bad_input import (
    MODELS,
    cells,
    fitted,
    tally_of_audit,
    tally_of_loaders,
    tally_of_model,
)
from tests.robustness._outcome import ANSWER, REFUSED

pytestmark = pytest.mark.slow


def check(found, n):
    assert not found.defects, "\n".join(found.defects[:5])
    assert min(found.counts[ANSWER], found.counts[REFUSED]) > 0.05 * n  # both were tried


@pytest.mark.parametrize("name", MODELS)
def test_estimators(name):
    check(tally_of_model(name, 100, 0), 100)


def test_audit():
    check(tally_of_audit(100, 0), 100)


def test_loaders():
    found = tally_of_loaders(300, 0)
    assert not found.defects, "\n".join(found.defects[:5])
    assert found.counts[REFUSED] > 200


@pytest.fixture(scope="module")
def mlp():
    return fitted("mlp")


@pytest.fixture
def X():
    return cells()[0]


class TestTensors:
    """`tensor.numpy()` raises RuntimeError, NotImplementedError or TypeError, with advice on it."""

    ODD = {
        "meta": lambda x: x.to("meta"),
        "sparse": lambda x: x.to_sparse(),
        "float8": lambda x: x.to(torch.float8_e4m3fn),
    }

    @pytest.mark.parametrize("kind", ODD)
    @pytest.mark.parametrize("hold", [lambda x: x, list])
    def test_without_numbers_for_numpy(self, mlp, X, kind, hold):
        tensor = self.ODD[kind](torch.from_numpy(X).float().div(255))
        with pytest.raises(TypeError, match=r"X holds a tensor of torch.*Pass a dense tensor"):
            mlp.predict(hold(tensor))

    def test_rows(self, mlp):
        with pytest.raises(TypeError, match="X holds a tensor"):
            mlp.predict(torch.eye(6, 768).to_sparse())

    def test_labels(self, X):
        y = torch.empty(len(X), dtype=torch.long, device="meta")
        with pytest.raises(TypeError, match="y holds a tensor"):
            MODELS["mlp"]().fit(X, y)

    @pytest.mark.parametrize("view", [torch._neg_view, lambda x: (-1j * x).conj().imag])
    def test_lazy_views_are_resolved(self, mlp, X, view):
        x = torch.from_numpy(X).double().div(255)
        expected = mlp.predict_proba(x.numpy())
        assert np.array_equal(mlp.predict_proba(view(view(x)).contiguous()), expected)
        with pytest.raises(ValueError, match=r"float64 in -1\.\."):
            mlp.predict_proba(torch._neg_view(x))


class TestMasked:
    """NumPy takes what is under the mask without a word."""

    def test_images(self, mlp, X):
        masked = np.ma.masked_array(X, mask=np.zeros(X.shape, bool))
        assert np.array_equal(mlp.predict(masked), mlp.predict(X))
        masked.mask[2, :3] = True
        with pytest.raises(ValueError, match=r"X is a masked array with 144 masked values.*filled"):
            mlp.predict(masked)

    def test_rows(self, mlp, X):
        rows = np.ma.masked_equal(X.reshape(len(X), -1), X[0, 0, 0, 0])
        with pytest.raises(ValueError, match="X is a masked array"):
            mlp.predict(rows)

    def test_one_image_of_a_list(self, mlp, X):
        with pytest.raises(ValueError, match="X is a masked array"):
            mlp.predict([*X[:3], np.ma.masked_equal(X[3], X[3, 0, 0, 0])])

    def test_labels(self, X):
        y = np.ma.masked_array([0, 1] * 6, mask=[0, 0, 1] * 4)
        with pytest.raises(ValueError, match=r"y is a masked array with 4 masked values"):
            MODELS["mlp"]().fit(X, y)


class TestTables:
    @pytest.mark.parametrize(
        "table",
        [
            pd.DataFrame({"a": ["x", "y"], "b": ["z", None]}),
            pd.DataFrame([["a.png", "b.png"]] * 2),
            pd.Series([[1, 2], [3, 4]]),
            pd.DataFrame(np.full((2, 2), "a", object)).set_axis(["x", "x"], axis=1),
            [[1, 2], [3]],
            [1, "a", None],
        ],
    )
    def test_of_no_numbers_says_what_x_may_be(self, table):
        for model in (MODELS["mlp"](), CellEmbedder("cellnet_t")):
            with pytest.raises((ValueError, TypeError)) as error:
                model.fit(table, ["a", "b", "c"][: len(table)])
            assert f"X is a {type(table).__name__}" in str(error.value)
            assert "no table of numbers, and no images: an array (n, h, w)" in str(error.value)

    def test_of_numbers_keeps_scikit_learns_words_alone(self):
        with pytest.raises(ValueError, match="contains NaN") as error:
            MODELS["mlp"]().fit(pd.DataFrame([[1.0, np.nan]] * 4), ["a", "b"] * 2)
        assert "Pass images" not in str(error.value)


@pytest.mark.parametrize("thing", [np.ndarray, np, torch.Tensor, types.SimpleNamespace(ndim="3")])
def test_what_has_an_odd_ndim_is_no_stack(thing):
    assert is_table(thing)


@pytest.mark.parametrize("holder", [deque, UserList])
def test_sequences_without_slices(holder, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(40)]
    for i, path in enumerate(paths):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(path)
    assert read_images(holder(paths))[:, 0, 0, 0].tolist() == list(range(40))


@pytest.mark.parametrize("name", MODELS)
def test_a_single_image_that_runs_backwards(name, X):
    """NumPy calls it contiguous, torch does not take its stride."""
    model = fitted(name)
    answer = model.transform if name == "embedder" else model.predict_proba
    one = X[:1][::-1]
    assert one.strides[0] < 0
    assert np.array_equal(answer(one), answer(one.copy()))


@pytest.mark.parametrize("shape", [(16, 2, 3), (24, 2, 1), (17, 4, 3)])
def test_images_higher_than_wide(shape):
    """Bfloat16 convolutions on CPUs with AMX give garbage for them, NaN as a rule."""
    X = np.random.default_rng(0).integers(0, 256, (8, *shape)).astype(np.uint8)
    settings = {"random_state": 0, "device": "cpu"}
    given = [
        CellEmbedder("cellnet_t", precision=precision, **settings).fit_transform(X)
        for precision in ("float32", "bfloat16", "auto")
    ]
    assert np.isfinite(given).all()
    assert np.array_equal(given[0], given[1])
    assert np.array_equal(given[0], given[2])


@pytest.mark.parametrize("side", [1, 2, 16])
def test_training_on_tiny_images(side):
    """The same in the gradients, for squares as well."""
    X = np.random.default_rng(0).integers(0, 256, (8, side, side, 3)).astype(np.uint8)
    settings = {"random_state": 0, "device": "cpu", "max_epochs": 2}
    models = [
        TransferCellClassifier("cellnet_t", precision=precision, **settings).fit(X, [0, 1] * 4)
        for precision in ("float32", "bfloat16")
    ]
    assert np.array_equal(*[model.predict_proba(X) for model in models])


def test_usual_images_keep_their_precision():
    X = np.zeros((4, 28, 28, 3), np.uint8)
    embedder = CellEmbedder("cellnet_t", precision="bfloat16", device="cpu").fit(X)
    assert embedder.predictor_.dtype is torch.bfloat16


class TestLabels:
    @pytest.mark.parametrize("labels", [["a", b"a"], [pd.Timestamp(0), "a"], [object(), object()]])
    def test_that_cannot_be_sorted(self, X, labels):
        y = np.empty(len(X), dtype=object)
        y[:] = labels * 6
        with pytest.raises((TypeError, ValueError), match=r"sorted|bytes|Unknown label type"):
            MODELS["mlp"]().fit(X, y)

    def test_ragged(self, X):
        with pytest.raises(ValueError, match="Pass a list or an array of labels"):
            MODELS["mlp"]().fit(X, [[0], [1, 2]] * 6)

    def test_string_dtype(self, X):
        y = np.array(["a", "b"] * 6, dtype=np.dtypes.StringDType())
        assert MODELS["mlp"]().fit(X, y).classes_.tolist() == ["a", "b"]

    @pytest.mark.parametrize(
        ("classes", "part"),
        [
            ([["a", "b"], ["c", "d"]], "1d array"),
            ([["a"], ["b", "c"]], "Pass a list"),
            ([0.0, np.nan], "1 missing"),
            (np.array(["a", 1], dtype=object), r"cannot be sorted|Unknown label type"),
        ],
    )
    def test_classes_of_partial_fit(self, X, classes, part):
        with pytest.raises((ValueError, TypeError), match=part):
            MODELS["mlp"]().partial_fit(X, ["a", "b"] * 6, classes=classes)


class TestLoaders:
    def test_rows_wider_than_the_header(self, tmp_path):
        """Pandas leaves out what is too much in the first rows: half of an unquoted label."""
        path = tmp_path / "cells.csv"
        path.write_text("path,label\na.png,band, segmented\nb.png,x,,\n")
        with pytest.raises(ValueError, match="rows longer than the header"):
            load_csv(path)

    def test_open_quotation_mark(self, tmp_path):
        path = tmp_path / "cells.csv"
        path.write_text('path,label\n"a.png,x\nb.png,y\n')
        with pytest.raises(ValueError, match=r"is not a table.*quotation mark"):
            load_csv(path)

    def test_damaged_array(self, tmp_path):
        path = tmp_path / "cells.npz"
        arrays = {"images": np.zeros((4, 8, 8), np.uint8), "labels": np.arange(4)}
        np.savez(path, **{f"train_{key}": array for key, array in arrays.items()})
        content = bytearray(path.read_bytes())
        content[200] ^= 255
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"not a readable \.npz file.*Download it again"):
            load_npz(path, "train")

    def test_objects(self, tmp_path):
        np.savez(tmp_path / "cells.npz", train_images=np.array([{}]), train_labels=np.zeros(1))
        with pytest.raises(ValueError, match=r"Object arrays.*plain arrays .*uint8.*np\.unique"):
            load_npz(tmp_path / "cells.npz", "train")


@pytest.mark.parametrize("name", ["y", "split", "groups"])
@pytest.mark.parametrize(
    "column",
    [
        [{1}, {2}] * 6,
        [[1], [2, 3]] * 6,
        [object() for _ in range(12)],
        torch.empty(12, device="meta"),
    ],
    ids=["sets", "lists", "objects", "meta tensor"],
)
def test_columns_of_the_audit(X, name, column):
    message = rf"`{name}` (does not hold labels|must have one entry)|{name} holds a ten"
    with pytest.raises((ValueError, TypeError), match=message):
        audit(X, **{name: column})


def test_a_huge_weight_takes_no_memory(X):
    tracemalloc.start()
    try:
        MODELS["mlp"]().fit(X, ["a", "b"] * 6, sample_weight=[1.0] * 11 + [1e12])
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
