"""Train the networks that papers on blood cells use, from scratch, on one protocol.

python -m benchmarks.field [--only ROW ...] [--seeds N] [--device cuda]
"""

import sys
from functools import partial

from benchmarks._command import Benchmark, Row, run
from benchmarks._fits import fit_and_score, spread
from skblood import TransferCellClassifier

N_PER_CLASS, EPOCHS, SIZE = 250, 8, 64
GPU_EPOCHS, GPU_SIZE = 30, 128
TEXT = f"""\
PBC (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0; own split): networks from random
weights, all with the default recipe of `TransferCellClassifier`, tested on all 3,077 cells of
`test`. On a CPU: {N_PER_CLASS} training cells of each class at {SIZE} px (80 px for the two
networks that need them), {EPOCHS} epochs; this shows what small networks gain when data and time
are short, and nothing about what the large ones can do. On a GPU (`--device cuda`): all 10,766
cells of `train` at {GPU_SIZE} px, {GPU_EPOCHS} epochs. Median of the seeds, least to most; minutes
of one fit, on a machine that at times did other work."""
NETWORKS = (
    *("cellnet_s", "mobilenetv2_100", "efficientnet_b0", "vit_small_patch16_224"),
    *("resnet50", "resnet101", "resnet152", "densenet201"),
    *("inception_v3", "legacy_xception", "vgg16", "vgg19"),
)
LARGER = ("inception_v3", "legacy_xception")  # smaller images leave them no pixel


def fit(backbone, device, seed, X, y):
    """Train a network on files."""
    small = 80 if backbone in LARGER else SIZE
    model = TransferCellClassifier(
        backbone,
        weights=None,
        image_size=small if device == "cpu" else GPU_SIZE,
        max_epochs=EPOCHS if device == "cpu" else GPU_EPOCHS,
        device=device,
        random_state=seed,
    )
    return model.fit(X, y)


def measure(backbone, options):
    """Fit and score a network with each seed that has no scores yet."""
    device = options.device
    stored = "field" if device == "cpu" else f"field_{device}"
    file = options.out and options.out / f"{stored}.json"
    n = N_PER_CLASS if device == "cpu" else None
    wanted = {
        f"seed{seed}": (partial(fit, backbone, device, seed), n, seed)
        for seed in range(options.seeds)
    }
    fits = fit_and_score(file, backbone, wanted, options)
    return {"fits": fits, **spread(fits, "", "test")}


def add_options(parser):
    parser.add_argument("--seeds", type=int, default=1, help="fits of each: seeds 0, 1, ...")


BENCHMARK = Benchmark(
    "field",
    "The networks of the field, from scratch",
    TEXT,
    {name: Row("from scratch", partial(measure, name), needs_data=True) for name in NETWORKS},
    {
        "accuracy_test": ("accuracy", ".3f"),
        "f1_macro_test": ("macro-F1", ".3f"),
        "minutes_test": ("minutes", ".1f"),
    },
    repeats=1,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
