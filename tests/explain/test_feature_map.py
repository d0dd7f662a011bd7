"""The last feature map of a network: its layer and its layout."""

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionTransformer

from skblood import TransferCellClassifier
from skblood.explain import grad_cam
from skblood.explain._feature_map import FeatureMap
from skblood.networks import Backbone, Standardize, create_backbone

SIDE = 32


def wrap(body, num_features, side=SIDE):
    """Return a frozen backbone around a body, and an image for it."""
    backbone = Backbone(body, Standardize([0.5] * 3, [0.25] * 3), 3)
    backbone.num_features = num_features
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    return backbone.eval().requires_grad_(False), image


def recorded_layer(backbone):
    """Return the name of the layer whose output is recorded."""
    (name,) = [name for name, layer in backbone.body.named_modules() if layer._forward_hooks]
    return name


def run(backbone, image):
    """Return the weighted sum of the channels of the last feature map of a backbone."""
    feature_map = FeatureMap(backbone, "some name", image)
    features = backbone(image)
    assert feature_map.output.is_leaf and feature_map.output.requires_grad
    (gradient,) = torch.autograd.grad(features[0, 0], feature_map.output)
    return feature_map.weight(gradient)[0].detach()


@pytest.mark.parametrize(
    "name, side, layer, grid",
    [
        ("cellnet_t", 32, "stages", (8, 8)),
        ("cellnet_s", 8, "stages.2", (2, 2)),  # the last stage has one position
        ("cnn_batista", 32, "features", (4, 4)),
        ("test_efficientnet", 64, "bn2", (2, 2)),
        ("torchvision/squeezenet1_1", 64, "features", (3, 3)),
    ],
)
def test_convolutional_networks(name, side, layer, grid):
    built = create_backbone(name, weights=None, image_shape=(side, side, 3))
    backbone, image = wrap(built.body, built.num_features, side)
    assert run(backbone, image).shape == grid
    assert recorded_layer(backbone) == layer


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.act, self.conv = nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.act(self.conv(self.act(x.clone()))).mean((2, 3))


def test_a_layer_in_place_that_is_used_twice_counts_where_it_comes_last():
    backbone, image = wrap(Twice(), 3)
    cam = run(backbone, image)
    assert recorded_layer(backbone) == "act"
    # Of a mean, the gradients add up to 1.
    torch.testing.assert_close(cam.mean(), backbone(image)[0, 0].detach())


@pytest.mark.parametrize(
    "options, layer",
    [
        ({"global_pool": "token"}, "blocks.0"),  # nobody reads the patches of the last block
        ({"global_pool": "token", "reg_tokens": 2}, "blocks.0"),
        ({"global_pool": "token", "depth": 1}, "norm_pre"),
        ({"global_pool": "avg", "class_token": False}, "norm"),
        ({"global_pool": "map"}, "norm"),
    ],
    ids=str,
)
def test_vision_transformers(options, layer):
    options = {"depth": 2, "patch_size": 8, "embed_dim": 16, "num_heads": 2, **options}
    backbone, image = wrap(VisionTransformer(img_size=SIDE, num_classes=0, **options), 16)
    cam = run(backbone, image)
    assert recorded_layer(backbone) == layer
    assert cam.shape == (4, 4) and cam.any()


def test_patches_are_where_they_were_cut():
    options = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2, "num_classes": 0}
    body = VisionTransformer(img_size=SIDE, global_pool="avg", class_token=False, **options)
    backbone, image = wrap(body, 16)
    feature_map = FeatureMap(backbone, "vit", image)
    changed = image.clone()
    changed[:, :, 8:16, 24:32] += 1  # the patch in the second row, the fourth column
    outputs = []
    for each in (image, changed):
        backbone(each)
        outputs.append(feature_map._as_nchw(feature_map.output))
    assert (outputs[1] - outputs[0]).abs().sum(1)[0].argmax() == 1 * 4 + 3


def test_channels_last():
    options = {"patch_size": 4, "window_size": 4, "embed_dim": 8, "depths": (1, 1)}
    body = SwinTransformer(img_size=SIDE, num_heads=(1, 2), num_classes=0, **options)
    backbone, image = wrap(body, 16)
    assert run(backbone, image).shape == (4, 4)
    assert recorded_layer(backbone) == "norm"


def test_a_square_of_as_many_channels_is_not_taken_for_channels_last():
    body = nn.Sequential(nn.Conv2d(3, SIDE, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone, image = wrap(body, SIDE)
    expected = backbone.body[0](backbone.standardize(image))[0, 0]
    torch.testing.assert_close(run(backbone, image), expected)


def test_networks_without_a_map():
    options = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 16}
    body = TorchvisionTransformer(image_size=SIDE, patch_size=8, **options)
    body.heads = nn.Identity()
    backbone, image = wrap(body, 16)
    with pytest.raises(ValueError, match=r"'vit_b_16' returns \(17, 16\).*transformer of timm"):
        FeatureMap(backbone, "vit_b_16", image)
    backbone, image = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 4)), 4)
    with pytest.raises(ValueError, match="No layer of backbone 'dense' has a feature map"):
        FeatureMap(backbone, "dense", image)


def test_a_fitted_transformer(cells):
    X, y = cells
    options = {"image_size": 160, "batch_size": 4, "max_epochs": 1, "random_state": 0}
    clf = TransferCellClassifier("test_vit", weights=None, **options).fit(X[:8], y[:8])
    maps = grad_cam(clf, X[:2])
    assert maps.shape == (2, 160, 160)
    assert maps.max() == 1
