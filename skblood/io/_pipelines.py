"""Estimators that hold estimators of skblood, as JSON and tensors.

The estimators of skblood are taken out, wherever they are, and written as if alone. What is left
is written by skops; of Pipelines, the steps are written one by one.
"""

from collections import defaultdict
from importlib import import_module

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skblood.estimators import CellModel

from . import _estimators as estimators, _skops as skops
from ._values import decode, encode, plain

# Parameters of a Pipeline besides its steps. Its memory is a folder of this computer.
_PARAMETERS = ("verbose", "transform_input")
_PIPELINES = {"sklearn.pipeline.Pipeline", "imblearn.pipeline.Pipeline"}
_PLACE = "estimator of skblood"  # key of what stands for an estimator that was taken out
_MAX_POSITION = 624  # in the state of a RandomState, which NumPy does not check


def find_fitted(model):
    """Return the fitted estimators of skblood that a model holds, itself included.

    Raises
    ------
    TypeError
        If it is a search, or neither holds an estimator of skblood nor is a Pipeline.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    found = []

    def note(part):
        found.extend([part] if isinstance(part, CellModel) else [])
        return part

    _substitute(model, note, {})
    if isinstance(model, BaseSearchCV) or not (found or isinstance(model, Pipeline)):
        raise TypeError(
            "Give a fitted estimator of skblood, one of scikit-learn that holds it, or a Pipeline, "
            f"not {type(model).__name__}. Of a search, give its best_estimator_."
        )
    check_is_fitted(model)
    return [each for each in found if hasattr(each, "spec_")]


def restore_model(document, tensors, device):
    """Return the model that `describe_model` described; see `_estimators.restore`."""
    kind = document["class"]
    if kind == "passthrough":
        return kind
    if kind != "skops" and str(kind) not in _PIPELINES:
        return estimators.restore(document, tensors, device)
    parts, content = _read_parts(document, tensors)
    parts = [restore_model(part, own, device) for part, own in parts]
    if kind == "skops":
        return _put_back(skops.load(content.numpy().tobytes()), parts)
    steps = [(name, part) for (name, _), part in zip(document["steps"], parts, strict=True)]
    module, _, name = kind.rpartition(".")  # one of two, see _PIPELINES
    return getattr(import_module(module), name)(steps, **_parameters(document))


def readable_model(document, tensors):
    """Return what `skblood.load_info` says about a model; see `_estimators.readable`."""
    kind = document["class"]
    if kind == "passthrough":
        return {"class": kind}
    if kind != "skops" and str(kind) not in _PIPELINES:
        return estimators.readable(document, tensors)
    parts = [readable_model(part, own) for part, own in _read_parts(document, tensors)[0]]
    if kind == "skops":
        return {"class": f"{document['type']!s:.200}", "estimators": parts}
    steps = [
        {"name": name, **part} for (name, _), part in zip(document["steps"], parts, strict=True)
    ]
    return {"class": kind, "parameters": plain(_parameters(document)), "steps": steps}


def describe_model(model):
    """Return a fitted model as JSON and tensors.

    Parameters
    ----------
    model : estimator
        Of which `find_fitted` is known to raise no error, or a step of it.

    Returns
    -------
    document, tensors, left_out
        As from `_estimators.describe`; tensors and parameters of a part have its prefix.

    Raises
    ------
    TypeError
        If it is, or holds, an object that cannot be saved. The message says what to do.
    ImportError
        If a part needs skops, which is not installed.
    """
    if model is None or (isinstance(model, str) and model == "passthrough"):
        return {"class": "passthrough"}, {}, []
    if estimators.is_ours(model):
        return estimators.describe(model)
    if _full_name(model) not in _PIPELINES:
        return _describe_by_skops(model)
    steps = [(name, *describe_model(step)) for name, step in model.steps]
    tensors, left_out = _join((own, lost, f"{name}__") for name, _, own, lost in steps)
    document = {
        "class": _full_name(model),
        "parameters": {name: encode(getattr(model, name)) for name in _PARAMETERS},
        "steps": [[name, document] for name, document, _, _ in steps],
    }
    return document, tensors, left_out


def _describe_by_skops(model):
    parts = []

    def take_out(part):
        if estimators.is_ours(part):
            parts.append(part)
            return Bunch(**{_PLACE: len(parts) - 1})
        is_sampler = hasattr(type(part), "fit_resample") and not isinstance(part, Pipeline)
        # A fitted one may hold training images.
        return clone(part) if is_sampler else skops.refit_encoder(part)

    try:
        content = skops.dump(_substitute(model, take_out, {}))
    except ImportError:
        raise
    # Whatever it meets: skops raises errors of many types for what it does not know.
    except Exception as error:
        raise TypeError(
            f"The {type(model).__name__} cannot be saved: {error}. Save its estimator of skblood, "
            "or all by joblib.dump, as a pickle: whoever opens that runs any code that is in it."
        ) from error
    described = [estimators.describe(part) for part in parts]
    tensors, left_out = _join((own, lost, "") for _, own, lost in described)
    tensors["skops"] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    documents = [document for document, _, _ in described]
    return {"class": "skops", "type": _full_name(model), "parts": documents}, tensors, left_out


def _join(parts):
    """Return the tensors of all parts, prefixed by their numbers, and what they left out."""
    tensors, left_out = {}, []
    for i, (own, lost, prefix) in enumerate(parts):
        tensors |= {f"{i}.{key}": tensor for key, tensor in own.items()}
        left_out += [f"{prefix}{each}" for each in lost]
    return tensors, left_out


def _read_parts(document, tensors):
    """Return the documents and tensors of all parts, and the bytes that skops wrote, if any."""
    documents = [step for _, step in document["steps"]] if "steps" in document else []
    documents += document.get("parts", [])
    own = defaultdict(dict)
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        own[number][name] = tensor
    parts = [(part, own.pop(str(i), {})) for i, part in enumerate(documents)]
    content = own.pop("skops", {}).get("")
    if own:
        raise ValueError("it holds tensors that belong to no part of it")
    return parts, content


def _put_back(model, parts):
    """Return an object that skops has loaded with the estimators that were taken out."""

    def put_back(part):
        if isinstance(part, np.random.RandomState):
            position = part.get_state(legacy=False)["state"]["pos"]
            if not 0 <= position <= _MAX_POSITION:
                raise ValueError("it holds a random generator of a wrong state")
        is_place = isinstance(part, Bunch) and _PLACE in part
        return parts[part[_PLACE]] if is_place else skops.refit_encoder(part)

    model = _substitute(model, put_back, {})
    if not isinstance(model, BaseEstimator):
        raise ValueError("it is not an estimator")
    return model


def _substitute(thing, replace, memo):
    """Return a copy of nested objects of scikit-learn in which `replace` was applied to each."""
    if id(thing) not in memo:
        new = replace(thing)
        if new is thing:
            new = _copy(thing, lambda part: _substitute(part, replace, memo))
        memo[id(thing)] = new, thing  # which keeps its id
    return memo[id(thing)][0]


def _copy(thing, copy_part):
    """Return a copy of a container or an object of scikit-learn; other things as they are."""
    if isinstance(thing, dict):
        new = type(thing)()
        new.update({key: copy_part(value) for key, value in thing.items()})
        return new
    if type(thing) in (list, tuple):
        return type(thing)(map(copy_part, thing))
    if isinstance(thing, np.ndarray) and thing.dtype == object:
        new = thing.copy()
        for place, part in np.ndenumerate(thing):
            new[place] = copy_part(part)
        return new
    if type(thing).__module__.startswith(("sklearn.", "imblearn.")) and hasattr(thing, "__dict__"):
        new = object.__new__(type(thing))  # calls no method that a file may have replaced
        for name, value in vars(thing).items():
            # The folder of a Pipeline belongs to this computer.
            vars(new)[name] = None if name == "memory" else copy_part(value)
        return new
    return thing


def _parameters(document):
    return {name: decode(document["parameters"][name]) for name in _PARAMETERS}


def _full_name(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
