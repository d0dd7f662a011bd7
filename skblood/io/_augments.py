"""Our own augmentations as JSON and back: their names and parameters, and sequences of them."""

import inspect

from torch import nn

from skblood.augment import AUGMENTS

_KINDS = {kind.__name__: kind for kind in AUGMENTS}
_SEQUENCE = "augments"
NAMES = (*_KINDS, _SEQUENCE)


def encode_augment(value):
    """Return one of ours as JSON has it."""
    if type(value) is nn.Sequential:
        return {_SEQUENCE: [encode_augment(part) for part in value]}
    return {type(value).__name__: {k: _encode_number(v) for k, v in value.get_params().items()}}


def decode_augment(name, stored):
    """Return the augmentation of which `encode_augment` wrote this.

    Raises
    ------
    ValueError
        If it is none that it writes.
    """
    if name == _SEQUENCE:
        return nn.Sequential(*(decode_augment(*_only_item(part)) for part in stored))
    wanted = tuple(inspect.signature(_KINDS[name]).parameters)
    if set(stored) != set(wanted) or not all(_is_number(v) for v in stored.values()):
        raise ValueError(f"its parameters must be the numbers {', '.join(wanted)}")
    return _KINDS[name](**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})


def _encode_number(value):
    return [_encode_number(each) for each in value] if isinstance(value, tuple | list) else value


def _is_number(value):
    if isinstance(value, list):
        return len(value) == 2 and all(isinstance(each, float | int) for each in value)
    return isinstance(value, bool | float | int)


def _only_item(part):
    ((name, stored),) = part.items()
    if name not in NAMES:
        raise ValueError(f"{name!r} is no augmentation")
    return name, stored
