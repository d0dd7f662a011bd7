"""Measure memory and time of two fits on 100,000 image files, the second of which decodes none.

Run by ``python -m benchmarks.larger_than_memory [--quick] [--folder FOLDER]``.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageOps

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._report import Bar
from skblood.datasets import make_blood_cells

TEXT = """\
`TransferCellClassifier(image_size=64, max_epochs=1, memory=FOLDER).fit(paths, y)` on distinct
synthetic cells in JPEG files of 360x363 pixels, twice, each in a fresh process. The peak is the
resident memory of the whole process, the pages of memory-mapped files that are in memory included.
Reading is all of `fit` that is not the epoch: hashing and decoding files, or finding them decoded,
and the statistics of the images. Decoded is the number of files that were decoded. Each fit is done
once, so that no figure has a spread."""
FITS = ("first", "second")
COLUMNS = {
    "n_files": ("files", "d"),
    **{
        f"{fit}_{key}": (f"{fit} fit: {heading}", form)
        for fit in FITS
        for key, heading, form in (
            ("peak_gb", "peak, GB", ".2f"),
            ("reading_s", "reading, s", ".0f"),
            ("training_s", "training, s", ".0f"),
            ("decoded", "decoded", "d"),
        )
    },
}
SIZE = (360, 363)  # width and height
N_DRAWN = 2_000


def measure(options):
    """Make the files, unless they are there, and fit twice."""
    n = 4_000 if options.quick else 100_000
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cells, memory = folder / f"cells_{n}", folder / "memory"
        make_files(cells, n)
        shutil.rmtree(memory, ignore_errors=True)
        found = {fit: in_a_process(cells, memory, options) for fit in FITS}
    return {
        "n_files": n,
        **{f"{fit}_{key}": value for fit in FITS for key, value in found[fit].items()},
    }


def make_files(folder, n):
    """Make the files that are not there: cells that are drawn once, each varied many times."""
    drawn, labels = make_blood_cells(N_DRAWN, image_size=120, random_state=0)
    labels = labels[np.arange(n) % N_DRAWN]
    paths = [folder / label / f"{i:06d}.jpg" for i, label in enumerate(labels)]
    for label in np.unique(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)

    def make(cell):
        image = Image.fromarray(drawn[cell]).resize(SIZE)
        for i in range(cell, n, N_DRAWN):
            if not paths[i].exists():
                varied(image, np.random.default_rng(i)).save(paths[i], quality=90)

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, range(min(n, N_DRAWN))))


def varied(image, rng):
    """Shift an image and maybe flip it, change its hue, and set a few pixels at random."""
    image = ImageChops.offset(image, *rng.integers(-30, 31, 2).tolist())
    image = ImageOps.flip(image) if rng.random() < 0.5 else image
    image = image.point(np.outer(rng.uniform(0.85, 1.15, 3), np.arange(256)).clip(0, 255).ravel())
    for x, y, *colour in rng.integers(0, 256, (20, 5)).tolist():
        image.putpixel((x, y), tuple(colour))
    return image


def in_a_process(cells, memory, options):
    """Fit in a fresh process; return its figures."""
    arguments = [cells, memory, options.threads or 0]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._fit_of_files", *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def add_options(parser):
    parser.add_argument(
        "--folder", type=Path, help="where the files are made, and kept for the next run"
    )


BENCHMARK = Benchmark(
    "larger_than_memory",
    "More images than memory",
    TEXT,
    {
        "cellnet_64": Row(
            "cellnet_s, 64 px",
            measure,
            {
                "first_peak_gb": Bar("<=", 2.5),
                "second_peak_gb": Bar("<=", 2.5),
                "second_decoded": Bar("<=", 0),
            },
        )
    },
    COLUMNS,
    repeats=1,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
