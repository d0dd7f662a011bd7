"""A folder of rows: its manifest, what is done and what is left."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from sklearn.utils import Bunch

from skblood._typing import Files, OnError, StrPath, Task
from skblood._writing import list_few, lock
from skblood.datasets import MANIFEST, MARK, read_manifest, read_marks

from ._compute import Done
from ._identity import describe_model
from ._partitions import Partition
from ._places import is_url
from ._plan import check_files, load_plan
from ._rows import RowSettings
from ._shards import import_parquet, shard_path, write_manifest
from ._sources import open_source, read_plan

# Folder of the plan of the source.
_PLAN = "_plan"
# Partitions that are asked for their columns, at most.
_MOST_ASKED = 16


class PredictionFolder:
    """A folder that rows are written into, by any number of workers; resumes what is there.

    A context manager, which locks the folder.

    Parameters
    ----------
    model : fitted estimator
    source : str, path-like, or list of these
        See `open_source`.
    folder : str or path-like
    task, on_error, model_name, overwrite
        See `predict_shards`.
    **source_options
        Of `open_source`.

    Attributes
    ----------
    folder : pathlib.Path
    settings : RowSettings
        For `predict_partition`.
    partitions : list of Partition
        All of the source.
    n_images, n_unreadable, n_shards : int
        Of the shards that are done.
    n_resumed : int
        Shards that were there.

    Raises
    ------
    ValueError
        If the folder belongs to another model, source or settings, or its manifest is damaged.
    FileExistsError
        If the folder holds other files.
    BlockingIOError
        If another process is writing it.
    """

    def __init__(
        self,
        model: Any,
        source: Files,
        folder: StrPath,
        *,
        task: Task = "predict",
        on_error: OnError = "raise",
        model_name: str | None = None,
        overwrite: bool = False,
        **source_options: Any,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.n_images = self.n_unreadable = self.n_shards = self.n_resumed = 0
        self._model, self._overwrite, self._left_out = model, overwrite, set()
        self._pending = []
        self._options = {"task": task, "on_error": on_error, "model_name": model_name}
        defaults = {"path_column": "path", "bit_depth": None, "partition_size": 10_000}
        words = [source] if isinstance(source, str | os.PathLike) else source
        self._source, self._source_options = [*map(os.fspath, words)], defaults | source_options

    def __enter__(self) -> Self:
        """Lock the folder, and begin or resume."""
        import_parquet()
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{str(self.folder)!r} is a file. Name a folder.")
        with ExitStack() as stack:
            stack.enter_context(lock(self.folder / MANIFEST, wait=False))
            try:
                self._begin()
            except BaseException:
                if not (self.folder / _PLAN).exists():  # of a source without images, for example
                    (self.folder / MANIFEST).unlink(missing_ok=True)
                raise
            self._locks = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Unlock the folder."""
        self._locks.close()

    def _begin(self):
        RowSettings.of(self._model, **self._options)  # first: both check what is given
        source = open_source(self._source, **self._source_options)
        self._manifest = self._resume(describe_model(self._model))
        for pattern in (".part-*.tmp", f".{MANIFEST}.*.tmp"):  # of what was killed
            _unlink(self.folder.glob(pattern))
        plan, is_new = self.folder / _PLAN, "n_partitions" not in self._manifest
        planned = source.write_plan(plan) if is_new else read_plan(plan)
        if not is_new and (change := check_files(load_plan(plan), source)):
            warnings.warn(
                f"The source has changed since the start: it holds {change}. {str(self.folder)!r} "
                "holds the images of that time. Name another folder, or replace what is there "
                "(`overwrite`).",
                stacklevel=4,
            )
        self.partitions = list(planned.partitions())
        if is_new:
            self._manifest["given"] = _find_columns(self.partitions)
            self._manifest["n_partitions"] = len(self.partitions)
            write_manifest(self.folder, self._manifest)
        self._options["model_name"] = self._manifest["model_name"]
        # The column error is always there: who has begun with "raise" may go on with "skip".
        options = {**self._options, "on_error": "skip"}
        settings = RowSettings.of(self._model, self._manifest["given"], **options)
        on_error, run = self._options["on_error"], self._manifest["run"]
        self.settings = replace(settings, on_error=on_error, run=run)

    def _resume(self, identity):
        """Return the manifest of the folder, or a new one."""
        identity |= {"skblood": version("skblood"), "source": [*map(_absolute, self._source)]}
        # A renamed model file is the same model.
        has_name = self._options["model_name"] is not None
        identity |= {"task": self._options["task"], "model_name": "given" if has_name else None}
        identity = json.loads(json.dumps(identity | self._source_options))
        try:
            old = read_manifest(self.folder)
        except FileNotFoundError:
            old = None
            names = sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("."))
            if names:
                raise FileExistsError(
                    f"{str(self.folder)!r} holds other files ({list_few(names, most=3)}) and no "
                    f"{MANIFEST}. Name a new folder."
                ) from None
        if old is not None and old["identity"] == identity and not self._overwrite:
            return old
        if old is not None and (self._overwrite or "n_partitions" not in old):
            _remove(self.folder)
        elif old is not None:
            was = old["identity"]
            differing = [n for n in {**was, **identity} if was.get(n) != identity.get(n)]
            # The digest differs whenever a setting of the model does.
            differing = [n for n in differing if n != "model"] or differing
            differing = [f"{n} {was.get(n)}, not {identity.get(n)}" for n in differing]
            raise ValueError(
                f"{str(self.folder)!r} holds other predictions: {'; '.join(differing)}. Name "
                "another folder, or replace them (`overwrite`)."
            )
        new = {"kind": MARK, "run": secrets.token_hex(16), "identity": identity, "complete": False}
        new["model_name"] = self._options["model_name"]
        write_manifest(self.folder, new)
        return new

    def pending(self) -> list[Partition]:
        """Return the partitions that have no whole shard, and count the others."""
        self._pending = []
        for partition in self.partitions:
            path = shard_path(self.folder, partition.name)
            if counts := read_marks(path, self.settings.run):
                self.n_resumed += 1
                self.add(Done(partition.name, counts[0], counts[1], ()))
                continue
            if path.exists():
                warnings.warn(f"{str(path)!r} is damaged. It is computed again.", stacklevel=2)
            self._pending.append(partition)
        return self._pending

    def expect(self) -> int | None:
        """Return how many images are pending: of tar shards, by those done; None before."""
        sizes = [getattr(partition, "n_images", None) for partition in self._pending]
        if None not in sizes:
            return sum(sizes)
        return round(self.n_images / self.n_shards * len(sizes)) if self.n_shards else None

    def add(self, done: Done) -> None:
        """Count the shard that `predict_partition` has written."""
        self.n_shards += 1
        self.n_images += done.n_images
        self.n_unreadable += done.n_unreadable
        if new := set(done.left_out) - self._left_out:
            self._left_out |= new
            warnings.warn(
                f"Images of {shard_path(self.folder, done.name).name} have columns that others do "
                f"not have, and which are left out: {list_few(sorted(new))}.",
                stacklevel=2,
            )

    def finish(self) -> Bunch:
        """Mark the folder as complete, and return its numbers.

        Returns
        -------
        result : Bunch
            With n_images, n_unreadable, n_shards, n_resumed and folder.
        """
        counts = {name: getattr(self, name) for name in ("n_images", "n_unreadable", "n_shards")}
        if not self._manifest["complete"]:
            write_manifest(self.folder, {**self._manifest, "complete": True, **counts})
        return Bunch(**counts, n_resumed=self.n_resumed, folder=self.folder)


def open_predictions(folder):
    """Return each partition of a folder of predictions, and the file of its shard, in a list.

    Parameters
    ----------
    folder : pathlib.Path
    """
    partitions = read_plan(folder / _PLAN).partitions()
    return [(partition, shard_path(folder, partition.name)) for partition in partitions]


def _absolute(word):
    return word if is_url(word) else os.path.abspath(os.path.expanduser(word))


def _find_columns(partitions):
    """Return the names of the other columns of a source, by some images of all of its parts."""
    columns = {}
    for partition in partitions[:: len(partitions) // _MOST_ASKED + 1]:
        batch = next(iter(partition.batches(1)), None)
        if batch is not None and batch.columns is not None:
            columns |= dict.fromkeys(map(str, batch.columns))
    return [*columns]


def _remove(folder):
    """Remove what predictions have written, and the manifest last: no half remains as another."""
    _unlink(folder.glob("part-*.parquet"))
    _unlink((folder / _PLAN).glob("*.plan"))
    _unlink([folder / _PLAN / "plan.json"])
    with suppress(OSError):  # it is missing, or holds other files
        (folder / _PLAN).rmdir()
    _unlink([folder / MANIFEST])


def _unlink(paths):
    for path in paths:
        path.unlink(missing_ok=True)
