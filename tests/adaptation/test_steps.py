"""Each step by itself, on numbers of which the answer is known."""

import copy

import pytest
import torch
from torch import nn

from skblood.adaptation import _tune
from skblood.adaptation._cells import Cells
from skblood.adaptation._norms import distance_of_statistics, has_statistics, mix_statistics
from skblood.adaptation._output import fit_output
from skblood.adaptation._pseudo import choose_pseudo_labels, spread
from skblood.adaptation._steps import self_train, with_output, with_statistics
from skblood.adaptation._tune import tune_network

from .conftest import other_laboratory


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(n):
    return torch.full((n,), 1 / n)


class TestStatistics:
    @pytest.fixture
    def network(self):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4))

    def test_all_of_the_new(self, network):
        x = 3 + 2 * seeded(20, 3, 8, 8)
        mix_statistics(network, x, 1.0, uniform(20))
        with torch.no_grad():
            first = network[:2](x)
            last = network(x)
        for out in (first, last):  # the second layer saw what the first gives now
            torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
            torch.testing.assert_close(
                out.var((0, 2, 3), correction=0), torch.ones(4), atol=1e-2, rtol=0
            )

    def test_none_of_the_new(self, network):
        before = copy.deepcopy(network.state_dict())
        mix_statistics(network, seeded(20, 3, 8, 8), 0.0, uniform(20))
        assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())

    def test_a_mixture_is_that_of_both_sets(self):
        old, new = seeded(30, 5), 4 + 3 * seeded(10, 5, seed=1)
        layer = nn.BatchNorm1d(5)
        mix_statistics(layer, old, 1.0, uniform(30))
        mix_statistics(layer, new, 0.25, uniform(10))
        both = torch.cat([old, new])
        torch.testing.assert_close(layer.running_mean, both.mean(0))
        torch.testing.assert_close(layer.running_var, both.var(0, correction=0))

    def test_weights_count_copies(self):
        x = seeded(3, 5)
        one, other = nn.BatchNorm1d(5), nn.BatchNorm1d(5)
        mix_statistics(one, x, 1.0, torch.tensor([0.5, 0.25, 0.25]))
        mix_statistics(other, x[[0, 0, 1, 2]], 1.0, uniform(4))
        torch.testing.assert_close(one.running_var, other.running_var)
        torch.testing.assert_close(one.running_mean, other.running_mean)

    def test_weights_and_hooks_are_left(self, network):
        before = [p.clone() for p in network.parameters()]
        mix_statistics(network, seeded(20, 3, 8, 8), 0.5, uniform(20))
        assert all(map(torch.equal, before, network.parameters()))
        assert not any(module._forward_pre_hooks for module in network.modules())
        assert not network.training

    def test_hooks_are_removed_after_an_error(self, network):
        with pytest.raises(RuntimeError):
            mix_statistics(network, seeded(20, 7, 8, 8), 0.5, uniform(20))
        assert not any(module._forward_pre_hooks for module in network.modules())

    def test_distance(self):
        x = seeded(40, 5)
        layer = nn.BatchNorm1d(5, eps=0.0)
        mix_statistics(layer, x, 1.0, uniform(40))
        before = copy.deepcopy(layer.state_dict())
        assert distance_of_statistics(layer, x) == pytest.approx(0, abs=1e-10)
        deviation = x.std(0, correction=0)
        assert distance_of_statistics(layer, x + 2 * deviation) == pytest.approx(4, rel=1e-4)
        both = nn.Sequential(layer, copy.deepcopy(layer).train())  # of layers, the mean
        both[1].running_mean.zero_()
        both[1].running_var.fill_(1.0)
        assert distance_of_statistics(both, x) == pytest.approx(0, abs=1e-10)
        assert distance_of_statistics(both, x + 2 * deviation) == pytest.approx(4, rel=1e-4)
        assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())

    def test_some_networks_have_none(self, network):
        assert has_statistics(network)
        assert not has_statistics(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)))
        assert not has_statistics(nn.BatchNorm1d(4, track_running_stats=False))

    def test_a_copy_moves_towards_the_new_laboratory(self, skilled, home):
        network = skilled.net_.module_
        before = copy.deepcopy(network.state_dict())
        images = torch.from_numpy(other_laboratory(home[0]))
        cells = Cells(images, torch.full((160,), -1), None, torch.device("cpu"))
        moved = with_statistics(network, cells, uniform(8))

        assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
        stem = "backbones.0.body.stem.1"
        x = cells.prepare(network, torch.arange(160))
        with torch.no_grad():
            new = (
                network.backbones[0]
                .body.stem[0](network.backbones[0].standardize(x))
                .mean((0, 2, 3))
            )
        old, mean = before[f"{stem}.running_mean"], moved.state_dict()[f"{stem}.running_mean"]
        share = ((mean - old) @ (new - old)) / ((new - old) @ (new - old))
        assert 0.5 < share < 0.75  # 160 cells against 100, weighted by class


