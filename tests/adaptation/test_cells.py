"""Labels that may be missing, and what the steps are given of the cells."""

import numpy as np
import pytest
import torch

from skblood.adaptation._cells import Cells, balance, read_labels

CLASSES = np.array(["lymphocyte", "monocyte", "neutrophil"])


class TestLabels:
    @pytest.mark.parametrize("none", [None, np.nan, -1])
    def test_what_is_no_label(self, none):
        assert read_labels(["monocyte", none, "lymphocyte"], CLASSES).tolist() == [1, -1, 0]

    def test_columns_are_taken(self):
        with pytest.warns(UserWarning, match="column-vector"):
            codes = read_labels(np.array([["monocyte"], ["neutrophil"]]), CLASSES)
        assert codes.tolist() == [1, 2]

    def test_minus_one_may_be_a_class(self):
        codes = read_labels([-1, 1, None], np.array([-1, 1]))
        assert codes.tolist() == [0, 1, -1]

    def test_floats_with_nan_name_integers(self):
        codes = read_labels(np.array([3.0, np.nan, 5.0]), np.array([3, 4, 5]))
        assert codes.tolist() == [0, -1, 2]

    def test_a_series(self):
        pd = pytest.importorskip("pandas")
        codes = read_labels(pd.Series(["monocyte", pd.NA, None]), CLASSES)
        assert codes.tolist() == [1, -1, -1]

    def test_a_tensor(self):
        assert read_labels(torch.tensor([1, -1, 0]), np.array([0, 1])).tolist() == [1, -1, 0]

    def test_classes_of_dtype_object(self):
        assert read_labels(["monocyte", None], CLASSES.astype(object)).tolist() == [1, -1]

    def test_no_label_at_all(self):
        assert read_labels([None, None], CLASSES).tolist() == [-1, -1]

    @pytest.mark.parametrize("y", [["blast", "monocyte"], [2, None]])
    def test_unknown_labels_are_named(self, y):
        with pytest.raises(ValueError, match=r"not among the classes.*The model knows no others"):
            read_labels(y, CLASSES)

    def test_two_columns(self):
        with pytest.raises(ValueError, match="1d array"):
            read_labels(np.zeros((3, 2)), CLASSES)


class TestCells:
    @pytest.fixture
    def cells(self, skilled, home):
        codes = torch.arange(160) % 3 - 1
        images = torch.from_numpy(home[0])
        return Cells(images, codes, lambda x: x.flip(3), torch.device("cpu"))

    def test_positions(self, cells):
        assert cells.unlabelled.tolist() == list(range(0, 160, 3))
        assert len(cells.labelled) + len(cells.unlabelled) == 160
        assert (cells.codes[cells.labelled] >= 0).all()

    def test_prepared_cells_are_pixels_in_0_to_1(self, cells, skilled, home):
        network = skilled.net_.module_
        x = cells.prepare(network, torch.tensor([4, 2]))
        np.testing.assert_allclose(x[0].permute(1, 2, 0).numpy(), home[0][4] / 255, atol=1e-6)
        assert torch.equal(cells.prepare(network, torch.tensor([4, 2]), changed=True), x.flip(3))

    def test_the_first_view_is_the_cell(self, cells, skilled, home):
        network = skilled.net_.module_
        features = cells.features(network, torch.arange(70), 3)  # more than one batch
        assert features.shape[:2] == (70, 3)
        with torch.no_grad():
            logits = network.head[-1](features[:, 0])
        expected = skilled.predict_proba(home[0][:70])
        np.testing.assert_allclose(logits.softmax(1).numpy(), expected, atol=0.02)  # bfloat16 there
        assert not torch.allclose(features[:, 0], features[:, 1])

    def test_without_changes_there_is_one_view(self, skilled, home):
        cells = Cells(torch.from_numpy(home[0]), torch.zeros(160), None, torch.device("cpu"))
        assert cells.features(skilled.net_.module_, torch.arange(5), 8).shape[1] == 1


def test_balanced_weights():
    weights = balance(torch.tensor([0, 3, 3, 3]))
    torch.testing.assert_close(weights, torch.tensor([1 / 2, 1 / 6, 1 / 6, 1 / 6]))
    assert len(balance(torch.zeros(0, dtype=torch.int64))) == 0
