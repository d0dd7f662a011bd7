"""
Class distribution and sample images of a data set
==================================================

Two pictures that every report on a data set should contain: the number of images of each class, and
some of the images.

It runs on synthetic cells, without a download, in a few seconds::

    python examples/plot_datasets.py

and on your own cells, a folder with one sub-folder per class (or with such folders in ``train``,
``val`` and ``test``) or a file in the MedMNIST format::

    python examples/plot_datasets.py --data cells/
    python examples/plot_datasets.py --data bloodmnist.npz
"""

# %%
# Options
# -------
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # pictures are written to files, also without a display

import numpy as np
from sklearn.model_selection import train_test_split

from skblood.datasets import load_cells, make_blood_cells
from skblood.evaluation import CellSampleDisplay, ClassDistributionDisplay

parser = argparse.ArgumentParser(
    description=__doc__.split("\n\n")[1], formatter_class=argparse.ArgumentDefaultsHelpFormatter
)
parser.add_argument(
    "--data", default="synthetic", help="synthetic, a folder, a table or an .npz file"
)
parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for pictures")
parser.add_argument("--n-per-class", type=int, default=6, help="cells to draw of each class")
parser.add_argument("--seed", type=int, default=0, help="random seed of the choice of cells")
args = parser.parse_args()

# %%
# Cells, labels and splits
# ------------------------
# For a folder, only paths are listed here: the pictures read the few files that they show.
if args.data == "synthetic":
    weights = {"neutrophil": 4, "lymphocyte": 3, "platelet": 2, "monocyte": 1, "basophil": 0.5}
    X, y = make_blood_cells(400, class_weights=weights, random_state=args.seed)
    rows = train_test_split(np.arange(len(y)), stratify=y, random_state=args.seed)
    X, y = X[np.concatenate(rows)], y[np.concatenate(rows)]
    split = np.repeat(["train", "test"], [len(each) for each in rows])
else:
    cells = load_cells(args.data)
    X, y, split = cells.data, cells.target, cells.frame.get("split")
print(f"{len(y):,} images of {len(np.unique(y))} classes: {args.data}")

# %%
# Images of each class
# --------------------
# Rare classes need stratified folds and a score in which they count, such as macro-F1. The shares
# should hardly differ between the parts of a split; otherwise it was not stratified.
distribution = ClassDistributionDisplay.from_labels(y, split=split)

# %%
# Some cells of each class
# ------------------------
# They show what counts do not: another stain, another magnification, a wrong label.
sample = CellSampleDisplay.from_labels(X, y, n_per_class=args.n_per_class, random_state=args.seed)

# %%
# Pictures
# --------
args.output.mkdir(parents=True, exist_ok=True)
for name, display in {"class_distribution": distribution, "cell_sample": sample}.items():
    path = args.output / f"{name}.png"
    display.figure_.savefig(path, dpi=200)
    print(path)
