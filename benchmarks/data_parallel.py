"""Compare one process of two threads with two processes of one thread that train one model.

Run by ``python -m benchmarks.data_parallel [--quick] [--only ROW ...] [--data FOLDER]``.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._measure import rates, ratio, summary
from benchmarks._report import Bar
from skblood.datasets import load_image_folder, make_blood_cells
from skblood.images import read_images

TEXT = """\
`TransferCellClassifier("cellnet_s")`, its other parameters left at their defaults, fitted by one
process with two threads and by two processes with one thread each, which torchrun starts and which
share each batch. Images per second are those of training and augmentation, from the second epoch
on: without the start of Python, and without what the first epoch prepares. The two take turns; the
figures are the median over the rounds (least..most), and the ratio is that of each round. The work
for a second of the processor (of all processes and threads, those that wait in a loop included) is
the same ratio as far as other programs on the machine do not count: a bound on the ratio of an
idle one. Both
accuracies are those of the same test images after the same number of epochs, the mean of all
seeds: augmentation draws other numbers in two processes, so that models differ as those of two
seeds do. PBC: Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0."""
COLUMNS = {
    "n_images": ("images", "d"),
    "one_process": ("images/s, one process", ".0f"),
    "two_processes": ("images/s, two processes", ".0f"),
    "speed_ratio": ("two processes beside one", ".2f"),
    "work_ratio": ("work for a second of the processor", ".2f"),
    "accuracy_one": ("accuracy, one process", ".3f"),
    "accuracy_two": ("accuracy, two processes", ".3f"),
    "accuracy_difference": ("difference, seed by seed", ".3f"),
}
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
# By name: what starts Python with, and threads of each process.
WAYS = {"one": ([], 2), "two": (LAUNCHER, 1)}


def fit(way, *arguments):
    """Fit in processes of their own, and return what they print."""
    launcher, threads = WAYS[way]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "benchmarks._data_parallel", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(prepare, image_size, epochs, options):
    """Fit by turns."""
    X, y, X_test, y_test = prepare(options, image_size)
    epochs = 2 if options.quick else epochs
    seconds, busy, accuracy = ({way: [] for way in WAYS} for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "images.npz")
        np.savez(file, X=X, y=y, X_test=X_test, y_test=y_test)
        for seed in range(options.repeats):
            for way in WAYS:
                found = fit(way, file, image_size, epochs, seed, options.device)
                print(f"  {way}, seed {seed}: {found}", flush=True)
                seconds[way].append(np.mean(found["epochs"][1:]))
                busy[way].append(found["busy"])
                accuracy[way].append(found["accuracy"])
    speed = rates(seconds, len(y))
    pairs = zip(accuracy["two"], accuracy["one"], strict=True)
    return {
        "n_images": len(y),
        "one_process": summary(speed["one"]),
        "two_processes": summary(speed["two"]),
        "speed_ratio": ratio(speed, "two", "one"),
        "work_ratio": ratio(rates(busy, 1), "two", "one"),
        "accuracy_one": float(np.mean(accuracy["one"])),
        "accuracy_two": float(np.mean(accuracy["two"])),
        "accuracy_difference": summary([two - one for two, one in pairs]),
    }


def synthetic(options, image_size):
    """Return synthetic cells, a fifth of them for the test."""
    n = 300 if options.quick else 1875
    X, y = make_blood_cells(n, image_size=image_size, random_state=0)
    n_test = n // 5
    return X[n_test:], y[n_test:], X[:n_test], y[:n_test]


def real(options, image_size):
    """Return the cells of PBC, fewer in the short form."""
    step = 40 if options.quick else 3
    parts = []
    for split in ("train", "test"):
        paths, y = load_image_folder(options.data, split=split, return_X_y=True)
        parts += [read_images(paths[::step], size=(image_size, image_size)), y[::step]]
    return parts


BENCHMARK = Benchmark(
    "data_parallel",
    "One training by two processes",
    TEXT,
    {
        "synthetic": Row(
            "synthetic cells, 64 px, 3 epochs",
            partial(measure, synthetic, 64, 3),
            {"speed_ratio": Bar(">=", 1.0)},
            quick_bars={},
        ),
        "pbc": Row(
            "a third of PBC, 28 px, 8 epochs",
            partial(measure, real, 28, 8),
            {"accuracy_two": Bar(">=", 0.85)},
            needs_data=True,
            quick_bars={},
        ),
    },
    COLUMNS,
    repeats=3,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
