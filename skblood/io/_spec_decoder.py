"""Decoding of network specifications: JSON of a file to a checked `NetworkSpec`."""

import math

from skblood.images import CROP_RANGE, INTERPOLATIONS
from skblood.networks import ACTIVATIONS, BackboneSpec, HeadSpec, NetworkSpec

from ._values import short

# Bounds of what is computed before the tensors are compared: characters of a name, and numbers in
# an image (height x width x channels).
_MAX_NAME = 2**10
_MAX_IMAGE = 2**26


def decode_spec(stored, n_tensors):
    """Return the specification that `NetworkSpec.to_dict` wrote.

    Parameters
    ----------
    stored : dict
        JSON of a file, which anybody may have made.
    n_tensors : int
        Number of tensors in the file. Each backbone and each layer has one at least.

    Returns
    -------
    spec : NetworkSpec

    Raises
    ------
    ValueError
        If a field is missing, unknown, or has a value that no `fit` writes.
    """
    backbones = [_decode(BackboneSpec, each, _BACKBONE) for each in stored["backbones"]]
    head = stored["head"]
    if head is not None:
        head = _decode(HeadSpec, head, _HEAD)
    spec = _decode(NetworkSpec, {**stored, "backbones": backbones, "head": head}, _NETWORK)
    sizes = head.hidden_layer_sizes if head else ()
    if not 1 <= max(len(backbones), len(sizes)) <= n_tensors:
        raise ValueError(f"its network has more or fewer parts than its {n_tensors} tensors")
    if (spec.head is None) != (spec.classes is None):
        raise ValueError("its network must have both head and classes, or neither")
    if spec.image_size not in (None, spec.image_shape[:2]):
        raise ValueError("image_size of its network is not that of image_shape")
    return spec


def _decode(cls, stored, checks):
    if set(stored) != set(checks):
        raise ValueError(f"its {cls.__name__} holds {short(sorted(stored))}")
    for name, is_valid in checks.items():
        if not is_valid(stored[name]):
            raise ValueError(f"{name} of its {cls.__name__} is {short(stored[name])}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})


def _is_count(value):
    return type(value) is int and 1 <= value < 2**53


def _is_shape(value, n):
    return type(value) is list and len(value) == n and all(map(_is_count, value))


def _is_name(value):
    return isinstance(value, str) and len(value) <= _MAX_NAME


def _is_number(value, low, high):
    return type(value) in (int, float) and low <= value <= high


def _is_classes(value):
    kinds = {type(label) for label in value}
    return len(kinds) == 1 and kinds <= {bool, int, float, str} and len(set(value)) > 1


_BACKBONE = {
    "name": _is_name,
    "weights": lambda v: v is None or _is_name(v),
    "trained": lambda v: v in ("all", "head") or _is_count(v),
    "standardize": lambda v: v in ("channel", "image"),
}
_HEAD = {
    "hidden_layer_sizes": lambda v: type(v) is list and all(map(_is_count, v)),
    "dropout": lambda v: _is_number(v, 0, 1),
    "activation": lambda v: v in [*ACTIVATIONS],
    "batch_norm": lambda v: isinstance(v, bool),
    "standardize_features": lambda v: isinstance(v, bool),
}
_NETWORK = {
    "backbones": lambda v: len(v) > 0,
    "head": lambda v: True,
    "classes": lambda v: v is None or _is_classes(v),
    "input_shape": lambda v: _is_shape(v, 3),
    "image_shape": lambda v: _is_shape(v, 3) and math.prod(v) <= _MAX_IMAGE,
    "is_pixels": lambda v: isinstance(v, bool),
    "image_size": lambda v: v is None or _is_shape(v, 2),
    "crop": lambda v: _is_number(v, *CROP_RANGE),
    "interpolation": lambda v: v in INTERPOLATIONS,
    "dihedral_views": lambda v: type(v) is int and v in (1, 2, 4, 8),
    "precision": lambda v: v in ("auto", "float32", "bfloat16"),
}
