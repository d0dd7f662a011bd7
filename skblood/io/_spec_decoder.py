"""Decoding of network specifications: JSON of a file to a checked `NetworkSpec`."""

import math
from dataclasses import fields

from skblood.images import CROP_RANGE, INTERPOLATIONS
from skblood.networks import ACTIVATIONS, BackboneSpec, HeadSpec, NetworkSpec

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
    backbones = [_decode(BackboneSpec, each) for each in stored["backbones"]]
    head = None if stored["head"] is None else _decode(HeadSpec, stored["head"])
    defaults = {"bit_depth": None}  # which files of earlier versions lack
    spec = _decode(NetworkSpec, {**defaults, **stored, "backbones": backbones, "head": head})
    n_parts = max(len(backbones), len(head.hidden_layer_sizes) if head else 0)
    if not 1 <= n_parts <= n_tensors:
        raise ValueError(f"its network has more or fewer parts than its {n_tensors} tensors")
    if (spec.head is None) != (spec.classes is None):
        raise ValueError("its network must have both head and classes, or neither")
    if spec.image_size not in (None, spec.image_shape[:2]):
        raise ValueError("image_size of its network is not that of image_shape")
    return spec


def _decode(cls, stored):
    if set(stored) != {field.name for field in fields(cls)}:
        raise ValueError(f"its {cls.__name__} holds {sorted(stored)!r:.80}")
    for name, value in stored.items():
        if not _IS_VALID[name](value):
            raise ValueError(f"{name} of its {cls.__name__} is {value!r:.80}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})


def _is_name(value):
    return isinstance(value, str) and len(value) <= _MAX_NAME


def _are_counts(value, n=None):
    counts = type(value) is list and all(type(v) is int and 1 <= v < 2**53 for v in value)
    return counts and n in (None, len(value))


def _is_number(value, low, high):
    return type(value) in (int, float) and low <= value <= high


def _are_classes(value):
    kinds = {type(label) for label in value}
    return len(kinds) == 1 and kinds <= {bool, int, float, str} and len(set(value)) > 1


def _is_bool(value):
    return isinstance(value, bool)


# The fields of the three specifications, with the check of each.
_IS_VALID = {
    "name": _is_name,
    "weights": lambda v: v is None or _is_name(v),
    "trained": lambda v: v in ("all", "head") or _are_counts([v]),
    "standardize": lambda v: v in ("channel", "image"),
    "hidden_layer_sizes": _are_counts,
    "dropout": lambda v: _is_number(v, 0, 1),
    "activation": lambda v: v in [*ACTIVATIONS],
    "batch_norm": _is_bool,
    "standardize_features": _is_bool,
    "backbones": lambda v: len(v) > 0,
    "head": lambda v: True,
    "classes": lambda v: v is None or _are_classes(v),
    "input_shape": lambda v: _are_counts(v, 3),
    "image_shape": lambda v: _are_counts(v, 3) and math.prod(v) <= _MAX_IMAGE,
    "is_pixels": _is_bool,
    "image_size": lambda v: v is None or _are_counts(v, 2),
    "crop": lambda v: _is_number(v, *CROP_RANGE),
    "interpolation": lambda v: v in INTERPOLATIONS,
    "dihedral_views": lambda v: type(v) is int and v in (1, 2, 4, 8),
    "precision": lambda v: v in ("auto", "float32", "bfloat16"),
    "bit_depth": lambda v: v is None or (type(v) is int and 8 <= v <= 16),
}
