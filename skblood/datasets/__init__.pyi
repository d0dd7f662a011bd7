"""Names of the room, for lazy loading and for static tools."""

from ._blood_cells import make_blood_cells
from ._csv import iter_table, load_csv, read_table, refuse_predictions
from ._folders import find_images, load_image_folder, visible_folders
from ._load import load_cells
from ._medmnist import fetch_bloodmnist, load_npz
from ._merge import merge_datasets
from ._parquet import (
    MANIFEST,
    MARK,
    digest,
    find_shards,
    is_predictions,
    read_manifest,
    read_marks,
    require,
    seal,
    unseal,
)
from ._pbc import fetch_pbc
from ._raabin import load_raabin_wbc
from ._split import train_val_test_split
from ._table import TABLES, is_local_table, read_header, table_folder
from ._unreadable import find_unreadable
from ._walk import HIDDEN, IMAGE_EXTENSIONS, in_order, walk_images
