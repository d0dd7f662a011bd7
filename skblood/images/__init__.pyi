"""Names of the room, for lazy loading and for static tools."""

from ._cell_images import (
    CellImages as CellImages,
    ImageChunks as ImageChunks,
    content_keys as content_keys,
)
from ._cell_stream import CellStream as CellStream
from ._channels import convert_channels as convert_channels
from ._crop import CROP_RANGE as CROP_RANGE, check_crop as check_crop, crop_places as crop_places
from ._decode import check_file as check_file
from ._depth import check_bit_depth as check_bit_depth, state_depth as state_depth
from ._encoded import EncodedImage as EncodedImage
from ._files import file_key as file_key
from ._forms import holds_arrays as holds_arrays, is_table as is_table
from ._pixels import as_uint8 as as_uint8, to_numpy as to_numpy
from ._read import (
    chunk_slices as chunk_slices,
    image_items as image_items,
    map_images as map_images,
    read_chunks as read_chunks,
    read_images as read_images,
)
from ._reader import ImageLayout as ImageLayout, ImageReader as ImageReader, Layout as Layout
from ._resize import (
    INTERPOLATIONS as INTERPOLATIONS,
    resize_batch as resize_batch,
    resize_images as resize_images,
)
from ._shared import quiet as quiet
from ._streamed import StreamedImages as StreamedImages
from ._table import read_table as read_table
from ._torch_defaults import torch_defaults as torch_defaults
from ._unflatten import resolve_row_shape as resolve_row_shape, unflatten_rows as unflatten_rows
