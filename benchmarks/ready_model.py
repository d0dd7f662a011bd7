"""Measure the ready model: its bytes, its start, its speed, and whether it knows its cells again.

    python -m benchmarks.ready_model [--quick] [--only ROW ...] [--data FOLDER]

`write_fingerprints` makes the file of fingerprints from the folder that the model is trained on.
"""

import sys
import time
import zlib

import numpy as np
import torch
from scipy.spatial import cKDTree

from benchmarks._command import Benchmark, Row, output_of, run
from benchmarks._measure import alternate, rates, ratio, summary
from benchmarks._report import Bar, lines_of
from skblood.datasets import load_image_folder, load_npz, make_blood_cells
from skblood.images import map_images, resize_images
from skblood.io import load_pretrained
from skblood.pretrained import (
    FINGERPRINT_FILES,
    compute_fingerprints,
    find_training_overlap,
    match_fingerprints,
)

# Of the images of PBC.
FINGERPRINTS_FILE = FINGERPRINT_FILES["pbc"][0]

TEXT = """\
The models of `skblood.load_pretrained`: start and speed are of the one that it loads by default.
Bytes are those of all their files, deflated as they are in a wheel. A cold start is a fresh process
that imports the package, loads the model and predicts one image. Images per second are of synthetic
cells of 64 px on one thread. Beside both: timm's mobilenetv2_100 in the bare loop, random weights,
in batches of 64 of the same images, and of the same images at the 224 px that it was made for. A
ratio is the median over the rounds (least..most); above 1, the ready model is the faster.
Fingerprints: the share of the training images of PBC that is known again in each form, and false
alarms among others, on PBC (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0; BloodMNIST
recipe, own split). Originals are there of 200 val images only, and are looked for among those of
val."""

COLUMNS = {
    "bytes": ("bytes", ",d"),
    "seconds": ("seconds", ".2f"),
    "images_per_second": ("images/s", ".0f"),
    "times_faster": ("beside mobilenetv2_100", ".2f"),
    "times_faster_224": ("beside it at 224 px", ".1f"),
    "n_images": ("images", ",d"),
    "known": ("known", ".4f"),
    "false_alarms": ("known though others", ".4f"),
}

# What a fresh process runs; {how} is one of _START.
_COLD = """
import time
start = time.perf_counter()
import numpy as np
{how}
print(time.perf_counter() - start)
"""
_START = {
    "ours": """
from skblood import load_pretrained
load_pretrained(device="cpu").predict(np.zeros((1, 64, 64, 3), np.uint8))
""",
    "timm": """
import timm, torch
model = timm.create_model("mobilenetv2_100").eval()
with torch.inference_mode():
    model(torch.from_numpy(np.zeros((1, 3, 64, 64), np.float32))).argmax()
""",
}


def size(options):
    """Count the bytes that the model adds to a wheel."""
    files = [
        f for f in FINGERPRINTS_FILE.parent.iterdir() if f.suffix in (".safetensors", ".npy", ".md")
    ]
    deflated = {file.name: len(zlib.compress(file.read_bytes())) for file in files}
    notes = [
        f"{file.name}: {file.stat().st_size:,} bytes, {deflated[file.name]:,} in a wheel."
        for file in sorted(files)
    ]
    return {"bytes": sum(deflated.values()), "notes": notes}


def cold(options):
    """Start fresh processes, each way in turn; the first, which fills caches, is not counted."""
    seconds = {name: [] for name in _START}
    for _ in range(1 + options.repeats):
        for name, how in _START.items():
            seconds[name].append(_start(how))
    seconds = {name: each[1:] for name, each in seconds.items()}
    return {"seconds": summary(seconds["ours"]), "times_faster": ratio(seconds, "timm", "ours")}


def _start(how):
    return float(output_of(_COLD.format(how=how)))


