"""Evaluation: scores with intervals, differential counts, and displays of data and training.

Loaded on first use: a table of predictions needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
