"""Training that continues from a fitted network: which changes it allows."""

import copy
from dataclasses import replace

from torch import nn

from skblood.networks import configure_network


def continue_network(former, network, spec):
    """Return the specification and a copy of the network that training continues with.

    What is trained may change (gradual unfreezing), and so may dropout, crop and interpolation.

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
        If the network cannot be what the parameters ask for.
    """
    changes = [
        f"{what} was {old!r} and is now {new!r}"
        for what, old, new in _pairs(former, spec)
        if old != new
    ]
    if changes:
        raise ValueError(
            f"warm_start=True continues the training of the fitted network, but {changes[0]}. "
            "Leave that unchanged, or set warm_start=False."
        )
    backbones = tuple(
        replace(old, trained=new.trained)
        for old, new in zip(former.backbones, spec.backbones, strict=True)
    )
    head = replace(former.head, dropout=spec.head.dropout)
    spec = replace(spec, backbones=backbones, head=head, dihedral_views=former.dihedral_views)
    network = copy.deepcopy(network)
    configure_network(network, spec)
    for module in network.head.modules():
        if isinstance(module, nn.Dropout):
            module.p = head.dropout
    return spec, network


def _pairs(former, spec):
    """Yield what has to stay as it is, with its values then and now."""
    yield "classes", list(former.classes), list(spec.classes)
    yield "the shape of the images", former.image_shape, spec.image_shape
    yield "the kind of X (pixels or numbers)", former.is_pixels, spec.is_pixels
    yield "image_size", former.image_size, spec.image_size
    yield (
        "the backbone",
        [each.name for each in former.backbones],
        [each.name for each in spec.backbones],
    )
    yield (
        "standardize",
        [each.standardize for each in former.backbones],
        [each.standardize for each in spec.backbones],
    )
    for name in ("hidden_layer_sizes", "activation", "batch_norm"):
        yield name, getattr(former.head, name), getattr(spec.head, name)
