"""Names of the room, for lazy loading and for static tools."""

from ._device import (
    autocast as autocast,
    autocast_dtype as autocast_dtype,
    relocate as relocate,
    resolve_device as resolve_device,
)
from ._predictor import Predictor as Predictor, pass_dtype as pass_dtype
from ._random import (
    generator_states as generator_states,
    restore_generators as restore_generators,
    seed_generators as seed_generators,
    seeded as seeded,
)
from ._seed import draw_seed as draw_seed
from ._store import FeatureStore as FeatureStore
from ._tensors import as_nchw as as_nchw, to_tensor as to_tensor
