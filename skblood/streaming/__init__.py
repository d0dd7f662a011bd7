"""Images from any number of files and shards, and predictions of them, in bounded memory.

Loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
