"""The first layers of EfficientNet-Lite0."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from skblood.networks import create_backbone


@pytest.mark.parametrize("size", [(28, 28), (112, 112), (33, 47)], ids=str)
def test_works_at_any_size(size):
    backbone = create_backbone("cell_lite0", weights=None, image_shape=(*size, 3))
    assert backbone.num_features == 192
    features = backbone(torch.rand(2, 3, *size))
    features.square().sum().backward()
    assert features.shape == (2, 192)
    assert all(torch.isfinite(p.grad).all() for p in backbone.parameters())
    assert len(backbone.stages) == 7


def test_it_is_the_beginning_of_the_network_whose_weights_it_takes(tmp_path):
    """The features are the mean over the positions of that network's block, of the same weights."""
    whole = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    save_file(whole.state_dict(), tmp_path / "lite0.safetensors")
    with pytest.warns(UserWarning, match="does not have"):
        backbone = create_backbone(
            "cell_lite0", weights=tmp_path / "lite0.safetensors", image_shape=(64, 64, 3)
        ).eval()
    x = torch.rand(2, 3, 64, 64)
    maps = whole.blocks[:5](whole.bn1(whole.conv_stem(x)))
    expected = whole.blocks[5][0](maps).mean((2, 3))
    assert torch.allclose(backbone.body(x), expected, atol=1e-5)
    assert sum(p.numel() for p in backbone.body.parameters()) < 930_000
