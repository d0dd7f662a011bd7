"""Measure what transfer from ImageNet gives on blood cells, and how many training cells it takes.

    python -m benchmarks.transfer [--only ROW ...] [--cells N ...] [--seeds N] [--weights FOLDER]

What has its scores in the file of results is not fitted again.
"""

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._fits import fit_and_score, spread
from benchmarks._report import Bar
from skblood import TransferCellClassifier
from skblood.augment import augment_images
from skblood.images import read_images

TEXT = """\
PBC at 128 px (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0; own split): trained on so
many cells of `train` (as many of each class, drawn by the seed) or on all 10,766, tested on all
3,077 of `test`. Epochs and learning rates were chosen on `val`, with 400 cells (those of the head
with all); other numbers of cells were not tuned. Lite0 is EfficientNet-Lite0 and SqueezeNet 1.0,
both with the weights of ImageNet; `cellnet_s` starts at random. Accuracy, median of the seeds,
least to most; minutes of one fit on all cells, on a machine that at times did other work."""
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
    epochs = {"80": 80, "400": 40, "2000": 16, "all": 8}[n]
    lr = {"80": 2e-3, "400": 2e-3, "2000": 1e-3, "all": "auto"}[n]
    return pretrained(backbone, folder, trainable, epochs, seed, lr).fit(X, y)


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


def pretrained(backbone, folder, trainable, epochs, seed, lr="auto"):
    name, file = backbone
    return TransferCellClassifier(
        name,
        weights=Path(folder, file),
        trainable=trainable,
        image_size=128,
        max_epochs=epochs,
        lr=lr,
        random_state=seed,
    )


def measure(name, fit, options):
    """Fit and score each number of cells and seed that has no scores yet."""
    file = options.out and options.out / "transfer.json"
    wanted = {
        f"{n}-{seed}": (partial(_fit, fit, n, seed, options.weights), CELLS[n], seed)
        for n in options.cells
        for seed in range(options.seeds)
    }
    fits = fit_and_score(file, name, wanted, options)
    figures = {"fits": fits}
    for n in CELLS:
        figures |= spread(fits, f"{n}-", n)
    return figures


def _fit(fit, n, seed, folder, X, y):
    return fit(X, y, n, seed, folder)


def find_weights():
    """Return the folder of weights beside the real data."""
    home = os.environ.get("SKBLOOD_DATA_HOME") or REPOSITORY.parent / "shared" / "data"
    return Path(home).parent / "weights"


def add_options(parser):
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--seeds", type=int, default=1, help="fits of each: seeds 0, 1, ...")
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
        {"accuracy_all": 0.945},
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
        "f1_macro_all": ("macro-F1, all", ".4f"),
        "minutes_all": ("minutes, all", ".1f"),
    },
    repeats=1,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
