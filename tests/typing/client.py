"""What a user may write, for a type checker: lines that end in `# E: code` must be errors."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import skblood
from skblood import (
    CellEmbedder,
    MLPCellClassifier,
    TransferCellClassifier,
    adapt,
    audit,
    load_pretrained,
    reconfigure,
    save,
)
from skblood.datasets import load_image_folder, make_blood_cells, write_croissant
from skblood.evaluation import DifferentialCount, EvaluationReport, differential_count, evaluate
from skblood.uncertainty import RejectOption


def correct(paths: list[Path], labels: list[str]) -> None:
    """Use the package as it is meant to be used."""
    X, y = make_blood_cells(80, image_size=28, random_state=0)
    clf = TransferCellClassifier("cellnet_t", class_weight={"monocyte": 2}, lr=1e-3)
    fitted: TransferCellClassifier = clf.fit(paths, labels, groups=np.arange(len(paths)))
    probabilities: NDArray[np.float64] = fitted.predict_proba(X)
    epochs: int = fitted.n_iter_ + fitted.best_epoch_
    features: NDArray[np.float32] = CellEmbedder(memory="features").fit(X).transform(X)
    adapted: TransferCellClassifier = adapt(load_pretrained(), X, prior="blood")
    viewed: TransferCellClassifier = reconfigure(adapted, dihedral_views=4)
    report: EvaluationReport = evaluate(viewed, X, y, groups=labels, random_state=None)
    accuracy: float = report.scores["accuracy"].low
    save(viewed, Path("cells.skblood"), evaluation={"home": report})
    count: DifferentialCount = differential_count(viewed.predict(X), groups=labels)
    pairs = [pair.positions for pair in audit(X, y).identical_files]
    bunch = load_image_folder(Path("cells"))
    write_croissant(bunch, "cells", name="a", description="b", license="c", url="d")
    images, target = load_image_folder("cells", return_X_y=True)
    MLPCellClassifier((64,)).fit(images, target).predict(bunch.data)
    RejectOption(fitted, criterion="coverage").fit(X, y).accepts(X)
    print(probabilities, epochs, features, accuracy, count.to_frame().columns, pairs)


def wrong(X: NDArray[np.uint8], y: list[str]) -> None:
    """Make errors that a type checker finds before a training starts."""
    clf = TransferCellClassifier(backbones="resnet18")  # E: call-arg
    clf.fit(X, y, group=y)  # E: call-arg
    clf.fit(X)  # E: call-arg
    TransferCellClassifier(trainable="heads")  # E: arg-type
    TransferCellClassifier(optimizer="adamax")  # E: arg-type
    MLPCellClassifier(activation="sigmoid")  # E: arg-type
    MLPCellClassifier(64)  # E: arg-type
    load_pretrained("blood8")  # E: arg-type
    reconfigure(clf, dihedral_views=3)  # E: arg-type
    evaluate(clf, X, y).plott()  # E: attr-defined
    load_image_folder("cells").target.dump_("x")  # E: union-attr
    save(clf)  # E: call-arg
    write_croissant((X, y), "", name="", description="", license="", url="")  # E: arg-type
    probabilities: str = clf.predict_proba(X)  # E: assignment
    skblood.Transfer()  # E: attr-defined
    print(probabilities)
