"""What a name stands for, without building or downloading anything."""

import dataclasses

import pytest
import timm
import torch

from skblood.networks import OWN_BACKBONES, BackboneConfig, backbone_config

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(autouse=True)
def no_network_is_built(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a network was built to look up a name")

    monkeypatch.setattr(torch.nn.Conv2d, "__init__", fail)
    backbone_config.cache_clear()


@pytest.mark.parametrize("name", sorted({*OWN_BACKBONES} - {"cnn_batista"}))
def test_our_own_leave_everything_to_the_training_images(name):
    assert backbone_config(name) == BackboneConfig(None, None, None, False)


@pytest.mark.parametrize(
    ("name", "size", "statistics"),
    [
        ("resnet18", 224, IMAGENET),
        ("mobilenetv2_100.ra_in1k", 224, IMAGENET),
        ("vit_small_patch16_224", 224, {"mean": (0.5,) * 3, "std": (0.5,) * 3}),
        ("test_resnet.r160_in1k", 160, {"mean": (0.5,) * 3, "std": (0.5,) * 3}),
        ("xception41", 299, {"mean": (0.5,) * 3, "std": (0.5,) * 3}),
        ("torchvision/resnet18", 224, IMAGENET),
        ("torchvision/inception_v3", 299, IMAGENET),
        ("torchvision/efficientnet_b1", 240, IMAGENET),
        ("torchvision/vit_h_14", 518, IMAGENET),
    ],
)
def test_published_preprocessing(name, size, statistics):
    config = backbone_config(name)
    assert config.image_size == (size, size)
    assert config.mean == pytest.approx(statistics["mean"])
    assert config.std == pytest.approx(statistics["std"])
    assert config.has_weights is True


def test_tag_chooses_the_preprocessing():
    """Two sets of weights of one architecture were trained with different input."""
    tags = ["vit_base_patch16_clip_224.openai", "vit_base_patch16_224.augreg_in21k"]
    assert len({backbone_config(tag).mean for tag in tags}) == 2


def test_timm_name_without_published_weights():
    assert backbone_config("vit_giant_patch14_224").has_weights is False


def test_our_own_are_in_timms_registry():
    assert set(OWN_BACKBONES) <= set(timm.list_models())
    assert not set(OWN_BACKBONES) & set(timm.list_models(pretrained=True))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet_50", "'resnet50'"),
        ("cellnets", "'cellnet_s'"),
        ("torchvision/resnet_18", "'torchvision/resnet18'"),
        ("torchvision/mobilenetv2", "'torchvision/mobilenet_v2'"),
        ("efficientnetb0", "'efficientnet_b0'"),
        ("torchvision/cellnet_s", "'cellnet_s'"),
        ("test_resnet.r160", "'test_resnet.r160_in1k'"),
        ("resnet18.a1_in1", "'resnet18.a1_in1k'"),
    ],
)
def test_unknown_name_brings_near_ones(name, near):
    with pytest.raises(ValueError, match="backbone=") as caught:
        backbone_config(name)
    assert repr(name) in str(caught.value)
    assert near in str(caught.value)


@pytest.mark.parametrize("name", ["qqqqqqqq", "torchvision/qqqqqqqq", "", "torchvision/"])
def test_hopeless_name_says_what_is_allowed(name):
    with pytest.raises(ValueError, match=r"timm\.list_models.*torchvision.*cellnet_s") as caught:
        backbone_config(name)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/fcn_resnet50",
        "torchvision/fasterrcnn_resnet50_fpn",
        "torchvision/quantized_resnet18",
        "torchvision/r3d_18",
    ],
)
def test_torchvision_models_that_classify_no_images_are_unknown(name):
    with pytest.raises(ValueError, match="no torchvision classification model"):
        backbone_config(name)


def test_config_cannot_be_changed():
    """It is shared by all who look the name up."""
    config = backbone_config("resnet18")
    assert backbone_config("resnet18") is config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.mean = (0.0, 0.0, 0.0)
