"""Standardization, channels, sizes and freezing of a backbone."""

import numpy as np
import pytest
import torch
from torch import nn

from skblood.networks import Backbone, ImageStandardize, Standardize, create_backbone

TIMM, TORCHVISION = "test_resnet", "torchvision/shufflenet_v2_x0_5"


class TestStandardize:
    @pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4, 6)], ids=["rows", "images"])
    def test_per_channel(self, shape):
        x = torch.rand(shape)
        standardize = Standardize(np.array([0.1, 0.5, 0.0]), np.array([0.5, 2.0, 1.0]))
        out = standardize(x)
        assert out.dtype == torch.float32
        for channel, (mean, std) in enumerate([(0.1, 0.5), (0.5, 2.0), (0.0, 1.0)]):
            assert torch.allclose(out[:, channel], (x[:, channel] - mean) / std)
        assert list(standardize.state_dict()) == ["mean", "std"]
        assert not list(standardize.parameters())

    def test_zero_std_counts_as_one(self):
        out = Standardize([0.25, 0.25], [0.0, 0.5])(torch.ones(2, 2))
        assert out.tolist() == [[0.75, 1.5]] * 2


class TestImageStandardize:
    def test_darkest_and_brightest_spot(self):
        x = torch.full((2, 3, 32, 32), 0.4)
        x[:, :, 4:6, 4:6], x[:, :, 20:22, 8:10] = 0.2, 0.8
        x[:, :, 0, 0] = 1.0  # noise: a pixel, not a spot
        found = ImageStandardize(3)(x)
        expected = 4 * (0.4 - 0.2) / (0.6 + 0.05) - 2
        assert torch.allclose(found[:, :, 12, 12], torch.tensor(expected))
        assert torch.allclose(found[:, :, 4, 4], torch.tensor(-2.0))
        assert torch.allclose(found[:, :, 20, 8], torch.tensor(4 * 0.6 / 0.65 - 2))

    @pytest.mark.parametrize("side", [1, 5, 47])
    def test_any_size_and_blank_images(self, side):
        found = ImageStandardize(1)(torch.rand(2, 1, side, side + 3))
        assert found.shape == (2, 1, side, side + 3)
        assert torch.isfinite(found).all()
        blank = ImageStandardize(1)(torch.full((2, 1, side, side), 0.7))
        assert (blank + 2).abs().max() < 1e-4


class TestStatistics:
    def test_those_of_the_images_or_the_middle(self, small):
        backbone = small(statistics=([0.7, 0.6, 0.5], [0.1, 0.2, 0.3]))
        assert backbone.standardize.mean.tolist() == pytest.approx([0.7, 0.6, 0.5])
        assert backbone.standardize.std.tolist() == pytest.approx([0.1, 0.2, 0.3])
        assert small().standardize.mean.tolist() == [0.5] * 3


class TestShapes:
    @pytest.mark.parametrize("name", [TIMM, TORCHVISION])
    def test_gray_images_are_repeated(self, name):
        backbone = create_backbone(name, weights=None, image_shape=(64, 64, 1)).eval()
        gray = torch.rand(2, 1, 64, 64)
        with torch.no_grad():
            assert torch.equal(backbone(gray), backbone(gray.expand(-1, 3, -1, -1)))

    @pytest.mark.parametrize("name", [TIMM, TORCHVISION])
    def test_other_channels_are_an_error(self, name):
        match = rf"backbone='{name}' takes images of 3 channels \(or gray ones\).*\(64, 64, 4\)"
        with pytest.raises(ValueError, match=match):
            create_backbone(name, weights=None, image_shape=(64, 64, 4))

    @pytest.mark.parametrize(
        ("name", "size"),
        [
            ("test_vit", (100, 100)),
            ("torchvision/alexnet", (32, 32)),
            ("torchvision/vit_b_32", (64, 96)),
            ("test_byobnet", (1, 0)),
        ],
    )
    def test_size_that_the_network_does_not_take(self, name, size):
        with pytest.raises(ValueError, match="image_size") as caught:
            create_backbone(name, weights=None, image_shape=(*size, 3))
        assert f"{size[0]}x{size[1]} px" in str(caught.value)
        assert repr(name) in str(caught.value)


