"""Measure whether an exported model answers as the model itself.

Run by ``python -m benchmarks.onnx_agreement [--quick] [--only ROW ...] [--data FOLDER]``.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import _onnx
from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar
from skblood import HybridFeatureClassifier, MLPCellClassifier, TransferCellClassifier, export_onnx
from skblood.datasets import load_image_folder, make_blood_cells
from skblood.images import read_images

TEXT = """\
A classifier is trained for eight epochs on 640 `train` images of PBC (Acevedo et al. 2020, Data in
Brief 30:105474, CC BY 4.0; BloodMNIST recipe, own split; 128 px) and written by
`skblood.export_onnx`. ONNX Runtime is given 500 `test` images as they are, 128 px and uint8, and
resizes, scales and standardises by itself. Its probabilities are compared with those of
`predict_proba` in float32, on the CPU. The short form does all that with synthetic cells."""
COLUMNS = {
    "max_difference": ("largest difference of a probability", ".2e"),
    "labels_changed": ("labels that change", "d"),
    "at_export": ("difference found at export", ".2e"),
    "mean_confidence": ("mean of the largest probability", ".3f"),
    "megabytes": ("MB of the file", ".1f"),
    "n_images": ("images", "d"),
}
N_TRAIN, N_TEST = 640, 500


def mlp(**options):
    return MLPCellClassifier(image_size=28, **options)


def cellnet(**options):
    return TransferCellClassifier("cellnet_s", image_size=64, lr=0.01, **options)


def squeezenet(weights, **options):
    return TransferCellClassifier(
        "torchvision/squeezenet1_0", weights=weights, trainable="head", image_size=128, **options
    )


def hybrid(weights, **options):
    return HybridFeatureClassifier(
        ("torchvision/squeezenet1_0", "cellnet_s"),
        weights=(weights, "default"),
        trainable=("head", "all"),
        image_size=64,
        refine_epochs=0,
        **options,
    )


def vit(**options):
    return TransferCellClassifier(
        "vit_tiny_patch16_224", weights=None, image_size=64, interpolation="bicubic", **options
    )


def measure(make, options):
    """Fit, export, and ask both."""
    (X, y), X_test = cells(options)
    if make in (squeezenet, hybrid):
        make = partial(make, find_weights(options))
    classifier = make(
        max_epochs=1 if options.quick else 8, random_state=0, device="cpu", precision="float32"
    ).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        at_export, n_bytes = export_onnx(classifier, path), path.stat().st_size
        session = _onnx.open_session(path, "cpu")
    found = _onnx.predict(session, X_test, batch_size=50)
    expected = classifier.predict_proba(X_test)
    return {
        "max_difference": float(np.abs(found - expected).max()),
        "labels_changed": int((found.argmax(1) != expected.argmax(1)).sum()),
        "at_export": at_export,
        "mean_confidence": float(expected.max(1).mean()),
        "megabytes": n_bytes / 1e6,
        "n_train": len(y),
        "n_images": len(X_test),
    }


def cells(options):
    """Return images and labels to train on, and images to compare on."""
    if options.quick:
        X, y = make_blood_cells(160, image_size=128, random_state=0)
        return (X[:96], y[:96]), X[96:]
    if options.data is None:
        sys.exit("The full form needs real cells: --data or SKBLOOD_DATA_HOME; or take --quick.")
    X, y = some_of(options.data, "train", N_TRAIN)
    return (X, y), some_of(options.data, "test", N_TEST)[0]


def some_of(folder, split, n):
    """Return `n` random images of a split, and their labels."""
    paths, y = load_image_folder(folder, split=split, return_X_y=True)
    chosen = np.random.default_rng(0).choice(len(y), n, replace=False)
    return read_images(paths[chosen]), y[chosen]


def find_weights(options):
    """Return the file of SqueezeNet's ImageNet weights; the short form starts at random."""
    if options.quick:
        return None
    return options.data.resolve().parents[2] / "weights" / "squeezenet1_0_imagenet.safetensors"


def row(what, make):
    bars = {"max_difference": Bar("<=", 1e-4), "labels_changed": Bar("<=", 0)}
    return Row(what, partial(measure, make), bars)


BENCHMARK = Benchmark(
    "onnx_agreement",
    "Agreement of exported models",
    TEXT,
    {
        "mlp_28": row("MLPCellClassifier(image_size=28)", mlp),
        "cellnet_64": row("cellnet_s, 64 px", cellnet),
        "squeezenet_head_128": row("squeezenet1_0, ImageNet weights, head trained", squeezenet),
        "hybrid_64": row("hybrid of squeezenet1_0 and cellnet_s, 64 px", hybrid),
        "vit_64": row("vit_tiny_patch16_224, random weights, 64 px, bicubic", vit),
    },
    COLUMNS,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
