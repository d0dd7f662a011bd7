"""Pipelines: our estimators as they are saved alone, the other steps by skops.

skops writes scikit-learn's objects as JSON and arrays and builds no type that is not trusted. It
trusts those of scikit-learn; the samplers of imbalanced-learn, which hold parameters only, are
trusted here by name.
"""

import io
import zipfile
from importlib import import_module

import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skblood.io._estimators import check, describe, is_ours, restore
from skblood.io._values import decode, encode

_SAMPLERS = {
    "imblearn.combine": ("SMOTEENN", "SMOTETomek"),
    "imblearn.over_sampling": (
        "ADASYN",
        "BorderlineSMOTE",
        "KMeansSMOTE",
        "RandomOverSampler",
        "SMOTE",
        "SVMSMOTE",
    ),
    "imblearn.under_sampling": (
        "AllKNN",
        "ClusterCentroids",
        "CondensedNearestNeighbour",
        "EditedNearestNeighbours",
        "NearMiss",
        "NeighbourhoodCleaningRule",
        "OneSidedSelection",
        "RandomUnderSampler",
        "RepeatedEditedNearestNeighbours",
        "TomekLinks",
    ),
}
# Parameters of a Pipeline besides its steps. Its memory is a folder of this computer.
_PARAMETERS = {"verbose": bool, "transform_input": list | None}
_PIPELINES = {"sklearn.pipeline.Pipeline", "imblearn.pipeline.Pipeline"}
_MAX_DEPTH = 8


def describe_model(model):
    """Return what a fitted estimator or Pipeline is, as JSON has it, and its tensors.

    Parameters
    ----------
    model : CellModel or Pipeline

    Returns
    -------
    document, tensors, left_out
        See `describe`; the names of a step's tensors and parameters begin with that of the step.

    Raises
    ------
    TypeError
        If it is, or holds, an object that cannot be saved. The message says what to do.
    ImportError
        If a step needs skops, which is not installed.
    NotFittedError
        If it is not fitted.
    """
    if is_ours(model):
        return describe(model)
    if _full_name(model) not in _PIPELINES:
        raise TypeError(_refusal(model))
    check_is_fitted(model)
    steps, tensors, left_out = [], {}, []
    for i, (name, step) in enumerate(model.steps):
        document, own, lost = _describe_step(name, step)
        steps.append([name, document])
        tensors |= {f"{i}.{key}": tensor for key, tensor in own.items()}
        left_out += [f"{name}__{each}" for each in lost]
    parameters = {name: encode(getattr(model, name)) for name in _PARAMETERS}
    document = {"class": _full_name(model), "parameters": parameters, "steps": steps}
    return document, tensors, left_out


def _describe_step(name, step):
    if step is None or step == "passthrough":
        return {"class": "passthrough"}, {}, []
    if is_ours(step) or _full_name(step) in _PIPELINES:
        return describe_model(step)
    skops = _import_skops()
    if hasattr(step, "fit_resample"):
        step = clone(step)  # fitted, it may hold the images that it was fitted on
    try:
        content = skops.dumps(step)
        untrusted = skops.get_untrusted_types(data=content)
    # Whatever it meets: skops raises errors of many types for what it does not know.
    except Exception as error:
        raise TypeError(f"Step {name!r}, {step!r}, cannot be saved by skops: {error}") from error
    if odd := sorted(set(untrusted) - _trusted()):
        raise TypeError(
            f"Step {name!r}, {step!r}, holds objects of {', '.join(odd)}, which skblood.load would "
            "not trust: code, or memory that compiled code reads unchecked, as trees and "
            "neighbours have it. Use another step, or save the estimator of skblood by itself."
        )
    document = {"class": "skops", "type": _full_name(step)}
    return document, {"skops": torch.frombuffer(bytearray(content), dtype=torch.uint8)}, []


def check_model(document, layout, depth=0):
    """Raise ValueError if a document describes no model, as far as it and the layout tell."""
    if _is_pipeline(document):
        if depth > _MAX_DEPTH:
            raise ValueError(f"its Pipelines are nested more than {_MAX_DEPTH} times")
        for _, step, own in _steps(document, layout):
            if step.get("class") == "passthrough":
                _expect(step, {"class"}, own, set())
            elif step.get("class") == "skops":
                _expect(step, {"class", "type"}, own, {"skops"})
            else:
                check_model(step, own, depth + 1)
    else:
        check(document, layout)


