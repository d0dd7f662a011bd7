"""Measure what transfer from ImageNet gives on blood cells, and how many training cells it takes.

    python -m benchmarks.transfer [--only ROW ...] [--cells N ...] [--seeds N] [--weights FOLDER]

What has its scores in the file of results is not fitted again.
"""

import os
import sys
import time
from functools import cache, partial
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._measure import summary
from benchmarks._report import Bar, read_rows
from skblood import TransferCellClassifier
from skblood.augment import augment_images
from skblood.datasets import load_image_folder
from skblood.images import read_images

TEXT = """\
PBC at 128 px (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0; own split): trained on so
many cells of `train` (as many of each class, drawn by the seed) or on all 10,766, tested on all
3,077 of `test`. Epochs were chosen on `val`. Lite0 is EfficientNet-Lite0 and SqueezeNet 1.0, both
with the weights of ImageNet; `cellnet_s` starts at random. Accuracy, mean of the seeds, least to
most; minutes of one fit on all cells, on a machine that at times did other work."""
CELLS = {"80": 10, "400": 50, "2000": 250, "all": None}
LITE0 = ("tf_efficientnet_lite0", "tf_efficientnet_lite0_imagenet.safetensors")
SQUEEZENET = ("torchvision/squeezenet1_0", "squeezenet1_0_imagenet.safetensors")
N_VIEWS = 4


def fit_scratch(X, y, n, seed, folder):
    """Train `cellnet_s` at 64 px from random weights."""
    epochs = {"80": 100, "400": 60, "2000": 30, "all": 20}[n]
    return TransferCellClassifier(image_size=64, max_epochs=epochs, random_state=seed).fit(X, y)


def fit_network(backbone, trainable, X, y, n, seed, folder):
    """Train a network of ImageNet, all of it or its last stages."""
    epochs = {"80": 40, "400": 20, "2000": 12, "all": 8}[n]
    return pretrained(backbone, folder, trainable, epochs, seed).fit(X, y)


def fit_head(backbone, X, y, n, seed, folder):
    """Train only the head, on features that are computed once."""
    return pretrained(backbone, folder, "head", 40, seed).fit(X, y)


def fit_head_on_views(backbone, X, y, n, seed, folder):
    """Train only the head, on features of several augmented views of each image."""
    images = read_images(X, size=(128, 128))
    images = np.concatenate([images, augment_images(images, n_copies=N_VIEWS, random_state=seed)])
    return pretrained(backbone, folder, "head", 40, seed).fit(images, np.tile(y, N_VIEWS + 1))


def fit_gradually(backbone, X, y, n, seed, folder):
    """Train the head, then also the last two stages, then all, each at a lower rate."""
    model = pretrained(backbone, folder, "head", 20, seed).fit(X, y)
    epochs = {"80": 20, "400": 10, "2000": 6, "all": 4}[n]
    for trainable, lr in ((2, 5e-4), ("all", 2e-4)):
        model.set_params(trainable=trainable, lr=lr, max_epochs=epochs, warm_start=True).fit(X, y)
    return model


def pretrained(backbone, folder, trainable, epochs, seed):
    name, file = backbone
    return TransferCellClassifier(
        name,
        weights=Path(folder, file),
        trainable=trainable,
        image_size=128,
        max_epochs=epochs,
        random_state=seed,
    )


@cache
def read_part(data, part):
    return load_image_folder(data, split=part, return_X_y=True)


def draw(y, n, seed):
    """Return the positions of the training cells."""
    if CELLS[n] is None:
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[: CELLS[n]] for c in np.unique(y)]
    )


def measure(name, fit, options):
    """Fit and score each number of cells and seed that has no scores yet."""
    known = {} if options.out is None else read_rows(options.out / "transfer.json")
    fits = dict(known.get(name, {}).get("figures", {}).get("fits", {}))
    X, y = read_part(options.data, "train")
    part = read_part(options.data, options.part)
    for n in options.cells:
        for seed in range(options.seeds):
            key = f"{n}-{options.part}-{seed}"
            if key in fits:
                continue
            rows = draw(y, n, seed)
            start = time.perf_counter()
            model = fit(X[rows], y[rows], n, seed, options.weights)
            minutes = (time.perf_counter() - start) / 60
            predicted = model.predict(part[0])
            fits[key] = {
                "accuracy": accuracy_score(part[1], predicted),
                "f1_macro": f1_score(part[1], predicted, average="macro"),
                "minutes": minutes,
            }
            print(f"  {key}: {fits[key]}", flush=True)
    return {"fits": fits, **figures_of(fits, options.part)}


def figures_of(fits, part):
    """Return the figures of the table."""
    figures = {}
    for n in CELLS:
        runs = [value for key, value in fits.items() if key.startswith(f"{n}-{part}-")]
        if runs:
            figures[f"accuracy_{n}"] = summary([run["accuracy"] for run in runs])
            figures[f"f1_{n}"] = summary([run["f1_macro"] for run in runs])
            figures[f"minutes_{n}"] = summary([run["minutes"] for run in runs])
    return figures


def find_weights():
    """Return the folder of weights beside the real data."""
    home = os.environ.get("SKBLOOD_DATA_HOME") or REPOSITORY.parent / "shared" / "data"
    return Path(home).parent / "weights"


def add_options(parser):
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--seeds", type=int, default=1, help="fits of each: seeds 0, 1, ...")
    parser.add_argument("--part", choices=("val", "test"), default="test", help="cells to score")
    parser.add_argument("--weights", type=Path, default=find_weights(), help="folder of weights")


def _row(name, what, fit, **bars):
    bars = {key: Bar(">=", value) for key, value in bars.items()}
    return Row(what, partial(measure, name, fit), bars, needs_data=True)


ROWS = {
    "scratch": ("`cellnet_s` at 64 px, from scratch", fit_scratch, {}),
    "squeezenet": ("SqueezeNet, all of it", partial(fit_network, SQUEEZENET, "all"), {}),
    "lite0_head": ("Lite0, head", partial(fit_head, LITE0), {"accuracy_all": 0.945}),
    "lite0_head_views": (
        f"Lite0, head, {N_VIEWS} views more",
        partial(fit_head_on_views, LITE0),
        {},
    ),
    "lite0_stages": ("Lite0, last two stages", partial(fit_network, LITE0, 2), {}),
    "lite0_all": ("Lite0, all of it", partial(fit_network, LITE0, "all"), {"accuracy_all": 0.985}),
    "lite0_gradual": ("Lite0, head, two stages, all", partial(fit_gradually, LITE0), {}),
}
BENCHMARK = Benchmark(
    "transfer",
    "Transfer from ImageNet",
    TEXT,
    {name: _row(name, what, fit, **bars) for name, (what, fit, bars) in ROWS.items()},
    {
        **{f"accuracy_{n}": (f"{n} cells" if n != "all" else "all cells", ".4f") for n in CELLS},
        "f1_all": ("macro-F1, all", ".4f"),
        "minutes_all": ("minutes, all", ".1f"),
    },
    repeats=1,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
