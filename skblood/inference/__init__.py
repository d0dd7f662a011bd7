"""Inference: device, precision, batches, and features that are computed once."""

from ._device import autocast, autocast_dtype, resolve_device
from ._encode import change, encode_images
from ._predict import forward_all
from ._random import draw_seed, generator_states, restore_generators, seeded
from ._store import FeatureStore
from ._tensors import as_nchw, to_tensor

__all__ = [
    "FeatureStore",
    "as_nchw",
    "autocast",
    "autocast_dtype",
    "change",
    "draw_seed",
    "encode_images",
    "forward_all",
    "generator_states",
    "resolve_device",
    "restore_generators",
    "seeded",
    "to_tensor",
]
