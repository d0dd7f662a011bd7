"""Python values as JSON and back, keeping their types.

JSON values are written as they are; any other is an object with one key, which names its type.
"""

import math
import re
from functools import partial

import numpy as np
import torch
from skorch.history import History
from torch import nn

from skblood.adaptation import Adaptation
from skblood.augment import AUGMENTS, is_own

# Those of arrays that are written: a few bytes an item, whatever the file says.
_DTYPES = re.compile(r"\|O|[<>|][biufU]\d{1,4}")
_MAX_ARRAY = 2**24  # bytes


def encode(value):
    """Return a value as JSON.

    Raises
    ------
    TypeError
        If values of this type cannot be written.
    """
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, History):
        return {"history": [_encode_epoch(epoch) for epoch in value]}
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
    if isinstance(value, np.ndarray) and value.ndim == 1 and _DTYPES.fullmatch(value.dtype.str):
        return {"array": {"dtype": value.dtype.str, "values": encode(value.tolist())}}
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def decode(value):
    """Return the value that `encode` wrote.

    Raises
    ------
    Exception
        Of any type, if `encode` writes no such JSON.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or (kind := next(iter(value))) not in _DECODERS:
        raise ValueError(f"{value!r:.80} is not a value of a known type")
    return _DECODERS[kind](value[kind])


def plain(value):
    """Return a value in JSON types for reading; it cannot be decoded."""
    value = vars(value) if type(value) is Adaptation else value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return value.tolist()
    return str(value) if is_own(value) else value


def _encode_epoch(epoch):
    # skorch also keeps the figures of each batch, which can outweigh a small network.
    kinds = bool | int | float | str | np.generic
    return {name: encode(value) for name, value in epoch.items() if isinstance(value, kinds)}


def _decode_items(stored):
    return {name: decode(value) for name, value in stored.items()}


def _decode_array(stored):
    # Files of earlier versions name it "object".
    dtype, values = stored["dtype"].replace("object", "|O"), decode(stored["values"])
    if not _DTYPES.fullmatch(dtype):
        raise ValueError(f"its dtype is {dtype!r:.80}")
    if np.dtype(dtype).itemsize * len(values) > _MAX_ARRAY:
        raise ValueError(f"its {len(values):,} values of dtype {dtype} are too large")
    array = np.array(values, dtype=dtype)
    if array.ndim != 1 or array.tolist() != values:
        raise ValueError(f"its values are not of dtype {dtype}")
    return array


def _decode_dict(stored):
    decoded = {decode(key): decode(value) for key, value in stored}
    if not all(key is None or isinstance(key, bool | int | float | str) for key in decoded):
        raise ValueError("its keys must be names or numbers")
    return decoded


def _decode_augment(kind, stored):
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})


_DECODERS = {
    "float": float,
    "history": lambda stored: History({"batches": [], **_decode_items(each)} for each in stored),
    "tuple": lambda stored: tuple(decode(stored)),
    "dict": _decode_dict,
    "augments": lambda stored: nn.Sequential(*map(decode, stored)),
    **{kind.__name__: partial(_decode_augment, kind) for kind in AUGMENTS},
    "Adaptation": lambda stored: Adaptation(**_decode_items(stored)),
    "array": _decode_array,
}
