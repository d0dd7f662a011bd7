"""A plan: the partitions of a source as files, so that a later run has the same."""

import json
import os
import shutil
from dataclasses import dataclass

from skblood._writing import lock, replace_file

from ._partitions import Partition, PathPartition, ShardPartition
from ._places import require

_FORMAT = 1


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
        plan = json.loads((folder / "plan.json").read_text("utf-8"))
        if plan["format"] != _FORMAT:
            raise ValueError(f"format {plan['format']!r}, not {_FORMAT}: made by another version")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(folder)!r} holds no plan: {error}.") from error
    return plan


def _write(source, folder):
    parts = []
    for partition in source.partitions():
        if isinstance(partition, ShardPartition):
            parts.append({"shard": partition.shard})
        else:
            _write_paths(partition, folder, source.settings["path_column"])
            parts.append({"n_images": len(partition.paths)})
    plan = {"format": _FORMAT, "settings": source.settings, "folder": os.getcwd()}
    replace_file(folder / "plan.json", json.dumps(plan | {"partitions": parts}).encode())


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
    path = folder / f"{partition.name}.parquet"
    parquet.write_table(table, path)
    flush(path)


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

    def batches(self, size=256):
        """Yield the images in their order."""
        frame = require("pyarrow.parquet", "parquet").read_table(self.file).to_pandas()
        paths = [os.fsdecode(path) for path in frame.pop(self.path_column)]
        listed = {"paths": paths, "columns": frame if len(frame.columns) else None}
        part = PathPartition(name=self.name, folder=self.folder, bit_depth=self.bit_depth, **listed)
        yield from part.batches(size)
