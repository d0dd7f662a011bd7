"""Pipelines as JSON and tensors: skblood's estimators as if alone, other steps by skops.

skops writes scikit-learn's objects as JSON and arrays, and builds only types that it trusts. The
samplers of imbalanced-learn, which are saved unfitted, are trusted in addition.
"""

import io
import zipfile
from importlib import import_module

import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from . import _estimators as estimators
from ._values import decode, encode, plain

_SAMPLER_MODULES = ("imblearn.combine", "imblearn.over_sampling", "imblearn.under_sampling")
# Parameters of a Pipeline besides its steps. Its memory is a folder of this computer.
_PARAMETERS = ("verbose", "transform_input")
_PIPELINES = {"sklearn.pipeline.Pipeline", "imblearn.pipeline.Pipeline"}


def describe_model(model):
    """Return a fitted estimator or Pipeline as JSON and tensors.

    Parameters
    ----------
    model : CellModel or Pipeline

    Returns
    -------
    document, tensors, left_out
        As from `_estimators.describe`; tensors and parameters of a step have its prefix.

    Raises
    ------
    TypeError
        If it is, or holds, an object that cannot be saved. The message says what to do.
    ImportError
        If a step needs skops, which is not installed.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if estimators.is_ours(model):
        return estimators.describe(model)
    if _full_name(model) not in _PIPELINES:
        raise TypeError(
            f"A {type(model).__name__} cannot be saved: save a fitted estimator of skblood, or a "
            "Pipeline of scikit-learn or imbalanced-learn; of a search, its best_estimator_."
        )
    check_is_fitted(model)
    steps, tensors, left_out = [], {}, []
    for i, (name, step) in enumerate(model.steps):
        if step is None or step == "passthrough":
            document, own, lost = {"class": "passthrough"}, {}, []
        elif estimators.is_ours(step) or _full_name(step) in _PIPELINES:
            document, own, lost = describe_model(step)
        else:
            document, own, lost = {"class": "skops", "type": _full_name(step)}, _dump(step), []
        steps.append([name, document])
        tensors |= {f"{i}.{key}": tensor for key, tensor in own.items()}
        left_out += [f"{name}__{each}" for each in lost]
    parameters = {name: encode(getattr(model, name)) for name in _PARAMETERS}
    document = {"class": _full_name(model), "parameters": parameters, "steps": steps}
    return document, tensors, left_out


def restore_model(document, tensors, device):
    """Return the model that `describe_model` described; see `_estimators.restore`."""
    kind = document["class"]
    if kind == "passthrough":
        return kind
    if kind == "skops":
        return _load(tensors["skops"].numpy().tobytes(), document["type"])
    if str(kind) not in _PIPELINES:
        return estimators.restore(document, tensors, device)
    parameters, parts = _read_pipeline(document, tensors)
    steps = [(name, restore_model(step, own, device)) for name, step, own in parts]
    module, _, name = kind.rpartition(".")  # one of two, see _PIPELINES
    return getattr(import_module(module), name)(steps, **parameters)


def readable_model(document, tensors):
    """Return what `skblood.load_info` says about a model; see `_estimators.readable`."""
    kind = document["class"]
    if kind in ("passthrough", "skops"):
        return {"class": document.get("type", kind)}
    if str(kind) not in _PIPELINES:
        return estimators.readable(document, tensors)
    parameters, parts = _read_pipeline(document, tensors)
    steps = [{"name": name, **readable_model(step, own)} for name, step, own in parts]
    return {"class": kind, "parameters": plain(parameters), "steps": steps}


def _read_pipeline(document, tensors):
    """Return the parameters of a Pipeline, and the name, document and tensors of each step."""
    parts, n_tensors = [], 0
    for i, (name, step) in enumerate(document["steps"]):
        prefix = f"{i}."
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        parts.append((name, step, own))
        n_tensors += len(own)
    if n_tensors != len(tensors):
        raise ValueError("it holds tensors that belong to no step of its Pipeline")
    return {name: decode(document["parameters"][name]) for name in _PARAMETERS}, parts


def _dump(step):
    """Return the tensor that holds a step of another package, written by skops."""
    skops = _import_skops()
    if hasattr(step, "fit_resample"):
        step = clone(step)  # a fitted one may hold training images
    try:
        content = skops.dumps(step)
        untrusted = set(skops.get_untrusted_types(data=content)) - _trusted()
    # Whatever it meets: skops raises errors of many types for what it does not know.
    except Exception as error:
        raise TypeError(f"The step {step!r} cannot be saved by skops: {error}") from error
    if untrusted:
        raise TypeError(
            f"The step {step!r} cannot be saved: skblood.load does not trust {sorted(untrusted)}, "
            "which may run code. Use another step, or save the estimator of skblood by itself."
        )
    return {"skops": torch.frombuffer(bytearray(content), dtype=torch.uint8)}


def _load(content, type_name):
    skops = _import_skops()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if packed or sum(member.file_size for member in members) > len(content):
            raise ValueError("it is compressed, which skblood.save does not do")
        return skops.loads(content, trusted=sorted(_trusted()))
    # Whatever it meets: the file may come from anybody.
    except Exception as error:
        raise ValueError(f"its step {type_name!r:.80} cannot be read: {error}") from error


def _import_skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "A Pipeline with steps of scikit-learn is saved and loaded by skops, which is not "
            "installed: pip install skops."
        ) from error
    return skops.io


def _trusted():
    """Return the names of the public samplers, which are trusted besides what skops trusts."""
    modules = map(import_module, _SAMPLER_MODULES)
    classes = (getattr(module, name) for module in modules for name in module.__all__)
    return {f"{cls.__module__}.{cls.__name__}" for cls in classes}


def _full_name(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
