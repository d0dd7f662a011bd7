"""Partial labels, and what the steps get of the cells."""

import numpy as np
import pytest
import torch

from skblood.adaptation._target_cells import balanced_weights, encode_partial_labels

from .conftest import target_cells

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


def test_positions_and_views(network, skilled, home):
    cells = target_cells(home[0], torch.arange(160) % 3 - 1, augment=lambda x: x.flip(3))
    assert cells.unlabelled.tolist() == list(range(0, 160, 3))
    assert cells.labelled.tolist() == [i for i in range(160) if i % 3]
    assert sorted(cells.sample().tolist()) == list(range(160))

    rows = torch.tensor([4, 2])
    x = cells.prepare(network, rows)
    np.testing.assert_allclose(x[0].permute(1, 2, 0).numpy(), home[0][4] / 255, atol=1e-6)
    assert torch.equal(cells.prepare(network, rows, random_view=True), x.flip(3))


def test_view_0_is_the_cell(network, skilled, home):
    cells = target_cells(home[0], augment=lambda x: x.flip(3))
    features = cells.features(network, torch.arange(70))  # more than one batch
    assert features.shape[:2] == (70, 4)
    with torch.no_grad():
        probabilities = network.head[-1](features[:, 0]).softmax(1)
    expected = skilled.predict_proba(home[0][:70])
    np.testing.assert_allclose(probabilities, expected, atol=0.02)  # bfloat16 there
    assert not torch.allclose(features[:, 0], features[:, 1])
    assert target_cells(home[0]).features(network, torch.arange(5)).shape[1] == 1


def test_balanced_weights():
    weights = balanced_weights(torch.tensor([0, 3, 3, 3]))
    torch.testing.assert_close(weights, torch.tensor([1 / 2, 1 / 6, 1 / 6, 1 / 6]))
    assert len(balanced_weights(torch.zeros(0, dtype=torch.int64))) == 0
