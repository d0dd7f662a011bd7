"""Fitting the output layer and the network, and pseudo-labels."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skblood.adaptation import _fine_tuning
from skblood.adaptation._fine_tuning import fine_tune, fit_output_layer, pseudo_label
from skblood.adaptation._target_cells import balanced_weights

from .conftest import other_laboratory, target_cells


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def uniform(n):
    return torch.full((n,), 1 / n)


class TestOutputLayer:
    codes = torch.arange(30) % 3  # of four classes

    @pytest.fixture
    def layer(self):
        torch.manual_seed(0)
        return nn.Linear(6, 4)

    @pytest.fixture
    def features(self):
        return (normal(30, 6) + 5 * torch.eye(6)[self.codes])[:, None]

    def test_learns_and_leaves_absent_classes_and_the_old_layer(self, layer, features):
        before = copy.deepcopy(layer)
        new = fit_output_layer(layer, features, self.codes, uniform(30))
        assert (new(features[:, 0]).argmax(1) == self.codes).all()
        assert torch.equal(new.weight[3], layer.weight[3]) and new.bias[3] == layer.bias[3]
        assert torch.equal(before.weight, layer.weight) and torch.equal(before.bias, layer.bias)

    def test_the_penalty_keeps_it_near(self, layer, features, monkeypatch):
        moved = []
        for penalty in (1e7, 10.0, 1.0, 0.1):
            monkeypatch.setattr(_fine_tuning, "_L2SP_OUTPUT", penalty)
            new = fit_output_layer(layer, features, self.codes, uniform(30))
            moved.append(float((new.weight - layer.weight).detach().norm()))
        assert moved == sorted(moved) and moved[0] < 1e-4 < moved[1]

    def test_the_unit_of_the_features_does_not_matter(self, layer, features):
        scaled = copy.deepcopy(layer)
        with torch.no_grad():
            scaled.weight *= 100
        one = fit_output_layer(layer, features, self.codes, uniform(30))
        other = fit_output_layer(scaled, features / 100, self.codes, uniform(30))
        torch.testing.assert_close(other(features / 100), one(features), atol=1e-3, rtol=1e-3)

    def test_a_weight_counts_copies_and_a_view_a_part(self, layer, features, monkeypatch):
        monkeypatch.setattr(_fine_tuning, "_L2SP_OUTPUT", 0.0)
        weights = torch.cat([torch.full((1,), 2.0), torch.ones(29)]) / 31
        one = fit_output_layer(layer, features, self.codes, weights)
        again = torch.cat([torch.tensor([0]), torch.arange(30)])
        other = fit_output_layer(layer, features[again], self.codes[again], uniform(31))
        views = fit_output_layer(layer, features.repeat(1, 3, 1), self.codes, weights)
        for new in (other, views):
            torch.testing.assert_close(one.weight, new.weight, atol=1e-2, rtol=1e-2)

    def test_more_cells_move_it_further(self, layer):
        features, codes = normal(4, 2, 6), torch.arange(4)
        few = fit_output_layer(layer, features, codes, uniform(4))
        many = fit_output_layer(layer, features.repeat(10, 1, 1), codes.repeat(10), uniform(40))
        few, many = ((new.weight - layer.weight).norm() for new in (few, many))
        assert many > 1.2 * few > 0


class TestPseudoLabels:
    no_codes = torch.zeros(0, dtype=torch.int64)

    def test_confident_cells_whose_views_agree(self):
        logits = 9 * torch.eye(3)
        features = torch.stack(
            [
                logits[[0, 0]],
                logits[[1, 1]],
                logits[[2, 0]],  # views of two classes
                logits[[1, 1]] / 20,  # not confident
            ]
        )
        rows, codes, weights = pseudo_label(nn.Identity(), features, self.no_codes)
        assert dict(zip(rows.tolist(), codes.tolist(), strict=True)) == {0: 0, 1: 1}
        torch.testing.assert_close(weights, uniform(2))

    def test_no_class_takes_over(self):
        logits = 9 * torch.eye(3)[torch.tensor([0] * 50 + [1] * 4 + [2] * 4)]
        logits[0] *= 2  # the most confident of its class
        rows, codes, _ = pseudo_label(nn.Identity(), logits[:, None], self.no_codes)
        assert torch.bincount(codes).tolist() == [8, 4, 4]
        assert 0 in rows

    def test_together_they_weigh_half_as_much_as_labels(self):
        rows, codes, weights = pseudo_label(
            nn.Identity(), 9 * torch.eye(3)[:, None], torch.tensor([1, 1, 2, 0])
        )
        assert codes[:4].tolist() == [1, 1, 2, 0]
        assert codes[4:].tolist() == rows.tolist()
        assert weights[:4].sum() == pytest.approx(2 / 3) and weights.sum() == pytest.approx(1)
        assert weights[0] == pytest.approx(weights[2].item() / 2)

    def test_without_a_confident_prediction_there_are_none(self):
        known = torch.tensor([1, 0])
        rows, codes, weights = pseudo_label(nn.Identity(), torch.zeros(5, 2, 3), known)
        assert not len(rows)
        assert codes.tolist() == [1, 0]
        torch.testing.assert_close(weights, uniform(2))


class TestFineTune:
    @pytest.fixture
    def cells(self, home):
        codes = np.select([home[1] == "lymphocyte", home[1] == "monocyte"], [4, 5], -1)
        return target_cells(other_laboratory(home[0]), codes)

    def tuned(self, network, cells):
        network, rows = copy.deepcopy(network), cells.labelled
        with torch.random.fork_rng():
            torch.manual_seed(0)
            fine_tune(network, cells, rows, cells.codes[rows], balanced_weights(cells.codes[rows]))
        return network

    def test_learns_and_leaves_the_statistics(self, network, cells, monkeypatch):
        monkeypatch.setattr(_fine_tuning, "_N_STEPS", 20)

        def loss(network):
            with torch.no_grad():
                logits = network(cells.prepare(network, cells.labelled))
            return nn.functional.cross_entropy(logits, cells.codes[cells.labelled])

        new = self.tuned(network, cells)
        assert loss(new) < loss(network)
        for (name, old), buffer in zip(network.named_buffers(), new.buffers(), strict=True):
            assert torch.equal(old, buffer), name

    def test_l2sp_keeps_it_near(self, network, cells, monkeypatch):
        monkeypatch.setattr(_fine_tuning, "_N_STEPS", 20)

        def distance(share):
            monkeypatch.setattr(_fine_tuning, "_L2SP_NETWORK", share)
            pairs = zip(self.tuned(network, cells).parameters(), network.parameters(), strict=True)
            return sum(float((a - b).detach().square().sum()) for a, b in pairs) ** 0.5

        as_shipped, free = _fine_tuning._L2SP_NETWORK, distance(0.0)
        assert distance(as_shipped) < 0.99 * free
        assert distance(0.1) < 0.6 * free

    def test_what_the_fit_froze_stays(self, network, cells, monkeypatch):
        monkeypatch.setattr(_fine_tuning, "_N_STEPS", 2)
        frozen = copy.deepcopy(network)
        frozen.backbones[0].train_only("head")
        new = self.tuned(frozen, cells)
        pairs = zip(frozen.backbones.parameters(), new.backbones.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert not torch.equal(new.head[-1].weight, network.head[-1].weight)

    @pytest.mark.parametrize("kept", ["_DISTILL_ABSENT", "_DISTILL_PRESENT"])
    def test_distillation_keeps_logits(self, network, cells, monkeypatch, kept):
        monkeypatch.setattr(_fine_tuning, "_N_STEPS", 15)
        x = cells.prepare(network, torch.arange(160))
        absent = ~torch.isin(torch.arange(8), torch.tensor([4, 5]))

        def drift(strength):
            monkeypatch.setattr(_fine_tuning, kept, strength)
            new = self.tuned(network, cells)
            with torch.no_grad():
                logits = new(x), network(x)
            if kept == "_DISTILL_PRESENT":
                a, b = (z[:, ~absent].logsumexp(1) for z in logits)
            else:
                a, b = (z[:, absent] for z in logits)
            return (a - b).abs().mean()

        assert drift(1.0) < 0.8 * drift(0.0)
