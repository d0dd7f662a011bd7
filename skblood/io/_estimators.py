"""One estimator of skblood as JSON and tensors, and back."""

import json
import math
from contextlib import suppress

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted
from skorch.history import History

from skblood import estimators, networks
from skblood.adaptation import Adaptation
from skblood.inference import resolve_device, seeded

from ._spec_decoder import decode_spec
from ._values import decode, encode, plain, short

_ESTIMATORS = {
    name: cls
    for name, cls in vars(estimators).items()
    if isinstance(cls, type) and issubclass(cls, estimators.CellModel)
}
# Fitted attributes in a file, with their types. All others follow from the spec.
FITTED = {
    "device_": str,
    "fit_settings_": dict,
    "classes_": np.ndarray,
    "history_": History,
    "n_iter_": int,
    "best_epoch_": int,
    "training_data_": dict,
    "feature_names_in_": np.ndarray,
    "adaptation_": Adaptation,
    "_sklearn_output_config": dict,
}
_OF_CLASSIFIERS = ("classes_", "history_", "n_iter_", "best_epoch_", "training_data_")
_OPTIONAL = {"feature_names_in_", "adaptation_", "_sklearn_output_config"}
_FROM_SPEC = {"image_shape_", "image_size_", "crop_", "n_features_in_"}
_FROM_SPEC |= {"net_", "network_", "spec_", "predictor_"}
_TRAINING_DATA = {"n_images", "n_validation_images", "class_counts", "fingerprint"}
# A parameter that names a folder of this computer.
_FOLDER = "memory"
# Characters of a parameter as JSON, at most.
_MAX_PARAMETER = 2**20


def is_ours(model):
    """Return whether a model is an estimator of skblood, and not of a derived class."""
    return type(model) is _ESTIMATORS.get(type(model).__name__)


def describe(model):
    """Return a fitted estimator as JSON and tensors.

    Parameters
    ----------
    model : CellModel

    Returns
    -------
    document : dict
        Class, parameters, spec and fitted attributes.
    tensors : dict of str to torch.Tensor
        Copies on the CPU.
    left_out : list of str
        Parameters that are saved as their default and attributes that are not saved.
    """
    check_is_fitted(model)
    parameters, left_out = _encode_parameters(model)
    known = {*model.get_params(deep=False), *_FROM_SPEC, *FITTED}
    left_out += sorted(name for name in vars(model) if name not in known and name[0] != "_")
    document = {
        "class": type(model).__name__,
        "parameters": parameters,
        "spec": plain(model.spec_.to_dict()),
        "attributes": {
            name: encode(getattr(model, name)) for name in FITTED if hasattr(model, name)
        },
    }
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.predictor_.network.state_dict().items()
    }
    return document, tensors, left_out


def restore(document, tensors, device):
    """Return the estimator that `describe` described.

    Parameters
    ----------
    document : dict
    tensors : dict of str to torch.Tensor
    device : str
        As given to `skblood.load`.

    Returns
    -------
    model : CellModel

    Raises
    ------
    ValueError
        If the document or the tensors are not as `describe` writes them.
    """
    cls, parameters, spec, attributes = _decode_document(document, tensors)
    model = cls(**parameters)
    model.device = _choose_device(device, model.device)
    with seeded(0, torch.device("cpu")):
        with torch.device("meta"):
            # Shapes without memory: a file may ask for a network larger than the computer.
            _check_tensors(tensors, networks.build_network(spec).state_dict())
        network = networks.build_network(spec)
    network.load_state_dict(tensors)
    attributes["n_features_in_"] = math.prod(spec.input_shape)
    return estimators.attach_network(model, spec, network, device=model.device, **attributes)


