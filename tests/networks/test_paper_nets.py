"""The convolutional networks of papers on blood cells, and the U-Net."""

import pytest
import torch
from torch import nn

from skblood.networks import UNet, create_backbone

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
    if name == "cnn_asghar":  # 22 layers with dropout, flattening, a dense layer and the output
        assert len(layers(backbone.body, (nn.Conv2d, nn.ReLU, nn.MaxPool2d))) + 4 == 22


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("size", "n_channels"), [((33, 17), 3), ((16, 16), 1)], ids=str)
def test_any_size_and_channels(name, size, n_channels):
    backbone = create_backbone(name, image_shape=(*size, n_channels))
    features = backbone(torch.rand(2, n_channels, *size))
    assert backbone.in_channels == layers(backbone.body, nn.Conv2d)[0].in_channels == n_channels
    assert features.shape == (2, backbone.num_features)
    features.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in backbone.parameters())


@pytest.mark.parametrize(("name", "least"), [("cnn_batista", 8), ("cnn_asghar", 16)])
def test_image_that_is_too_small(name, least):
    create_backbone(name, image_shape=(least, least, 3))
    with pytest.raises(ValueError, match=f"7x40 px.* needs {least} px or more") as caught:
        create_backbone(name, image_shape=(7, 40, 3))
    assert "Choose another image_size" in str(caught.value)


def test_batista_gets_pixels_between_minus_one_and_one():
    for n_channels in (1, 3):
        backbone = create_backbone("cnn_batista", image_shape=(28, 28, n_channels))
        given = backbone.standardize(torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1))
        assert given.flatten().tolist() == [-1.0, 0.0, 1.0]


class TestUNet:
    def test_last_map_has_the_size_of_the_image(self):
        network = UNet((4, 8, 16)).eval()
        for size in [(28, 28), (17, 5), (1, 1), (2, 3)]:
            x = torch.rand(1, 3, *size)
            assert network.forward_features(x).shape == (1, 4, *size)
            assert torch.allclose(network(x), network.forward_features(x).mean((2, 3)), atol=1e-6)

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
