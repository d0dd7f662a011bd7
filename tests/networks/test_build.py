"""From a specification to the network, and the specification itself."""

import pytest
import torch

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.networks import (
    PRETRAINED_WEIGHTS,
    BackboneSpec,
    HeadSpec,
    ImageStandardize,
    NetworkSpec,
    _weights as weights_module,
    build_network,
)

PIXEL_HEAD = HeadSpec((6,), 0.1, "gelu", batch_norm=True)


def make_spec(**changes):
    fields = {
        "backbones": (BackboneSpec("cellnet_t", None, "head"), BackboneSpec("cellnet_t")),
        "head": HeadSpec((8,), 0.25),
        "classes": ("a", "b", "c"),
        "input_shape": (20, 20, 3),
        "image_shape": (16, 16, 3),
        "image_size": (16, 16),
    }
    return NetworkSpec(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "n_features"),
    [
        ({}, 96),
        ({"backbones": (BackboneSpec("cellnet_t", standardize="image"),)}, 48),
        ({"backbones": (BackboneSpec("pixels"),), "head": PIXEL_HEAD}, 768),
        ({"head": None, "classes": None}, None),
        ({"backbones": (BackboneSpec("cellnet_s", "pbc"),)}, 192),
        ({"backbones": (BackboneSpec("cell_lite0", "blood8-2"),)}, 192),
        ({"backbones": (BackboneSpec("test_resnet", "default", 1),), "dihedral_views": 4}, 96),
    ],
)
def test_build_network_reads_nothing(changes, n_features, monkeypatch):
    """Its tensors are those of the network that a fit makes, which may load weights."""

    def refuse(*args, **kwargs):
        pytest.fail("weights were read")

    monkeypatch.setattr(weights_module, "_read_state", refuse)
    monkeypatch.setattr("skblood.networks._sources.load_pretrained_body", refuse)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", refuse)
    spec = make_spec(**changes)
    network = build_network(spec).eval()
    out = network(network.prepare(torch.zeros(2, 3, 20, 20, dtype=torch.uint8)))
    if spec.head is None:
        assert isinstance(network.head, torch.nn.Identity)
    else:
        assert out.shape == (2, 3)
        assert network.head[0].in_features == n_features
    assert network.dihedral_views == spec.dihedral_views
    assert network.frozen is spec.frozen
    by_image = [isinstance(each.standardize, ImageStandardize) for each in network.backbones]
    pretrained = (
        spec.backbones[0].weights in PRETRAINED_WEIGHTS
    )  # those weights know their standardization
    assert by_image == [each.standardize == "image" or pretrained for each in spec.backbones]


@pytest.mark.parametrize("options", [{}, {"trainable": "head"}])
def test_weights_of_a_fit_go_into_it(options):
    X, y = make_blood_cells(32, image_size=16, random_state=0)
    clf = TransferCellClassifier(
        "cellnet_t", max_epochs=1, image_size=20, random_state=0, device="cpu", **options
    ).fit(X, y)
    built = build_network(clf.spec_).eval()
    built.load_state_dict(clf.net_.module_.state_dict())
    x = torch.from_numpy(X[:4]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = clf.net_.module_.eval()(clf.net_.module_.prepare(x))
        assert torch.allclose(built(built.prepare(x)), expected, atol=1e-6)


class TestSpec:
    def test_accepted_shape(self):
        assert make_spec().accepted_shape == (16, 16, 3)
        own_size = make_spec(input_shape=(24, 24, 3), image_size=None, crop=0.5)
        assert own_size.accepted_shape == (24, 24, 3)

    def test_with_crop(self):
        spec = make_spec(image_size=None, input_shape=(16, 16, 3)).with_crop(0.5)
        assert (spec.crop, spec.image_size) == (0.5, (16, 16))
        with pytest.raises(ValueError, match="rows of numbers, which cannot be cropped"):
            make_spec(input_shape=(1, 12, 1)).with_crop(0.5)
