"""Partial labels, and what the steps get of the cells."""

import numpy as np
import pytest
import torch

from skblood.adaptation._partial_labels import balanced_weights, encode_partial_labels

CLASSES = np.array(["lymphocyte", "monocyte", "neutrophil"])


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        (["monocyte", None, "lymphocyte"], CLASSES, [1, -1, 0]),
        (["monocyte", np.nan, "lymphocyte"], CLASSES, [1, -1, 0]),
        (["monocyte", -1], CLASSES.astype(object), [1, -1]),
        ([None, None], CLASSES, [-1, -1]),
        (np.array([["monocyte"], ["neutrophil"]]), CLASSES, [1, 2]),
        ([-1, 1, None], np.array([-1, 1]), [0, 1, -1]),  # here -1 is a class
        (np.array([3.0, np.nan, 5.0]), np.array([3, 4, 5]), [0, -1, 2]),
        (torch.tensor([1, -1, 0]), np.array([0, 1]), [1, -1, 0]),
    ],
)
def test_partial_labels(y, classes, codes):
    assert encode_partial_labels(y, classes).tolist() == codes


def test_partial_labels_of_a_series():
    pd = pytest.importorskip("pandas")
    codes = encode_partial_labels(pd.Series(["monocyte", pd.NA, None]), CLASSES)
    assert codes.tolist() == [1, -1, -1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["blast", None], "not among the classes.*'blast'"),
        ([2, None], "not among the classes"),
        (np.zeros((3, 2)), "1d array"),
    ],
)
def test_wrong_labels(y, message):
    with pytest.raises(ValueError, match=message):
        encode_partial_labels(y, CLASSES)


def test_balanced_weights():
    weights = balanced_weights(torch.tensor([0, 3, 3, 3]))
    assert weights.dtype == torch.float64
    assert weights.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert len(balanced_weights(torch.zeros(0, dtype=torch.int64))) == 0
