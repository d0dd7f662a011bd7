"""Normalisation, channels, sizes and freezing of a backbone."""

import pytest
import torch
from torch import nn

from skblood.networks import Backbone, Standardize, create_backbone

TIMM, TORCHVISION = "test_resnet", "torchvision/shufflenet_v2_x0_5"


class TestStandardize:
    @pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4, 6)], ids=["rows", "images"])
    def test_per_channel(self, shape):
        x = torch.rand(shape, dtype=torch.float32)
        out = Standardize([0.1, 0.5, 0.0], [0.5, 2.0, 1.0])(x)
        for channel, (mean, std) in enumerate([(0.1, 0.5), (0.5, 2.0), (0.0, 1.0)]):
            assert torch.allclose(out[:, channel], (x[:, channel] - mean) / std)

    def test_zero_std_counts_as_one(self):
        out = Standardize([0.25, 0.25], [0.0, 0.5])(torch.ones(2, 2))
        assert out.tolist() == [[0.75, 1.5]] * 2

    def test_is_saved_and_moved_but_not_trained(self):
        standardize = Standardize([0.5], [0.25])
        assert list(standardize.state_dict()) == ["mean", "std"]
        assert not list(standardize.parameters())

    def test_float64_statistics_keep_the_batch_float32(self):
        mean = torch.tensor([0.5], dtype=torch.float64)
        assert Standardize(mean, mean)(torch.rand(2, 1)).dtype == torch.float32


class TestStatistics:
    def test_published_ones_win(self, small):
        backbone = small(TIMM, statistics=([0.9] * 3, [0.1] * 3))
        assert backbone.standardize.mean.tolist() == [0.5] * 3

    def test_those_of_the_images_are_used_by_our_own(self, small):
        backbone = small(statistics=([0.7, 0.6, 0.5], [0.1, 0.2, 0.3]))
        assert backbone.standardize.mean.tolist() == pytest.approx([0.7, 0.6, 0.5])
        assert backbone.standardize.std.tolist() == pytest.approx([0.1, 0.2, 0.3])

    def test_without_any_our_own_take_the_middle(self, small):
        assert small().standardize.mean.tolist() == [0.5] * 3


class TestChannels:
    @pytest.mark.parametrize("name", [TIMM, TORCHVISION])
    def test_gray_images_are_repeated(self, name):
        backbone = create_backbone(name, weights=None, image_shape=(64, 64, 1)).eval()
        gray = torch.rand(2, 1, 64, 64)
        assert backbone.in_channels == 3
        with torch.no_grad():
            assert torch.equal(backbone(gray), backbone(gray.expand(-1, 3, -1, -1)))

    @pytest.mark.parametrize("name", [TIMM, TORCHVISION])
    @pytest.mark.parametrize("n_channels", [2, 4])
    def test_other_channels_are_an_error(self, name, n_channels):
        with pytest.raises(ValueError, match=r"takes images of 3 channels \(or gray ones\)") as e:
            create_backbone(name, weights=None, image_shape=(64, 64, n_channels))
        assert repr(name) in str(e.value)
        assert str((64, 64, n_channels)) in str(e.value)


class TestSizes:
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
        with pytest.raises(ValueError, match=r"(Choose another|Set) image_size") as caught:
            create_backbone(name, weights=None, image_shape=(*size, 3))
        assert f"{size[0]}x{size[1]} px" in str(caught.value)
        assert repr(name) in str(caught.value)

    @pytest.mark.parametrize("size", [(32, 32), (33, 47), (160, 160)], ids=str)
    @pytest.mark.parametrize("name", [TIMM, TORCHVISION])
    def test_convolutions_take_any(self, name, size):
        backbone = create_backbone(name, weights=None, image_shape=(*size, 3)).eval()
        assert backbone(torch.rand(1, 3, *size)).shape == (1, backbone.num_features)


def trained_names(backbone):
    return {name for name, p in backbone.body.named_parameters() if p.requires_grad}


