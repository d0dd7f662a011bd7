"""On real cells (PBC, 28 px), with a network trained for four epochs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import _no_cells
from skblood import TransferCellClassifier
from skblood.uncertainty import OutlierDetector, PredictionSets, laboratory_test

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def splits(real_data):
    with np.load(real_data / "pbc" / "pbc_28.npz") as file:
        return {
            split: (file[f"{split}_images"][::step], file[f"{split}_labels"][::step].ravel())
            for split, step in (("train", 8), ("val", 2), ("test", 3))
        }


@pytest.fixture(scope="module")
def trained(splits):
    return TransferCellClassifier("cellnet_t", max_epochs=4, random_state=0).fit(*splits["train"])


def test_coverage_of_prediction_sets(trained, splits):
    sets = PredictionSets(trained).fit(*splits["val"])
    assert sets.coverage(*splits["test"]).marginal == pytest.approx(0.9, abs=0.035)
    each = PredictionSets(trained, class_conditional=True).fit(*splits["val"])
    assert each.coverage(*splits["test"]).per_class.min() > 0.75


def test_images_without_cells(trained, splits, real_data):
    detector = OutlierDetector(trained).fit(*splits["val"])
    cells = detector.score_samples(splits["test"][0])
    rng = np.random.default_rng(0)
    images = {kind: make(60, 28, rng) for kind, make in _no_cells.KINDS.items()}
    originals = real_data / "pbc" / "originals_val"
    images["background"] = _no_cells.background(60, 28, rng, originals)
    for kind, others in images.items():
        scores = np.concatenate([cells, detector.score_samples(others)])
        kinds = np.repeat([1, 0], [len(cells), len(others)])
        assert roc_auc_score(kinds, scores) >= 0.97, kind


def test_another_laboratory(trained, splits):
    known, new = splits["val"][0], splits["test"][0][::4]
    same = laboratory_test(trained, known, new, n_permutations=199, random_state=0)
    other = (new * np.array([0.9, 1.0, 0.95])).astype(np.uint8)
    far = laboratory_test(trained, known, other, n_permutations=199, random_state=0)
    assert far.pvalue == 0.005
    assert far.distance > 2 * same.distance