def restore_model(document, layout, tensors, device):
    """Return the model that `describe_model` described; see `restore`.

    Raises
    ------
    ValueError
        If anything in it is not as `describe_model` makes it.
    """
    if document["class"] == "passthrough":
        return "passthrough"
    if document["class"] == "skops":
        return _load_by_skops(tensors["skops"].numpy().tobytes(), document["type"])
    if document["class"] not in _PIPELINES:
        return restore(document, layout, tensors, device)
    steps = [
        (name, restore_model(step, own, _part(tensors, i), device))
        for i, (name, step, own) in enumerate(_steps(document, layout))
    ]
    parameters = {name: decode(value) for name, value in document["parameters"].items()}
    module, _, name = document["class"].rpartition(".")  # one of two; see _PIPELINES
    return getattr(import_module(module), name)(steps, **parameters)


def _is_pipeline(document):
    return any(document.get("class") == name for name in _PIPELINES)


def _steps(document, layout):
    """Return the name, the document and the layout of each step, the form being checked."""
    _expect(document, {"class", "parameters", "steps"})
    parameters, steps = document["parameters"], document["steps"]
    if not isinstance(parameters, dict) or set(parameters) != set(_PARAMETERS):
        raise ValueError("the parameters of a Pipeline in it are not those of a Pipeline")
    for name, kind in _PARAMETERS.items():
        if not isinstance(decode(parameters[name]), kind):
            raise ValueError(f"{name} of a Pipeline in it is {parameters[name]!r}")
    if not isinstance(steps, list) or not steps or not all(map(_is_step, steps)):
        raise ValueError("the steps of a Pipeline in it are not names with objects")
    if len({name for name, _ in steps}) < len(steps):
        raise ValueError("the names of the steps of a Pipeline in it are not unique")
    parts = [(name, step, _part(layout, i)) for i, (name, step) in enumerate(steps)]
    if sum(len(own) for _, _, own in parts) != len(layout):
        raise ValueError("it holds tensors that belong to no step of its Pipeline")
    return parts


def _is_step(step):
    pair = isinstance(step, list) and len(step) == 2
    return pair and isinstance(step[0], str) and isinstance(step[1], dict)


def _part(named, i):
    """Return what belongs to a step, its number being taken from the names."""
    prefix = f"{i}."
    return {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}


def _expect(document, keys, layout=None, tensors=None):
    if set(document) != keys or (layout is not None and set(layout) != tensors):
        raise ValueError(f"{str(document.get('class'))[:80]!r} in it holds {sorted(document)}")


def _load_by_skops(content, type_name):
    skops = _import_skops()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if packed or sum(member.file_size for member in members) > len(content):
            raise ValueError("it is compressed, which skblood.save does not do")
        step = skops.loads(content, trusted=sorted(_trusted()))
    # Whatever it meets: the file is whole, but may come from anybody.
    except Exception as error:
        raise ValueError(f"its step {str(type_name)[:80]!r} cannot be read: {error}") from error
    if _full_name(step) != type_name:
        raise ValueError(f"its step {str(type_name)[:80]!r} is a {_full_name(step)}")
    return step


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
    """Return the names of the types that are trusted beside those that skops trusts."""
    return {
        f"{cls.__module__}.{cls.__name__}"
        for module, names in _SAMPLERS.items()
        for cls in (getattr(import_module(module), name) for name in names)
    }


def _full_name(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _refusal(model):
    name = type(model).__name__
    if isinstance(model, type):
        return (
            f"{model.__name__} is a class; save a fitted estimator, {model.__name__}().fit(X, y)."
        )
    if hasattr(model, "best_estimator_") or hasattr(model, "refit"):
        return f"A {name} cannot be saved; save the model that it chose: search.best_estimator_."
    return (
        f"A {name} cannot be saved. skblood.save takes fitted estimators of skblood, and Pipelines "
        "with one among their steps. Of other estimators around one, save that one."
    )
