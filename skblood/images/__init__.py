"""Image input: from what the user has to one uint8 array of shape (n, h, w, c).

:func:`is_table` tells tables of numbers from images. Tables are validated by scikit-learn and
converted by :func:`unflatten_rows`; images are read by :func:`read_images`.

Loaded on first use: paths need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_cell_images": ["CellImages", "ImageChunks", "content_keys"],
        "_cell_stream": ["CellStream"],
        "_channels": ["convert_channels"],
        "_crop": ["CROP_RANGE", "check_crop", "crop_places"],
        "_decode": ["check_file"],
        "_depth": ["check_bit_depth", "state_depth"],
        "_encoded": ["EncodedImage"],
        "_files": ["file_key"],
        "_forms": ["holds_arrays", "is_table"],
        "_pixels": ["as_uint8", "to_numpy"],
        "_read": ["chunk_slices", "image_items", "map_images", "read_chunks", "read_images"],
        "_reader": ["ImageLayout", "ImageReader", "Layout"],
        "_resize": ["INTERPOLATIONS", "resize_batch", "resize_images"],
        "_shared": ["quiet"],
        "_streamed": ["StreamedImages"],
        "_table": ["read_table"],
        "_torch_defaults": ["torch_defaults"],
        "_unflatten": ["resolve_row_shape", "unflatten_rows"],
    },
)
