"""Fits that a launcher runs in each of its processes, and the test in one, for comparison.

``python -m torch.distributed.run ... parallel_fits.py FOLDER`` writes what each process has found.
"""

import os
import pickle
import signal
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EpochScoring
from torch import nn

from skblood import (
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TrainingCheckpoint,
    TrainingInterrupted,
    TransferCellClassifier,
)
from skblood.datasets import make_blood_cells
from skblood.networks._cellnet import CellNet
from skblood.training import StopTraining

RANK = int(os.environ.get("RANK", "0"))
X, Y = make_blood_cells(91, image_size=16, random_state=0)  # an odd number: parts are unequal
WEIGHTS = np.random.default_rng(0).random(len(Y)) + 0.3
FIT = {"augment": None, "precision": "float32", "device": "cpu", "batch_size": 24}
FIT |= {"random_state": 0, "max_epochs": 2}
CNN = {"weights": None, "image_size": 16, "dropout": 0.0, **FIT}


class StopOnRank1(Callback):
    """A callback that decides otherwise in each process."""

    def on_epoch_end(self, net, **kwargs):
        if RANK == 1 and len(net.history) == 2:
            raise StopTraining


class InterruptRank1(Callback):
    """Ctrl-C in the third epoch, in one process only."""

    def on_batch_begin(self, net, training=None, **kwargs):
        if RANK == 1 and len(net.history) == 3:
            os.kill(os.getpid(), signal.SIGINT)


def same():
    """All that the loss depends on: weights of samples and classes, smoothing, focal, stopping."""
    options = {**CNN, "loss": "focal", "class_weight": "balanced", "early_stopping": True}
    return TransferCellClassifier("cellnet_t", **options).fit(X, Y, sample_weight=WEIGHTS)


def contrastive():
    """A loss that compares all images of a batch."""
    return ContrastiveCellClassifier("cellnet_t", pretrain_epochs=2, **CNN).fit(X, Y)


def hybrid():
    """Two phases, and parameters that are frozen."""
    options = {"refine_epochs": 1, "trainable": ("all", 1), **CNN, "optimizer": "sgd"}
    return HybridFeatureClassifier(("cellnet_t", "cellnet_t"), **options).fit(X, Y)


def head():
    """Features of a frozen backbone."""
    return TransferCellClassifier("cellnet_t", trainable="head", **CNN).fit(X, Y)


def mlp():
    """Normalization of a single number per channel; a last validation batch of one image."""
    clf = MLPCellClassifier((16,), dropout=0.0, optimizer="sgd", **FIT)
    return clf.fit(X[1:], Y[1:], X_val=X[:1], y_val=Y[:1])


def continued():
    """Two calls of partial_fit."""
    clf = MLPCellClassifier((16,), dropout=0.0, **FIT)
    return clf.partial_fit(X, Y, classes=np.unique(Y)).partial_fit(X, Y)


def unreached():
    """Parameters that no loss reaches, which weight decay must not change."""
    build = CellNet.__init__

    def build_with_more(self, *args, **kwargs):
        build(self, *args, **kwargs)
        self.more = nn.Linear(3, 3)

    with patch.object(CellNet, "__init__", build_with_more):
        return TransferCellClassifier("cellnet_t", weight_decay=0.5, **CNN).fit(X, Y)


# Those that one process must train alike.
ALIKE = (same, contrastive, hybrid, head, mlp, continued, unreached)
ALIKE = {each.__name__: each for each in ALIKE}


def augmented():
    """Augmentation, dropout, a seed that each process draws for itself, scores of callbacks."""
    score = EpochScoring("accuracy", name="train_accuracy", on_train=True, lower_is_better=False)
    options = {**CNN, "augment": "cells", "dropout": 0.3, "random_state": None}
    options |= {"callbacks": [score, StopOnRank1()], "max_epochs": 4}
    return TransferCellClassifier("cellnet_t", **options).fit(X, Y)


def draws():
    """Return the random numbers that augmentation draws."""
    drawn = []

    def augment(images):
        drawn.append(float(torch.rand(1)))
        return images

    TransferCellClassifier("cellnet_t", **{**CNN, "augment": augment}).fit(X, Y)
    return drawn


def search():
    """A grid search, step by step in all processes."""
    grid = {"lr": [1e-6, 0.01]}
    clf = MLPCellClassifier((16,), dropout=0.0, **FIT)
    return GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y).best_estimator_


def resumed(folder):
    """A training that Ctrl-C in one process ends in all, and the rest of it."""
    options = {**CNN, "augment": "cells", "dropout": 0.3, "max_epochs": 4}
    checkpoint = TrainingCheckpoint(folder / "checkpoint")
    checkpoint.on_batch_begin = InterruptRank1().on_batch_begin  # no others beside a checkpoint
    clf = TransferCellClassifier("cellnet_t", callbacks=[checkpoint], **options)
    try:
        clf.fit(X, Y)
    except TrainingInterrupted as interrupted:
        assert interrupted.estimator.n_iter_ == 2
    else:
        raise AssertionError("not interrupted")
    files = list((folder / "checkpoint").iterdir())
    del checkpoint.on_batch_begin
    clf.fit(X, Y)
    whole = TransferCellClassifier("cellnet_t", **options).fit(X, Y)
    return clf, whole, files


def refusal(fit):
    """Return what an error says."""
    try:
        fit()
    except ValueError as error:
        return str(error)


def found(clf):
    """Return what is compared."""
    clf = pickle.loads(pickle.dumps(clf))
    return {
        "history": list(clf.history_),
        "weights": {name: t.numpy() for name, t in clf.net_.module_.state_dict().items()},
        "probabilities": clf.predict_proba(X),
        "best_epoch": clf.best_epoch_,
        "network": type(clf.net_.module_).__name__,
        "device": clf.device_,
    }


def main(folder):
    results = {name: found(fit()) for name, fit in [*ALIKE.items(), ("search", search)]}
    results["augmented"], results["draws"] = found(augmented()), draws()
    diverging = TransferCellClassifier("cellnet_t", **{**CNN, "lr": 1e30})
    results["diverging"] = refusal(lambda: diverging.fit(X, Y))
    clf, whole, files = resumed(folder)
    results |= {"resumed": found(clf), "whole": found(whole), "files": [f.name for f in files]}
    others = MLPCellClassifier((16,), **FIT)
    results["other images"] = refusal(lambda: others.fit(X[RANK:], Y[RANK:]))
    few = MLPCellClassifier((16,), **FIT)
    results["a gpu"] = refusal(lambda: few.set_params(device="cpu:0").fit(X, Y))
    (folder / f"{RANK}.pickle").write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