def speed(options):
    """Predict on one thread, beside the bare loop of a network that is made to be small."""
    import timm

    n = 128 if options.quick else 1024
    X, _ = make_blood_cells(n, image_size=64, random_state=0)
    model = load_pretrained(device=options.device)
    other = timm.create_model("mobilenetv2_100").eval().to(options.device)
    large = resize_images(X[: n // 8], (224, 224))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = alternate(
            {
                "ours": lambda: model.predict(X),
                "timm": lambda: _predict(other, X, options.device),
                "timm_224": lambda: _predict(other, large, options.device),
            },
            options.repeats,
        )
    finally:
        torch.set_num_threads(n_threads)
    speeds = rates(seconds, {"ours": n, "timm": n, "timm_224": len(large)})
    return {
        "images_per_second": summary(speeds["ours"]),
        "times_faster": ratio(speeds, "ours", "timm"),
        "times_faster_224": ratio(speeds, "ours", "timm_224"),
    }


@torch.inference_mode()
def _predict(module, X, device):
    for start in range(0, len(X), 64):
        batch = torch.from_numpy(X[start : start + 64]).permute(0, 3, 1, 2).to(device)
        module(batch.float().div_(255)).argmax(dim=1).cpu()


def again(options):
    """Look for the training images in other sizes, and for them among images that they are not."""
    limit = 200 if options.quick else None
    cells = {part: _codes_of(options.data / part, limit) for part in ("train", "val", "test")}
    train = cKDTree(np.load(FINGERPRINTS_FILE))
    forms = {f"{part}, 128 px": match_fingerprints(codes, train) for part, codes in cells.items()}
    npz = options.data.parent / "pbc_28.npz"
    if npz.exists():
        small = load_npz(npz, "train").data[:limit]
        for side in (28, 64, 224):
            forms[f"train, 28 px brought to {side}"] = find_training_overlap(
                resize_images(small, (side, side)), ["pbc"]
            )
    originals = options.data.parent / "originals_val"
    if originals.is_dir():
        val = cKDTree(_codes_of(options.data / "val")[:, 0])
        forms["originals of val, among val"] = match_fingerprints(_codes_of(originals, limit), val)
    start = time.perf_counter()
    find_training_overlap(np.zeros((1000, 64, 64, 3), np.uint8))
    took = 10 * (time.perf_counter() - start)
    lines = {}
    for form, hits in forms.items():
        what = "false_alarms" if form.startswith(("val", "test")) else "known"
        lines[form] = {"n_images": len(hits), what: float(hits.mean())}
    return {
        "lines": lines,
        "known": min(line["known"] for line in lines.values() if "known" in line),
        "seconds": took,
        "notes": [
            *(f"{k}: {int(v.sum()):,} of {len(v):,} known." for k, v in forms.items()),
            f"Looking for 10,000 images of 64 px takes {took:.1f} s on this machine.",
        ],
    }


def _codes_of(folder, limit=None):
    """Return the fingerprints of the images below a folder."""
    paths, _ = load_image_folder(folder, return_X_y=True)
    codes, errors = map_images(_code_of, paths[:limit])
    if errors:
        raise ValueError(f"{len(errors)} images of {folder} cannot be read.")
    return np.stack(codes)


def _code_of(image):
    return compute_fingerprints(image[None])[0]


def write_fingerprints(folder, path=FINGERPRINTS_FILE):
    """Write the fingerprints of the images below a folder of classes, sorted: they name nothing.

    Parameters
    ----------
    folder : path-like
        What the model is trained on.
    path : path-like
        The ``.npy`` file to write.
    """
    codes = _codes_of(folder)[:, 0]  # in the framing that was trained on
    np.save(path, np.unique(codes, axis=0))


BENCHMARK = Benchmark(
    "ready_model",
    "The ready model",
    TEXT,
    {
        "size": Row("the files of the package", size, {"bytes": Bar("<=", 5_000_000)}),
        "cold": Row("import, load, predict one image", cold),
        "speed": Row("predict, one thread", speed),
        "again": Row("fingerprints", again, {"known": Bar(">=", 0.99)}, needs_data=True),
    },
    COLUMNS,
    lines=lines_of,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
