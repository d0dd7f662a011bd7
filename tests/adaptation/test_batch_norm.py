"""Statistics of batch normalization: mixing and distance."""

import copy

import pytest
import torch
from torch import nn

from skblood.adaptation._batch_norm import (
    mix_statistics,
    with_target_statistics,
)
from skblood.inference import as_nchw
from skblood.networks import batch_norms

from .conftest import other_laboratory, same


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(n):
    return torch.full((n,), 1 / n)


@pytest.fixture
def small_net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4))


def test_share_1_replaces_the_statistics_layer_by_layer(small_net):
    weights = [p.clone() for p in small_net.parameters()]
    x = 3 + 2 * normal(20, 3, 8, 8)
    mix_statistics(small_net, x, 1.0, uniform(20))
    with torch.no_grad():
        outputs = small_net[:2](x), small_net(x)
    for out in outputs:  # the second layer was given what the first one returns now
        torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
        variance = out.var((0, 2, 3), correction=0)
        torch.testing.assert_close(variance, torch.ones(4), atol=1e-2, rtol=0)
    assert all(map(torch.equal, weights, small_net.parameters()))
    assert not small_net.training


def test_a_mixture_has_the_statistics_of_both_sets():
    old, new = normal(30, 5), 4 + 3 * normal(10, 5, seed=1)
    layer = nn.BatchNorm1d(5)
    mix_statistics(layer, old, 1.0, uniform(30))
    mix_statistics(layer, new, 0.0, uniform(10))  # changes nothing
    mix_statistics(layer, new, 0.25, uniform(10))
    both = torch.cat([old, new])
    torch.testing.assert_close(layer.running_mean, both.mean(0))
    torch.testing.assert_close(layer.running_var, both.var(0, correction=0))


def test_a_weight_counts_copies():
    x = normal(3, 5)
    one, other = nn.BatchNorm1d(5), nn.BatchNorm1d(5)
    mix_statistics(one, x, 1.0, torch.tensor([0.5, 0.25, 0.25]))
    mix_statistics(other, x[[0, 0, 1, 2]], 1.0, uniform(4))
    torch.testing.assert_close(one.running_var, other.running_var)
    torch.testing.assert_close(one.running_mean, other.running_mean)


def test_hooks_are_removed_after_an_error(small_net):
    with pytest.raises(RuntimeError):
        mix_statistics(small_net, normal(20, 7, 8, 8), 0.5, uniform(20))
    assert not any(module._forward_pre_hooks for module in small_net.modules())


def test_some_networks_have_no_statistics(small_net):
    assert batch_norms(small_net)
    assert not batch_norms(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)))
    assert not batch_norms(nn.BatchNorm1d(4, track_running_stats=False))


@pytest.mark.parametrize(("n_views", "crops"), [(1, (1.0,)), (8, (1.0, 0.5))])
def test_a_copy_moves_towards_the_target_laboratory(network, home, n_views, crops):
    given = copy.deepcopy(network)
    given.dihedral_views, given.view_crops = n_views, crops
    # Statistics would be mixed once for each view.
    before, images = copy.deepcopy(given.state_dict()), other_laboratory(home[0])
    no_labels, shares = torch.full((160,), -1), torch.full((8,), 1 / 8)
    moved = with_target_statistics(given, images, no_labels, shares)
    assert same(before, given.state_dict())

    body, x = network.backbones[0], network.prepare(as_nchw(torch.from_numpy(images)))
    with torch.no_grad():
        new = body.body.stem[0](body.standardize(x)).mean((0, 2, 3))
    old = before["backbones.0.body.stem.1.running_mean"]
    mean = moved.state_dict()["backbones.0.body.stem.1.running_mean"]
    share = ((mean - old) @ (new - old)) / ((new - old) @ (new - old))
    assert 0.5 < share < 0.75  # 160 cells against 100, weighted by class
