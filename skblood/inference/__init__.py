"""Inference: device, precision, batches, and features that are computed once."""

from ._device import autocast, autocast_dtype, resolve_device
from ._predictor import Predictor, pass_dtype
from ._random import draw_seed, generator_states, restore_generators, seeded
from ._store import FeatureStore
from ._tensors import as_nchw, to_tensor
