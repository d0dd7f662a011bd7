"""One estimator of skblood as JSON and tensors, and back."""

import json
import os
from dataclasses import asdict, replace
from pathlib import PureWindowsPath

import torch
from sklearn.base import is_classifier

from skblood import estimators, networks
from skblood.images import torch_defaults
from skblood.inference import relocate, resolve_device, seeded

from ._describe import describe_backbone
from ._schema import ATTRIBUTES, check_attributes, check_names, decode_spec
from ._values import decode, encode, plain

ESTIMATORS = {
    name: cls
    for name, cls in vars(estimators).items()
    if isinstance(cls, type) and issubclass(cls, estimators.CellModel)
}
_OF_SPEC = ("image_shape_", "image_size_", "crop_")
_BUILT = {*_OF_SPEC, "net_", "network_", "spec_", "predictor_"}
# A parameter that names a folder of this computer.
_FOLDER = "memory"
# Characters of a parameter as JSON, at most.
_MAX_PARAMETER = 2**20
# Bytes that a network may compute when it is built, beyond the size of its tensors.
_MAX_BUFFERS = 2**26


def is_ours(model):
    """Return whether a model is an estimator of skblood, and not of a derived class."""
    return type(model) is ESTIMATORS.get(type(model).__name__)


def describe(model):
    """Return an estimator as JSON and tensors.

    Parameters
    ----------
    model : CellModel
        Fitted, or a part of an estimator that fits clones of it.

    Returns
    -------
    document : dict
        Class and parameters; of a fitted one also spec and fitted attributes.
    tensors : dict of str to torch.Tensor
        Copies on the CPU.
    left_out : list of str
        Parameters that are saved as their default and attributes that are not saved.
    """
    parameters, left_out = _encode_parameters(model)
    document, tensors = {"class": type(model).__name__, "parameters": parameters}, {}
    known = {*model.get_params(deep=False), *_BUILT, *ATTRIBUTES}
    left_out += sorted(name for name in vars(model) if name not in known and name[0] != "_")
    if hasattr(model, "spec_"):
        found = [name for name in ATTRIBUTES if hasattr(model, name)]
        document["spec"] = plain(model.spec_.to_dict())
        document["attributes"] = {name: encode(getattr(model, name)) for name in found}
        tensors = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in model.predictor_.network.state_dict().items()
        }
    return document, tensors, left_out


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
    if device != "auto":
        parameters["device"] = str(resolve_device(device))
    model = cls(**parameters)
    if spec is None:
        return model
    if device == "auto":
        is_named = parameters.get("device", "auto") != "auto"
        device = str(relocate(attributes["device_"], is_named=is_named))
    with seeded(0, torch.device("cpu")):
        # Without memory or pixels: a file may ask for a network larger than the computer.
        with torch.device("meta"):
            widths = _check_network(spec, tensors)
        network = networks.build_network(spec, widths)
    network.load_state_dict(tensors)
    return estimators.attach_network(model, spec, network, device=device, **attributes)


def readable(document, tensors):
    """Return what `skblood.load_info` says about an estimator, as JSON.

    Raises
    ------
    ValueError
        If the document is not as `describe` writes it.
    """
    _, parameters, spec, attributes = _decode_document(document, tensors)
    if spec is None:
        return plain(document | {"parameters": parameters})
    names = {"channel": ("mean", "std"), "image": ()}
    backbones = [
        {name: tensors[f"backbones.{i}.standardize.{name}"] for name in names[each.standardize]}
        for i, each in enumerate(spec.backbones)
    ]
    preprocessing = {"range": [0, 1], "backbones": backbones}
    preprocessing |= {key: getattr(spec, key) for key in ("crop", "image_size", "interpolation")}
    attributes |= {name: getattr(spec, name[:-1]) for name in _OF_SPEC}
    network = {"backbones": [describe_backbone(asdict(each)) for each in spec.backbones]}
    decoded = {"parameters": parameters, "attributes": attributes, "preprocessing": preprocessing}
    return plain(document | decoded | {"network": network | {"device": attributes["device_"]}})


def _encode_parameters(model):
    defaults = type(model)().get_params(deep=False)
    parameters, left_out = {}, []
    for name, value in model.get_params(deep=False).items():
        if name == _FOLDER:
            continue
        try:
            parameters[name] = encode(_without_folder(value) if name == "weights" else value)
            text = json.dumps(parameters[name], allow_nan=False)
            decode(json.loads(text) if len(text) <= _MAX_PARAMETER else {})
        # Whatever it meets: a parameter may be any object, and only matters to the next fit.
        except Exception:
            parameters[name] = encode(defaults[name])
            left_out.append(name)
    return parameters, left_out


def _without_folder(weights):
    """Return the names of weights files: folders may bear names of persons."""
    if isinstance(weights, str | os.PathLike):
        return PureWindowsPath(weights).name  # it takes either kind of separator
    is_several = type(weights) in (list, tuple)
    return type(weights)(map(_without_folder, weights)) if is_several else weights


def _decode_document(document, tensors):
    """Return the class, parameters, spec and fitted attributes of an estimator, all checked.

    The last two are None of one that is not fitted.
    """
    if (cls := ESTIMATORS.get(str(document["class"]))) is None:
        raise ValueError(f"{document['class']!r:.80} is not an estimator of this version")
    is_fitted = bool(tensors) or "spec" in document
    needed = {"class", "parameters"} | ({"spec", "attributes"} if is_fitted else set())
    check_names("document", document, needed)
    parameters = {name: decode(value) for name, value in document["parameters"].items()}
    check_names("parameters", parameters, set(), cls().get_params(deep=False).keys() - {_FOLDER})
    if not is_fitted:
        return cls, parameters, None, None
    spec = decode_spec(document["spec"], len(tensors))
    if is_classifier(cls()) != (spec.head is not None):
        raise ValueError(f"its spec is not that of a {cls.__name__}")
    attributes = {name: decode(value) for name, value in document["attributes"].items()}
    check_attributes(attributes, spec)
    return cls, parameters, spec, attributes


def _check_network(spec, tensors):
    """Raise ValueError unless the tensors are those of the network; return backbones' widths."""
    for i, backbone in enumerate(spec.backbones if len(spec.backbones) > 1 else ()):
        # One by one: a small file may name many large backbones.
        part = networks.build_network(replace(spec, backbones=(backbone,), head=None))
        prefix = f"backbones.{i}."
        found = {name: each for name, each in tensors.items() if name.startswith(prefix)}
        wanted = part.backbones[0].state_dict(prefix=prefix)
        _check_tensors(found, wanted)
    network = networks.build_network(spec)
    _check_tensors(tensors, network.state_dict())
    n_bytes = sum(each.nbytes for each in tensors.values())
    if sum(each.nbytes for each in network.buffers()) > n_bytes + _MAX_BUFFERS:
        raise ValueError("its network, built for images of this size, is much larger than the file")
    return [backbone.num_features for backbone in network.backbones]


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
