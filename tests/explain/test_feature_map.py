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
    generator = torch.Generator().manual_seed(0)
    backbone = Backbone(body, Standardize([0.5] * 3, [0.25] * 3), 3)
    backbone.num_features = num_features
    image = torch.rand(1, 3, side, side, generator=generator)
    return backbone.eval().requires_grad_(False), image


def build(name, side=SIDE):
    backbone = create_backbone(name, weights=None, image_shape=(side, side, 3))
    return wrap(backbone.body, backbone.num_features, side)


def recorded_layer(backbone):
    """Return the name of the layer whose output is recorded."""
    hooked = [name for name, layer in backbone.body.named_modules() if layer._forward_hooks]
    assert len(hooked) == 1
    return hooked[0]


def run(backbone, image):
    """Return the weighted sum of the channels of the last feature map of a backbone."""
    feature_map = FeatureMap(backbone, "some name", image)
    features = backbone(image)
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
    backbone, image = build(name, side)
    cam = run(backbone, image)
    assert recorded_layer(backbone) == layer
    assert cam.shape == grid


def test_the_last_layers_work_in_place():
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    backbone, image = wrap(body, 4)
    cam = run(backbone, image)
    activations = backbone.body[:2](backbone.standardize(image))
    # Of a mean, the gradients add up to 1.
    torch.testing.assert_close(cam, activations[0, 0])


def test_a_layer_that_is_used_twice_counts_where_it_comes_last():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.conv = nn.ReLU(), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.act(self.conv(self.act(x))).mean((2, 3))

    backbone, image = wrap(Twice(), 3)
    cam = run(backbone, image)
    assert recorded_layer(backbone) == "act"
    features = backbone(image)
    torch.testing.assert_close(cam.mean(), features[0, 0].detach())


def make_vit(depth=2, **options):
    return VisionTransformer(
        img_size=SIDE,
        patch_size=8,
        embed_dim=16,
        depth=depth,
        num_heads=2,
        num_classes=0,
        **options,
    )


@pytest.mark.parametrize(
    "pool, options, layer",
    [
        ("token", {}, "blocks.0"),  # behind the last block, nobody reads the patches
        ("token", {"reg_tokens": 2}, "blocks.0"),
        ("token", {"depth": 1}, "norm_pre"),
        ("avg", {"class_token": False}, "norm"),
        ("map", {}, "norm"),
    ],
)
def test_vision_transformers(pool, options, layer):
    body = make_vit(global_pool=pool, **options)
    backbone, image = wrap(body, 16)
    cam = run(backbone, image)
    assert recorded_layer(backbone) == layer
    assert cam.shape == (4, 4)
    assert cam.any()


def test_patches_are_where_they_were_cut():
    backbone, image = wrap(make_vit(global_pool="avg", class_token=False, depth=1), 16)
    feature_map = FeatureMap(backbone, "vit", image)
    changed = image.clone()
    changed[:, :, 8:16, 24:32] += 1  # the patch in the second row, the fourth column
    outputs = []
    with torch.no_grad():
        for each in (image, changed):
            backbone(each)
            outputs.append(feature_map._as_nchw(feature_map.output))
    difference = (outputs[1] - outputs[0]).abs().sum(1)[0]
    assert difference.argmax() == 1 * 4 + 3


def test_channels_last():
    body = SwinTransformer(
        img_size=SIDE,
        patch_size=4,
        window_size=4,
        embed_dim=8,
        depths=(1, 1),
        num_heads=(1, 2),
        num_classes=0,
    )
    backbone, image = wrap(body, 16)
    feature_map = FeatureMap(backbone, "swin", image)
    assert recorded_layer(backbone) == "norm"
    backbone(image)
    assert feature_map.output.shape == (1, 4, 4, 16)
    assert feature_map._as_nchw(feature_map.output).shape == (1, 16, 4, 4)


def test_a_square_of_as_many_channels_is_not_taken_for_channels_last():
    body = nn.Sequential(nn.Conv2d(3, SIDE, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone, image = wrap(body, SIDE)
    cam = run(backbone, image)
    torch.testing.assert_close(cam, backbone.body[0](backbone.standardize(image))[0, 0])


def test_tokens_of_which_nobody_says_where_they_are():
    body = TorchvisionTransformer(
        image_size=SIDE, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
    )
    body.heads = nn.Identity()
    backbone, image = wrap(body, 16)
    message = r"'torchvision/vit_b_16' returns \(17, 16\).*transformer of timm"
    with pytest.raises(ValueError, match=message):
        FeatureMap(backbone, "torchvision/vit_b_16", image)


def test_no_map_at_all():
    backbone, image = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 4)), 4)
    with pytest.raises(ValueError, match="No layer of backbone 'dense' has a feature map"):
        FeatureMap(backbone, "dense", image)


def test_gradients_end_at_the_map():
    backbone, image = build("cellnet_t")
    feature_map = FeatureMap(backbone, "cellnet_t", image)
    backbone(image)
    assert feature_map.output.is_leaf
    assert feature_map.output.requires_grad


def test_a_fitted_transformer(cells):
    X, y = cells
    clf = TransferCellClassifier(
        "test_vit", weights=None, image_size=160, batch_size=4, max_epochs=1, random_state=0
    )
    maps = grad_cam(clf.fit(X[:8], y[:8]), X[:2])
    assert maps.shape == (2, 160, 160)
    assert maps.max() == 1
