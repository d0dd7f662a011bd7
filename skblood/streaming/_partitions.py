"""Parts of a source, each of which is read by one worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from skblood._writing import to_utf8
from skblood.images import EncodedImage

from ._places import absolute, fetch
from ._samples import read_samples
from ._tar import Damage

# A batch of encoded images is not made longer than this.
_MOST_BATCH_BYTES = 2**26


class Batch(NamedTuple):
    """Some images of a partition, which nothing has decoded yet.

    Attributes
    ----------
    items : list of n str or EncodedImage
        What `read_images` and the methods of a model take; may be empty.
    names : list of n str
        Name of each image: its path as the source gives it, its URL, or the tar file and the
        member, "cells.tar/0001.png". Bytes that are not UTF-8 are escaped.
    columns : DataFrame with n rows, or None
        What the source tells of the images besides.
    errors : dict of str to str
        Name -> reason, of members and parts of a shard that could not be read; they are not among
        `items`. (Files that cannot be read are: `read_images` names them.)
    """

    items: list[Any]
    names: list[Any]
    columns: Any
    errors: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A part of a source.

    Attributes
    ----------
    name : str
        Unique in the source; the names sort in the order of the partitions.
    """

    name: str
    folder: str
    bit_depth: int | None = None

    def batches(self, size: int = 256) -> Iterator[Batch]:
        """Yield the images in their order.

        Parameters
        ----------
        size : int, default=256
            Number of images in a batch. Batches of encoded images are shorter if they would have
            more than 64 MiB.

        Yields
        ------
        Batch

        Raises
        ------
        OSError
            If a connection or disk fails.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PathPartition(Partition):
    """Images by path or URL."""

    paths: list[Any] = field(repr=False)
    columns: Any = field(default=None, repr=False)

    def batches(self, size=256):
        """Yield the images in their order."""
        for start in range(0, len(self.paths), size):
            rows = slice(start, start + size)
            names = [to_utf8(path) for path in self.paths[rows]]
            places = [absolute(path, self.folder) for path in self.paths[rows]]
            items = fetch(places, names, self.bit_depth)
            columns = self.columns
            columns = None if columns is None else columns.iloc[rows].reset_index(drop=True)
            yield Batch(items, names, columns, {})


@dataclass(frozen=True, kw_only=True)
class ShardPartition(Partition):
    """Images in a tar file."""

    shard: str

    def batches(self, size=256):
        """Yield the images in their order."""
        damage = Damage(to_utf8(self.shard))
        rows, n_bytes = [], 0
        for sample in read_samples(absolute(self.shard, self.folder), damage):
            if len(rows) == size or n_bytes + len(sample[1]) > _MOST_BATCH_BYTES:
                yield self._batch(rows, damage)
                rows, n_bytes = [], 0
            rows.append(sample)
            n_bytes += len(sample[1])
        if rows or damage:
            yield self._batch(rows, damage)

    def _batch(self, rows, damage):
        import pandas as pd

        names = [f"{damage.shard}/{to_utf8(name)}" for name, _, _ in rows]
        items = [
            EncodedImage(data, name, self.bit_depth)
            for name, (_, data, _) in zip(names, rows, strict=True)
        ]
        columns = pd.DataFrame([columns for _, _, columns in rows], dtype=object).fillna("")
        errors = {to_utf8(name): reason for name, reason in damage.take().items()}
        return Batch(items, names, columns if len(columns.columns) else None, errors)