class TestOutput:
    @pytest.fixture
    def layer(self):
        torch.manual_seed(0)
        return nn.Linear(6, 4)

    @pytest.fixture
    def cells(self):
        codes = torch.arange(30) % 3
        return seeded(30, 6) + 5 * torch.eye(6)[codes], codes

    def test_it_learns(self, layer, cells):
        features, codes = cells
        fit_output(layer, features, codes, uniform(30), 1e-3)
        assert (layer(features).argmax(1) == codes).all()

    def test_a_strong_pull_leaves_it(self, layer, cells):
        old = copy.deepcopy(layer)
        fit_output(layer, *cells, uniform(30), 1e6)
        torch.testing.assert_close(layer.weight, old.weight, atol=1e-4, rtol=0)
        torch.testing.assert_close(layer.bias, old.bias, atol=1e-4, rtol=0)

    def test_the_weaker_the_pull_the_further_it_goes(self, layer, cells):
        gone = []
        for pull in (1.0, 0.1, 0.01):
            new = copy.deepcopy(layer)
            fit_output(new, *cells, uniform(30), pull)
            gone.append(float((new.weight - layer.weight).detach().norm()))
        assert gone == sorted(gone) and gone[0] > 0

    def test_rows_of_absent_classes_stay(self, layer, cells):
        old = copy.deepcopy(layer)
        fit_output(layer, *cells, uniform(30), 0.01)
        assert torch.equal(layer.weight[3], old.weight[3])
        assert torch.equal(layer.bias[3], old.bias[3])
        assert not torch.equal(layer.weight[0], old.weight[0])

    def test_the_unit_of_the_features_does_not_matter(self, layer, cells):
        features, codes = cells
        small = copy.deepcopy(layer)
        with torch.no_grad():
            small.weight *= 100
        fit_output(layer, features, codes, uniform(30), 0.1)
        fit_output(small, features / 100, codes, uniform(30), 0.1)
        torch.testing.assert_close(small(features / 100), layer(features), atol=1e-3, rtol=1e-3)

    def test_weights_count_copies(self, layer, cells):
        features, codes = cells
        other = copy.deepcopy(layer)
        weights = torch.cat([torch.full((1,), 2.0), torch.ones(29)]) / 31
        fit_output(layer, features, codes, weights, 0.1)
        again = torch.cat([torch.tensor([0]), torch.arange(30)])
        fit_output(other, features[again], codes[again], uniform(31), 0.1)
        torch.testing.assert_close(layer.weight, other.weight, atol=1e-4, rtol=1e-3)

    def test_the_more_cells_the_weaker_the_pull(self, skilled):
        network = skilled.net_.module_
        old = network.head[-1]
        features = seeded(8, 2, old.in_features)
        codes = torch.arange(8)
        few = with_output(network, features, codes)
        many = with_output(network, features.repeat(10, 1, 1), codes.repeat(10))
        few, many = ((layer.weight - old.weight).norm() for layer in (few, many))
        assert many > 1.2 * few > 0


