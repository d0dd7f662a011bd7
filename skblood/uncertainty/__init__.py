"""Uncertainty: calibration, prediction sets, rejection, outliers, and tests of a laboratory.

Loaded on first use: the calibration of a table needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__.remove("find_other_batch")  # for other rooms
