"""Head, network and dihedral views."""

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
    dihedral_views,
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
    @pytest.mark.parametrize(
        ("hidden", "kinds"),
        [
            ((), [nn.Dropout, OutputLayer]),
            ((8, 4), [nn.Linear, nn.ReLU, nn.Dropout] * 2 + [OutputLayer]),
        ],
        ids=str,
    )
    def test_layers(self, hidden, kinds):
        head = make_head(6, hidden, 3, dropout=0.25)
        assert [type(layer) for layer in head] == kinds
        widths = [m.out_features for m in head if isinstance(m, nn.Linear)]
        assert widths == [*hidden, 3]
        assert {m.p for m in head if isinstance(m, nn.Dropout)} == {0.25}
        assert head(torch.rand(5, 6)).shape == (5, 3)

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

    def test_prepare_keeps_the_images_own_size_and_floats(self, network):
        images = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
        prepared = CellNetwork(cellnets("all"), nn.Identity()).prepare(images)
        assert prepared.flatten().tolist() == pytest.approx([0, 0.2, 1])
        assert images.flatten().tolist() == [0, 51, 255]
        for shape in [(2, 5), (2, 3, 9, 9)]:
            x = torch.rand(shape)
            assert network.prepare(x) is x

    def test_features_of_two_backbones_side_by_side(self, network):
        x = torch.rand(2, 3, 16, 16)
        one, other = (backbone(x) for backbone in network.backbones)
        features = network.encode(x)
        assert torch.equal(features, torch.cat([one, other], 1))
        assert torch.equal(network(features), network(x))
        assert torch.equal(network.head[-1](network.penultimate(x)), network(x))
        network.scale = nn.Hardtanh(-0.1, 0.1)
        assert torch.equal(network(features), network.head(features.clamp(-0.1, 0.1)))

    def test_frozen_if_all_backbones_are(self):
        for trainable, frozen in [(("head", "head"), True), (("head", 1), False)]:
            assert CellNetwork(cellnets(*trainable), nn.Identity()).frozen is frozen

    def test_dihedral_views_are_averaged_in_prediction(self, network):
        x = torch.rand(2, 3, 16, 16)
        expected = torch.stack([network(view) for view in dihedral_views(x, 8)]).mean(0)
        network.dihedral_views = 8
        assert torch.allclose(network(x), expected)
        for view in dihedral_views(x, 8):  # how a cell lies does not count
            assert torch.allclose(network(view), expected, atol=1e-5)


def test_dihedral_views():
    x = torch.rand(2, 3, 5, 5)
    assert torch.equal(dihedral_views(x, 2)[1], x.flip(3))
    for n_views in (1, 2, 4, 8):
        views = dihedral_views(x, n_views)
        assert torch.equal(views[0], x)
        assert len({view.contiguous().numpy().tobytes() for view in views}) == n_views


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
