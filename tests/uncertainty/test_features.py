"""Features: stages of a network and the input of its output layer, or a table."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from torch import nn

from skblood.uncertainty._features import (
    _network_levels,
    _pool,
    _stage_modules,
    extract_features,
    takes_pixels,
)


class TestOfANetwork:
    def test_levels(self, network, some_cells):
        assert takes_pixels(network) and not takes_pixels(LogisticRegression())
        levels = extract_features(network, some_cells[0][:20])
        # The stem and three stages, mean and standard deviation each; the hidden layer.
        widths = [level.shape for level in levels]
        assert widths == [(20, 32), (20, 32), (20, 64), (20, 96), (20, 256)]
        assert all(np.isfinite(level).all() and level.std(axis=0).max() > 0 for level in levels)

    def test_means_of_the_last_stage_are_the_features_of_the_backbone(self, network, some_cells):
        X = some_cells[0][:8]
        expected = network.predictor_.features(network.read_images(X))
        level = extract_features(network, X)[3]
        assert_allclose(level[:, :48], expected, rtol=0.05, atol=0.02)  # bfloat16 on some CPUs

    def test_order_and_form_of_the_images(self, network, some_cells):
        X = some_cells[0][:20]
        levels = extract_features(network, X)
        for form, order in ((X[::-1], -1), (list(X), 1), (X.reshape(20, -1), 1)):
            for level, other in zip(levels, extract_features(network, form), strict=True):
                assert_allclose(level, other[::order], rtol=1e-5, atol=1e-5)

    def test_the_network_is_not_changed(self, network, some_cells):
        before = network.predict_proba(some_cells[0][:40])
        extract_features(network, some_cells[0][:40])
        assert_array_equal(network.predict_proba(some_cells[0][:40]), before)
        modules = network.predictor_.network.modules()
        assert not any(module._forward_hooks for module in modules)


def test_features_of_any_other_estimator_are_the_table():
    X = np.random.default_rng(0).normal(size=(5, 3))
    assert_array_equal(extract_features(LogisticRegression(), X), [X])
    assert_array_equal(extract_features(None, X), [X])


@pytest.mark.parametrize(
    ("shape", "layout"), [((2, 5, 3, 4), "NCHW"), ((2, 3, 4, 5), "NHWC"), ((2, 7, 5), "NCHW")]
)
def test_pooling(shape, layout):
    """Mean and standard deviation of 5 channels; 3-D are the tokens of a transformer."""
    x = torch.randn(shape)
    channels = x.movedim(1, -1) if len(shape) == 4 and layout == "NCHW" else x
    flat = channels.reshape(2, -1, 5)
    expected = torch.cat([flat.mean(1), flat.std(1, correction=0)], dim=1)
    assert_allclose(_pool(x, layout), expected, rtol=1e-5, atol=1e-6)


class Backbone:
    body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.Flatten()))
    stages = (["0.weight", "0.bias"], ["1.0.weight", "1.1.weight"], ["0.weight", "1.1.bias"])


def test_stages_are_found_by_the_common_module_of_their_parameters():
    assert [*_stage_modules(Backbone)] == [*Backbone.body]  # the third has parameters of both


def test_a_stage_without_a_map_is_left_out():
    network = SimpleNamespace(backbones=[Backbone], penultimate=Backbone.body)
    predictor = SimpleNamespace(network=network, run=lambda step, x: step(x).detach().numpy())
    levels = _network_levels(predictor, torch.randn(2, 3, 6, 6))
    assert [level.shape for level in levels] == [(2, 8), (2, 144)]


class Returns(nn.Module):
    """A stage that has a parameter and returns its input in another form."""

    def __init__(self, form):
        super().__init__()
        self.weight, self.form = nn.Parameter(torch.ones(1)), form

    def forward(self, x):
        return self.form(x)


def test_maps_and_tokens_are_levels_and_other_outputs_are_not():
    forms = [lambda x: x, lambda x: x.flatten(2).mT, lambda x: (x,), lambda x: x[0].flatten(1)]
    body = nn.Sequential(*map(Returns, forms))
    backbone = SimpleNamespace(body=body, stages=[[f"{i}.weight"] for i in range(4)])
    network = SimpleNamespace(backbones=[backbone], penultimate=body)
    predictor = SimpleNamespace(network=network, run=lambda step, x: step(x).detach().numpy())
    x = torch.randn(2, 3, 6, 6)
    levels = _network_levels(predictor, x)
    assert [level.shape for level in levels] == [(2, 6), (2, 6), (2, 108)]
    assert_allclose(levels[0], levels[1], rtol=1e-5)
