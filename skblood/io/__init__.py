"""Model files (saved without pickle, loaded without running code), model cards, and ONNX.

Loaded on first use: a summary of a file needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
