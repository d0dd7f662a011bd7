"""Image input: from what the user has to one uint8 array of shape (n, h, w, c).

:func:`is_table` tells tables of numbers from images. Tables are validated by scikit-learn and
converted by :func:`unflatten_rows`; images are read by :func:`read_images`.
"""

from ._cell_images import CellImages, content_keys
from ._channels import convert_channels
from ._crop import CROP_RANGE, check_crop, crop_places
from ._depth import check_bit_depth, state_depth
from ._files import file_key
from ._forms import holds_arrays, is_table
from ._pixels import as_uint8, to_numpy
from ._read import image_items, map_images, read_images
from ._reader import ImageLayout, ImageReader, Layout
from ._resize import INTERPOLATIONS, resize_batch, resize_images
from ._shared import quiet
from ._table import read_table
from ._torch_defaults import torch_defaults
from ._unflatten import resolve_row_shape, unflatten_rows
