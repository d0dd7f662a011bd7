"""A plan: the partitions of a source as files, so that a later run has the same."""

import glob
import io
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from skblood._writing import list_some, lock, replace_file, track
from skblood.datasets import digest, seal, unseal

from ._partitions import Partition, PathPartition, ShardPartition
from ._places import absolute, is_table, is_url, require

_FORMAT = 2
# The end of a name that no tool takes for a table of the folder around.
SUFFIX = ".plan"
_LOST = (
    "{!r}, which lists images, is {}. Restore it from a backup, or begin anew in another folder."
)


def write_plan(source, folder):
    """Write the partitions of a source into a folder, unless it is there.

    The folder is whole or absent: it is renamed at the end. One process at a time writes it.
    """
    with lock(folder):
        if folder.exists():
            return
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        try:
            temporary.mkdir(parents=True)
            _write(source, temporary)
            flush(temporary)
            temporary.rename(folder)
            flush(folder.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def load_plan(folder):
    """Return what a plan says of its partitions, as a dict; ValueError if it is none."""
    try:
        plan = unseal((folder / "plan.json").read_bytes())
        if plan["format"] != _FORMAT:
            raise ValueError(f"format {plan['format']!r}, not {_FORMAT}: made by another version")
    except FileNotFoundError as error:
        raise FileNotFoundError(_LOST.format(str(folder / "plan.json"), "missing")) from error
    except (ValueError, KeyError, TypeError) as error:
        what = f"no plan, or damaged ({error})"
        raise ValueError(_LOST.format(str(folder / "plan.json"), what)) from error
    return plan


def _write(source, folder):
    parts = []
    with track(None, "listing") as update:
        for partition in source.partitions():
            if isinstance(partition, ShardPartition):
                parts.append({"shard": partition.shard})
            else:
                digest = _write_paths(partition, folder, source.settings["path_column"])
                parts.append({"n_images": len(partition.paths), "digest": digest})
            update(parts[-1].get("n_images", 1))
    plan = {"format": _FORMAT, "settings": source.settings, "folder": os.getcwd()}
    plan["partitions"] = parts
    replace_file(folder / "plan.json", seal({**plan, "files": _describe_files(plan)}))


def check_files(plan, source):
    """Raise ValueError if tables or shards have changed since they were planned.

    Returns
    -------
    change : str
        What folders and patterns hold now, if that is another number than was planned; or "".
    """
    files = _describe_files(plan)
    if changed := [name for name, was in plan["files"].items() if files.get(name, was) != was]:
        raise ValueError(
            f"Files of the source have changed since they were first read:\n{list_some(changed)}\n"
            "Name another folder, or replace what is there (`overwrite`)."
        )
    if all(is_url(word) or os.path.isfile(word) for word in source.settings["source"]):
        return ""
    planned, found = Counter(), Counter()
    for part in plan["partitions"]:
        planned += Counter({"shards": 1} if "shard" in part else {"images": part["n_images"]})
    with suppress(FileNotFoundError), track(None, "listing") as update:  # it may be empty
        for part in source.partitions():
            paths = getattr(part, "paths", None)
            found += Counter({"shards": 1} if paths is None else {"images": len(paths)})
            update(1 if paths is None else len(paths))
    was, now = (" and ".join(f"{n:,} {kind}" for kind, n in c.items()) for c in (planned, found))
    return "" if planned == found else f"{now or 'nothing'}, not {was}"


def _describe_files(plan):
    """Return the size and the second of the last change of local shards and tables."""
    places = [part["shard"] for part in plan["partitions"] if "shard" in part]
    for word in filter(is_table, plan["settings"]["source"]):
        path = absolute(word, plan["folder"])
        places += [path] if os.path.exists(path) else glob.glob(path, recursive=True)
    files = {}
    for place in places:
        with suppress(OSError):  # a URL, or missing: whoever reads it tells
            about = os.stat(absolute(place, plan["folder"]))
            files[place] = [about.st_size, int(about.st_mtime)]
    return files


def _write_paths(partition, folder, path_column):
    pa, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    try:
        paths = pa.array(partition.paths, pa.string())
    except UnicodeEncodeError:  # names that are not UTF-8
        paths = pa.array([os.fsencode(path) for path in partition.paths], pa.binary())
    table = pa.table({path_column: paths})
    if partition.columns is not None:
        for column in (others := pa.Table.from_pandas(partition.columns)).column_names:
            table = table.append_column(column, others[column])
    path = folder / f"{partition.name}{SUFFIX}"
    parquet.write_table(table, path)
    flush(path)
    return digest(path.read_bytes())


def flush(path):
    """Make sure that a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@dataclass(frozen=True, kw_only=True)
class PlannedPartition(Partition):
    """Images by path or URL, which a file of a plan lists."""

    file: str
    path_column: str
    n_images: int
    digest: str

    def batches(self, size=256):
        """Yield the images in their order."""
        parquet = require("pyarrow.parquet", "parquet")
        try:
            content = Path(self.file).read_bytes()
        except FileNotFoundError:
            content = None
        if content is None or digest(content) != self.digest:
            raise ValueError(_LOST.format(self.file, "damaged" if content else "missing"))
        frame = parquet.read_table(io.BytesIO(content)).to_pandas()
        paths = [os.fsdecode(path) for path in frame.pop(self.path_column)]
        listed = {"paths": paths, "columns": frame if len(frame.columns) else None}
        part = PathPartition(name=self.name, folder=self.folder, bit_depth=self.bit_depth, **listed)
        yield from part.batches(size)
