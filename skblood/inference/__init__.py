"""Inference: device, precision, batches, and features that are computed once.

Loaded on first use: a seed needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_device": ["autocast", "autocast_dtype", "relocate", "resolve_device"],
        "_predictor": ["Predictor", "pass_dtype"],
        "_random": ["generator_states", "restore_generators", "seed_generators", "seeded"],
        "_seed": ["draw_seed"],
        "_store": ["FeatureStore"],
        "_tensors": ["as_nchw", "to_tensor"],
    },
)
