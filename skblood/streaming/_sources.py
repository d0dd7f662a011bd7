"""Sources of any number of images, in partitions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import Any

from sklearn.utils import check_scalar

from skblood._typing import Files, StrPath
from skblood.images import check_bit_depth

from ._entries import check_word, expand_words, find_entries
from ._partitions import Partition, PathPartition, ShardPartition
from ._plan import SUFFIX, PlannedPartition, load_plan, write_plan

_KINDS = {"shard": ShardPartition, "paths": PathPartition, "file": PlannedPartition}


def open_source(
    source: Files,
    *,
    path_column: str = "path",
    bit_depth: int | None = None,
    partition_size: int = 10_000,
) -> Source:
    """Open any number of images, to be read part by part.

    Nothing is read yet but the names of columns.

    Parameters
    ----------
    source : str, path-like, or list of them
        A folder (with all sub-folders; hidden files are left out); an image; a pattern such as
        ``"new/**/*.png"``; a table of paths (.csv, .tsv, .txt, .parquet); a tar file in the
        WebDataset form (.tar, .tar.gz, .tgz) or several, as ``"cells-{0000..0041}.tar"`` or
        ``"cells-*.tar"``; a URL of one of these that fsspec opens ("s3://", "https://",
        "memory://"). Paths in a table are relative to its folder.
    path_column : str, default="path"
        Column of a table that names the images.
    bit_depth : int in 8..16, default=None
        Bits of the values in files of more than 8 bits; see `load_image_folder`.
    partition_size : int, default=10,000
        Number of images of a partition. A tar file is one partition, whatever it holds.

    Returns
    -------
    source : Source

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist, except images, which are reported when they are read.
    ValueError
        If a table lacks the column, or `source` is empty.
    ImportError
        If a package is missing; the message names the extra.

    See Also
    --------
    write_shards : Tar files of images.

    Notes
    -----
    Members of a tar file with the same name up to the first dot are one sample, and stand together:
    an image (.bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp), and what is known of it. The text
    of .cls, or else of .txt, is the column label; the fields of .json are columns. Of 0.png and
    0.mask.png, 0.png is the image. Other members are never opened: no pickle is loaded.

    Images are in the order of the sorted paths, as :func:`skblood.datasets.load_image_folder` has
    them, of a table and a shard as they are there, and of a list part by part. Names are held in
    memory up to 100,000 at a time; more of one folder are sorted in temporary files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood.streaming import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(5):
    ...         Image.new("RGB", (32, 32)).save(Path(folder, f"{i}.png"))
    ...     for partition in open_source(folder, partition_size=3).partitions():
    ...         for batch in partition.batches(2):
    ...             print(partition.name, [Path(name).name for name in batch.names])
    00000000 ['0.png', '1.png']
    00000000 ['2.png']
    00000001 ['3.png', '4.png']
    """
    check_bit_depth(bit_depth)
    check_scalar(partition_size, "partition_size", Integral, min_val=1)
    words = expand_words(source)
    for word in words:
        check_word(word, path_column)
    depth = None if bit_depth is None else int(bit_depth)
    settings = {"path_column": path_column, "bit_depth": depth}
    return Source({"source": words, **settings, "partition_size": int(partition_size)})


class Source:
    """Any number of images in partitions, made by `open_source` or `read_plan`.

    Attributes
    ----------
    settings : dict
        What the partitions depend on, besides the files: source (list of str), path_column,
        bit_depth, partition_size. To be written as JSON.
    """

    def __init__(
        self, settings: dict[str, Any], folder: StrPath | None = None, parts: Any = None
    ) -> None:
        self.settings = settings
        # That relative paths start from; None is the working directory.
        self._folder = folder
        self._planned = parts

    def __repr__(self) -> str:
        words = self.settings["source"]
        more = f" and {len(words) - 1:,} more" if len(words) > 1 else ""
        return f"<Source: {words[0]!r}{more}>"

    def partitions(self) -> Iterator[Partition]:
        """Yield the partitions, which are small, can be pickled, and do not depend on each other.

        Yields
        ------
        Partition
        """
        common = {"folder": self._folder or os.getcwd(), "bit_depth": self.settings["bit_depth"]}
        for i, part in enumerate(self._find_parts() if self._planned is None else self._planned):
            kind = next(kind for field, kind in _KINDS.items() if field in part)
            yield kind(name=f"{i:08d}", **part, **common)

    def _find_parts(self):
        """Yield what a partition is made of."""
        n_rows, paths = self.settings["partition_size"], []
        for word in self.settings["source"]:
            for entry in find_entries(word, self.settings["path_column"], n_rows):
                is_path = isinstance(entry, str)
                if is_path:
                    paths.append(entry)
                if paths and (len(paths) == n_rows or not is_path):
                    yield {"paths": paths}
                    paths = []
                if not is_path:
                    yield entry
        if paths:
            yield {"paths": paths}

    def write_plan(self, folder: StrPath) -> Source:
        """Write the partitions into a new folder, or read them if it is there; see `read_plan`.

        The folder is whole or absent: it is renamed at the end. One process at a time writes it.

        Parameters
        ----------
        folder : str or path-like

        Returns
        -------
        source : Source
            With the partitions of the plan.

        Raises
        ------
        ValueError
            If the plan that is there is of another source, or of other settings.
        """
        folder = Path(folder).expanduser().absolute()
        write_plan(self, folder)
        plan = read_plan(folder)
        given, planned = (json.loads(json.dumps(each.settings)) for each in (self, plan))
        if differing := [name for name in given if given[name] != planned.get(name)]:
            raise ValueError(
                f"{str(folder)!r} is the plan of another run: it differs in "
                f"{', '.join(differing)}. Give the same again, or write elsewhere."
            )
        return plan


def read_plan(folder: StrPath) -> Source:
    """Read the partitions that `Source.write_plan` has written.

    They are those of the time when they were written, also if the folder or table has changed.

    Parameters
    ----------
    folder : str or path-like

    Returns
    -------
    source : Source

    Raises
    ------
    FileNotFoundError
        If there is no plan.
    ValueError
        If it is damaged, or of a later version.
    """
    folder = Path(folder).expanduser().absolute()
    plan = load_plan(folder)
    column = {"path_column": plan["settings"]["path_column"]}
    parts = [
        part if "shard" in part else {"file": str(folder / f"{i:08d}{SUFFIX}"), **column, **part}
        for i, part in enumerate(plan["partitions"])
    ]
    return Source(plan["settings"], plan["folder"], parts)
