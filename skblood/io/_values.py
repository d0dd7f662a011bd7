"""Python values as JSON and back, keeping their types.

JSON values are written as they are; any other is an object with one key, which names its type.
"""

import math
import os
import re
from functools import partial

import numpy as np
from skorch.history import History
from torch import nn

from skblood.adaptation import Adaptation
from skblood.augment import AUGMENTS, is_own

_AUGMENTS = {kind.__name__: kind for kind in AUGMENTS}
# Those of arrays that are written: a few bytes an item, whatever the file says.
_DTYPES = re.compile(r"object|[<>|][biufU]\d{1,4}")


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
        return {"history": _encode_history(value)}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": encode(list(value))}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    if type(value) is nn.Sequential and is_own(value):
        return {"augments": encode(list(value))}
    if is_own(value):
        return {type(value).__name__: plain(value.get_params())}
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


def _encode_history(history):
    # skorch also keeps the figures of each batch, which can outweigh a small network.
    kinds = bool | int | float | str | np.generic
    return [{k: encode(v) for k, v in epoch.items() if isinstance(v, kinds)} for epoch in history]


def _decode_history(stored):
    history = History()
    for epoch in stored:
        history.append({"batches": [], **{name: decode(v) for name, v in epoch.items()}})
    return history


def _encode_array(array):
    dtype = "object" if array.dtype == object else array.dtype.str
    if array.ndim != 1 or not _DTYPES.fullmatch(dtype):
        raise TypeError(f"an array of {array.ndim} axes and dtype {array.dtype} cannot be written")
    return {"dtype": dtype, "values": encode(array.tolist())}


def _decode_array(stored):
    dtype, values = stored["dtype"], decode(stored["values"])
    if not _DTYPES.fullmatch(dtype):
        raise ValueError(f"its dtype is {short(dtype)}")
    array = np.array(values, dtype=dtype)
    if array.ndim != 1 or array.tolist() != values:
        raise ValueError(f"its values are not of dtype {dtype}")
    return array


def _decode_augment(name, stored):
    parameters = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return _AUGMENTS[name](**parameters)


def _decode_augments(stored):
    if not is_own(augments := nn.Sequential(*map(decode, stored))):
        raise ValueError("it holds other things than augmentations")
    return augments


_DECODERS = {
    "float": float,
    "history": _decode_history,
    "tuple": lambda stored: tuple(decode(stored)),
    "dict": lambda stored: {decode(key): decode(value) for key, value in stored},
    "augments": _decode_augments,
    **{name: partial(_decode_augment, name) for name in _AUGMENTS},
    "Adaptation": lambda stored: Adaptation(**{name: decode(v) for name, v in stored.items()}),
    "array": _decode_array,
}
