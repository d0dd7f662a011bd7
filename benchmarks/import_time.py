"""Measure how long importing skblood takes, beside torch and scikit-learn.

Run by ``python -m benchmarks.import_time [--quick] [--only ROW ...]``.
"""

import sys
from functools import partial

from benchmarks._command import Benchmark, Row, output_of, run
from benchmarks._measure import summary
from benchmarks._report import Bar

TEXT = """\
Seconds that an import takes in a fresh process that has imported torch and scikit-learn already.
The first process, which fills the caches of the disk, is not counted."""
COLUMNS = {
    "added_seconds": ("adds, s", ".3f"),
    "base_seconds": ("torch and scikit-learn, s", ".2f"),
}
CODE = """
import time
start = time.perf_counter()
import torch, sklearn
base = time.perf_counter()
{statement}
print(base - start, time.perf_counter() - base)
"""


def measure(statement, options):
    """Import in fresh processes."""
    seconds = [import_in_a_process(statement) for _ in range(1 + options.repeats)][1:]
    base, added = zip(*seconds, strict=True)
    return {"added_seconds": summary(added), "base_seconds": summary(base)}


def import_in_a_process(statement):
    """Return the seconds that torch and scikit-learn take, and those of the statement."""
    base, added = map(float, output_of(CODE.format(statement=statement)).split())
    return base, added


def make_row(statement, bars):
    return Row(f"`{statement}`", partial(measure, statement), bars)


BENCHMARK = Benchmark(
    "import_time",
    "Time of the import",
    TEXT,
    {
        "package": make_row("import skblood", {"added_seconds": Bar("<=", 0.3)}),
        "classifier": make_row("from skblood import TransferCellClassifier", {}),
    },
    COLUMNS,
    repeats=9,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
