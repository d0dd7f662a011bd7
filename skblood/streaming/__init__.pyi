"""Names of the room, for lazy loading and for static tools."""

from ._cells import ShardedCells
from ._partitions import Batch, Partition
from ._sources import Source, open_source, read_plan
from ._write_shards import write_shards
