"""Names of the room, for lazy loading and for static tools."""

from ._blood_cells import make_blood_cells as make_blood_cells
from ._croissant import write_croissant as write_croissant
from ._csv import (
    iter_table as iter_table,
    load_csv as load_csv,
    read_table as read_table,
    refuse_predictions as refuse_predictions,
)
from ._folders import (
    find_images as find_images,
    load_image_folder as load_image_folder,
    visible_folders as visible_folders,
)
from ._load import load_cells as load_cells
from ._medmnist import fetch_bloodmnist as fetch_bloodmnist, load_npz as load_npz
from ._merge import merge_datasets as merge_datasets
from ._parquet import (
    MANIFEST as MANIFEST,
    MARK as MARK,
    digest as digest,
    find_shards as find_shards,
    is_predictions as is_predictions,
    read_manifest as read_manifest,
    read_marks as read_marks,
    require as require,
    seal as seal,
    unseal as unseal,
)
from ._pbc import fetch_pbc as fetch_pbc
from ._raabin import load_raabin_wbc as load_raabin_wbc
from ._split import train_val_test_split as train_val_test_split
from ._table import (
    TABLES as TABLES,
    is_local_table as is_local_table,
    read_header as read_header,
    table_folder as table_folder,
)
from ._unreadable import find_unreadable as find_unreadable
from ._walk import (
    HIDDEN as HIDDEN,
    IMAGE_EXTENSIONS as IMAGE_EXTENSIONS,
    in_order as in_order,
    walk_images as walk_images,
)
