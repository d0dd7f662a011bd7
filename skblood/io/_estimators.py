"""One of our estimators as JSON and tensors, and back."""

from importlib import import_module
from numbers import Integral

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted
from skorch.history import History

from skblood.adaptation import Adaptation
from skblood.estimators import CellModel
from skblood.images import CROP_RANGE
from skblood.inference import resolve_device, seeded
from skblood.io._container import layout_of
from skblood.io._values import decode, encode, short
from skblood.networks import ImageStandardize, without_weights

# Folders of the computer that the model was trained on. They are left out: a file from somebody
# else would otherwise say where on this one is written.
_FOLDERS = ("memory", "checkpoint")
# Attributes that come with the network when it is built, and what scikit-learn is to route to fit.
_NOT_KEPT = {"net_", "network_", "_n_features_out", "_online", "_metadata_request"}
# Bounds of what is computed with before it is known whether the tensors fit: characters of a
# name, height or width and pixels of an image.
_MAX_LENGTH = 2**10
_MAX_SIDE = 2**14
_MAX_PIXELS = 2**24


def estimator_class(name):
    """Return the public estimator of a name, or None."""
    skblood = import_module("skblood")  # which imports this package
    found = getattr(skblood, name) if name in skblood.__all__ else None
    return found if isinstance(found, type) and issubclass(found, CellModel) else None


def is_ours(model):
    """Say whether a model is one of our estimators, and of no class derived from it."""
    return type(model) is estimator_class(type(model).__name__)


def describe(model):
    """Return what a fitted estimator is, as JSON has it, and its tensors.

    Parameters
    ----------
    model : CellModel

    Returns
    -------
    document : dict
    tensors : dict of str to torch.Tensor
        Copies on the CPU.
    left_out : list of str
        Parameters whose value cannot be written, and became the default.
    """
    check_is_fitted(model)
    parameters, left_out = _encode_parameters(model)
    network = model._network
    document = {
        "class": type(model).__name__,
        "parameters": parameters,
        "attributes": _encode_attributes(model),
        "preprocessing": _preprocessing(network, model.crop_),
    }
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    return document, tensors, left_out


def _encode_parameters(model):
    given, defaults = model.get_params(deep=False), type(model)().get_params(deep=False)
    parameters, left_out = {}, []
    for name, value in given.items():
        if name in _FOLDERS:
            continue
        try:
            parameters[name] = encode(value)
        except TypeError as error:
            if not _may_be_left_out(value):
                raise TypeError(f"{name}={value!r} of {type(model).__name__}: {error}.") from error
            parameters[name] = encode(defaults[name])
            left_out.append(name)
    return parameters, left_out


def _may_be_left_out(value):
    """Say whether a value matters in a further fit alone: code, or the state of a generator."""
    code = value if isinstance(value, list) else [value]
    return isinstance(value, np.random.RandomState) or all(
        callable(each) or hasattr(each, "on_train_begin") for each in code
    )


def _encode_attributes(model):
    attributes = {}
    for name in sorted(vars(model).keys() - model.get_params(deep=False).keys() - _NOT_KEPT):
        if name not in _ATTRIBUTES:
            raise TypeError(
                f"{type(model).__name__} has an attribute {name}, which is none of its own and "
                "cannot be saved. Delete it, and keep it elsewhere."
            )
        attributes[name] = encode(getattr(model, name))
    return attributes


def _preprocessing(network, crop):
    """Say what is done with pixels in 0..1, in words of the network: to be read by people."""
    backbones = [_standardisation(each.standardize) for each in network.backbones]
    size = None if network.image_size is None else list(network.image_size)
    return {
        "crop": crop,
        "image_size": size,
        "interpolation": network.interpolation,
        "range": [0, 1],
        "backbones": backbones,
    }


def _standardisation(standardize):
    if isinstance(standardize, ImageStandardize):
        return {"by": "the darkest and the brightest spot of each image"}
    return {"mean": standardize.mean.tolist(), "std": standardize.std.tolist()}


def restore(document, layout, tensors, device):
    """Return the estimator that `describe` described.

    Parameters
    ----------
    document : dict
    layout : dict
        Dtype and shape of each tensor.
    tensors : dict of str to torch.Tensor
    device : str
        As given to `skblood.load`.

    Returns
    -------
    model : CellModel

    Raises
    ------
    ValueError
        If anything in it is not as `describe` makes it.
    """
    model, attributes = check(document, layout)
    model.device = _choose_device(device, model.device)
    vars(model).update(attributes)
    with seeded(0, torch.device("cpu")), without_weights():
        network = _build(model, layout)
    network.load_state_dict(tensors)
    model._adopt(network)
    vars(model).update(attributes)  # what taking over a network sets, too
    return model


def check(document, layout):
    """Return an estimator with its parameters, not yet fitted, and its attributes, all checked.

    Raises
    ------
    ValueError
        If they are not as `describe` makes them.
    """
    expected = {"class", "parameters", "attributes", "preprocessing"}
    if set(document) != expected:
        raise ValueError(f"it must hold {sorted(expected)}, and holds {sorted(document)}")
    if not all(isinstance(document[key], dict) for key in expected - {"class"}):
        raise ValueError("its parameters, attributes or preprocessing are no object")
    found = document["class"]
    cls = estimator_class(found) if isinstance(found, str) else None
    if cls is None:
        raise ValueError(f"{found!r} is no estimator of this version of skblood")
    model = cls(**_decode_parameters(cls, document["parameters"], layout))
    model._validate_params()
    return model, _decode_attributes(model, document["attributes"])