def names_under(backbone, prefixes):
    return {name for name, _ in backbone.body.named_parameters() if name.startswith(prefixes)}


LAST_STAGES = [
    (TIMM, 1, ("layer4.",)),
    (TIMM, 2, ("layer3.", "layer4.")),
    ("test_vit", 1, ("blocks.5.", "norm.")),
    ("test_vit", 3, ("blocks.3.", "blocks.4.", "blocks.5.", "norm.")),
    ("cellnet_t", 1, ("stages.2.",)),
    ("cellnet_t", 3, ("stages.",)),
    (TORCHVISION, 1, ("conv5.",)),
    (TORCHVISION, 2, ("stage4.", "conv5.")),
    ("torchvision/mobilenet_v3_small", 2, ("features.12.", "classifier.")),
    ("torchvision/squeezenet1_0", 1, ("features.12.",)),
]


class TestFreezing:
    @pytest.mark.parametrize(("name", "trainable", "prefixes"), LAST_STAGES)
    def test_last_stages_are_trained(self, small, name, trainable, prefixes):
        backbone = small(name, 64, trainable=trainable)
        assert not backbone.frozen
        assert trained_names(backbone) == names_under(backbone, prefixes) != set()

    @pytest.mark.parametrize("name", [TIMM, "test_vit", "cellnet_t", TORCHVISION])
    def test_all_head_and_every_stage(self, small, name):
        every = small(name, 64, trainable="all")
        assert trained_names(every) == names_under(every, "")
        assert not every.frozen
        head = small(name, 64, trainable="head")
        assert trained_names(head) == set()
        assert head.frozen

    @pytest.mark.parametrize(
        ("name", "n_stages"), [(TIMM, 5), ("test_vit", 7), ("cellnet_t", 4), (TORCHVISION, 5)]
    )
    def test_number_of_stages(self, small, name, n_stages):
        backbone = small(name, 64, trainable=n_stages)
        assert trained_names(backbone) == names_under(backbone, "")
        with pytest.raises(ValueError, match=f"has {n_stages} stages") as caught:
            small(name, 64, trainable=n_stages + 1)
        assert f"trainable={n_stages + 1}" in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "trainable", "prefixes"),
        [
            (TIMM, 2, ("layer3.", "layer4.")),
            ("cellnet_t", 1, ("stages.2.",)),
            (TORCHVISION, 2, ("stage4.", "conv5.")),
            (TIMM, "head", ()),
            (TORCHVISION, "head", ()),
            (TIMM, "all", ("",)),
        ],
    )
    def test_only_trained_statistics_move(self, small, name, trainable, prefixes):
        backbone = small(name, 64, trainable=trainable)
        backbone.eval()
        backbone.train()
        before = {n: b.clone() for n, b in backbone.body.named_buffers()}
        features = backbone(torch.rand(4, 3, 64, 64))
        moved = {n for n, b in backbone.body.named_buffers() if not torch.equal(b, before[n])}
        assert moved == {n for n in before if n.startswith(prefixes)}
        assert features.requires_grad == (trainable != "head")

    def test_only_trained_parameters_get_gradients(self, small):
        backbone = small(TIMM, 64, trainable=1).train()
        backbone(torch.rand(2, 3, 64, 64)).sum().backward()
        with_gradient = {n for n, p in backbone.body.named_parameters() if p.grad is not None}
        assert with_gradient == trained_names(backbone)

    @pytest.mark.parametrize("name", [TIMM, "test_vit", "torchvision/mobilenet_v3_small"])
    def test_frozen_network_gives_the_same_in_training(self, small, name):
        backbone = small(name, 64, trainable="head")
        x = torch.rand(3, 3, 64, 64)
        with torch.no_grad():
            evaluated = backbone.eval()(x)
            assert torch.equal(backbone.train()(x), evaluated)

    def test_evaluation_mode_reaches_everything(self, small):
        backbone = small(TIMM, 64, trainable=1).train()
        backbone.eval()
        assert not any(module.training for module in backbone.modules())

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
