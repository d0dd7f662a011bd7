"""Samples of an epoch: how often, with which weight, and which are set aside."""

import numpy as np
import pytest

from skblood.images import content_keys
from skblood.training._plan import (
    draw_counts,
    merge_copies,
    split_off_validation,
)

CLASSES = np.array(["blast", "smear"])


class TestMergeCopies:
    def test_copies_of_one_label(self):
        images = np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)
        keys = content_keys(images[[0, 1, 0, 2, 3, 0]])
        first, inverse = merge_copies(keys, np.array([0, 0, 0, 1, 1, 1]))
        assert len(first) == 5  # the last image has another label
        assert inverse[0] == inverse[2] != inverse[5]
        assert np.array_equal(keys[first][inverse], keys)

    def test_order_is_that_of_the_content(self):
        keys = content_keys(np.random.default_rng(0).random((50, 3), dtype=np.float32))
        codes, order = np.arange(50) % 2, np.random.default_rng(1).permutation(50)
        one, other = merge_copies(keys, codes)[0], merge_copies(keys[order], codes[order])[0]
        assert np.array_equal(keys[one], keys[order][other])
        assert one.tolist() != list(range(50))  # else this would prove nothing


class TestDrawCounts:
    @pytest.mark.parametrize("scale", [1e-30, 0.5, 1.0, 1.01, 2.01, 3.0, 1e30])
    def test_scale_has_no_effect(self, scale):
        given = np.array([0.5, 1.0, 1.5, 0.25, 2.75, 0.0001, 0.9999])
        counts, weights = draw_counts(given * scale)
        relative = given / given.mean()
        assert counts.tolist() == [1, 1, 2, 1, 3, 1, 1]
        assert counts * weights == pytest.approx(relative)

    def test_constant_weights_draw_each_once(self):
        for weight in (0.5, 1.01, 2.0, 2.01):
            counts, weights = draw_counts(np.full(7, weight))
            assert (counts.tolist(), weights.tolist()) == ([1] * 7, [1.0] * 7)

    def test_one_odd_weight_draws_no_other_twice(self):
        assert draw_counts(np.r_[np.ones(63), 1.6])[0].tolist() == [1] * 63 + [2]


class TestSplit:
    @pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
    def test_stratified_and_seeded(self, fraction):
        codes = np.repeat([0, 1], [60, 20])
        valid = split_off_validation(codes, CLASSES, fraction, 0)
        assert np.bincount(codes[valid]).tolist() == [60 * fraction, 20 * fraction]
        assert np.array_equal(split_off_validation(codes, CLASSES, fraction, 0), valid)
        assert not np.array_equal(split_off_validation(codes, CLASSES, fraction, 1), valid)

    @pytest.mark.parametrize("fraction", [0.1, 0.3, 0.6])
    @pytest.mark.parametrize("seed", range(3))
    def test_groups_stay_together(self, fraction, seed):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 25, 200)
        codes = rng.integers(0, 2, 200)  # groups of both classes
        valid = split_off_validation(codes, CLASSES, fraction, seed, groups)
        assert not set(groups[valid]) & set(groups[~valid])
        assert set(codes[valid]) == set(codes[~valid]) == {0, 1}
        assert np.mean(valid) == pytest.approx(min(fraction, 0.5), abs=0.12)

    def test_few_groups(self):
        """Each with one class, so that a tenth holds one class alone."""
        groups, codes = np.repeat([0, 1, 2, 3], 10), np.repeat([0, 1, 0, 1], 10)
        valid = split_off_validation(codes, CLASSES, 0.1, 0, groups)
        assert set(codes[valid]) == set(codes[~valid]) == {0, 1}
        assert not set(groups[valid]) & set(groups[~valid])

    def test_class_with_fewer_images_than_folds(self):
        codes = np.r_[np.zeros(60, int), 1, 1, 1]
        valid = split_off_validation(codes, CLASSES, 0.1, 0, np.arange(63) // 2)
        assert set(codes[valid]) == set(codes[~valid]) == {0, 1}
        assert np.mean(valid) < 0.2

    @pytest.mark.parametrize(
        ("codes", "fraction", "groups"),
        [
            ([0] * 9 + [1], 0.3, None),
            ([0] * 9, 0.3, None),
            ([0] * 5 + [1] * 5, 0.1, None),
            ([0] * 5 + [1] * 5, 0.9, None),
            ([0, 1] * 5, 0.5, [0] * 10),
            ([0, 1] * 5, 0.5, [0, 1] * 5),
        ],
        ids=["one image", "none", "few to validate", "few to train", "one group", "group a class"],
    )
    def test_impossible(self, codes, fraction, groups):
        codes = np.array(codes)
        counts = f"blast: {(codes == 0).sum()}, smear: {(codes == 1).sum()}"
        with pytest.raises(ValueError, match=f"there are {counts}") as caught:
            split_off_validation(codes, CLASSES, fraction, 0, groups and np.array(groups))
        assert f"validation_fraction={fraction}" in str(caught.value)
        assert ("groups" in str(caught.value)) == (groups is not None)
