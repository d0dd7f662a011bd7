"""Measure what the audit finds among real cells and among planted copies, and how long it takes.

    python -m benchmarks.audit --data FOLDER [--quick]

The folder holds ``train``, ``val`` and ``test``, each with one folder for each class.
"""

import io
import sys
import time
from functools import partial

import numpy as np
from PIL import Image

from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar, lines_of
from skblood import audit
from skblood.datasets import load_image_folder
from skblood.images import read_images

TEXT = """\
Real cells: the 15,382 images of PBC (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0;
BloodMNIST recipe at 128 px, own split), of which random ones where the row says fewer. Seconds are
of one audit of the paths, decoding included. The exponent is the slope of log seconds over log
images. Planted: one changed copy of each of 500 cells among 4,000; found means that the two have
one id in `groups_`. Pairs that are neither planted nor found without the copies are false."""

COLUMNS = {
    "n_images": ("images", ",d"),
    "crossing": ("pairs that cross the split", "d"),
    "two_labels": ("pairs with two labels", "d"),
    "copies": ("pairs of copies", "d"),
    "seconds": ("seconds", ".1f"),
    "exponent": ("exponent", ".2f"),
    "found": ("found", ".3f"),
    "false": ("false pairs in 10,000", ".6f"),
}


def by_jpeg(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def by_resizing(image):
    size = image.shape[1], image.shape[0]
    small = tuple(round(0.6 * side) for side in size)
    return np.asarray(Image.fromarray(image).resize(small, 3).resize(size, 3))


def by_shift(image):
    return np.pad(image, ((3, 0), (0, 3), (0, 0)), mode="edge")[:-3, 3:]


def by_light(image, factor=1.08):
    return np.clip(image * factor, 0, 255).round().astype(np.uint8)


CHANGES = {
    "turned": np.rot90,
    "mirrored": np.fliplr,
    "jpeg": by_jpeg,
    "resized": by_resizing,
    "shifted": by_shift,
    "brighter": by_light,
    "darker": partial(by_light, factor=0.92),
    "turned, jpeg": lambda image: by_jpeg(np.rot90(image)),
    "shifted, brighter": lambda image: by_light(by_shift(image)),
    "all": lambda image: by_jpeg(by_light(by_shift(by_resizing(np.fliplr(np.rot90(image)))))),
}


def load(options):
    """Return the paths, labels and splits of all images."""
    parts = ("train", "val", "test")
    loaded = [load_image_folder(options.data, split=part, return_X_y=True) for part in parts]
    paths, labels = (np.concatenate(column) for column in zip(*loaded, strict=True))
    return paths, labels, np.repeat(parts, [len(y) for _, y in loaded])


def timed(n, options):
    """Audit n images at random."""
    X, y, split = load(options)
    chosen = np.random.default_rng(0).permutation(len(X))[:n]
    start = time.perf_counter()
    report = audit(X[chosen], y[chosen], split=split[chosen])
    return report, time.perf_counter() - start


def real(options):
    """Audit growing numbers of images, at last all; in the short form 1,000."""
    figures, sizes = [], [1000] if options.quick else [1000, 4000, 15382]
    for n in sizes:
        report, seconds = timed(n, options)
        figures.append((len(report.groups_), seconds))
        print(f"  {n} images: {seconds:.1f} s", flush=True)
    print(report, flush=True)
    found = {
        "n_images": len(report.groups_),
        "crossing": len(report.crossing_split),
        "two_labels": len(report.contradictory_labels),
        "copies": len(report.identical_files + report.identical_pixels + report.near_identical),
        "seconds": seconds,
        "notes": [f"{n:,} images took {s:.1f} s." for n, s in figures],
    }
    if len(figures) > 1:
        found["exponent"] = float(np.polyfit(*np.log(figures).T, 1)[0])
    return found


def planted(options):
    """Plant copies of each kind, a kind at a time; the background are 4,000 real cells."""
    X, _, _ = load(options)
    rng = np.random.default_rng(0)
    cells = read_images(X[rng.permutation(len(X))[: 600 if options.quick else 4000]])
    n, n_planted = len(cells), 100 if options.quick else 500
    known = pairs_of(audit(cells))
    lines = {}
    for name, change in CHANGES.items():
        copies = np.stack([change(cell) for cell in cells[:n_planted]])
        report = audit(np.concatenate([cells, copies]))
        # By the cell that each shows: two of one cell are not false, nor copies of known copies.
        shown = {tuple(sorted((i % n, j % n))) for i, j in pairs_of(report)}
        false = {(i, j) for i, j in shown if i != j} - known
        joined = report.groups_[:n_planted] == report.groups_[n:]
        n_pairs = (n + n_planted) * (n + n_planted - 1) / 2
        lines[name] = {
            "n_images": n + n_planted,
            "found": float(joined.mean()),
            "false": 1e4 * len(false) / n_pairs,
        }
        print(f"  {name}: {joined.mean():.4f} found, {len(false)} false", flush=True)
    worst = min(line["found"] for line in lines.values())
    return {"lines": lines, "found": worst, "false": max(x["false"] for x in lines.values())}


def pairs_of(report):
    """Return the pairs of copies as a set of positions."""
    copies = report.identical_files + report.identical_pixels + report.near_identical
    return {each.positions for each in copies}


BENCHMARK = Benchmark(
    "audit",
    "What the audit finds, and how long it takes",
    TEXT,
    {
        "real": Row(
            "audit(paths, y, split=split)",
            real,
            {
                "crossing": Bar(">=", 5),
                "two_labels": Bar(">=", 1),
                "seconds": Bar("<=", 60),
                "exponent": Bar("<=", 1.3),
            },
            needs_data=True,
            quick_bars={},
        ),
        "planted": Row(
            "a changed copy of each of 500 cells",
            planted,
            {"found": Bar(">=", 0.99), "false": Bar("<=", 1)},
            needs_data=True,
        ),
    },
    COLUMNS,
    lines=lines_of,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
