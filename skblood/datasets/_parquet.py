"""Tables in Parquet, and folders of predictions, each of which is one table."""

import hashlib
import json
import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path

# What Parquet and the manifest of a folder of predictions are marked by.
MARK = "skblood"
MANIFEST = "_manifest.json"


def require(package, extra):
    """Import a package, or raise an ImportError that names the extra."""
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        message = f'This needs {name}, which is not installed: pip install "skblood[{extra}]".'
        raise ImportError(message) from error


def seal(about):
    """Return a dict as JSON with its digest, by which `unseal` knows that no byte has changed."""
    return json.dumps({**about, "digest": digest(json.dumps(about).encode())}, indent=1).encode()


def unseal(content):
    """Return the dict of `seal`; ValueError, KeyError or TypeError if it is damaged."""
    about = json.loads(content.decode())
    if about.pop("digest") != digest(json.dumps(about).encode()):
        raise ValueError("bytes of it have changed")
    return about


def digest(content):
    """Return a digest of bytes, as text."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def is_predictions(path):
    """Return whether a path is a folder that `streaming.predict_shards` has written."""
    return os.path.isfile(os.path.join(path, MANIFEST))


def is_parquet(path):
    """Return whether a table is read by pyarrow."""
    return str(path).lower().endswith(".parquet") or is_predictions(path)


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
        f"{str(path)!r} is not a manifest of predictions, or is damaged. Name another folder."
    )


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
    pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    with suppress(pyarrow.ArrowException, OSError, ValueError):
        metadata = parquet.read_metadata(path)
        marks = json.loads((metadata.metadata or {}).get(MARK.encode(), "{}"))
        if marks.get("run") == run and marks["shard"] == path.name:  # no copy of another
            return metadata.num_rows, marks["n_unreadable"]
    return None


def find_shards(folder, *, incomplete=False):
    """Return the files of a folder of predictions, as a sorted list of paths.

    Raises
    ------
    ValueError
        If some are missing or damaged, unless it may be `incomplete`.
    """
    manifest = read_manifest(folder)
    paths = sorted(Path(folder).glob("part-*.parquet"))
    paths = [path for path in paths if read_marks(path, manifest["run"]) is not None]
    n_partitions = manifest.get("n_partitions", "the")
    if len(paths) != n_partitions and not incomplete:
        raise ValueError(
            f"{str(folder)!r} has {len(paths)} of {n_partitions} shards. Start the command that "
            "writes it again, which resumes; in Python, incomplete=True reads what is there."
        )
    return paths


def open_parquet(path, columns):
    """Open a Parquet file.

    Raises
    ------
    ValueError
        If it is none, lacks columns, or has two of one name.
    """
    parquet = require("pyarrow.parquet", "parquet")
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
    except ValueError as error:  # pyarrow's
        raise ValueError(f"{str(path)!r} is not a Parquet file: {error}") from error
    names = file.schema_arrow.names
    missing = [name for name in columns if name not in names]
    if missing or len(set(names)) < len(names):
        what = f"no column {missing}" if missing else "two columns of one name"
        file.close()
        raise ValueError(f"{str(path)!r} has {what}; its columns are {names[:20]}.")
    return file


def read_names(path, columns):
    """Return the names of the columns of a Parquet file or folder, which must have `columns`."""
    paths = find_shards(path) if is_predictions(path) else [path]
    with open_parquet(paths[0], columns) as file:
        return file.schema_arrow.names


def iter_parquet(path, columns, n_rows, all_text):
    """Yield DataFrames of a file or folder, their index going on; see `_csv._read_frames`."""
    pyarrow, n_read = require("pyarrow", "parquet"), 0
    for file in find_shards(path) if is_predictions(path) else [path]:
        with open_parquet(file, columns) as opened:
            try:
                for batch in opened.iter_batches(min(n_rows, opened.metadata.num_rows or 1)):
                    frame = batch.to_pandas(ignore_metadata=True, integer_object_nulls=True)
                    frame.index += n_read
                    n_read += len(frame)
                    for name in frame if all_text else columns:
                        texts = frame[name].astype(str).where(frame[name].notna(), "")
                        frame[name] = texts.str.strip().astype(object)
                    yield frame
            except (pyarrow.ArrowException, OSError) as error:
                raise ValueError(f"{str(file)!r} is damaged ({error}). Write it again.") from error
