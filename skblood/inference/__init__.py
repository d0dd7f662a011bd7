"""Inference: device, precision, batches, and features that are computed once.

Loaded on first use: a seed needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
