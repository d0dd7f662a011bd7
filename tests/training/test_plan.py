"""Visits: how often, in which order, and which of them validate."""

import numpy as np
import pytest

from skblood.images import content_keys
from skblood.training import plan_visits, split_visits

CLASSES = np.array(["blast", "smear"])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)


CODES = np.array([0, 1, 0, 1, 0, 1])


def epoch(images, codes, weights, canonical):
    """Return what an epoch sees: the images, their codes and their weights."""
    rows, weights = plan_visits(content_keys(images), codes, weights, canonical)
    return images[rows], codes[rows], weights


class TestWeights:
    def test_without_any_each_image_is_visited_once(self, images):
        rows, weights = plan_visits(content_keys(images), CODES, None, False)
        assert rows.tolist() == list(range(6))
        assert weights.tolist() == [1.0] * 6

    @pytest.mark.parametrize("canonical", [True, False])
    def test_whole_numbers_are_copies(self, images, canonical):
        counts = np.array([3, 0, 1, 2, 0, 1])
        copied, copied_codes = images.repeat(counts, axis=0), CODES.repeat(counts)
        weighted = epoch(images, CODES, counts.astype(float), canonical)
        repeated = epoch(copied, copied_codes, None, canonical)
        assert all(np.array_equal(w, r) for w, r in zip(weighted, repeated, strict=True))

    def test_fractions(self, images):
        given = np.array([0.5, 1.0, 1.5, 0.0, 2.25, 1e-9])
        rows, weights = plan_visits(content_keys(images), CODES, given, False)
        assert rows.tolist() == [0, 1, 2, 2, 4, 4, 4, 5]
        assert weights == pytest.approx([0.5, 1, 0.75, 0.75, 0.75, 0.75, 0.75, 1e-9])
        assert np.bincount(rows, weights, minlength=6) == pytest.approx(given)

    def test_negative(self, images):
        given = np.array([1, -2.5, 1, -1, 1, 1])
        with pytest.raises(ValueError, match=r"must not be negative; 2 of 6 weights are.* -2\.5"):
            plan_visits(content_keys(images), CODES, given, True)

    def test_all_zero(self, images):
        with pytest.raises(ValueError, match="zero for every sample"):
            plan_visits(content_keys(images), CODES, np.zeros(6), True)

    @pytest.mark.parametrize("scale", [1001.0, 1e30])
    def test_huge(self, images, scale):
        with pytest.raises(ValueError, match="divide the weights by their mean"):
            plan_visits(content_keys(images), CODES, np.full(6, scale), True)

    def test_large_but_allowed(self, images):
        rows, _ = plan_visits(content_keys(images), CODES, np.array([5000.0, 1, 0, 0, 0, 0]), True)
        assert len(rows) == 5001

    def test_weights_are_not_written_into(self, images):
        given = np.array([0.5, 1, 2, 0, 0, 1])
        given.setflags(write=False)
        plan_visits(content_keys(images), CODES, given, True)


class TestOrder:
    @pytest.mark.parametrize("weighted", [True, False])
    def test_canonical_order_forgets_the_given_one(self, images, weighted):
        weights = np.array([1.0, 2, 0.5, 1, 0, 3]) if weighted else None
        shuffled = np.random.default_rng(1).permutation(6)
        one = epoch(images, CODES, weights, True)
        weights = weights[shuffled] if weighted else None
        other = epoch(images[shuffled], CODES[shuffled], weights, True)
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

    def test_copies_with_other_labels_and_weights_are_ordered_too(self, images):
        images = images[[0, 0, 0, 0]]
        codes, weights = np.array([1, 0, 1, 0]), np.array([0.5, 0.25, 0.125, 1])
        orders = [
            epoch(images, codes[p], weights[p], True)[1:] for p in ([0, 1, 2, 3], [3, 2, 0, 1])
        ]
        assert all(np.array_equal(a, b) for a, b in zip(*orders, strict=True))

    def test_given_order_is_kept_otherwise(self, images):
        rows, _ = plan_visits(
            content_keys(images[::-1]), CODES, np.array([1.0, 2, 1, 1, 1, 1]), False
        )
        assert rows.tolist() == [0, 1, 1, 2, 3, 4, 5]

    def test_canonical_is_not_the_given_order(self):
        """Else the test above would prove nothing."""
        images = np.random.default_rng(0).random((50, 3), dtype=np.float32)
        rows, _ = plan_visits(content_keys(images), np.zeros(50, int), None, True)
        assert rows.tolist() != list(range(50))
        assert sorted(rows) == list(range(50))


