"""Folders of shards: what `predict` and `embed` write of millions of images."""

import signal
from dataclasses import dataclass

import typer

from skblood.cli import _batches, _data, _output

# Processes by default, at most: each takes half a gigabyte and more.
_MOST_WORKERS = 8
# Partitions at most whose images are compared with those of the training.
_MOST_PARTITIONS = 16


@dataclass(kw_only=True)
class Workers:
    """Options of a command that writes a folder by several workers."""

    workers: int | None = None
    dask: str | None = None
    partition_size: int = 10_000

    def __post_init__(self):
        """Check the options, before anything is imported."""
        for name in ("workers", "partition_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                option = name.replace("_", "-")
                raise typer.BadParameter(f"--{option} must be 1 or more, not {value}.")
        if self.workers is not None and self.dask is not None:
            raise typer.BadParameter("--workers starts processes, --dask has its own: give one.")

    def is_folder(self, out, suffixes):
        """Return whether the output is a folder: no suffix, or one that is there."""
        is_folder = out is not None and (not out.suffix or out.expanduser().is_dir())
        if out is not None and not is_folder and out.suffix.lower() not in suffixes:
            raise typer.BadParameter(
                f"--out must end in {' or '.join(suffixes)}; the name of a new folder has no dot."
            )
        if not is_folder and (self.workers or self.dask):
            raise typer.BadParameter(
                "--workers and --dask write a folder: give --out a name without a suffix, not one "
                f"in {', '.join(suffixes)}."
            )
        return is_folder


def write_folder(model, images, out, workers, files, output, **options):
    """Write the rows of images as Parquet shards, and show the counts.

    Parameters
    ----------
    model : fitted estimator
    images : list of str
    out : Path
    workers : Workers
    files : Files
    output : Output
    **options
        Of `predict_shards`.
    """
    options |= {"path_column": files.path_column, "bit_depth": files.bit_depth}
    options |= {"overwrite": output.overwrite, "verbose": True}
    options["partition_size"] = workers.partition_size
    if workers.dask is None:
        from skblood.streaming import predict_shards as write

        options["n_workers"] = workers.workers or _count_workers(model)
    else:
        from skblood.distributed import predict as write

        options["client"] = workers.dask
    # Slurm and `docker stop` send SIGTERM.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = write(model, images, out, **options)
    except KeyboardInterrupt:
        _output.say(f"{out}: stopped. The same command continues from there.")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    resumed = f", {result.n_resumed} of which were there" if result.n_resumed else ""
    n_readable = result.n_images - result.n_unreadable
    _output.say(f"{out}: {n_readable:,} images in {result.n_shards:,} shards{resumed}.")
    _data.tell_unreadable(result.n_unreadable, result.n_images, ": see `error`.")
    output.show({**result, "folder": str(result.folder)})


def read_sample(out, model):
    """Return a `Sample` of pairs of a readable image of a folder and its probabilities.

    Parameters
    ----------
    out : Path
    model : fitted classifier
    """
    from pyarrow.parquet import ParquetFile

    from skblood.streaming import BATCH_SIZE, open_predictions

    sample, pairs = _batches.Sample(), open_predictions(out.expanduser())
    for partition, file in pairs[:: len(pairs) // _MOST_PARTITIONS + 1]:
        shard = ParquetFile(file)
        columns = shard.schema_arrow.names[3 : 3 + len(model.classes_)]
        rows = shard.iter_batches(BATCH_SIZE, columns=columns)  # batches as they were predicted
        for batch, table in zip(partition.batches(BATCH_SIZE), rows, strict=False):
            sample.add_readable(batch.items, table.to_pandas().to_numpy())
            if not all(isinstance(item, str) for item in batch.items):
                break  # the others would be read again
    return sample


def _count_workers(model):
    """Return the default number of processes."""
    import joblib

    from skblood.streaming import find_reader

    device = getattr(find_reader(model)[1], "device_", "cpu")
    return min(joblib.cpu_count(), _MOST_WORKERS) if device == "cpu" else 1
