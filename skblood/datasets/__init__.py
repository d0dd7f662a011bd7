"""Data sets of blood-cell images: load, fetch, merge, split and draw.

Loaded on first use: the header of a table needs neither pandas nor scikit-learn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
# For other rooms.
_INTERNAL = (
    "HIDDEN IMAGE_EXTENSIONS MANIFEST MARK TABLES digest find_images find_shards in_order "
    "is_local_table is_predictions iter_table read_header read_manifest read_marks read_table "
    "refuse_predictions require seal table_folder unseal visible_folders walk_images"
)
__all__ = [name for name in __all__ if name not in _INTERNAL.split()]
