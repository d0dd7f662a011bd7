"""Measure what the audit finds among real cells and among planted copies, and how long it takes.

    python -m benchmarks.audit --data FOLDER [--quick]

The folder holds ``train``, ``val`` and ``test``, each with one folder for each class.
"""

import io
import os
import sys
import tempfile
import time
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar, lines_of
from skblood import audit
from skblood.datasets import load_image_folder
from skblood.images import read_images

TEXT = """\
Real cells: the 15,382 images of PBC (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0;
BloodMNIST recipe at 128 px, own split), of which random ones where the row says fewer. Seconds are
of one audit of the paths, decoding included. Planted: for each kind of change, a changed copy of
each of 100 other cells, all in one audit beside the real cells; found means that a cell and its
copy have one id in `groups_`. A pair with a copy is false if it shows two cells that are no pair in
the first row; 100,000 means pairs of different cells, all of which are judged. Angles and places
are random. The thresholds were chosen on the train part."""

COLUMNS = {
    "n_images": ("images", ",d"),
    "crossing": ("pairs that cross the split", "d"),
    "two_labels": ("pairs with two labels", "d"),
    "copies": ("pairs of copies", "d"),
    "seconds": ("seconds", ".1f"),
    "cpu_seconds": ("CPU seconds", ".1f"),
    "found": ("found", ".3f"),
    "beyond": ("found, no bar", ".3f"),
    "false": ("false pairs in 100,000", ".6f"),
}
RNG = np.random.default_rng(0)


