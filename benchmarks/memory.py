"""Measure how much memory `fit` takes, beside the bare PyTorch loop.

Run by ``python -m benchmarks.memory [--quick] [--only ROW ...] [--device cuda]``.
"""

import json
import subprocess
import sys
from functools import partial

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._measure import ratio, summary
from benchmarks._networks import NETWORKS
from benchmarks._report import Bar

TEXT = """\
Peak memory of a process that trains for two epochs on images given as an array: resident memory on
a CPU, what torch allocates on a GPU. `fit` and the bare loop (`benchmarks/_bare.py`) each have a
fresh process, in turn, which imports the same modules; what these take is subtracted in the figures
called "added"."""
COLUMNS = {
    "peak_mb": ("peak, MB", ".0f"),
    "bare_peak_mb": ("bare loop", ".0f"),
    "peak_ratio": ("ratio", ".3f"),
    "added_mb": ("added by training, MB", ".0f"),
    "bare_added_mb": ("by the bare loop", ".0f"),
    "added_ratio": ("ratio", ".2f"),
    "images_mb": ("of these, the images", ".0f"),
}
WAYS = ("ours", "bare")
MB = 2**20


def measure(network, options):
    """Train in fresh processes, by turns."""
    n = 2_000 if options.quick else 10_000
    found = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way in WAYS:
            found[way].append(in_a_process(way, network, n, options))
    peak = {way: [each["peak"] / MB for each in found[way]] for way in WAYS}
    added = {way: [(e["peak"] - e["before"]) / MB for e in found[way]] for way in WAYS}
    return {
        "peak_mb": summary(peak["ours"]),
        "bare_peak_mb": summary(peak["bare"]),
        "peak_ratio": ratio(peak, "ours", "bare"),
        "added_mb": summary(added["ours"]),
        "bare_added_mb": summary(added["bare"]),
        "added_ratio": ratio(added, "ours", "bare"),
        "images_mb": found["ours"][0]["images"] / MB,
        "n_images": n,
    }


def in_a_process(way, network, n, options):
    """Train in a fresh process; return its figures."""
    arguments = [way, network, n, options.device, options.threads or 0]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._memory_of_fit", *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


BENCHMARK = Benchmark(
    "memory",
    "Memory of training",
    TEXT,
    {
        name: Row(NETWORKS[name].what, partial(measure, name), {"peak_ratio": Bar("<=", 1.3)})
        for name in ("mlp_28", "cellnet_64")
    },
    COLUMNS,
    repeats=3,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
