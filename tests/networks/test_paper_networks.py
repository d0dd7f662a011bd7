"""The networks of papers on blood cells: their layers, and images of any size."""

import pytest
import timm
import torch
from torch import nn

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.networks import PlainCNN, UNet, create_backbone

PLAIN = {
    # name: the paper's size, channels of the convolutions, size of the last map
    "cnn_batista": (28, [32, 64, 128], 3),
    "cnn_asghar": (100, [32, 64, 64, 64, 128, 256, 256], 6),
    "cnn_battu": (128, [32, 64, 128, 128], 8),
}
NAMES = [*PLAIN, "unet_classifier"]


def layers(module, kind):
    return [layer for layer in module.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize("name", PLAIN)
def test_layers_and_the_map_that_is_flattened(name):
    size, channels, side = PLAIN[name]
    backbone = create_backbone(name, image_shape=(size, size, 3))
    convolutions = layers(backbone.body, nn.Conv2d)
    assert [layer.out_channels for layer in convolutions] == channels
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert backbone.num_features == channels[-1] * side**2
    assert len(layers(backbone.body, nn.ReLU)) == len(channels)


def test_asghar_counts_22_layers():
    """With dropout, flattening, a dense layer and the output, which are the classifier's."""
    body = create_backbone("cnn_asghar", image_shape=(100, 100, 3)).body
    counted = layers(body, (nn.Conv2d, nn.ReLU, nn.MaxPool2d))
    assert len(counted) + len(["dropout", "flatten", "dense", "output"]) == 22


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(28, 28), (33, 47), (129, 31), (16, 16)], ids=str)
def test_works_at_any_size(name, size):
    backbone = create_backbone(name, image_shape=(*size, 3))
    features = backbone(torch.rand(2, 3, *size))
    assert features.shape == (2, backbone.num_features)
    assert torch.isfinite(features).all()
    features.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in backbone.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_built_for_the_channels_of_the_images(name, n_channels):
    backbone = create_backbone(name, image_shape=(32, 32, n_channels))
    assert backbone.in_channels == n_channels
    assert layers(backbone.body, nn.Conv2d)[0].in_channels == n_channels
    assert backbone(torch.rand(2, n_channels, 32, 32)).shape == (2, backbone.num_features)


@pytest.mark.parametrize(("name", "least"), [("cnn_batista", 8), ("cnn_asghar", 16)])
def test_too_small_an_image_says_what_is_large_enough(name, least):
    create_backbone(name, image_shape=(least, least, 3))
    with pytest.raises(ValueError, match=f"7x40 px.* needs {least} px or more") as caught:
        create_backbone(name, image_shape=(7, 40, 3))
    assert "Choose another image_size" in str(caught.value)


def test_batista_gets_pixels_between_minus_one_and_one():
    for n_channels in (1, 3):
        backbone = create_backbone("cnn_batista", image_shape=(28, 28, n_channels))
        given = backbone.standardize(torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1))
        assert given.flatten().tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ["cnn_asghar", "cnn_battu", "unet_classifier"])
def test_the_others_are_normalised_by_the_training_images(name):
    statistics = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    backbone = create_backbone(name, image_shape=(32, 32, 3), statistics=statistics)
    assert backbone.standardize.mean.tolist() == pytest.approx(statistics[0])
    assert backbone.standardize.std.tolist() == pytest.approx(statistics[1])


def test_the_signal_survives_seven_convolutions():
    features = create_backbone("cnn_asghar", image_shape=(64, 64, 3))(torch.rand(4, 3, 64, 64))
    assert 0.1 < features.std() < 30


@pytest.mark.parametrize(("name", "n_stages"), [("cnn_batista", 3), ("unet_classifier", 9)])
def test_the_last_stages_can_be_trained_alone(name, n_stages):
    backbone = create_backbone(name, image_shape=(32, 32, 3), trainable=1)
    trained = [n for n, p in backbone.body.named_parameters() if p.requires_grad]
    prefixes = {"cnn_batista": "features.2.", "unet_classifier": "decoder.3."}
    assert trained
    assert all(each.startswith(prefixes[name]) for each in trained)
    with pytest.raises(ValueError, match=f"has {n_stages} stages"):
        create_backbone(name, image_shape=(32, 32, 3), trainable=n_stages + 1)


