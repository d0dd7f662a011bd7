"""Columns of labels: the forms that they take, and labels written otherwise than the classes."""

import numpy as np
import pandas as pd
import pytest
import torch

from skblood._labels import as_column, encode_labels, match_labels, resolve_classes, sort_labels

y = np.array(["ig", "platelet", "ig"])


class Column:
    """A column of another library, known to NumPy by `__array__` alone."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


FORMS = {
    "list": y.tolist(),
    "column": y[:, None],
    "StringDType": y.astype(np.dtypes.StringDType()),
    "Series": pd.Series(y, index=[5, 5, 5]),
    "categories": pd.Series(y, dtype="category"),
    "DataFrame": pd.DataFrame({"label": y}),
    "another library": Column(y.astype(object)),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    assert as_column(FORMS[form], "y").tolist() == y.tolist()


def test_forms_of_polars_and_pyarrow():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    columns = [pl.Series(y), pl.Series(y, dtype=pl.Categorical), pl.DataFrame({"y": y})]
    columns += [pa.array(y), pa.chunked_array([y]), pa.table({"y": y})]
    for column in columns:
        assert as_column(column, "y").tolist() == y.tolist()


@pytest.mark.parametrize(
    "values", [["a", None], ["a", float("nan")], ["a", 1], [2**64 - 1, 1], [2**64 - 1, -1], [1, 2]]
)
def test_a_list_keeps_its_values(values):
    assert list(map(repr, as_column(values, "y").tolist())) == list(map(repr, values))


@pytest.mark.parametrize("labels", [[0, 2], [True, False], [2**64 - 1, 0]])
def test_integers_among_objects(labels):
    column = as_column(np.array(labels, dtype=object), "y")
    assert column.tolist() == labels
    assert column.dtype.kind == ("O" if labels[0] > 2 else np.array(labels).dtype.kind)


ONE_HOT = np.eye(2, dtype=int)[[0, 1, 0]]
ONE_HOT_FORMS = [
    ONE_HOT,
    ONE_HOT.astype(bool),
    ONE_HOT.tolist(),
    torch.tensor(ONE_HOT),
    pd.get_dummies(y),
]


@pytest.mark.parametrize("one_hot", ONE_HOT_FORMS)
def test_one_hot_and_the_advice(one_hot):
    with pytest.raises(ValueError, match=r"shape \(3, 2\).*np\.asarray\(y\)\.argmax\(axis=1\)"):
        as_column(one_hot, "y")
    assert as_column(np.asarray(one_hot).argmax(axis=1), "y").tolist() == [0, 1, 0]


TEXT = ["ig", "Zellgröße", "ig"]
BYTES = [label.encode() for label in TEXT]


@pytest.mark.parametrize("labels", [BYTES, np.array(BYTES), np.array(BYTES, dtype=object)])
def test_bytes_and_the_advice(labels):
    calls = (sort_labels, lambda y: encode_labels(y, ["ig"]), lambda y: resolve_classes(None, y=y))
    for call in calls:
        with pytest.raises(TypeError, match=r"bytes.*np\.char\.decode\(np\.asarray\(y, dtype='S'"):
            call(as_column(labels, "y"))
    assert np.char.decode(np.asarray(labels, dtype="S")).tolist() == TEXT


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([2, 0], ["0", "2"], ["2", "0"]),
        (["2", "0"], [0, 2], [2, 0]),
        ([2.0, 0.0], ["0", "2"], ["2", "0"]),
        (["2.0", "0.0"], [0, 2], [2, 0]),
        (["2", "0"], [0.0, 2.0], [2.0, 0.0]),
        ([1, 10], ["01", "10"], ["01", "10"]),
        ([-1], ["-1", "0"], ["-1"]),
        ([True], ["False", "True"], ["True"]),
        (["True"], [False, True], [True]),
        ([2**64 - 1], ["-1", str(2**64 - 1)], [str(2**64 - 1)]),
        (np.array([2**64 - 1], np.uint64), [-1, 1], [2**64 - 1]),  # no class
        (["02"], ["2", "3"], ["02"]),  # two texts are not the same
        ([1.5, 1], ["1.5", "1"], ["1.5", "1"]),
        ([1.5], [1, 2], [1.5]),
        (["٢"], [2, 3], ["٢"]),
        ([2], ["basophil", "ig"], [2]),
        ([True, False], [0, 1, 2], ["True", "False"]),
        ([True, False], [0, 1], [True, False]),
    ],
)
def test_labels_are_matched_with_the_classes(labels, classes, expected):
    found = match_labels(labels, classes)
    assert list(map(repr, found)) == list(map(repr, expected))


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([1], ["1", "01"], r"holds 1, which may be several .*\['1', '01'\]"),
        (["1", "01"], [1, 2], "holds '1', '01', .* or the same"),
        ([1, "1.0"], [1, 2], None),
    ],
)
def test_labels_that_match_several_classes(labels, classes, message):
    if message is None:
        assert match_labels(labels, classes) == [1, 1]
        return
    with pytest.raises(ValueError, match=message):
        match_labels(labels, classes)
    assert encode_labels(classes, classes).tolist() == [0, 1]  # the advice taken


def test_unknown_labels_are_counted_and_not_all_printed():
    with pytest.raises(
        ValueError, match=r"5000 labels .*\['a', 'b'\]: 0, 1, .* and 4980 more"
    ) as e:
        encode_labels(range(5000), ["a", "b"])
    assert len(str(e.value)) < 400
