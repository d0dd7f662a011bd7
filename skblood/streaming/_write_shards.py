"""Tar files of images in the WebDataset form."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from itertools import chain, islice
from numbers import Integral
from pathlib import Path
from typing import Any

from PIL import Image
from sklearn.utils import check_scalar

from skblood._labels import as_column, check_lengths, plain_list
from skblood._typing import ArrayLike, StrPath
from skblood._writing import list_some, new_file, to_utf8, track
from skblood.datasets import IMAGE_EXTENSIONS
from skblood.images import EncodedImage, image_items, read_images

from ._places import open_file, require
from ._rows import to_text
from ._sources import Source, open_source


def write_shards(
    X: StrPath | Source | Sequence[Any],
    folder: StrPath,
    y: ArrayLike | None = None,
    *,
    label_column: str | None = None,
    shard_size: int = 10_000,
) -> list[str]:
    """Write images into tar files in the WebDataset form.

    Few large files are read faster than many small ones, from a network above all. Each file is
    whole or absent: it is renamed at the end. A training from shards reads them in their order, so
    shuffle images that are sorted by class.

    Parameters
    ----------
    X : str, path-like, Source; or sequence of n paths, `EncodedImage`, PIL images or arrays
        A folder, pattern, table, tar file or URL, as :func:`open_source` takes it, or what that
        returns: any number of images, in bounded memory, and all that is known of them. Or images;
        files are copied as they are, others are written as PNG, without loss.
    folder : str or path-like
        Where the files shard-000000.tar, shard-000001.tar, ... are written; made if missing.
    y : array-like of shape (n,), default=None
        Labels of images, written as text.
    label_column : str, default=None
        Column of a source that is written as label; None is "label", if there is one. The other
        columns are fields of the .json files.
    shard_size : int, default=10,000
        Number of images in a file.

    Returns
    -------
    paths : list of str
        The tar files.

    Raises
    ------
    ValueError
        If a file has no extension of an image, parts of a source cannot be read, it has no
        `label_column`, or `y` another length than `X`.
    OSError
        If a file cannot be read or written.

    See Also
    --------
    open_source : Reads them.

    Notes
    -----
    Images are numbered; the field `file` of the .json beside it tells the path of each. Columns are
    written as text; what is empty is left out.

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
    X = open_source(X) if isinstance(X, str | os.PathLike) else X
    if isinstance(X, Source):
        if y is not None:
            raise ValueError("y is of images. Of a source, name its `label_column`.")
        n, samples = None, _read_source(X, label_column)
    else:
        items = image_items(X)
        n, labels = len(items), [None] * len(items) if y is None else plain_list(as_column(y, "y"))
        check_lengths(X=n, y=len(labels))
        samples = ((item, label, {}) for item, label in zip(items, labels, strict=True))
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    paths, samples = [], enumerate(samples)
    with track(n, "writing") as update:
        for first in samples:
            path = folder / f"shard-{len(paths):06d}.tar"
            with new_file(path) as file, writer(file, encoder=False, mtime=0) as tar:
                for i, sample in chain([first], islice(samples, shard_size - 1)):
                    tar.write(_as_sample(i, *sample))
                    update()
            paths.append(str(path))
    return paths


def _read_source(source, label_column):
    """Yield the images of a source, their labels, and the other fields as text."""
    for partition in source.partitions():
        for batch in partition.batches():
            if batch.errors:
                named = list_some(f"{name}: {why}" for name, why in batch.errors.items())
                raise ValueError(f"Parts of the source cannot be read:\n{named}\nRepair them.")
            n = len(batch.items)
            rows = [{}] * n if batch.columns is None else batch.columns.to_dict("records")
            for item, name, row in zip(batch.items, batch.names, rows, strict=True):
                texts = {to_text(key): to_text(value) for key, value in row.items()}
                fields = {"file": name} | {key: text for key, text in texts.items() if text}
                label = fields.pop(label_column or "label", None)
                if label_column and label is None:
                    raise ValueError(f"{name!r} has no {label_column!r}, but {[*texts]}.")
                yield item, label, fields


def _as_sample(position, item, label, fields):
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
        sample["json"] = json.dumps({"file": to_utf8(name)} | fields).encode()
    else:
        pixels = read_images([item])[0]
        content = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "PNG")
        sample["png"] = content.getvalue()
    if label is not None:
        sample["cls"] = str(label).encode()
    return sample
