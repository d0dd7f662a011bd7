"""Names of the room, for lazy loading and for static tools."""

from ._cells import ShardedCells
from ._compute import BATCH_SIZE, predict_partition
from ._partitions import Batch, Partition
from ._predict import iter_predictions, predict_shards
from ._results import PredictionFolder, open_predictions
from ._rows import RowSettings, find_reader, make_rows, name_given, predict_images
from ._shards import read_predictions
from ._sources import Source, open_source, read_plan
from ._write_shards import write_shards
