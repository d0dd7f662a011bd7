"""Image input: from what the user has to one uint8 array of shape (n, h, w, c).

:func:`is_table` tells tables of numbers from images. Tables are validated by scikit-learn and
converted by :func:`unflatten_rows`; images are read by :func:`read_images`.

Loaded on first use: paths need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
