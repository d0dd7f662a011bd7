"""Names of the room, for lazy loading and for static tools."""

from ._cells import ShardedCells as ShardedCells
from ._compute import BATCH_SIZE as BATCH_SIZE, predict_partition as predict_partition
from ._partitions import Batch as Batch, Partition as Partition
from ._predict import iter_predictions as iter_predictions, predict_shards as predict_shards
from ._results import PredictionFolder as PredictionFolder, open_predictions as open_predictions
from ._rows import (
    RowSettings as RowSettings,
    find_reader as find_reader,
    make_rows as make_rows,
    name_given as name_given,
    predict_images as predict_images,
)
from ._shards import read_predictions as read_predictions
from ._sources import Source as Source, open_source as open_source, read_plan as read_plan
from ._write_shards import write_shards as write_shards
