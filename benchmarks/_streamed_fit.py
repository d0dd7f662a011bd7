"""Train on shards in this process and print its peak memory: for `benchmarks.streamed_training`.

python -m benchmarks._streamed_fit PATTERN
"""

import sys

from benchmarks._memory_of_fit import peak
from skblood import MLPCellClassifier
from skblood.streaming import ShardedCells


def main(pattern):
    """Train for an epoch, with a shuffle buffer that is full at each number of images."""
    cells = ShardedCells(pattern, buffer_bytes=2**20)
    clf = MLPCellClassifier((16,), max_epochs=1, batch_size=256, random_state=0)
    clf.fit(cells, cells.y)
    print(peak("cpu"))


if __name__ == "__main__":
    main(*sys.argv[1:])