def group_by_image(*codes_and_copies):
    """Return the groups and codes of visits, given (code, number of copies) for each image."""
    codes, copies = np.array(codes_and_copies).T
    groups = np.random.default_rng(0).permutation(len(codes)).astype(np.uint64)
    return groups.repeat(copies), codes.repeat(copies)


class TestSplit:
    @pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
    def test_stratified(self, fraction):
        groups, codes = group_by_image(*[(0, 1)] * 60, *[(1, 1)] * 20)
        train, valid = split_visits(groups, codes, CLASSES, fraction, 0)
        assert np.array_equal(train, ~valid)
        assert np.bincount(codes[valid]).tolist() == [60 * fraction, 20 * fraction]

    @pytest.mark.parametrize("seed", range(5))
    def test_copies_are_on_one_side(self, seed):
        groups, codes = group_by_image(*[(0, 3), (1, 1), (0, 1), (1, 5)] * 10)
        train, valid = split_visits(groups, codes, CLASSES, 0.25, seed)
        assert not set(groups[train]) & set(groups[valid])
        assert len(set(groups[valid])) == 10  # a share of the images, not of the visits

    def test_copies_with_different_labels_are_on_one_side(self):
        groups, codes = group_by_image(*[(0, 2), (1, 2)] * 10)
        codes[::3] = 1 - codes[::3]
        train, valid = split_visits(groups, codes, CLASSES, 0.3, 0)
        assert not set(groups[train]) & set(groups[valid])

    def test_seeded(self):
        groups, codes = group_by_image(*[(0, 1), (1, 1)] * 20)
        splits = [split_visits(groups, codes, CLASSES, 0.25, s)[1].tolist() for s in (0, 0, 1)]
        assert splits[0] == splits[1] != splits[2]

    def test_seeded_whatever_the_order(self):
        groups, codes = group_by_image(*[(0, 2), (1, 1)] * 20)
        _, valid = split_visits(groups, codes, CLASSES, 0.25, 0)
        order = np.random.default_rng(2).permutation(len(groups))
        _, shuffled = split_visits(groups[order], codes[order], CLASSES, 0.25, 0)
        assert set(groups[order][shuffled]) == set(groups[valid])

    @pytest.mark.parametrize(
        ("images", "fraction", "counts"),
        [
            ([(0, 1)] * 9 + [(1, 1)], 0.3, "blast: 9, smear: 1"),
            ([(0, 1)] * 9 + [(1, 4)], 0.3, "blast: 9, smear: 1"),
            ([(0, 1)] * 9, 0.3, "blast: 9, smear: 0"),
            ([(0, 1)] * 5 + [(1, 1)] * 5, 0.1, "blast: 5, smear: 5"),
            ([(0, 1)] * 5 + [(1, 1)] * 5, 0.9, "blast: 5, smear: 5"),
        ],
        ids=["one image", "copies of one", "none", "too few to validate", "too few to train"],
    )
    def test_too_few_images(self, images, fraction, counts):
        groups, codes = group_by_image(*images)
        with pytest.raises(ValueError, match=f"there are {counts}") as caught:
            split_visits(groups, codes, CLASSES, fraction, 0)
        assert f"validation_fraction={fraction}" in str(caught.value)
        assert "early_stopping=False" in str(caught.value)
