"""Smoke run: fit, predict, save, load, export and the command line, in the environment at hand.

    python tests/smoke.py [core]

`make smoke-lowest` runs it with the lowest versions that pyproject.toml allows, installed;
`make smoke-wheel` with the built wheel and the newest versions. With `core`, without the extras. It
needs no pytest and no data. Each step prints its name; the exit status is 1 when a step fails.
"""

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import skblood
from skblood.datasets import make_blood_cells
from skblood.evaluation import EvaluationReport

SETTINGS = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
PACKAGES = ["numpy", "scipy", "pandas", "pillow", "scikit-learn", "imbalanced-learn", "skorch"]
PACKAGES += ["torch", "torchvision", "timm", "typer"]
EXTRAS = [] if "core" in sys.argv[1:] else ["onnx", "onnxruntime", "onnxscript", "skops"]


def classifiers():
    """Return one small classifier of each kind, by name."""
    return {
        "mlp": skblood.MLPCellClassifier((8,), **SETTINGS),
        "transfer": skblood.TransferCellClassifier("cellnet_t", **SETTINGS),
        "timm": skblood.TransferCellClassifier("resnet10t", weights=None, **SETTINGS),
        "frozen": skblood.TransferCellClassifier("cellnet_t", trainable="head", **SETTINGS),
        "hybrid": skblood.HybridFeatureClassifier(
            ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(8,), refine_epochs=1, **SETTINGS
        ),
        "contrastive": skblood.ContrastiveCellClassifier(
            "cellnet_t", pretrain_epochs=1, **SETTINGS
        ),
    }


def run_estimators(X, y, folder):
    """Fit, predict, save, load and export each estimator; loaded ones must predict the same."""
    for name, clf in classifiers().items():
        before = clf.fit(X, y).predict_proba(X)
        assert before.shape == (len(X), len(np.unique(y)))
        skblood.save(clf, folder / f"{name}.skblood")
        loaded = skblood.load(folder / f"{name}.skblood", device="cpu")
        assert np.allclose(loaded.predict_proba(X), before, atol=1e-6), name
        if EXTRAS:
            difference = skblood.export_onnx(clf, folder / f"{name}.onnx")
            done(f"{name}: export (difference {difference:.1e})")
        done(f"{name}: fit, predict, save, load")


def run_scikit_learn(X, y, folder):
    """Run a transformer in a Pipeline, a cross-validation, a report and an audit."""
    embedder = skblood.CellEmbedder("cellnet_t", random_state=0, device="cpu")
    pipeline = make_pipeline(embedder, LogisticRegression(max_iter=500)).fit(X, y)
    if EXTRAS:
        skblood.save(pipeline, folder / "pipeline.skblood")
        loaded = skblood.load(folder / "pipeline.skblood", device="cpu")
        assert np.array_equal(loaded.predict(X), pipeline.predict(X))
    scores = cross_val_score(classifiers()["mlp"], X, y, cv=2, scoring="f1_macro")
    assert np.isfinite(scores).all()
    print(EvaluationReport.from_predictions(y, pipeline.predict(X)))
    print(skblood.audit(X, y))
    done("Pipeline, cross-validation, report, audit")


def run_command_line(folder):
    """Train, score, export and predict from the command line, on synthetic cells."""
    from PIL import Image

    X, _ = make_blood_cells(4, image_size=64, random_state=1)
    paths = [folder / f"cell_{i}.png" for i in range(len(X))]
    for path, pixels in zip(paths, X, strict=True):
        Image.fromarray(pixels).save(path)
    model = folder / "cli.skblood"
    skblood_("train", "synthetic", "--out", model, "--estimator", "mlp", "--epochs", "1")
    skblood_("info", model)
    if EXTRAS:
        skblood_("export", model, folder / "cli.onnx")
    table = folder / "cells.csv"
    skblood_("predict", model, *paths, "--out", table)
    assert len(table.read_text().splitlines()) == len(paths) + 1
    done("command line: train, info, predict")


def run_offline(X):
    """Predict with the pretrained model, which comes with the package, in Python and the shell."""
    assert skblood.load_pretrained().predict_proba(X).shape == (len(X), 8)
    skblood_("info", "blood8-2")
    done("the pretrained model")


def skblood_(*arguments):
    """Run a command, with its output shown."""
    subprocess.run([sys.executable, "-m", "skblood", *map(str, arguments)], check=True)


def done(what):
    """Say that a step is done, and after how long."""
    print(f"[{time.perf_counter() - START:5.1f} s] {what}", flush=True)


START = time.perf_counter()

if __name__ == "__main__":
    versions = [f"{name} {version(name)}" for name in PACKAGES + EXTRAS]
    print(sys.version.split()[0], skblood.__file__, *versions, sep="\n  ")
    X, y = make_blood_cells(48, image_size=32, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        run_estimators(X, y, Path(folder))
        run_scikit_learn(X, y, Path(folder))
        run_command_line(Path(folder))
        run_offline(X)
    print("smoke run: all passed")
