"""Policies by name, in estimators and for augmented copies of images."""

import numpy as np
import pytest
import torch
from torch import nn

from skblood import TransferCellClassifier
from skblood.augment import (
    POLICIES,
    CellAugment,
    LightAugment,
    OpticsAugment,
    StainAugment,
    augment_images,
    is_own,
    make_augment,
)
from skblood.images import CellImages


class TestMakeAugment:
    @pytest.mark.parametrize("policy", POLICIES)
    def test_by_name_in_an_estimator(self, policy, synthetic):
        def fit(augment):
            clf = TransferCellClassifier("cellnet_t", augment=augment, max_epochs=1, random_state=0)
            return clf.fit(*synthetic).predict_proba(synthetic[0])

        assert np.array_equal(fit(policy), fit(make_augment(policy)))

    def test_unknown_name(self, synthetic):
        with pytest.raises(ValueError, match="policy='hue' is not known"):
            make_augment("hue")
        with pytest.raises(ValueError, match="'laboratory'"):
            TransferCellClassifier("cellnet_t", augment="hue").fit(*synthetic)

    def test_is_own(self):
        assert all(is_own(make_augment(policy)) for policy in POLICIES)
        assert is_own(nn.Sequential(StainAugment(), nn.Sequential(OpticsAugment())))
        assert not is_own(nn.Sequential(StainAugment(), nn.Identity()))
        assert not is_own(torch.flip)


class TestAugmentImages:
    @pytest.mark.parametrize("augment", [*POLICIES, LightAugment()], ids=str)
    def test_variants_of_each_image_in_turn(self, synthetic, augment):
        X = synthetic[0]
        before = X.copy()
        variants = augment_images(X, augment, n_copies=3, random_state=0)
        assert (variants.shape, variants.dtype) == ((72, 32, 32, 3), np.uint8)
        assert np.array_equal(X, before)
        first, second, third = np.split(variants, 3)
        assert (first != second).any(axis=(1, 2, 3)).mean() > 0.9
        assert (second != third).any(axis=(1, 2, 3)).mean() > 0.9
        again = augment_images(CellImages(X), augment, n_copies=3, random_state=0)
        assert np.array_equal(again, variants)
        assert not np.array_equal(augment_images(X, augment, random_state=1), first)

    def test_variants_keep_the_order_and_the_rounding(self, synthetic):
        X = np.repeat(synthetic[0], 4, axis=0)  # more than one batch
        same = augment_images(X, nn.Identity(), n_copies=2)
        assert np.array_equal(same, np.concatenate([X, X]))
        flips = CellAugment(shift=0.0, color=0.0)
        variants = augment_images(X, flips, random_state=0)
        assert np.array_equal(np.sort(variants, axis=None), np.sort(X, axis=None))
        assert np.array_equal(variants.sum(axis=(1, 2)), X.sum(axis=(1, 2)))
        clipped = augment_images(X, lambda batch: 2 * batch)
        assert np.array_equal(clipped, np.minimum(2 * X.astype(int), 255))

    def test_random_generators(self, synthetic):
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
        variants = [augment_images(synthetic[0]) for _ in range(2)]
        assert not np.array_equal(*variants)  # None is a fresh seed
        assert torch.equal(torch.get_rng_state(), torch_state)
        assert np.array_equal(np.random.get_state()[1], numpy_state)
        state = np.random.RandomState(3)
        variants = [augment_images(synthetic[0], random_state=state) for _ in range(2)]
        assert not np.array_equal(*variants)  # it is drawn from

    def test_errors(self, synthetic):
        images = synthetic[0]
        with pytest.raises(ValueError, match="dtype float64"):
            augment_images(images / 255)
        with pytest.raises(ValueError, match=r"shape \(32, 32, 3\)"):
            augment_images(images[0])
        with pytest.raises(ValueError, match="n_copies == 0"):
            augment_images(images, n_copies=0)
