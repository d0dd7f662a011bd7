"""The shard of one partition."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from skblood._typing import StrPath

from ._partitions import Partition
from ._places import is_url
from ._rows import RowSettings, for_stream, make_rows
from ._shards import open_shard

# Images that are read and predicted at a time. Always as many: how images are put together changes
# the last bits of their numbers, which shall not depend on who computes a partition, and when.
BATCH_SIZE = 1024

# The shard of a partition, and the columns of the source that it leaves out.
Done = namedtuple("Done", ["name", "n_images", "n_unreadable", "left_out"])


def predict_partition(
    model: Any,
    partition: Partition,
    out: StrPath,
    settings: RowSettings,
    *,
    update: Callable[[int], object] | None = None,
) -> Done:
    """Predict the images of one partition into its shard.

    Parameters
    ----------
    model : fitted estimator
    partition : Partition
    out : path-like
        The folder.
    settings : RowSettings
        Of the `PredictionFolder`.
    update : callable, default=None
        Called with the number of images after each batch.

    Returns
    -------
    done : Done
        A namedtuple of name, n_images, n_unreadable, and left_out: columns of the source that are
        not among those of the shards.
    """
    left_out = set()
    with for_stream(model), open_shard(out, partition.name, settings) as shard:
        for batch in partition.batches(BATCH_SIZE):
            rows, unreadable = make_rows(model, _named_from(batch, out), settings)
            settings.check(unreadable, len(rows))
            shard.add(rows, len(unreadable))
            left_out |= {*(() if batch.columns is None else batch.columns)} - {
                *dict(settings.given)
            }
            if update is not None:
                update(len(rows))
    return Done(partition.name, shard.n_images, shard.n_unreadable, sorted(left_out))


def _named_from(batch, folder):
    """Return the batch with relative paths from the folder, as a table there names files."""
    folder = os.path.realpath(folder)
    names = [
        os.path.relpath(item, folder)
        if isinstance(item, str) and not (os.path.isabs(name) or is_url(name))
        else name
        for item, name in zip(batch.items, batch.names, strict=True)
    ]
    return batch._replace(names=names)
