"""Weighted cross-entropy, focal loss and supervised contrastive loss."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skblood.training import SupervisedContrastiveLoss, WeightedLoss

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 0.0, 0.0], [-3.0, 1.0, 4.0], [5.0, 1.0, 0.0]])
CODES, ONES = torch.tensor([0, 2, 1, 0]), torch.ones(4)


class TestWeightedLoss:
    @pytest.mark.parametrize("smoothing", [0.0, 0.3])
    def test_cross_entropy(self, smoothing):
        loss = WeightedLoss("cross_entropy", smoothing)(LOGITS, (CODES, ONES))
        assert torch.allclose(loss, F.cross_entropy(LOGITS, CODES, label_smoothing=smoothing))
        logp = F.log_softmax(LOGITS, 1).numpy()
        true = logp[range(4), CODES.numpy()]
        by_hand = -np.mean((1 - smoothing) * true + smoothing * logp.mean(1))
        assert loss.item() == pytest.approx(by_hand, rel=1e-5)

    def test_focal_by_hand(self):
        p = LOGITS.softmax(1).numpy()[range(4), CODES.numpy()]
        loss = WeightedLoss("focal", 0.0)(LOGITS, (CODES, ONES))
        assert loss.item() == pytest.approx(np.mean(-((1 - p) ** 2) * np.log(p)), rel=1e-5)

    @pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
    def test_weights(self, kind):
        loss, weights = WeightedLoss(kind, 0.1), torch.tensor([0.0, 2.0, 0.5, 3.0])
        each = [loss(LOGITS[i : i + 1], (CODES[i : i + 1], ONES[:1])) for i in range(4)]
        expected = (torch.stack(each) * weights).sum() / 4
        assert torch.allclose(loss(LOGITS, (CODES, weights)), expected)


def by_the_formula(projections, codes, temperature):
    """Return each anchor's loss, sum by sum as the paper writes it, in float64."""
    z = projections.double()
    z = z / z.norm(dim=1, keepdim=True)
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        total = sum(math.exp(z[i] @ z[a] / temperature) for a in others)
        positives = [p for p in others if codes[p] == codes[i]]
        logs = [math.log(math.exp(z[i] @ z[p] / temperature) / total) for p in positives]
        losses.append(-sum(logs) / len(positives))
    return torch.tensor(losses)


class TestSupervisedContrastiveLoss:
    @pytest.mark.parametrize("temperature", [0.07, 0.5])
    @pytest.mark.parametrize("codes", [[0, 0, 1, 1, 2, 0], [0, 1, 2, 3, 4, 5], [1] * 6])
    def test_is_the_formula(self, temperature, codes):
        torch.manual_seed(0)
        projections = torch.randn(12, 5)
        expected = by_the_formula(projections, codes * 2, temperature)
        codes, weights = torch.tensor(codes), torch.rand(6)
        loss = SupervisedContrastiveLoss(temperature)
        found = loss(projections, (codes, weights)).item()
        assert found == pytest.approx((expected * weights.repeat(2)).mean().item(), rel=1e-5)
        # The length of the projections does not count.
        longer = projections * torch.tensor([[1e-3], [1e3]]).repeat(6, 1)
        assert loss(longer, (codes, weights)).item() == pytest.approx(found, rel=1e-5)
