"""Python values go to JSON and come back with their type."""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from skorch.history import History
from torch import nn

from skblood.augment import CellAugment, StainAugment
from skblood.io._values import decode, encode, plain

REFUSED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner)
    ),
    max_leaves=12,
)


def through_json(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@settings(derandomize=True, max_examples=50, deadline=None)
@given(plain_values)
def test_plain_values_come_back(value):
    assert repr(through_json(value)) == repr(value)  # repr tells types, and NaN is NaN
    try:  # JSON that `encode` does not write is refused, or decoded to something
        decode(json.loads(json.dumps(plain(value), default=repr)))
    except REFUSED:
        pass


@pytest.mark.parametrize("kind", ["float", "history", "tuple", "dict", "CellAugment", "array"])
def test_a_type_with_other_content_is_refused(kind):
    for inner in (None, 1, "x", ["x"], [["x"]], {"x": 1}, [{"x": 1}]):
        try:
            decoded = decode({kind: inner})
        except REFUSED:
            continue
        assert through_json(decoded) == decoded  # a tuple, history or float of such things


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.int8(3), 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
    ],
)
def test_types_that_become_those_of_python(value, kept):
    found = through_json(value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize("value", [1 + 1j, {1, 2}, len, np.zeros((2, 2))])
def test_what_cannot_be_written(value):
    with pytest.raises(TypeError, match="cannot be written"):
        encode(value)


@pytest.mark.parametrize(
    "value",
    [
        CellAugment(flip=False, shift=0.5, rotation=90, scale=0.25),
        nn.Sequential(CellAugment(), nn.Sequential(StainAugment())),
    ],
)
def test_augmentations(value):
    assert repr(through_json(value)) == repr(value)
    assert isinstance(plain(value), str)


@pytest.mark.parametrize("stored", [{"CellAugment": {"x": 1}}, {"augments": [1]}])
def test_odd_augmentations(stored):
    with pytest.raises(REFUSED):
        decode(stored)


def test_history_without_its_batches():
    history = History()
    history.append({"batches": [{"train_loss": 1.0}], "train_loss": np.float64(0.5)})
    history[-1].update(epoch=1, train_loss_best=True, valid_loss=float("nan"), odd=object())
    found = through_json(history)
    assert type(found) is History
    assert found[:, ("epoch", "train_loss", "train_loss_best")] == [(1, 0.5, True)]
    assert np.isnan(found[0, "valid_loss"])
    assert "odd" not in found[0]
    found.new_batch()  # a training goes on with it
    assert plain(found)[0]["train_loss"] == 0.5


@pytest.mark.parametrize(
    "array",
    [
        np.array(["b", "ü", ""]),
        np.array(["a", "longer"], dtype=object),
        np.array([1, -(2**63)]),
        np.array([1.5, -0.0, np.inf]),
        np.array([1.5], dtype=">f2"),
        np.array([True]),
        np.array([], dtype="<U3"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_keep_their_dtype(array):
    found = through_json(array)
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.dtype.str == array.dtype.str
    assert plain(array) == array.tolist()