def test_what_is_trained_can_be_said_anew():
    backbone = create_backbone("unet_classifier", image_shape=(32, 32, 3))
    backbone.train_only("head")
    assert backbone.frozen
    assert not any(p.requires_grad for p in backbone.parameters())
    assert not any(each.training for each in layers(backbone.train(), nn.BatchNorm2d))
    backbone.train_only("all")
    assert not backbone.frozen
    assert all(p.requires_grad for p in backbone.parameters())
    assert all(each.training for each in layers(backbone.train(), nn.BatchNorm2d))


class TestUNet:
    def test_the_last_map_has_the_size_of_the_image(self):
        network = UNet((4, 8, 16)).eval()
        for size in [(28, 28), (17, 5), (1, 1), (2, 3)]:
            assert network.forward_features(torch.rand(1, 3, *size)).shape == (1, 4, *size)

    @pytest.mark.parametrize("level", [0, 1])
    def test_skips_carry_the_encoders_maps(self, level):
        """With the map from below switched off, the decoder still sees the encoder's."""
        network = UNet((4, 8, 16)).eval()
        for each in network.decoder:
            nn.init.zeros_(each.narrow.weight)
            nn.init.zeros_(each.narrow.bias)
        x = torch.rand(1, 3, 16, 16, requires_grad=True)
        seen = []
        network.decoder[level].register_forward_hook(lambda module, args, out: seen.append(out))
        network(x)
        seen[0].sum().backward()
        assert x.grad.abs().max() > 0

    def test_learns(self):
        """From bright and dark images, by its own classifier."""
        torch.manual_seed(0)
        network = UNet((8, 16, 32), num_classes=2)
        codes = torch.arange(16) % 2
        x = torch.rand(16, 3, 8, 8) + codes.view(-1, 1, 1, 1)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        losses = []
        for _ in range(60):
            loss = nn.functional.cross_entropy(network(x), codes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]

    def test_features_are_the_mean_of_the_map(self):
        network = UNet((4, 8)).eval()
        x = torch.rand(2, 3, 12, 12)
        assert torch.allclose(network(x), network.forward_features(x).mean((2, 3)))


class TestAsTimmModels:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("n_classes", [0, 3])
    def test_classifier(self, name, n_classes):
        network = timm.create_model(name, num_classes=5, img_size=(32, 32)).eval()
        x = torch.rand(2, 3, 32, 32)
        assert network(x).shape == (2, 5)
        assert network.get_classifier().out_features == network.num_classes == 5
        network.reset_classifier(n_classes)
        assert network.num_classes == n_classes
        assert network(x).shape == (2, n_classes or network.num_features)

    def test_convolutions_fit_all_sizes(self):
        shapes = [
            [tuple(p.shape) for p in PlainCNN(((4,), (6, 6)), img_size=size).parameters()]
            for size in [(28, 28), (100, 64)]
        ]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cnn_batista", {"hidden_layer_sizes": (128,), "dropout": 0.3, "max_epochs": 12}),
        ("cnn_asghar", {"hidden_layer_sizes": (128,), "dropout": 0.25, "max_epochs": 12}),
    ],
)
def test_learns(name, settings):
    three = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}
    X, y = make_blood_cells(64, image_size=16, class_weights=three, random_state=0)
    clf = TransferCellClassifier(
        name, lr=1e-3, batch_size=16, augment=None, random_state=0, **settings
    ).fit(X, y)
    assert clf.score(X, y) > 0.7


class TestPublishedNetworksAtSmallSizes:
    """timm's networks that papers used, from scratch at a fraction of their size."""

    @pytest.mark.parametrize(
        ("name", "size"),
        [
            ("mobilenetv2_100", 32),
            ("efficientnet_b0", 64),
            ("vit_small_patch16_224", 32),
            ("legacy_xception", 48),
            ("resnetv2_50", 32),
            ("inception_v3", 75),
        ],
    )
    def test_one_step(self, name, size):
        backbone = create_backbone(name, weights=None, image_shape=(size, size, 3)).train()
        features = backbone(torch.rand(2, 3, size, size))
        features.square().mean().backward()
        grads = [p.grad for p in backbone.parameters() if p.grad is not None]
        assert len(grads) > 10
        assert all(torch.isfinite(grad).all() for grad in grads)

    def test_the_least_size_is_told(self):
        with pytest.raises(ValueError, match=r"74x90 px: .*\. Set image_size=75 or more\."):
            create_backbone("inception_v3", weights=None, image_shape=(74, 90, 3))

    def test_patches_are_told(self):
        with pytest.raises(ValueError, match="100x100 px: it cuts images into patches of 16x16"):
            create_backbone("vit_small_patch16_224", weights=None, image_shape=(100, 100, 3))
