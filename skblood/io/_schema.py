"""The fields of a file's JSON, each with the check of its value, which anybody may have made."""

import math
import re
import reprlib
from dataclasses import fields

import numpy as np
from skorch.history import History

from skblood.adaptation import Adaptation
from skblood.images import CROP_RANGE, INTERPOLATIONS
from skblood.networks import (
    ACTIVATIONS,
    MAX_VIEW_CROPS,
    VIEW_CROP_RANGE,
    BackboneSpec,
    HeadSpec,
    NetworkSpec,
)

# Numbers in an image (height x width x channels), at most: the network is built for it.
_MAX_IMAGE = 2**26


def check_names(what, found, needed, allowed=frozenset()):
    """Raise ValueError unless a dict has the keys that are needed, and no unknown one."""
    if odd := (needed - found.keys()) | (found.keys() - needed - allowed):
        raise ValueError(f"in its {what}, {sorted(odd)!r:.80} are missing or unknown")


def check_fields(what, found, checks, optional=frozenset()):
    """Raise ValueError unless a dict has these fields, and each a valid value."""
    check_names(what, found, checks.keys() - optional, optional)
    for name, value in found.items():
        if not checks[name](value):
            raise ValueError(f"{name} of its {what} is {reprlib.repr(value):.80}")


def decode_spec(stored, n_tensors):
    """Return the specification that `NetworkSpec.to_dict` wrote.

    Parameters
    ----------
    stored : dict
        JSON of a file.
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
    # What files of earlier versions lack comes first.
    backbones = [
        _decode(BackboneSpec, {"weights_sha256": None, **each}) for each in stored["backbones"]
    ]
    head = None if stored["head"] is None else _decode(HeadSpec, stored["head"])
    spec = {
        "bit_depth": None,
        "class_factors": None,
        "view_crops": [1.0],
        **stored,
        "backbones": backbones,
        "head": head,
    }
    spec = _decode(NetworkSpec, spec)
    n_parts = max(len(backbones), len(head.hidden_layer_sizes) if head else 0)
    if not 1 <= n_parts <= n_tensors:
        raise ValueError(f"its network has more or fewer parts than its {n_tensors} tensors")
    if (spec.head is None) != (spec.classes is None):
        raise ValueError("its network must have both head and classes, or neither")
    factors = spec.class_factors
    if factors is not None and len(factors) != len(spec.classes or ()):
        raise ValueError("class_factors of its network do not fit its classes")
    _check_preprocessing(spec)
    return spec


def check_attributes(attributes, spec):
    """Raise ValueError unless fitted attributes are valid and fit the network and one another."""
    needed = {"device_", "fit_settings_"} | (_OF_CLASSIFIERS if spec.head else set())
    unknown = set() if spec.head else _OF_CLASSIFIERS
    checks = {name: check for name, check in ATTRIBUTES.items() if name not in unknown}
    check_fields("attributes", attributes, checks, ATTRIBUTES.keys() - needed)
    if not spec.head:
        return
    n_epochs, data = attributes["n_iter_"], attributes["training_data_"]
    if not attributes["best_epoch_"] <= n_epochs == len(attributes["history_"]):
        raise ValueError("its history_, n_iter_ and best_epoch_ do not fit one another")
    if attributes["classes_"].tolist() != list(spec.classes):
        raise ValueError("its classes_ do not fit the network")
    counts = data["class_counts"]
    labels = [[*counts], [*data.get("class_weights", counts)]]
    if labels != [[*spec.classes]] * 2 or sum(counts.values()) != data["n_images"]:
        raise ValueError("class_counts of its training_data_ do not fit its classes and n_images")


def is_evaluation(value):
    """Return whether this is the JSON of a report, of several by name, or None."""
    return value is None or _is_report(value) or _is_map(value, _is_report)


def has_fields(value, checks):
    """Return whether this is a dict that has these fields, and each a valid value."""
    is_dict = isinstance(value, dict) and value.keys() == checks.keys()
    return is_dict and all(check(value[name]) for name, check in checks.items())


def _check_preprocessing(spec):
    """Raise ValueError if fields of a specification contradict one another."""
    *size, n_channels = spec.image_shape
    expected = spec.image_size or [spec.crop * side for side in spec.input_shape[:2]]
    # A crop is rounded to thousandths, and the side that it leaves to pixels.
    slack = 0 if spec.image_size or spec.crop == 1 else 1 + max(spec.input_shape) / 1000
    is_off = any(abs(a - b) > slack for a, b in zip(size, expected, strict=True))
    if is_off or n_channels != spec.input_shape[2]:
        raise ValueError("image_shape of its network is not what input_shape and image_size give")
    if not spec.is_pixels and (
        (spec.image_size, spec.crop) != (None, 1) or spec != spec.with_one_view()
    ):
        raise ValueError("its network takes rows of numbers, which are not cropped or resized")
    if spec.dihedral_views == 8 and size[0] != size[1]:
        raise ValueError("dihedral_views of its network are 8, but its images are not square")


def _decode(cls, stored):
    check_fields(cls.__name__, stored, {field.name: _SPEC[field.name] for field in fields(cls)})
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})


def _is_text(value):
    return type(value) is str


def _is_count(value, low=1):
    return type(value) is int and low <= value < 2**53


def _are_counts(value, n=None):
    return type(value) is list and all(map(_is_count, value)) and n in (None, len(value))


def _is_number(value):
    """Return whether this is a number, and no huge int."""
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _is_bool(value):
    return isinstance(value, bool)


def _are_classes(value):
    kinds = {type(label) for label in value}
    return len(kinds) == 1 and kinds <= {bool, int, float, str} and len(set(value)) > 1


def _is_map(value, is_valid):
    """Return whether this is a dict of str to valid values."""
    return isinstance(value, dict) and all(_is_text(k) and is_valid(v) for k, v in value.items())


def _are_label_counts(value):
    return isinstance(value, dict) and all(_is_count(n, 0) for n in value.values())


def _are_weights(value):
    return isinstance(value, dict) and all(_is_number(w) and w >= 0 for w in value.values())


def _are_view_crops(value):
    least, most = VIEW_CROP_RANGE
    is_list = type(value) is list and 1 <= len(value) <= MAX_VIEW_CROPS
    return is_list and all(_is_number(share) and least <= share <= most for share in value)


def _are_factors(value):
    """Return whether these are factors of probabilities, two or more of them above 0."""
    are_numbers = type(value) is list and all(map(_is_number, value))
    return are_numbers and all(0 <= v < math.inf for v in value) and sum(v > 0 for v in value) > 1


def _is_sha256(value):
    return _is_text(value) and bool(re.fullmatch("[0-9a-f]{64}", value))


def _is_figure(value):
    return _is_number(value) or isinstance(value, bool | str) or value == []


def _is_report(value):
    is_report = isinstance(value, dict) and _is_count(value.get("n_images"))
    return is_report and _is_map(value.get("scores"), _is_estimate)


def _is_estimate(value):
    return _is_map(value, lambda end: end is None or _is_number(end)) and "value" in value


# The fields of the three specifications, with the check of each.
_SPEC = {
    "name": _is_text,
    "weights": lambda v: v is None or _is_text(v),
    "weights_sha256": lambda v: v is None or _is_sha256(v),
    "trained": lambda v: v in ("all", "head") or _are_counts([v]),
    "standardize": lambda v: v in ("channel", "image"),
    "hidden_layer_sizes": _are_counts,
    "dropout": lambda v: _is_number(v) and 0 <= v <= 1,
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
    "crop": lambda v: _is_number(v) and CROP_RANGE[0] <= v <= CROP_RANGE[1],
    "interpolation": lambda v: v in INTERPOLATIONS,
    "dihedral_views": lambda v: type(v) is int and v in (1, 2, 4, 8),
    "view_crops": _are_view_crops,
    "precision": lambda v: v in ("auto", "float32", "bfloat16"),
    "bit_depth": lambda v: v is None or (type(v) is int and 8 <= v <= 16),
    "class_factors": lambda v: v is None or _are_factors(v),
}
_TRAINING_DATA = {
    "n_images": _is_count,
    "n_validation_images": lambda v: _is_count(v, 0),
    "class_counts": _are_label_counts,
    "class_weights": lambda v: v is None or _are_weights(v),
    "fingerprint": _is_sha256,
    "cell_size": lambda v: v is None or (_is_number(v) and 0 < v < 2),
}
_ACCOUNT = {
    "steps": lambda v: type(v) is tuple and all(map(_is_text, v)),
    "reason": _is_text,
    "scores": lambda v: _is_map(v, _is_number),
    "n_labelled": _are_label_counts,
    "n_unlabelled": lambda v: _is_count(v, 0),
}


def _is_training_data(value):
    """Return whether this is `training_data_`; files of earlier versions lack two fields."""
    later = {"cell_size": None, "class_weights": None}
    return isinstance(value, dict) and has_fields({**later, **value}, _TRAINING_DATA)


_CONTAINERS = ("default", "pandas", "polars")  # of the output of transform
# Fitted attributes in a file. All others follow from the specification.
ATTRIBUTES = {
    "device_": lambda v: _is_text(v) and re.fullmatch(r"\w{1,20}(:\d{1,3})?", v, re.ASCII),
    "fit_settings_": lambda v: _is_map(v, _is_text),
    "classes_": lambda v: isinstance(v, np.ndarray),
    "history_": lambda v: type(v) is History and all(_is_map(row, _is_figure) for row in v),
    "n_iter_": _is_count,
    "best_epoch_": _is_count,
    "training_data_": _is_training_data,
    "n_features_in_": _is_count,
    "feature_names_in_": lambda v: isinstance(v, np.ndarray) and all(map(_is_text, v.tolist())),
    "adaptation_": lambda v: type(v) is Adaptation and has_fields(vars(v), _ACCOUNT),
    "_sklearn_output_config": lambda v: _is_map(v, lambda item: item in _CONTAINERS),
}
_OF_CLASSIFIERS = {"classes_", "history_", "n_iter_", "best_epoch_", "training_data_"}
