"""Python values as JSON and back, keeping their types.

JSON values are written as they are; any other is an object with one key, which names its type.
"""

import inspect
import math
import os
from functools import partial

import numpy as np
from skorch.history import History
from torch import nn

from skblood.adaptation import Adaptation
from skblood.augment import AUGMENTS, is_own

_AUGMENTS = {kind.__name__: kind for kind in AUGMENTS}
# Bytes of an array, at most: its dtype alone could ask for any number.
_MAX_ARRAY = 2**26


def encode(value):
    """Return a value as JSON.

    Raises
    ------
    TypeError
        If values of this type cannot be written.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, History):
        return {"history": [_encode_epoch(epoch) for epoch in value]}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    if type(value) is nn.Sequential and is_own(value):
        return {"augments": [encode(part) for part in value]}
    if is_own(value):
        return {type(value).__name__: {k: plain(v) for k, v in value.get_params().items()}}
    if type(value) is Adaptation:
        return {"Adaptation": {name: encode(part) for name, part in vars(value).items()}}
    if hasattr(value, "__array__"):
        return {"array": _encode_array(np.asarray(value))}
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def decode(value):
    """Return the value that `encode` wrote.

    Raises
    ------
    ValueError
        If `encode` writes no such JSON.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or (kind := next(iter(value))) not in _DECODERS:
        raise ValueError(f"{short(value)} is not a value of a known type")
    try:
        return _DECODERS[kind](value[kind])
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise ValueError(f"{short(value)} is not a valid {kind}: {error}") from error


def plain(value):
    """Return a value in JSON types for reading; it cannot be decoded."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if is_own(value) else value


def short(value):
    """Return the `repr` of a value, at most 80 characters of it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _encode_epoch(epoch):
    # skorch also keeps the figures of each batch, which can outweigh a small network.
    kinds = bool | int | float | str | np.generic
    return {str(k): encode(v) for k, v in epoch.items() if isinstance(v, kinds)}


def _encode_array(array):
    values, dtype = array.tolist(), array.dtype.str
    if array.dtype == object and all(type(item) is str for item in values):
        dtype = "object"
    elif array.dtype.kind not in "biufU":
        raise TypeError(f"an array of dtype {array.dtype} cannot be written")
    if array.ndim != 1:
        raise TypeError(f"an array of {array.ndim} axes cannot be written")
    return {"dtype": dtype, "values": [encode(item) for item in values]}


def _decode_array(stored):
    dtype, values = stored["dtype"], [decode(item) for item in stored["values"]]
    if dtype == "object":
        if not all(type(item) is str for item in values):
            raise ValueError("it holds other objects than strings")
        return np.array(values, dtype=object)
    dtype = np.dtype(str(dtype))
    if dtype.kind not in "biufU" or dtype.itemsize * max(1, len(values)) > _MAX_ARRAY:
        raise ValueError(f"its dtype is {dtype}")
    array = np.array(values, dtype=dtype)
    if array.ndim != 1 or array.tolist() != values:
        raise ValueError(f"its values are not of dtype {dtype}")
    return array


def _decode_augment(name, stored):
    names = tuple(inspect.signature(_AUGMENTS[name]).parameters)
    if set(stored) != set(names) or not all(_is_number_or_pair(v) for v in stored.values()):
        raise ValueError(f"its parameters must be the numbers {', '.join(names)}")
    parameters = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return _AUGMENTS[name](**parameters)


def _is_number_or_pair(value):
    pair = value if isinstance(value, list) and len(value) == 2 else [value]
    return all(isinstance(each, bool | float | int) for each in pair)


def _decode_augments(stored):
    parts = [decode(part) for part in stored]
    if not all(is_own(part) for part in parts):
        raise ValueError("it holds other things than augmentations")
    return nn.Sequential(*parts)


def _decode_float(text):
    if text not in ("nan", "inf", "-inf"):
        raise ValueError("it is finite")
    return float(text)


def _decode_history(stored):
    history = History()
    for epoch in stored:
        history.append({"batches": [], **{str(k): decode(v) for k, v in epoch.items()}})
    return history


_DECODERS = {
    "float": _decode_float,
    "history": _decode_history,
    "tuple": lambda stored: tuple(decode(item) for item in stored),
    "dict": lambda stored: {decode(key): decode(value) for key, value in stored},
    "augments": _decode_augments,
    **{name: partial(_decode_augment, name) for name in _AUGMENTS},
    "Adaptation": lambda stored: Adaptation(**{name: decode(v) for name, v in stored.items()}),
    "array": _decode_array,
}
