"""Tar files of images in the WebDataset form."""

import io
import json
import os
from numbers import Integral
from pathlib import Path

from PIL import Image
from sklearn.utils import check_scalar

from skblood._labels import as_column, check_lengths, plain_list
from skblood._writing import new_file, to_utf8, track
from skblood.datasets import IMAGE_EXTENSIONS
from skblood.images import EncodedImage, image_items, read_images

from ._places import open_file, require


def write_shards(X, folder, y=None, *, shard_size=10_000):
    """Write images into tar files in the WebDataset form.

    Few large files are read faster than many small ones, from a network above all. Each file is
    whole or absent: it is renamed at the end. A training from shards reads them in their order, so
    shuffle images that are sorted by class.

    Parameters
    ----------
    X : sequence of n paths, `EncodedImage`, PIL images or arrays, or array of images
        Files are copied as they are; others are written as PNG, without loss.
    folder : str or path-like
        Where the files shard-000000.tar, shard-000001.tar, ... are written; made if missing.
    y : array-like of shape (n,), default=None
        Labels, written as text.
    shard_size : int, default=10,000
        Number of images in a file.

    Returns
    -------
    paths : list of str
        The tar files.

    Raises
    ------
    ValueError
        If a file has no extension of an image, or `y` another length than `X`.
    OSError
        If a file cannot be read or written.

    See Also
    --------
    open_source : Reads them.

    Notes
    -----
    Images are numbered; the field `file` of the .json beside it tells the path of each.

    Examples
    --------
    >>> import tempfile
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.streaming import open_source, write_shards
    >>> X, y = make_blood_cells(5, image_size=32, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_shards(X, folder, y, shard_size=3)
    ...     sizes = [len(b.items) for p in open_source(paths).partitions() for b in p.batches()]
    >>> sizes
    [3, 2]
    """
    writer = require("webdataset.writer", "shards").TarWriter
    check_scalar(shard_size, "shard_size", Integral, min_val=1)
    items = image_items(X)
    if y is not None:
        y = plain_list(as_column(y, "y"))
        check_lengths(X=len(items), y=len(y))
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with track(len(items), "writing") as update:
        for start in range(0, len(items), shard_size):
            path = folder / f"shard-{len(paths):06d}.tar"
            with new_file(path) as file, writer(file, encoder=False, mtime=0) as tar:
                for i in range(start, min(start + shard_size, len(items))):
                    tar.write(_as_sample(items[i], i, None if y is None else y[i]))
                    update()
            paths.append(str(path))
    return paths


def _as_sample(item, position, label):
    """Return an image as webdataset writes it: extension -> bytes."""
    sample = {"__key__": f"{position:08d}"}
    if isinstance(item, str | os.PathLike | EncodedImage):
        name = os.fspath(item) if isinstance(item, os.PathLike) else str(item)
        extension = os.path.splitext(name)[1].lower()
        if extension not in IMAGE_EXTENSIONS:
            allowed = ", ".join(IMAGE_EXTENSIONS)
            raise ValueError(f"{name!r} has no extension of an image ({allowed}). Rename it.")
        with item.open() if isinstance(item, EncodedImage) else open_file(name) as file:
            sample[extension[1:]] = file.read()
        sample["json"] = json.dumps({"file": to_utf8(name)}).encode()
    else:
        pixels = read_images([item])[0]
        content = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "PNG")
        sample["png"] = content.getvalue()
    if label is not None:
        sample["cls"] = str(label).encode()
    return sample
