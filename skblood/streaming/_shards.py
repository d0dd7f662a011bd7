"""Parquet shards of rows, each of which is whole or absent, their manifest, and reading them."""

from __future__ import annotations

import errno
import json
from contextlib import contextmanager
from pathlib import Path

from skblood._typing import DataFrame, StrPath
from skblood._writing import new_file, replace_file
from skblood.datasets import MANIFEST, MARK, find_shards, read_manifest, seal

from ._places import require
from ._plan import flush

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def import_parquet():
    """Return pyarrow and its module of Parquet; ImportError if it is missing."""
    return require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")


def shard_path(folder, name):
    """Return the file of a partition."""
    return Path(folder, f"part-{name}.parquet")


class Shard:
    """A shard that is being written.

    Attributes
    ----------
    n_images, n_unreadable : int
    """

    def __init__(self, writer):
        self._writer = writer
        self.n_images = self.n_unreadable = 0

    def add(self, rows, n_unreadable):
        """Write the rows of a batch."""
        import pyarrow as pa

        table = pa.Table.from_pandas(rows, self._writer.schema, preserve_index=False)
        self._writer.write_table(table.replace_schema_metadata(None))
        self.n_images += len(rows)
        self.n_unreadable += n_unreadable


@contextmanager
def open_shard(folder, name, settings):
    """Give a `Shard`, which is in the folder when all inside has succeeded; else nothing is.

    Raises
    ------
    OSError
        If it cannot be written, for example as the disk is full.
    ValueError
        If the folder has become one of other predictions.
    """
    pyarrow, parquet = import_parquet()
    path, schema = shard_path(folder, name), pyarrow.schema(list(settings.fields))
    try:
        with new_file(path) as file:
            with parquet.ParquetWriter(file, schema, write_page_checksum=True) as writer:
                shard = Shard(writer)
                yield shard
                marks = {"run": settings.run, "shard": path.name}
                marks["n_unreadable"] = shard.n_unreadable
                writer.add_key_value_metadata({MARK: json.dumps(marks)})
            # A worker may outlive its command, and another have begun other predictions here.
            if read_manifest(folder).get("run") != settings.run:
                raise ValueError(f"{str(folder)!r} has become a folder of other predictions.")
        flush(path.parent)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        message = f"The shard was not written: {error.strerror}. Make room and start again"
        raise OSError(error.errno, f"{message}, which resumes", str(path)) from error


def write_manifest(folder, manifest):
    """Write the manifest in one step."""
    replace_file(Path(folder, MANIFEST), seal(manifest))
    flush(Path(folder))


def read_predictions(
    folder: StrPath, *, columns: list[str] | None = None, incomplete: bool = False
) -> DataFrame:
    """Read a folder of predictions or features as one table.

    Parameters
    ----------
    folder : str or path-like
        As :func:`predict_shards` has written it.
    columns : list of str, default=None
        Columns to read; None means all.
    incomplete : bool, default=False
        Read the shards that are there, if others are missing.

    Returns
    -------
    frame : DataFrame
        A row of each image, in the order of the source. 10 million rows with eight classes take
        about 2 GB; tools that read Parquet in parts take the folder, too, and do not see what is
        missing.

    Raises
    ------
    FileNotFoundError
        If it is no such folder.
    ValueError
        If shards are missing or damaged.

    See Also
    --------
    predict_shards : Writes the folder; with an example.
    """
    pyarrow, parquet = import_parquet()
    folder = Path(folder).expanduser()
    paths = find_shards(folder, incomplete=incomplete)
    try:
        tables = [
            parquet.read_table(path, columns=columns, page_checksum_verification=True)
            for path in paths
        ]
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"A shard in {str(folder)!r} is damaged ({error}). Remove it, and start the command "
            "that wrote it again, which computes it anew."
        ) from error
    tables = tables or [pyarrow.table({})]
    return pyarrow.concat_tables(tables).replace_schema_metadata(None).to_pandas()
