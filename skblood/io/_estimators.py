"""One estimator of skblood as JSON and tensors, and back."""

import json
from contextlib import suppress

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted
from skorch.history import History

from skblood import estimators, networks
from skblood.adaptation import Adaptation
from skblood.images import torch_defaults
from skblood.inference import resolve_device, seeded

from ._spec_decoder import decode_spec
from ._values import decode, encode, plain

ESTIMATORS = {
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
    "n_features_in_": int,
    "feature_names_in_": np.ndarray,
    "adaptation_": Adaptation,
    "_sklearn_output_config": dict,
}
_OF_CLASSIFIERS = {"classes_", "history_", "n_iter_", "best_epoch_", "training_data_"}
_OPTIONAL = {"n_features_in_", "feature_names_in_", "adaptation_", "_sklearn_output_config"}
_FROM_SPEC = {"image_shape_", "image_size_", "crop_"}
_FROM_SPEC |= {"net_", "network_", "spec_", "predictor_"}
_TRAINING_DATA = {"n_images", "n_validation_images", "class_counts", "fingerprint"}
# A parameter that names a folder of this computer.
_FOLDER = "memory"
# Characters of a parameter as JSON, at most.
_MAX_PARAMETER = 2**20


def is_ours(model):
    """Return whether a model is an estimator of skblood, and not of a derived class."""
    return type(model) is ESTIMATORS.get(type(model).__name__)


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
    attributes = {name: encode(getattr(model, name)) for name in FITTED if hasattr(model, name)}
    spec = plain(model.spec_.to_dict())
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.predictor_.network.state_dict().items()
    }
    document = {"class": type(model).__name__, "parameters": parameters, "spec": spec}
    return {**document, "attributes": attributes}, tensors, left_out


@torch_defaults()
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
    if device == "auto":
        with suppress(ValueError):
            device = str(resolve_device(attributes["device_"]))
    else:
        parameters["device"] = device
    with seeded(0, torch.device("cpu")):
        with torch.device("meta"):
            # Shapes without memory: a file may ask for a network larger than the computer.
            _check_tensors(tensors, networks.build_network(spec).state_dict())
        network = networks.build_network(spec)
    network.load_state_dict(tensors)
    return estimators.attach_network(cls(**parameters), spec, network, device=device, **attributes)


def readable(document, tensors):
    """Return what `skblood.load_info` says about an estimator, as JSON.

    Raises
    ------
    ValueError
        If the document is not as `describe` writes it.
    """
    _, parameters, spec, attributes = _decode_document(document, tensors)
    preprocessing = {
        name: getattr(spec, name) for name in ("crop", "image_size", "interpolation")
    } | {"range": [0, 1], "backbones": []}
    for i, backbone in enumerate(spec.backbones):
        prefix = f"backbones.{i}.standardize."
        if backbone.standardize == "image":
            values = {"by": "the darkest and the brightest spot of each image"}
        else:
            values = {name: tensors[prefix + name].tolist() for name in ("mean", "std")}
        preprocessing["backbones"].append(values)
    attributes |= {"image_shape_": spec.image_shape, "image_size_": spec.image_size}
    attributes["crop_"] = spec.crop
    decoded = {"parameters": parameters, "attributes": attributes, "preprocessing": preprocessing}
    return plain(document | decoded)


def _encode_parameters(model):
    defaults = type(model)().get_params(deep=False)
    parameters, left_out = {}, []
    for name, value in model.get_params(deep=False).items():
        if name == _FOLDER:
            continue
        try:
            parameters[name] = encode(value)
            text = json.dumps(parameters[name], allow_nan=False)
            decode(json.loads(text) if len(text) <= _MAX_PARAMETER else {})
        # Whatever it meets: a parameter may be any object, and only matters to the next fit.
        except Exception:
            parameters[name] = encode(defaults[name])
            left_out.append(name)
    return parameters, left_out


def _decode_document(document, tensors):
    """Return the class, parameters, spec and fitted attributes of an estimator, all checked."""
    _check_names("document", document, {"class", "parameters", "spec", "attributes"})
    if (cls := ESTIMATORS.get(str(document["class"]))) is None:
        raise ValueError(f"{document['class']!r:.80} is not an estimator of this version")
    parameters = {name: decode(value) for name, value in document["parameters"].items()}
    _check_names("parameters", parameters, set(), cls().get_params(deep=False).keys() - {_FOLDER})
    spec = decode_spec(document["spec"], len(tensors))
    if is_classifier(cls()) != (spec.head is not None):
        raise ValueError(f"its spec is not that of a {cls.__name__}")
    attributes = {name: decode(value) for name, value in document["attributes"].items()}
    needed = {"device_", "fit_settings_"} | (_OF_CLASSIFIERS if spec.head else set())
    _check_names("attributes", attributes, needed, _OPTIONAL)
    for name, value in attributes.items():
        if type(value) is not FITTED[name]:
            raise ValueError(f"its attribute {name} is {value!r:.80}")
    if spec.head:
        if attributes["classes_"].tolist() != list(spec.classes):
            raise ValueError("its classes_ do not fit the network")
        if (
            not 1
            <= attributes["best_epoch_"]
            <= attributes["n_iter_"]
            == len(attributes["history_"])
        ):
            raise ValueError("its history_, n_iter_ and best_epoch_ do not fit one another")
        _check_names("training_data_", attributes["training_data_"], _TRAINING_DATA)
    return cls, parameters, spec, attributes


def _check_names(what, found, needed, allowed=frozenset()):
    if odd := (needed - found.keys()) | (found.keys() - needed - allowed):
        raise ValueError(f"in its {what}, {sorted(odd)!r:.80} are missing or unknown")


def _check_tensors(found, wanted):
    found, wanted = (
        {name: (tensor.dtype, *tensor.shape) for name, tensor in each.items()}
        for each in (found, wanted)
    )
    if odd := dict(found.items() ^ wanted.items()):
        name = min(odd)
        raise ValueError(
            f"{len(odd)} of its tensors are not those of the network that it describes, the first "
            f"being {name!r:.80}: {found.get(name)}, where {wanted.get(name)} is needed"
        )
