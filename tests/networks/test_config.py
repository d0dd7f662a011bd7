"""What a name stands for, without building or downloading anything."""

import pytest
import timm
import torch

from skblood.networks import OWN_BACKBONES, BackboneConfig, backbone_config

IMAGENET, HALF = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5,) * 3, (0.5,) * 3)


@pytest.fixture(autouse=True)
def no_network_is_built(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a network was built to look up a name")

    monkeypatch.setattr(torch.nn.Conv2d, "__init__", fail)
    backbone_config.cache_clear()


def test_our_own_take_everything_from_the_training_images():
    for name in {*OWN_BACKBONES} - {"cnn_batista"}:
        assert backbone_config(name) == BackboneConfig(None, None, None, False)
    assert set(OWN_BACKBONES) <= set(timm.list_models())
    assert not set(OWN_BACKBONES) & set(timm.list_models(pretrained=True))


@pytest.mark.parametrize(
    ("name", "size", "statistics"),
    [
        ("mobilenetv2_100.ra_in1k", 224, IMAGENET),
        ("vit_small_patch16_224", 224, HALF),
        ("test_resnet.r160_in1k", 160, HALF),
        ("xception41", 299, HALF),
        ("torchvision/resnet18", 224, IMAGENET),
        ("torchvision/efficientnet_b1", 240, IMAGENET),
        ("torchvision/vit_h_14", 518, IMAGENET),
    ],
)
def test_published_preprocessing(name, size, statistics):
    config = backbone_config(name)
    assert config.image_size == (size, size)
    assert (config.mean, config.std) == tuple(map(pytest.approx, statistics))
    assert config.has_weights is True


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet_50", "'resnet50'"),
        ("cellnets", "'cellnet_s'"),
        ("torchvision/mobilenetv2", "'torchvision/mobilenet_v2'"),
        ("torchvision/cellnet_s", "'cellnet_s'"),
        ("test_resnet.r160", "'test_resnet.r160_in1k'"),
    ],
)
def test_unknown_name_brings_near_ones(name, near):
    with pytest.raises(ValueError, match=f"backbone={name!r}") as caught:
        backbone_config(name)
    assert near in str(caught.value)


@pytest.mark.parametrize("name", ["qqqqqqqq", "torchvision/", "torchvision/fcn_resnet50"])
def test_name_that_resembles_none_says_what_is_allowed(name):
    with pytest.raises(ValueError, match=r"timm\.list_models.*torchvision.*cellnet_s"):
        backbone_config(name)
