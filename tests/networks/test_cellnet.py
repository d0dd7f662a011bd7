"""Our own networks: any size from one pixel on, any number of channels."""

import pytest
import timm
import torch

from skblood.networks import create_backbone
from skblood.networks._cellnet import ResidualBlock

SIZES = [(28, 28), (64, 64), (33, 47), (129, 31), (1, 1), (1, 2)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_works_at_any_size(size):
    backbone = create_backbone("cellnet_t", weights=None, image_shape=(*size, 3))
    for training in (True, False):
        features = backbone.train(training)(torch.rand(2, 3, *size))
        assert features.shape == (2, 48)
        assert torch.isfinite(features).all()
    features.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in backbone.parameters())


def test_weights_fit_all_sizes():
    networks = [timm.create_model("cellnet_t", img_size=size) for size in SIZES]
    shapes = [{n: tuple(t.shape) for n, t in each.state_dict().items()} for each in networks]
    assert all(shape == shapes[0] for shape in shapes)


@pytest.mark.parametrize(
    ("size", "stem_side", "last_side"), [(28, 28, 7), (47, 47, 12), (48, 24, 6), (100, 50, 13)]
)
def test_resolution_follows_the_image_size(size, stem_side, last_side):
    network = timm.create_model("cellnet_t", img_size=(size, size)).eval()
    x = torch.rand(1, 3, size, size)
    assert network.stem(x).shape[2:] == (stem_side, stem_side)
    assert network.forward_features(x).shape[2:] == (last_side, last_side)


class TestResidualBlock:
    @pytest.mark.parametrize(("channels", "stride"), [(4, 1), (8, 1), (4, 2), (8, 2)])
    def test_starts_as_its_shortcut(self, channels, stride):
        block = ResidualBlock(4, channels, stride).eval()
        for size in [(8, 8), (7, 5), (1, 1), (2, 9)]:
            x = torch.rand(2, 4, *size)
            out = block(x)
            assert torch.equal(out, block.shortcut(x).relu())
            assert out.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))

    def test_shortcut_skips_no_pixel_and_keeps_flat_images_flat(self):
        block = ResidualBlock(4, 8, 2).eval()
        for size in [(8, 8), (7, 5), (1, 3)]:
            x = torch.rand(1, 4, *size, requires_grad=True)
            block.shortcut(x)[0, 0].sum().backward()
            assert (x.grad != 0).all()
        flat = block.shortcut(torch.ones(1, 4, 5, 7))
        assert torch.allclose(flat, flat[:, :, :1, :1].expand_as(flat))
        assert isinstance(ResidualBlock(4, 4, 1).shortcut, torch.nn.Identity)