def by_jpeg(image, quality=40):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def resize(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def by_resizing(image):
    height, width = image.shape[:2]
    return resize(resize(image, round(0.6 * height), round(0.6 * width)), height, width)


def by_shift(image):
    return np.pad(image, ((3, 0), (0, 3), (0, 0)), mode="edge")[:-3, 3:]


def by_light(image, factor=1.08):
    return np.clip(image * factor, 0, 255).round().astype(np.uint8)


def by_gray(image):
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def by_blur(image, radius):
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def by_crop(image, rows, columns, *, centered=False, small=False):
    """Cut off shares of the rows and of the columns, and resize what is left."""
    height, width = image.shape[:2]
    cut = round(rows * height), round(columns * width)
    top, left = (n // 2 if centered else RNG.integers(n + 1) for n in cut)
    part = image[top : top + height - cut[0], left : left + width - cut[1]]
    return part if small else resize(part, height, width)


def by_rotation(image, angle=None, *, fill="black", cut=False):
    """Rotate; fill what is outside the image, or cut off all that is not inside it."""
    angle = RNG.uniform(0, 360) if angle is None else angle
    side = len(image)
    if fill in ("reflect", "edge"):
        large = np.pad(image, ((side // 2,) * 2, (side // 2,) * 2, (0, 0)), mode=fill)
        large = np.asarray(Image.fromarray(large).rotate(angle, Image.Resampling.BICUBIC))
        return large[side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    rotated = np.asarray(
        Image.fromarray(image).rotate(angle, Image.Resampling.BICUBIC, fillcolor=fill)
    )
    if not cut:
        return rotated
    kept = int(side / (abs(np.cos(np.deg2rad(angle))) + abs(np.sin(np.deg2rad(angle)))))
    start = (side - kept) // 2
    return rotated[start : start + kept, start : start + kept]


CHANGES = {
    "a quarter turn": np.rot90,
    "mirrored": np.fliplr,
    "jpeg": by_jpeg,
    "resized": by_resizing,
    "half the size": lambda image: resize(image, len(image) // 2, len(image) // 2),
    "shifted": by_shift,
    "brighter": by_light,
    "darker": partial(by_light, factor=0.92),
    "gray": by_gray,
    "quarter turn, jpeg": lambda image: by_jpeg(np.rot90(image)),
    "shifted, brighter": lambda image: by_light(by_shift(image)),
    "quarter turn, mirrored, resized, shifted, brighter, jpeg": lambda image: by_jpeg(
        by_light(by_shift(by_resizing(np.fliplr(np.rot90(image)))))
    ),
    "cropped by 5 %": partial(by_crop, rows=0.05, columns=0.05, centered=True),
    "cropped by 15 %": partial(by_crop, rows=0.15, columns=0.15, centered=True),
    "cropped by 15 %, off-center": partial(by_crop, rows=0.15, columns=0.15),
    "cropped by 15 %, off-center, left small": partial(
        by_crop, rows=0.15, columns=0.15, small=True
    ),
    "15 % of the height cropped": partial(by_crop, rows=0.15, columns=0),
    "rotated by 5 degrees": partial(by_rotation, angle=5),
    "rotated, black corners": by_rotation,
    "rotated, white corners": partial(by_rotation, fill="white"),
    "rotated, reflected": partial(by_rotation, fill="reflect"),
    "rotated, edges repeated": partial(by_rotation, fill="edge"),
    "rotated, corners cut off (0 to 29 %)": partial(by_rotation, cut=True),
    "blurred, radius 1": partial(by_blur, radius=1),
    "blurred, radius 2": partial(by_blur, radius=2),
    "rotated, cropped by 10 %, blurred, jpeg": lambda image: by_jpeg(
        by_blur(by_crop(by_rotation(image, fill="reflect"), rows=0.1, columns=0.1), 1)
    ),
}
# Not promised: the height and the width change by different factors.
BEYOND = {"15 % of the height cropped"}


def load(options):
    """Return the paths, labels and splits of all images."""
    parts = ("train", "val", "test")
    loaded = [load_image_folder(options.data, split=part, return_X_y=True) for part in parts]
    paths, labels = (np.concatenate(column) for column in zip(*loaded, strict=True))
    return paths, labels, np.repeat(parts, [len(y) for _, y in loaded])


def real(options):
    """Audit all images; in the short form 500."""
    X, y, split = load(options)
    chosen = np.random.default_rng(0).permutation(len(X))[: 500 if options.quick else None]
    start, cpu = time.perf_counter(), time.process_time()
    report = audit(X[chosen], y[chosen], split=split[chosen])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(report, flush=True)
    return {
        "n_images": len(report.groups_),
        "crossing": len(report.crossing_split),
        "two_labels": len(report.contradictory_labels),
        "copies": len(pairs_of(report)),
        "seconds": seconds,
        "cpu_seconds": cpu,
    }


def planted(options):
    """Plant copies of all kinds among the real cells; in the short form among 600."""
    X, _, _ = load(options)
    rng = np.random.default_rng(0)
    X = X[rng.permutation(len(X))[: 600 if options.quick else None]]
    n, n_planted = len(X), 10 if options.quick else 100
    kinds = np.repeat(list(CHANGES), n_planted)
    originals = np.arange(len(kinds))
    with tempfile.TemporaryDirectory() as folder:
        copies = [os.path.join(folder, f"{i}.png") for i in originals]
        for copy, path, kind in zip(copies, X, kinds, strict=False):
            Image.fromarray(CHANGES[kind](read_images([path])[0])).save(copy)
        report = audit(np.concatenate([X, copies]))
    joined = report.groups_[originals] == report.groups_[n:]
    # By the cell that each shows: two images of one cell are not false. Pairs without a copy are
    # those of the other row.
    cells = np.concatenate([np.arange(n), originals])
    pairs = np.array(sorted(pairs_of(report)))
    shown = {tuple(sorted(pair)) for pair in cells[pairs].tolist()}
    false = {(i, j) for i, j in shown if i != j} - set(map(tuple, pairs.tolist()))
    n_pairs = len(cells) * (len(cells) - 1) / 2 - len(originals)
    lines = {}
    for kind in CHANGES:
        found = float(joined[kinds == kind].mean())
        name = "beyond" if kind in BEYOND else "found"
        lines[kind] = {"n_images": len(cells), name: found}
        print(f"  {kind}: {found:.3f} found", flush=True)
    print(f"  {len(false)} false pairs", flush=True)
    worst = min(line.get("found", 1) for line in lines.values())
    return {"lines": lines, "found": worst, "false": 1e5 * len(false) / n_pairs}


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
            },
            needs_data=True,
            quick_bars={},
        ),
        "planted": Row(
            "changed copies of 100 cells for each kind of change",
            planted,
            {"found": Bar(">=", 0.95), "false": Bar("<=", 1)},
            needs_data=True,
        ),
    },
    COLUMNS,
    lines=lines_of,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
