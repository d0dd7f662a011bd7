"""Python values as JSON and back, so that they come back of the same type.

What JSON has is written as it is; of the rest, each is an object of one key, which names its type.
"""

import math
import os
from functools import partial

import numpy as np
from skorch.history import History

from skblood.adaptation import Adaptation
from skblood.augment import is_own
from skblood.io._augments import NAMES, decode_augment, encode_augment

# Bytes of an array, at most: its dtype alone could ask for any number.
_MAX_ARRAY = 2**26


def encode(value):
    """Return a value as JSON has it.

    Raises
    ------
    TypeError
        If there is no way back from JSON.
    """
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
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
    if is_own(value):
        return encode_augment(value)
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
        If it is none that `encode` writes.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or (kind := next(iter(value))) not in _DECODERS:
        raise ValueError(f"{short(value)} is no value of any known type")
    try:
        return _DECODERS[kind](value[kind])
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise ValueError(f"{short(value)} is no {kind}: {error}") from error


def plain(value):
    """Return a value in types that JSON has, whatever is lost: to be read, not to come back."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value) if is_own(value) else value


def _encode_epoch(epoch):
    # The figures of each batch, which skorch keeps as well, would outweigh a small network.
    figures = {str(k): v for k, v in epoch.items() if k != "batches"}
    return {
        k: encode(v)
        for k, v in figures.items()
        if isinstance(v, bool | int | float | str | np.generic)
    }


def _encode_array(array):
    values = array.tolist()
    kinds = {"b", "i", "u", "f", "U"}
    if array.ndim != 1 or (array.dtype.kind not in kinds and not _is_strings(values)):
        raise TypeError(f"an array of {array.ndim} axes and dtype {array.dtype} cannot be written")
    dtype = array.dtype.str if array.dtype.kind in kinds else "object"
    return {"dtype": dtype, "values": [encode(item) for item in values]}


def _is_strings(values):
    return all(type(item) is str for item in values)


def _decode_array(stored):
    dtype, values = stored["dtype"], [decode(item) for item in stored["values"]]
    if dtype == "object":
        if not _is_strings(values):
            raise ValueError("it holds other objects than strings")
        return np.array(values, dtype=object)
    dtype = np.dtype(str(dtype))
    if dtype.kind not in "biufU" or dtype.itemsize * max(1, len(values)) > _MAX_ARRAY:
        raise ValueError(f"its dtype is {dtype}")
    array = np.array(values, dtype=dtype)
    if array.ndim != 1 or array.tolist() != values:
        raise ValueError(f"its values are not of dtype {dtype}")
    return array


def _decode_float(text):
    if text not in ("nan", "inf", "-inf"):
        raise ValueError("it is finite")
    return float(text)


def _decode_history(stored):
    history = History()
    for epoch in stored:
        history.append({"batches": [], **{str(k): decode(v) for k, v in epoch.items()}})
    return history


def _decode_dict(stored):
    return {_key(key): decode(value) for key, value in stored}


def _key(stored):
    key = decode(stored)
    hash(key)
    return key


_DECODERS = {
    "float": _decode_float,
    "history": _decode_history,
    "tuple": lambda stored: tuple(decode(item) for item in stored),
    "dict": _decode_dict,
    **{name: partial(decode_augment, name) for name in NAMES},
    "Adaptation": lambda stored: Adaptation(**{name: decode(v) for name, v in stored.items()}),
    "array": _decode_array,
}


def short(value):
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