class TestSelfTraining:
    def test_sure_cells_whose_views_agree(self):
        layer = nn.Linear(3, 3)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(3))
            layer.bias.zero_()
        sure = 9 * torch.eye(3)
        features = torch.stack(
            [
                torch.stack([sure[0], sure[0]]),
                torch.stack([sure[1], sure[1]]),
                torch.stack([sure[2], sure[0]]),  # views of two classes
                torch.stack([sure[1] / 20, sure[1] / 20]),  # not sure
            ]
        )
        rows, codes = choose_pseudo_labels(layer, features)
        assert dict(zip(rows.tolist(), codes.tolist(), strict=True)) == {0: 0, 1: 1}

    def test_no_class_takes_over(self):
        layer = nn.Identity()
        logits = 9 * torch.eye(3)[torch.tensor([0] * 50 + [1] * 4 + [2] * 4)]
        logits[0] *= 2  # the surest of its class
        rows, codes = choose_pseudo_labels(layer, logits[:, None])
        assert torch.bincount(codes).tolist() == [8, 4, 4]
        assert 0 in rows

    def test_nothing_is_sure(self, skilled):
        network = skilled.net_.module_
        layer = network.head[-1]
        features = torch.zeros(5, 2, layer.in_features)
        nothing = features[:0], torch.zeros(0, dtype=torch.int64)
        zero = copy.deepcopy(layer)
        nn.init.zeros_(zero.weight)
        nn.init.zeros_(zero.bias)
        assert self_train(network, zero, *nothing, features) is None

    def test_spread(self):
        assert spread(torch.eye(4)) == pytest.approx(4)
        assert spread(torch.tensor([[1.0, 0.0], [1.0, 0.0]])) == pytest.approx(1)


def tune(network, cells):
    rows = cells.labelled
    tune_network(network, cells, rows, cells.codes[rows], uniform(len(rows)))


class TestTuning:
    @pytest.fixture
    def cells(self, home):
        X, y = home
        codes = torch.full((160,), -1)
        codes[torch.from_numpy(y == "lymphocyte")] = 4
        codes[torch.from_numpy(y == "monocyte")] = 5
        return Cells(torch.from_numpy(other_laboratory(X)), codes, None, torch.device("cpu"))

    def loss(self, network, cells):
        network.eval()
        with torch.no_grad():
            logits = network(cells.prepare(network, cells.labelled))
        return nn.functional.cross_entropy(logits, cells.codes[cells.labelled])

    def test_it_learns_and_leaves_the_statistics(self, skilled, cells):
        network = copy.deepcopy(skilled.net_.module_)
        before = copy.deepcopy(network)
        torch.manual_seed(0)
        tune(network, cells)

        assert self.loss(network, cells) < self.loss(before, cells)
        for (name, was), now in zip(
            before.named_buffers(), network.buffers(), strict=True
        ):  # the statistics
            assert torch.equal(was, now), name

    def test_it_is_held_to_what_it_was(self, skilled, cells, monkeypatch):
        def flat(network):
            return torch.cat([p.detach().flatten() for p in network.parameters()])

        def distance(pull):
            monkeypatch.setattr(_tune, "_PULL", pull)
            network = copy.deepcopy(skilled.net_.module_)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                tune(network, cells)
            return (flat(network) - flat(skilled.net_.module_)).norm()

        as_shipped, free = _tune._PULL, distance(0.0)
        assert distance(as_shipped) < 0.98 * free
        assert distance(0.1) < 0.5 * free

    def test_what_the_fit_froze_stays(self, skilled, cells):
        network = copy.deepcopy(skilled.net_.module_)
        network.backbones[0].train_only("head")
        before = copy.deepcopy(network.backbones.state_dict())
        tune(network, cells)
        assert all(torch.equal(before[k], v) for k, v in network.backbones.state_dict().items())
