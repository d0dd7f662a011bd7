"""Tables that are written or printed part by part."""

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from skblood._writing import check_target


class TableFile:
    """A .csv or .parquet file that is there, whole, when it is finished, and not before.

    Parameters
    ----------
    path : Path
    check : callable
        Called before the file is replaced; may raise OSError.
    """

    def __init__(self, path, check):
        self.path, self._check = Path(os.path.realpath(path.expanduser())), check
        self._file = self._writer = None
        self._temporary = self.path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}.tmp"

    def add(self, frame, text):
        """Add rows: a DataFrame for Parquet, or csv text."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            check_target(self.path)
            self._file = open(self._temporary, "xb")
        if self.path.suffix.lower() != ".parquet":
            self._file.write(text().encode())
            return
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        if self._writer is None:
            rows = pa.Table.from_pandas(frame, preserve_index=False)
            self._writer = ParquetWriter(self._file, rows.schema)
        rows = pa.Table.from_pandas(frame, self._writer.schema, preserve_index=False)
        self._writer.write_table(rows)

    def finish(self):
        """Put the file in its place; if that fails, into the temporary folder.

        Raises
        ------
        OSError
            If it exists by now, or cannot be replaced; names the other file.
        """
        if self._writer is not None:
            self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            self._check()
            os.replace(self._temporary, self.path)
        except OSError as error:
            rescued = Path(tempfile.mkdtemp(prefix="skblood-"), self.path.name)
            shutil.move(self._temporary, rescued)
            raise OSError(f"{error} The result is in {str(rescued)!r}.") from error

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.finish()
        finally:
            for end in (self._writer, self._file):
                with suppress(AttributeError, OSError):
                    end.close()
            with suppress(OSError):
                self._temporary.unlink()
