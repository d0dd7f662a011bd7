"""Parquet shards of rows, each of which is whole or absent, and the manifest of their folder."""

import errno
import json
from contextlib import contextmanager, suppress
from pathlib import Path

from skblood._writing import new_file, replace_file

from ._places import require
from ._plan import flush, seal, unseal

# What Parquet and the manifest are marked by.
MARK = "skblood"
MANIFEST = "_manifest.json"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def import_parquet():
    """Return pyarrow and its module of Parquet; ImportError if it is missing."""
    return require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")


def shard_path(folder, name):
    """Return the file of a partition."""
    return Path(folder, f"part-{name}.parquet")


def read_marks(path, run):
    """Return the numbers of rows and of unreadable images of a shard.

    Parameters
    ----------
    path : pathlib.Path
    run : str
        What the shard must belong to.

    Returns
    -------
    counts : tuple of (int, int), or None
        None if the file is missing, damaged, or of something else.
    """
    pyarrow, parquet = import_parquet()
    with suppress(pyarrow.ArrowException, OSError, ValueError):
        metadata = parquet.read_metadata(path)
        marks = json.loads((metadata.metadata or {}).get(MARK.encode(), "{}"))
        if marks.get("run") == run and marks["shard"] == path.name:  # no copy of another
            return metadata.num_rows, marks["n_unreadable"]
    return None


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


def read_manifest(folder):
    """Return the manifest of a folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged, or of something else.
    """
    path = Path(folder, MANIFEST)
    try:
        manifest = unseal(path.read_bytes())
        if manifest["kind"] == MARK and {"run", "identity", "complete"} <= manifest.keys():
            return manifest
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no {str(path)!r}: no folder of predictions.") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(
        f"{str(path)!r} is no manifest of predictions, or damaged. Name another folder."
    )
