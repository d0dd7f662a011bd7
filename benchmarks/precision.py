"""Measure whether bfloat16 changes the answers.

    python -m benchmarks.precision --data FOLDER [--quick] [--epochs N]

The folder holds ``train`` and ``test``, each with one folder for each class.
"""

import sys
from functools import partial

import numpy as np

from benchmarks._command import Benchmark, Row, run
from benchmarks._networks import NETWORKS
from benchmarks._report import Bar
from skblood.datasets import load_image_folder
from skblood.images import read_images

TEXT = """\
A classifier is trained on the `train` images of PBC (Acevedo et al. 2020, Data in Brief 30:105474,
CC BY 4.0; BloodMNIST recipe, own split) and gives the probabilities of the `test` images twice,
with `precision="bfloat16"` and with `precision="float32"`: the same weights."""
COLUMNS = {
    "labels_changed": ("labels that change", ".3%"),
    "max_difference": ("largest difference of a probability", ".4f"),
    "mean_difference": ("mean difference", ".6f"),
    "accuracy_bfloat16": ("accuracy in bfloat16", ".4f"),
    "accuracy_float32": ("in float32", ".4f"),
    "n_test": ("test images", "d"),
}


def measure(name, options):
    """Fit on the training images, predict the test images in both precisions."""
    network = NETWORKS[name]
    epochs = options.epochs or (4 if options.quick else 20)
    X, y = load(options.data, "train", network.image_size, 6 if options.quick else 1)
    X_test, y_test = load(options.data, "test", network.image_size, 3 if options.quick else 1)
    classifier = network.estimator(max_epochs=epochs, device=options.device).fit(X, y)
    p = {}
    for precision in ("bfloat16", "float32"):
        p[precision] = classifier.set_params(precision=precision).predict_proba(X_test)
    labels = {k: classifier.classes_[v.argmax(1)] for k, v in p.items()}
    difference = np.abs(p["bfloat16"] - p["float32"])
    return {
        "labels_changed": float(np.mean(labels["bfloat16"] != labels["float32"])),
        "max_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        **{f"accuracy_{k}": float(np.mean(v == y_test)) for k, v in labels.items()},
        "n_train": len(y),
        "n_test": len(y_test),
        "epochs": epochs,
    }


def load(folder, split, image_size, step):
    """Return every `step`-th image of a split, and the labels."""
    paths, y = load_image_folder(folder, split=split, return_X_y=True)
    return read_images(paths[::step], size=(image_size, image_size)), y[::step]


def add_options(parser):
    parser.add_argument("--epochs", type=int, help="epochs of training")


BENCHMARK = Benchmark(
    "precision",
    "Precision of prediction",
    TEXT,
    {
        name: Row(
            NETWORKS[name].what,
            partial(measure, name),
            {"labels_changed": Bar("<=", 0.001)},
            needs_data=True,
            # Hardly trained, a network is unsure of many cells, and a trifle decides.
            quick_bars={"labels_changed": Bar("<=", 0.01)},
        )
        for name in ("mlp_28", "cellnet_64")
    },
    COLUMNS,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
