"""Training that continues from a fitted network: which changes it allows."""

import copy
from dataclasses import replace

from torch import nn

from skblood.images import torch_defaults
from skblood.networks import configure_network

from ._prior import check_possible

# Settings of prediction, which no fit changes.
_OF_PREDICTION = ("dihedral_views", "view_crops", "class_factors")

_RULED_OUT = (
    "The model is restricted to others: train skblood.reconfigure(model, classes='all') instead, "
    "or leave out these images."
)


def check_continued(codes, model):
    """Raise ValueError if a fitted model, whose training continues, rules out a label."""
    check_possible(codes, model, _RULED_OUT)


def continued_frame(estimator, size, crop):
    """Return image size and crop that a fit reads images at.

    Those of the parameters; or, if the training of a network continues that was adapted or
    reconfigured to another crop, and the parameter `crop` is that of the last fit, the present
    ones.
    """
    if not (getattr(estimator, "warm_start", False) and hasattr(estimator, "spec_")):
        return size, crop
    spec, settings = estimator.spec_, estimator.fit_settings_
    if spec.crop == crop or settings.get("crop", repr(crop)) != repr(crop):
        return size, crop
    return size or spec.image_size, spec.crop


@torch_defaults()
def continue_network(former, network, spec):
    """Return the specification and a copy of the network that training continues with.

    What is trained may change (gradual unfreezing), and so may dropout and interpolation.

    Parameters
    ----------
    former : NetworkSpec
        Of the fitted network.
    network : CellNetwork
        The fitted network.
    spec : NetworkSpec
        What the parameters ask for now.

    Raises
    ------
    ValueError
        If the network is not what the parameters ask for.
    """
    asked = _fixed_part(spec)
    for name, value in _fixed_part(former).items():
        if asked[name] != value:
            raise ValueError(
                f"warm_start=True continues the training of the fitted network, but {name} was "
                f"{value!r} and is now {asked[name]!r}. Leave it, or set warm_start=False."
            )
    backbones = tuple(
        replace(old, trained=new.trained)
        for old, new in zip(former.backbones, spec.backbones, strict=True)
    )
    head = replace(former.head, dropout=spec.head.dropout)
    kept = {name: getattr(former, name) for name in _OF_PREDICTION}
    spec = replace(spec, backbones=backbones, head=head, **kept)
    network = copy.deepcopy(network)
    configure_network(network, spec)
    for module in network.head.modules():
        if isinstance(module, nn.Dropout):
            module.p = head.dropout
    return spec, network


def _fixed_part(spec):
    """Return what may not change, by name."""
    return {
        "classes": list(spec.classes),
        "the shape of the images": spec.image_shape,
        "crop": spec.crop,
        "the kind of X (pixels)": spec.is_pixels,
        "the backbone": [each.name for each in spec.backbones],
        "standardize": [each.standardize for each in spec.backbones],
        "hidden_layer_sizes": spec.head.hidden_layer_sizes,
        "activation": spec.head.activation,
    }
