"""Compare training from shards, through a shuffle buffer, with training in memory.

Run by ``python -m benchmarks.streamed_training [--quick]``.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from skorch.callbacks import Callback

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._report import Bar
from skblood import TransferCellClassifier
from skblood.datasets import load_image_folder, make_blood_cells
from skblood.images import read_images
from skblood.streaming import ShardedCells, write_shards

TEXT = """\
Quality: `cellnet_t` on 2,000 images of the train part of PBC (28 px, BloodMNIST recipe, own split)
for four epochs, scored on 500 of its val part; means and standard deviations over three seeds. The
42 shards hold 48 images each. Sorted shards hold one class after the other; a buffer of a tenth
holds 200 images. 16 shards are read in turns, if not one at a time.

Time: the CPU time of an epoch of `cellnet_s` at 64 px on 400 images from shards of the WEBP files
of 128 px, which are decoded in each epoch, divided by that of an epoch in memory; the median of
three rounds.

Memory: the peak of a process that trains an MLP for an epoch on 16,000 and on 96,000 synthetic
cells of 16 px in shards of 1,000, with a shuffle buffer of 1 MiB; the slope is that of the peaks,
and the labels, `cells.y`, count in it."""
COLUMNS = {
    "accuracy": ("accuracy", ".4f"),
    "accuracy_sd": ("sd", ".4f"),
    "f1_macro": ("macro-F1", ".4f"),
    "f1_macro_sd": ("sd", ".4f"),
    "ratio": ("CPU time, times that in memory", ".2f"),
    "slope": ("memory, bytes an image", ".0f"),
}
SHARD = 48


def load(options, part, n):
    """Return `n` paths and labels of a part of PBC, sorted by class; 500 in the short form."""
    paths, labels = load_image_folder(options.data, split=part, return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(paths))[: 500 if options.quick else n]
    rows = rows[np.argsort(labels[rows], kind="stable")]
    return [str(path) for path in paths[rows]], labels[rows]


def measure_quality(options, order=None, share=None, n_open=16):
    """Train with each seed, in memory if there is no order of the shards, and score."""
    (X, y), (X_val, y_val) = load(options, "train", 2000), load(options, "val", 500)
    X, X_val = (read_images(paths, size=(28, 28)) for paths in (X, X_val))
    if order == "shuffled":
        rows = np.random.default_rng(1).permutation(len(X))
        X, y = X[rows], y[rows]
    with tempfile.TemporaryDirectory() as folder:
        cells, labels = X, y
        if order is not None:
            write_shards(X, folder, y, shard_size=SHARD)
            n_bytes = max(1, int(share * len(X))) * X[0].size
            cells = ShardedCells(f"{folder}/*.tar", buffer_bytes=n_bytes, n_open=n_open)
            labels = cells.y
        scores = []
        for seed in range(options.repeats):
            clf = TransferCellClassifier("cellnet_t", max_epochs=4, random_state=seed)
            with ignored_warnings():
                predicted = clf.fit(cells, labels).predict(X_val)
            scores.append(
                (accuracy_score(y_val, predicted), f1_score(y_val, predicted, average="macro"))
            )
    return {
        f"{name}{end}": float(function(column))
        for name, column in zip(("accuracy", "f1_macro"), zip(*scores, strict=True), strict=True)
        for end, function in (("", np.mean), ("_sd", partial(np.std, ddof=1)))
    }


@contextlib.contextmanager
def ignored_warnings():
    """Ignore that the whole buffer is of one class, which one row is about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All .* of the shuffle buffer are of one class")
        yield


def measure_time(options):
    """Train an epoch in turns from shards and in memory."""
    paths, y = load(options, "train", 400)
    with tempfile.TemporaryDirectory() as folder:
        cells = ShardedCells(write_shards(paths, folder, y, shard_size=SHARD))
        X, ratios = read_images(paths, size=(64, 64)), []
        for _ in range(options.repeats):
            streamed, stored = (second_epoch(*data) for data in ((cells, cells.y), (X, y)))
            ratios.append(streamed / stored)
    return {"ratio": float(np.median(ratios))}


def second_epoch(X, y):
    """Return the seconds of all threads of this process in the second epoch of a fit."""
    options = {"max_epochs": 2, "random_state": 0, "callbacks": [Clock()]}
    clf = TransferCellClassifier("cellnet_s", image_size=64, **options).fit(X, y)
    return clf.history_[-1, "cpu"]


class Clock(Callback):
    """Adds the CPU time of each epoch to the history."""

    def on_epoch_begin(self, net, **kwargs):
        """Look at the clock."""
        self.start = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        """Note the time since then."""
        net.history.record("cpu", time.process_time() - self.start)


def measure_memory(options):
    """Return the slope of the peak over the number of images."""
    counts = (2_000, 4_000) if options.quick else (16_000, 96_000)
    X, y = make_blood_cells(1000, image_size=16, random_state=0)
    peaks, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        (shard,) = write_shards(X, folder, y, shard_size=1000)
        for n in counts:
            for copy in range(n // 1000):
                Path(folder, f"copy-{copy}.tar").unlink(missing_ok=True)
                Path(folder, f"copy-{copy}.tar").hardlink_to(shard)
            command = [sys.executable, "-m", "benchmarks._streamed_fit", f"{folder}/copy-*.tar"]
            done = subprocess.run(
                command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True
            )
            peaks.append(int(done.stdout.split()[-1]))
            notes.append(f"{n:,} images: peak {peaks[-1] / 2**20:.0f} MiB.")
    return {"slope": float(np.polyfit(counts, peaks, 1)[0]), "notes": notes}


def quality(what, bars=None, **how):
    return Row(what, partial(measure_quality, **how), bars or {}, needs_data=True, quick_bars={})


BENCHMARK = Benchmark(
    "streamed_training",
    "Training from shards",
    TEXT,
    {
        "memory": quality("in memory, full shuffle"),
        "shuffled": quality(
            "shuffled shards, buffer of a tenth",
            order="shuffled",
            share=0.1,
        ),
        "sorted": quality(
            "sorted shards, buffer of a tenth",
            order="sorted",
            share=0.1,
        ),
        "one_at_a_time": quality(
            "sorted shards, one at a time, buffer of a tenth", order="sorted", share=0.1, n_open=1
        ),
        "no_buffer": quality(
            "sorted shards, one at a time, no buffer", order="sorted", share=0, n_open=1
        ),
        "time": Row("an epoch, cellnet_s, 64 px", measure_time, needs_data=True),
        "slope": Row(
            "peak over the number of images",
            measure_memory,
            {"slope": Bar("<=", 200)},
            quick_bars={},
        ),
    },
    COLUMNS,
    repeats=3,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