def readable(document, tensors):
    """Return what `skblood.load_info` says about an estimator, as JSON.

    Raises
    ------
    ValueError
        If the document is not as `describe` writes it.
    """
    _, parameters, spec, attributes = _decode_document(document, tensors)
    attributes["image_shape_"], attributes["image_size_"] = spec.image_shape, spec.image_size
    attributes["crop_"], attributes["n_features_in_"] = spec.crop, math.prod(spec.input_shape)
    preprocessing = {
        "crop": spec.crop,
        "image_size": spec.image_size,
        "interpolation": spec.interpolation,
        "range": [0, 1],
        "backbones": [
            _standardization(each, tensors, f"backbones.{i}.standardize.")
            for i, each in enumerate(spec.backbones)
        ],
    }
    decoded = {"parameters": parameters, "attributes": attributes, "preprocessing": preprocessing}
    return plain(document | decoded)


def _encode_parameters(model):
    given, defaults = model.get_params(deep=False), type(model)().get_params(deep=False)
    parameters, left_out = {}, []
    for name in given.keys() - {_FOLDER}:
        try:
            parameters[name] = encode(given[name])
            text = json.dumps(parameters[name], allow_nan=False)
            if len(text) > _MAX_PARAMETER:
                raise ValueError(f"{len(text):,} characters are too many")
            decode(json.loads(text))
        # Whatever it meets: a parameter may be any object, and only matters to the next fit.
        except Exception:
            parameters[name] = encode(defaults[name])
            left_out.append(name)
    return dict(sorted(parameters.items())), sorted(left_out)


def _decode_document(document, tensors):
    """Return the class, parameters, spec and fitted attributes of an estimator, all checked."""
    expected = {"class", "parameters", "spec", "attributes"}
    if set(document) != expected:
        raise ValueError(f"it must hold {sorted(expected)}, and holds {short(sorted(document))}")
    if (cls := _ESTIMATORS.get(str(document["class"]))) is None:
        raise ValueError(f"{short(document['class'])} is not an estimator of this version")
    parameters = {name: decode(value) for name, value in document["parameters"].items()}
    known = cls().get_params(deep=False).keys() - {_FOLDER}
    if unknown := parameters.keys() - known:
        raise ValueError(f"{cls.__name__} has no parameters {short(sorted(unknown))}")
    spec = decode_spec(document["spec"], len(tensors))
    if is_classifier(cls()) != (spec.head is not None):
        raise ValueError(f"its spec is not that of a {cls.__name__}")
    return cls, parameters, spec, _decode_attributes(document["attributes"], spec)


def _decode_attributes(stored, spec):
    attributes = {name: decode(value) for name, value in stored.items()}
    needed = {"device_", "fit_settings_", *(_OF_CLASSIFIERS if spec.head else ())}
    if odd := (needed ^ attributes.keys()) - _OPTIONAL:
        raise ValueError(f"its attributes {short(sorted(odd))} are missing or unknown")
    for name, value in attributes.items():
        if type(value) is not FITTED[name]:
            raise ValueError(f"its attribute {name} is {short(value)}")
    if spec.head:
        classes, history, n_iter, best_epoch, data = (attributes[name] for name in _OF_CLASSIFIERS)
        if classes.tolist() != list(spec.classes) or not _TRAINING_DATA <= data.keys():
            raise ValueError("its classes_ or training_data_ do not fit the network")
        if not 1 <= best_epoch <= n_iter == len(history):
            raise ValueError("its history_, n_iter_ and best_epoch_ do not fit one another")
    return attributes


def _check_tensors(found, wanted):
    found, wanted = (
        {name: (tensor.dtype, *tensor.shape) for name, tensor in each.items()}
        for each in (found, wanted)
    )
    if odd := dict(found.items() ^ wanted.items()):
        name = min(odd)
        raise ValueError(
            f"{len(odd)} of its tensors are not those of the network that it describes, the first "
            f"being {short(name)}: {found.get(name)}, where {wanted.get(name)} is needed"
        )


def _choose_device(asked, saved):
    """Return the device asked for; "auto" is the saved one, if it is available."""
    with suppress(Exception):  # whatever it meets: the saved parameter may be any value
        resolve_device(saved)
        return saved if asked == "auto" else asked
    return asked


def _standardization(backbone, tensors, prefix):
    if backbone.standardize == "image":
        return {"by": "the darkest and the brightest spot of each image"}
    return {name: tensors[prefix + name].tolist() for name in ("mean", "std")}
