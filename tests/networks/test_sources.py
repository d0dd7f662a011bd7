"""Networks of timm and torchvision without their classifiers."""

import pytest
import torch

from skblood.networks import create_backbone
from skblood.networks._sources import build_body

# One of each family, and the width in front of its classifier.
TORCHVISION_WIDTHS = {
    "alexnet": 4096,
    "convnext_tiny": 768,
    "densenet121": 1024,
    "efficientnet_b0": 1280,
    "googlenet": 1024,
    "inception_v3": 2048,
    "maxvit_t": 512,
    "mnasnet0_5": 1280,
    "mobilenet_v2": 1280,
    "mobilenet_v3_small": 1024,
    "regnet_x_400mf": 400,
    "resnet18": 512,
    "resnext50_32x4d": 2048,
    "shufflenet_v2_x0_5": 1024,
    "squeezenet1_0": 512,
    "swin_t": 768,
    "swin_v2_t": 768,
    "vgg11_bn": 4096,
    "vit_b_32": 768,
    "wide_resnet50_2": 2048,
}
TIMM_WIDTHS = {
    "test_byobnet": 256,
    "test_convnext": 64,
    "test_efficientnet": 256,
    "test_resnet": 96,
    "test_vit": 64,
}


def assert_stages_hold_all(body):
    listed = [parameter for stage in body.stages for parameter in stage]
    assert len(body.stages) >= 3
    assert sorted(listed) == sorted(n for n, _ in body.module.named_parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION_WIDTHS)
def test_torchvision_classifier_is_cut(name):
    # Shapes without numbers cost no time. RegNet computes its widths with tensors.
    with torch.device("cpu" if name == "regnet_x_400mf" else "meta"):
        body = build_body(f"torchvision/{name}", None, 3, (224, 224))
        features = body.module.train()(torch.rand(2, 3, 224, 224))
    assert features.shape == (2, TORCHVISION_WIDTHS[name])
    assert not [n for n, p in body.module.named_parameters() if p.shape[0] == 1000]
    assert_stages_hold_all(body)


@pytest.mark.parametrize("name", ["squeezenet1_0", "shufflenet_v2_x0_5"])
def test_torchvision_features_are_what_its_classifier_would_see(name):
    from torchvision import models

    whole = models.get_model(name, weights=None).eval()
    backbone = create_backbone(f"torchvision/{name}", weights=None).eval()
    backbone.body.load_state_dict(whole.state_dict(), strict=False)
    seen = []
    if name == "squeezenet1_0":  # its classifier is a convolution of the last map
        whole.features.register_forward_hook(lambda *args: seen.append(args[2].mean((2, 3))))
    else:
        last = [m for m in whole.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        whole(backbone.standardize(x))
        assert torch.allclose(backbone(x), seen[0], atol=1e-5)


@pytest.mark.parametrize("name", [*TIMM_WIDTHS, "cellnet_t", "cellnet_s"])
def test_timm_stages_partition_the_parameters_in_order(name):
    body = build_body(name, None, 3, (64, 64))
    assert_stages_hold_all(body)
    assert next(iter(body.module.state_dict())) in body.stages[0]


@pytest.mark.parametrize(("size", "n_patches"), [((64, 64), 16), ((32, 96), 12)])
def test_transformer_is_built_for_the_size_of_the_images(size, n_patches):
    backbone = create_backbone("test_vit", weights=None, image_shape=(*size, 3))
    assert backbone.body.pos_embed.shape[1] == n_patches + 1
    assert backbone(torch.rand(2, 3, *size)).shape == (2, 64)
