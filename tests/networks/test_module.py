"""Head, network and dihedral views."""

import copy
import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from skblood.images import resize_batch
from skblood.networks import (
    ACTIVATIONS,
    CellNetwork,
    check_layer_sizes,
    create_backbone,
    hash_weights,
    make_head,
)
from skblood.networks._module import OutputLayer


def cellnets(*trainable):
    shape = (16, 16, 3)
    return [
        create_backbone("cellnet_t", weights=None, trainable=each, image_shape=shape)
        for each in trainable
    ]


@pytest.fixture
def network():
    torch.manual_seed(0)
    head = make_head(96, (8,), 4, dropout=0.5)
    return CellNetwork(cellnets("all", "all"), head, (16, 16)).eval()


class TestMakeHead:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_activation_and_batch_norm(self, activation):
        head = make_head(6, (8,), 3, dropout=0.0, activation=activation, batch_norm=True)
        kinds = [nn.Linear, nn.BatchNorm1d, ACTIVATIONS[activation], nn.Dropout, OutputLayer]
        assert [type(layer) for layer in head] == kinds
        assert head[0].bias is None

    def test_layer_sizes(self):
        assert check_layer_sizes([np.int64(8), 4]) == (8, 4)
        assert check_layer_sizes(np.array([8])) == (8,)
        for sizes in [(0,), (-1,), (2.5,), ("a",)]:
            with pytest.raises(ValueError, match=r"hidden_layer_sizes=.*positive integers"):
                check_layer_sizes(sizes)


class TestCellNetwork:
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
    def test_prepare_resizes_and_scales_pixels(self, interpolation):
        network = CellNetwork(cellnets("all"), nn.Identity(), (16, 12), interpolation)
        images = torch.randint(256, (3, 3, 20, 24), dtype=torch.uint8)
        expected = resize_batch(images, (16, 12), interpolation) / 255
        assert torch.equal(network.prepare(images), expected)

    def test_features_of_two_backbones_side_by_side(self, network):
        x = torch.rand(2, 3, 16, 16)
        one, other = (backbone(x) for backbone in network.backbones)
        features = network.encode(x)
        assert torch.equal(features, torch.cat([one, other], 1))
        assert torch.equal(network(features), network(x))
        assert torch.equal(network.head[-1](network.penultimate(x)), network(x))
        network.scale = nn.Hardtanh(-0.1, 0.1)
        assert torch.equal(network(features), network.head(features.clamp(-0.1, 0.1)))

    @pytest.mark.parametrize("crops", [(1.0,), (1.0, 0.5)])
    def test_views_are_averaged_in_prediction(self, network, crops):
        x = torch.rand(2, 3, 16, 16)
        plain, network.dihedral_views, network.view_crops = copy.deepcopy(network), 8, crops
        views = network.views(x)
        assert len(views) == 8 * len(crops)
        expected = torch.stack([plain(view) for view in views]).mean(0)
        assert torch.allclose(network(x), expected)
        for view in views[:8]:  # how a cell lies does not count
            assert torch.allclose(network(view), expected, atol=1e-5)

    def test_dihedral_views(self, network):
        x = torch.rand(2, 3, 5, 5)
        for network.dihedral_views in (1, 2, 4, 8):
            views = network.views(x)
            assert torch.equal(views[0], x)
            assert len({each.contiguous().numpy().tobytes() for each in views}) == len(views)
            assert len(views) == network.dihedral_views
            assert len(views) == 1 or torch.equal(views[1], x.flip(3))

    @pytest.mark.parametrize(("height", "width"), [(8, 12), (9, 5), (1, 2)])
    def test_a_view_of_a_crop_is_its_center_enlarged(self, network, height, width):
        network.view_crops = (0.5,)
        x = torch.rand(2, 3, height, width)
        (view,) = network.views(x)
        assert view.shape == x.shape
        ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
        (view,) = network.views(ramp)
        assert torch.allclose(view.mean(), ramp.mean(), atol=1e-6)
        if width > 4:
            assert view.max() - view.min() < 0.7


def test_hash_of_weights():
    def digest(module):
        hashed = hashlib.sha256()
        hash_weights(module, hashed)
        return hashed.hexdigest()

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    first = digest(module)
    assert digest(module.to(memory_format=torch.channels_last)) == first
    with torch.no_grad():
        module[1].running_mean[2] += 1e-6
    assert digest(module) != first
    assert digest(nn.Linear(2, 2).double()) != digest(nn.Linear(2, 2))