def trained_names(backbone):
    return {name for name, p in backbone.body.named_parameters() if p.requires_grad}


def names_under(backbone, prefixes):
    return {name for name, _ in backbone.body.named_parameters() if name.startswith(prefixes)}


class TestTrainOnly:
    @pytest.mark.parametrize(
        ("name", "trainable", "prefixes"),
        [
            (TIMM, 2, ("layer3.", "layer4.")),
            ("test_vit", 1, ("blocks.5.", "norm.")),
            ("cellnet_t", 1, ("stages.2.",)),
            ("cellnet_t", np.int64(3), ("stages.",)),
            (TORCHVISION, 2, ("stage4.", "conv5.")),
            ("torchvision/mobilenet_v3_small", 2, ("features.12.", "classifier.")),
            ("torchvision/squeezenet1_0", 1, ("features.12.",)),
        ],
    )
    def test_last_stages(self, small, name, trainable, prefixes):
        backbone = small(name, 64, trainable=trainable)
        assert not backbone.frozen
        assert trained_names(backbone) == names_under(backbone, prefixes) != set()

    @pytest.mark.parametrize(
        ("name", "n_stages"), [(TIMM, 5), ("test_vit", 7), ("cellnet_t", 4), (TORCHVISION, 5)]
    )
    def test_all_head_and_number_of_stages(self, small, name, n_stages):
        backbone = small(name, 64)
        for trainable, prefix, frozen in [("head", (), True), (n_stages, "", False)] * 2:
            backbone.train_only(trainable)
            assert trained_names(backbone) == names_under(backbone, prefix)
            assert backbone.frozen is frozen
        backbone.train_only("all")
        assert trained_names(backbone) == names_under(backbone, "")
        for too_many in (n_stages + 1, np.int64(n_stages + 1), np.int32(n_stages + 3)):
            with pytest.raises(ValueError, match=f"trainable={too_many}, .*has {n_stages} stages"):
                backbone.train_only(too_many)

    @pytest.mark.parametrize(
        ("name", "trainable", "prefixes"),
        [
            (TIMM, 2, ("layer3.", "layer4.")),
            (TORCHVISION, "head", ()),
            (TIMM, "all", ("",)),
        ],
    )
    def test_only_trained_statistics_and_gradients(self, small, name, trainable, prefixes):
        backbone = small(name, 64, trainable=trainable).eval().train()
        before = {n: b.clone() for n, b in backbone.body.named_buffers()}
        features = backbone(torch.rand(4, 3, 64, 64))
        moved = {n for n, b in backbone.body.named_buffers() if not torch.equal(b, before[n])}
        assert moved == {n for n in before if n.startswith(prefixes)}
        if features.requires_grad:
            features.sum().backward()
        with_gradient = {n for n, p in backbone.body.named_parameters() if p.grad is not None}
        assert with_gradient == trained_names(backbone)

    @pytest.mark.parametrize(
        ("trainable", "in_training"),
        [("all", [True, True]), (2, [True, True]), (1, [False, True]), ("head", [False, False])],
    )
    def test_dropout_of_the_frozen_part_is_off(self, trainable, in_training):
        stem = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
        last = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        stages = [["0.0.weight", "0.0.bias"], ["1.0.weight", "1.0.bias"]]
        body = nn.Sequential(stem, last)
        backbone = Backbone(body, Standardize([0.0] * 3, [1.0] * 3), 3, stages, trainable)
        backbone.train()
        assert [stem[1].training, last[1].training] == in_training
        assert not any(module.training for module in backbone.eval().modules())
