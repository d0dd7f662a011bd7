"""Check of a batch against what a model was trained on."""

from dataclasses import replace

import numpy as np
import pytest

import skblood
from skblood.datasets import make_blood_cells
from skblood.uncertainty import check_batch, training_distance


@pytest.fixture(scope="module")
def model():
    return skblood.load_pretrained("pbc8")


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(160, image_size=64, random_state=0)[0]


class TestDistance:
    def test_of_a_stain_that_drifts(self, model, cells):
        other = cells[..., ::-1]
        mixed = [(k * other + (1 - k) * cells).astype(np.uint8) for k in (0, 0.5, 1)]
        drifts = [training_distance(model, each) for each in mixed]
        assert drifts == sorted(drifts) and drifts[2] > 1.3 * drifts[0]

    def test_follows_the_statistics_of_the_training(self):
        X, y = make_blood_cells(80, image_size=28, random_state=0)
        settings = {"max_epochs": 1, "augment": None, "random_state": 0}
        clf = skblood.TransferCellClassifier("cellnet_t", **settings).fit(X, y)
        network = clf.predictor_.network
        first = next(m for m in network.modules() if hasattr(m, "running_mean"))
        before = training_distance(clf, X)
        first.running_mean += 5 * first.running_var.sqrt()
        assert training_distance(clf, X) > 1.5 * before

    def test_does_not_depend_on_the_number_of_views_or_cells(self, model, cells):
        expected = training_distance(model, cells)
        turned = skblood.reconfigure(model, dihedral_views=8)
        assert training_distance(turned, cells) == pytest.approx(expected)
        twice = np.concatenate([cells] * 2)
        assert training_distance(model, twice) == pytest.approx(expected, rel=0.05)
        assert not any(m._forward_pre_hooks for m in model.predictor_.network.modules())

    def test_no_classifier(self, cells):
        with pytest.raises(TypeError, match="got str"):
            training_distance("model", cells)


class TestCheck:
    def test_other_cells(self, model, cells):
        assert not check_batch(model, cells).is_other
        check = check_batch(model, 255 - cells)
        assert check.is_other and check.distance > 1.25 * check.home_distance
        assert sum(check.shares.values()) == pytest.approx(1)
        assert f"160 cells: distance {check.distance:.2f} (0.10 for known cells)" in str(check)

    def test_known_cells(self, model, cells):
        check = check_batch(model, 255 - cells[80:], known=255 - cells[:80])
        assert not check.is_other
        assert check.confidence == pytest.approx(check.home_confidence, abs=0.07)

    def test_all_three_are_needed(self, model, cells):
        check = check_batch(model, 255 - cells)
        assert not replace(check, distance=check.home_distance).is_other
        assert not replace(check, confidence=check.home_confidence).is_other
        assert not replace(check, share_difference=0.1).is_other

    def test_sure_predictions_or_usual_shares_need_no_distance(self, model, cells):
        labels = np.arange(160) % 8
        sure = np.eye(8)[labels]
        assert np.isnan(check_batch(model, cells, sure).distance)
        counts = model.training_data_["class_counts"]
        shares = np.array([counts[label] for label in model.classes_]) / sum(counts.values())
        labels = np.repeat(np.arange(8), np.rint(shares * 400).astype(int))[:160]
        labels = np.random.default_rng(0).choice(8, 160, p=shares)
        unsure = 0.4 * np.eye(8)[labels] + 0.6 / 8
        check = check_batch(model, cells, unsure)
        assert check.share_difference < 0.2 and np.isnan(check.distance) and not check.is_other

    def test_shares_of_blood_and_of_the_prior_are_expected(self, model, cells):
        prior = {"platelet": 0.5, "basophil": 0.5}
        proba = np.zeros((160, 8))
        proba[:80, 0] = proba[80:, -1] = 1
        assert check_batch(model, cells, proba).share_difference > 0.7
        assumed = skblood.reconfigure(model, classes=list(prior), prior=prior)
        assert check_batch(assumed, cells, proba).share_difference == pytest.approx(0)

    def test_mistakes(self, model, cells):
        with pytest.raises(ValueError, match="20 cells are too few to judge a batch: give 50"):
            check_batch(model, cells[:20])
        X, y = make_blood_cells(60, image_size=28, random_state=0)
        clf = skblood.TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(X, y)
        with pytest.raises(ValueError, match="Give `known`"):
            check_batch(clf, X)


@pytest.mark.real
@pytest.mark.parametrize("part", ["val", "test"])
def test_no_false_alarm_at_home(part, real_data):
    """Batches of 60 cells of PBC, and folders of one class."""
    X, y = skblood.datasets.load_image_folder(
        real_data / "pbc" / "128px", split=part, return_X_y=True
    )
    model = skblood.load_pretrained()
    rng = np.random.default_rng(0)
    batches = [rng.permutation(len(y))[:60] for _ in range(5)]
    batches += [rng.permutation(np.flatnonzero(y == label))[:60] for label in ("ig", "platelet")]
    assert not any(check_batch(model, np.asarray(X)[rows]).is_other for rows in batches)
