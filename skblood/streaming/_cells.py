"""Labeled images of shards, for training on more than can be held."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_scalar

from skblood._typing import Files, OnError
from skblood._writing import track
from skblood.images import CellStream

from ._sources import Source, open_source

# Images whose labels are read at a time.
_STEP = 1024


class ShardedCells(CellStream):
    """Labeled images in tar shards, which a fit reads anew in each epoch.

    ``fit(cells, cells.y)`` trains a classifier on any number of images: they are read shard by
    shard, in random order and several shards at a time, decoded while the network trains, and
    drawn at random from a shuffle buffer. The labels are read when the object is made, which reads
    each shard once and decodes nothing.

    Parameters
    ----------
    source : str, path-like, or list of them
        Tar files in the WebDataset form, such as ``"train-{0000..0041}.tar"`` or
        ``"train-*.tar"``, or anything else that :func:`open_source` takes.
    label_column : str, default="label"
        What is known of each image as its label: "label" is the text of the .cls file beside it,
        or else of .txt; other names are fields of the .json file, or columns of a table.
    group_column : str, default=None
        The same for its group, such as the patient.
    on_error : {"raise", "skip"}, default="raise"
        What to do with damaged shards, images that cannot be decoded, and images without a label:
        raise an error that names them, or leave them out.
    buffer_bytes : int, default=2**29
        Size of the shuffle buffer: 512 MiB hold 43,690 images of 64 px.
    n_open : int, default=16
        Number of shards that are read in turns.
    bit_depth : int in 8..16, default=None
        Bits of the values in files of more than 8 bits; see :func:`skblood.images.read_images`.

    Attributes
    ----------
    y : ndarray of shape (n,), dtype object
        Labels, all str.
    groups : ndarray of shape (n,), dtype object; or None
        Groups, all str.
    errors : dict of str to str
        Name -> reason, of what has been left out by on_error="skip" so far.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If on_error="raise" and a shard is damaged or an image has no label or group, or if no image
        is left.
    ImportError
        If the package webdataset is missing.

    See Also
    --------
    write_shards : Makes shards of images.
    open_source : Images for prediction.

    Notes
    -----
    The memory of a training is that of the shuffle buffer, of at most 256 MiB of validation images
    that are set aside, of 1,024 images that stand for all where pixels are needed at once, and some
    bytes for each image. ``len(cells)`` is the number of images; ``list(cells)`` holds all of them,
    encoded. The user guide tells what else differs from a training in memory.

    Examples
    --------
    >>> import tempfile
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.streaming import ShardedCells, write_shards
    >>> X, y = make_blood_cells(64, image_size=16, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cells = ShardedCells(write_shards(X, folder, y, shard_size=16))
    ...     clf = TransferCellClassifier("cellnet_t", max_epochs=2, random_state=0)
    ...     clf = clf.fit(cells, cells.y)
    >>> cells
    <ShardedCells: 64 images in 4 shards>
    >>> clf.predict(X).shape
    (64,)
    """

    def __init__(
        self,
        source: Files | Source,
        *,
        label_column: str = "label",
        group_column: str | None = None,
        on_error: OnError = "raise",
        buffer_bytes: int = 2**29,
        n_open: int = 16,
        bit_depth: int | None = None,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error={on_error!r} must be 'raise' or 'skip'.")
        check_scalar(n_open, "n_open", Integral, min_val=1)
        check_scalar(buffer_bytes, "buffer_bytes", Integral, min_val=1)
        self.on_error, self.buffer_bytes, self.n_open = on_error, buffer_bytes, n_open
        self.columns = [name for name in (label_column, group_column) if name is not None]
        self.errors = {}
        self.parts = list(open_source(source, bit_depth=bit_depth).partitions())
        self.names = [getattr(part, "shard", part.name) for part in self.parts]
        self.y, self.groups = self._index()

    def __repr__(self) -> str:
        return f"<ShardedCells: {len(self):,} images in {len(self.parts):,} shards>"

    def read_part(self, part: int, size: int) -> Iterator[list[Any]]:
        """Yield the images of a part that have a label, as lists of at most `size`."""
        row = int(self.sizes[:part].sum())
        for items, codes in self._batches(part, size):
            if not np.array_equal(codes, self._codes[row : row + len(items)]):
                raise ValueError(
                    f"{self.names[part]} has other labels than when it was opened. Open the shards "
                    "anew, and do not change them during a training."
                )
            row += len(items)
            yield items

    def _index(self):
        """Read labels and groups, and count the images of each part."""
        # Each text once, and its number for each image, in as few bytes as hold it.
        self._texts, codes, sizes = {}, [], []
        with track(len(self.parts), "reading labels", "shard") as update:
            for part in range(len(self.parts)):
                found = [codes for _, codes in self._batches(part, _STEP)]
                sizes.append(sum(map(len, found)))
                codes += [each.astype(np.min_scalar_type(len(self._texts))) for each in found]
                update()
        self.sizes = np.array(sizes, dtype=np.int64)
        if not sum(sizes):
            raise ValueError(f"There is no image with a {self.columns[0]!r} in {self.names[:1]}.")
        self._codes, texts = np.concatenate(codes), np.array(list(self._texts), dtype=object)
        return (*(texts[column] for column in self._codes.T), None)[:2]

    def _batches(self, part, size):
        """Yield the images of a part, and the numbers of their labels and groups."""
        for batch in self.parts[part].batches(size):
            rows = range(len(batch.items))
            table = pd.DataFrame(batch.columns, index=rows, columns=self.columns, dtype=object)
            table = table.where(table.notna(), "").astype(str)
            is_known = (table != "").all(axis=1)
            unknown = [name for name, known in zip(batch.names, is_known, strict=True) if not known]
            lacking = dict.fromkeys(unknown, f"no {' or no '.join(self.columns)}")
            self.note(batch.errors | lacking)
            known = [item for item, known in zip(batch.items, is_known, strict=True) if known]
            yield known, table[is_known].map(self._number).to_numpy(np.int64)

    def _number(self, text):
        return self._texts.setdefault(text, len(self._texts))