def _decode_parameters(cls, stored, layout):
    allowed = set(cls().get_params(deep=False)) - set(_FOLDERS)
    if unknown := sorted(set(stored) - allowed):
        raise ValueError(f"{cls.__name__} has no parameters {unknown}")
    parameters = {name: decode(value) for name, value in stored.items()}
    sides = [side for _, shape in layout.values() for side in shape]
    for name, value in parameters.items():
        if isinstance(value, list | tuple | np.ndarray):
            # Layers and backbones: each takes time and memory before its tensors are missed.
            most, largest = (
                len(value),
                max((v for v in value if isinstance(v, Integral)), default=0),
            )
            if most > max(len(layout), 3) or largest > max([*sides, _MAX_SIDE]):
                raise ValueError(f"{name}={short(value)} asks for more than its tensors hold")
        elif isinstance(value, str) and len(value) > _MAX_LENGTH:
            raise ValueError(f"{name}={short(value)} has more than {_MAX_LENGTH} characters")
    return parameters


def _decode_attributes(model, stored):
    attributes = {name: decode(value) for name, value in (_SINCE_THEN | stored).items()}
    needed = set(_ATTRIBUTES) - _OPTIONAL - (set() if is_classifier(model) else _OF_CLASSIFIERS)
    if not needed <= set(attributes) <= needed | _OPTIONAL:
        odd = sorted((needed ^ set(attributes)) - _OPTIONAL)
        raise ValueError(f"the attributes {odd} of {type(model).__name__} are missing or unknown")
    for name, value in attributes.items():
        if not _ATTRIBUTES[name](value):
            raise ValueError(f"its attribute {name} is {short(value)}")
    height, width, _ = attributes["image_shape_"]
    if attributes["image_size_"] not in (None, (height, width)):
        raise ValueError("its image_size_ is not that of its image_shape_")
    if height * width > _MAX_PIXELS:
        raise ValueError(f"its images have {height}x{width} px; at most {_MAX_PIXELS} are read")
    if np.prod(attributes["_fold_shape"], dtype=object) != attributes["n_features_in_"]:
        raise ValueError("its n_features_in_ is not the size of its images")
    if "history_" in attributes and len(attributes["history_"]) != attributes["n_iter_"]:
        raise ValueError("its history_ has another length than its n_iter_")
    return attributes


def _is_count(value):
    return type(value) is int and 1 <= value < 2**53


def _is_shape(value, n):
    return isinstance(value, tuple) and len(value) == n and all(map(_is_count, value))


def _is_classes(value):
    if not isinstance(value, np.ndarray) or len(value) < 2:
        return False
    return np.array_equal(np.unique(value), value)


def _is_training_data(value):
    counts = {"n_images", "n_validation_images", "class_counts", "fingerprint"}
    return isinstance(value, dict) and set(value) == counts


def _is_output_config(value):
    return value in [{"transform": kind} for kind in (None, "default", "pandas", "polars")]


def _is_adaptation(value):
    kinds = {"steps": tuple, "reason": str, "scores": dict, "n_labelled": dict, "n_unlabelled": int}
    return isinstance(value, Adaptation) and all(
        isinstance(getattr(value, name), kind) for name, kind in kinds.items()
    )


# What older files do not have, as it would stand there.
_SINCE_THEN = {"crop_": 1.0}
_OPTIONAL = {"feature_names_in_", "_sklearn_output_config", "adaptation_"}
_OF_CLASSIFIERS = {"classes_", "history_", "n_iter_", "best_epoch_", "training_data_"}
_ATTRIBUTES = {
    "classes_": _is_classes,
    "history_": lambda value: isinstance(value, History),
    "n_iter_": _is_count,
    "best_epoch_": _is_count,
    "training_data_": _is_training_data,
    "image_shape_": lambda value: _is_shape(value, 3),
    "crop_": lambda value: isinstance(value, float) and CROP_RANGE[0] <= value <= CROP_RANGE[1],
    "image_size_": lambda value: value is None or _is_shape(value, 2),
    "_fold_shape": lambda value: _is_shape(value, 3),
    "_is_pixels": lambda value: isinstance(value, bool),
    "n_features_in_": _is_count,
    "feature_names_in_": lambda value: isinstance(value, np.ndarray) and value.dtype == object,
    "_sklearn_output_config": _is_output_config,
    "device_": lambda value: isinstance(value, str),
    "adaptation_": _is_adaptation,
}


def _choose_device(asked, saved):
    """Return the device asked for; "auto" is the one that was named at fit, if it is here."""
    if asked != "auto":
        resolve_device(asked)
        return asked
    try:
        resolve_device(saved)
    except ValueError:
        return "auto"
    return saved


def _build(model, layout):
    """Build the network of a model, if the tensors of the file are those that it takes."""
    with torch.device("meta"):
        # Shapes without memory: a file may ask for a network larger than the computer.
        wanted = layout_of(model._blank_network().state_dict())
    odd = [n for n in layout.keys() | wanted.keys() if layout.get(n) != wanted.get(n)]
    if odd:
        name = min(odd)
        raise ValueError(
            f"{len(odd)} of its tensors are not those of the network that it describes, the first "
            f"being {name!r}: {layout.get(name)}, where {wanted.get(name)} is needed"
        )
    return model._blank_network()
