"""Shared by the scripts of this folder: options, cells, and saving pictures."""

import argparse
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # pictures are written to files, also without a display

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split

from skblood.datasets import load_cells, make_blood_cells
from skblood.evaluation import CellGridDisplay, EvaluationReport, HistoryDisplay

# As the displays of the package: Okabe and Ito's colors, a light grid behind the data.
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]
plt.rcParams.update(
    {
        "axes.prop_cycle": plt.cycler(color=COLORS),
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "0.5",
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "font.size": 9,
    }
)


def make_parser(doc, n_cells=800):
    """Return a parser with the options that all scripts have."""
    parser = argparse.ArgumentParser(
        description=doc.split("\n\n")[1], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data", default="synthetic", help="synthetic, a folder of classes, a table or an .npz"
    )
    parser.add_argument(
        "--n-cells", type=int, default=n_cells, help="number of cells; a sample of larger data"
    )
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="for pictures")
    parser.add_argument("--quick", action="store_true", help="a smoke test: few cells and epochs")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    # A second thread does not speed up networks as small as these.
    torch.set_num_threads(1)
    return parser


def get_cells(args, class_weights=None):
    """Return the images, or their paths, and the labels, by the options."""
    n_cells = min(args.n_cells, 160) if args.quick else args.n_cells
    if args.data == "synthetic":
        return make_blood_cells(
            n_cells, image_size=32, class_weights=class_weights, random_state=args.seed
        )
    X, y = load_cells(args.data, return_X_y=True)
    if len(y) > n_cells:
        X, _, y, _ = train_test_split(X, y, train_size=n_cells, stratify=y, random_state=args.seed)
    return X, y


def draw_results(args, name, classifier, X_test, y_test):
    """Save the confusion matrix, the learning curves and a sample of cells, and return them."""
    y_pred = classifier.predict(X_test)
    report = EvaluationReport.from_predictions(y_test, y_pred)
    figures = {
        "confusion_matrix": report.plot().figure_,
        "learning_curves": HistoryDisplay.from_estimator(classifier).figure_,
        "cells": CellGridDisplay.from_predictions(
            X_test, y_test, y_pred, random_state=args.seed
        ).figure_,
    }
    for what, figure in figures.items():
        save_figure(args, f"{name}_{what}", figure)
    return y_pred


def answer_review(page, labels, folder):
    """Write the corrections.csv that a page of `skblood.review` saves, in place of a reader.

    Parameters
    ----------
    page : path-like
        The page, whose cells are all answered.
    labels : dict of str to str
        Label of each cell by its path.
    folder : Path
        Takes the table.
    """
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    rows = [
        {"path": cell["path"], "label": labels[cell["path"]], "slide": cell["group"]}
        for cell in json.loads(data[1])["cells"]
    ]
    pd.DataFrame(rows).to_csv(folder / "corrections.csv", index=False)
    return folder / "corrections.csv"


def save_figure(args, name, figure):
    """Save one picture and print its path."""
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / f"{name}.png"
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"    {path}")


def print_counts(y):
    """Print the number of cells of each class."""
    classes, counts = np.unique(y, return_counts=True)
    print(f"{len(y):,} cells:", ", ".join(map("{} {}".format, classes, counts)))
