"""
Explaining predictions: Grad-CAM and nearest training cells
===========================================================

For some test cells: where the network found evidence for the class (Grad-CAM), and which training
cells are most similar to the network. Then a shortcut: a network that recognizes a mark of the
scanner instead of the cell has good scores, and its maps reveal why they are worthless.

It runs on synthetic cells, without a download, in less than a minute on one core::

    python examples/plot_explain.py

and on your own cells::

    python examples/plot_explain.py --data cells/ --n-cells 4000 --image-size 64
"""

# %%
# A classifier
# ------------
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.explain import ExplanationDisplay, NearestCells, grad_cam

parser = make_parser(__doc__, n_cells=600)
parser.add_argument("--image-size", type=int, default=32, help="side that the network sees")
parser.add_argument("--epochs", type=int, default=10, help="passes over the training cells")
args = parser.parse_args()


def make_classifier():
    return TransferCellClassifier(
        "cellnet_t",
        image_size=args.image_size,
        batch_size=16,
        max_epochs=1 if args.quick else args.epochs,
        random_state=args.seed,
    )


X, y = get_cells(args)
print_counts(y)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=args.seed
)
classifier = make_classifier().fit(X_train, y_train)
y_pred = draw_results(args, "explain", classifier, X_test, y_test)

# %%
# Predictions of low confidence
# -----------------------------
# Neighbors with several labels show between which classes a cell lies.
least_confident = np.argsort(classifier.predict_proba(X_test).max(axis=1))[:5]
display = ExplanationDisplay.from_estimator(
    classifier, [X_test[i] for i in least_confident], X_train, y_train
)
save_figure(args, "explain_low_confidence", display.figure_)

# %%
# Nearest training cells
# ----------------------
# The label of the nearest training cell is correct about as often as the prediction.
_, nearest = NearestCells(classifier, n_neighbors=1).fit(X_train).kneighbors(X_test)
print(f"accuracy: {np.mean(y_pred == y_test):.3f} of the prediction,", end=" ")
print(f"{np.mean(np.asarray(y_train)[nearest[:, 0]] == y_test):.3f} of the nearest cell")

# %%
# A network that recognizes a mark
# --------------------------------
# In synthetic cells of one class, the scanner leaves a green mark in the upper left corner.
X, y = make_blood_cells(160 if args.quick else 600, image_size=32, random_state=args.seed)
X_marked = X.copy()
X_marked[y == "lymphocyte", :6, :6] = (30, 200, 60)
train, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=args.seed)
classifiers = {
    name: make_classifier().set_params(augment=None).fit(cells[train], y[train])
    for name, cells in {"fair": X, "fooled": X_marked}.items()
}

# %%
# Evidence in the corner
# ----------------------
# The share of the evidence that is in the upper left quarter of the map. On cells of the same
# scanner, the scores look the same or better.
of_class = test[y[test] == "lymphocyte"]
for (name, each), cells in zip(classifiers.items(), (X, X_marked), strict=True):
    maps = grad_cam(each, cells[of_class], target="lymphocyte")
    half = maps.shape[1] // 2
    share = maps[:, :half, :half].sum() / max(maps.sum(), 1)
    recall = np.mean(each.predict(cells[of_class]) == "lymphocyte")
    print(f"{name}: recall {recall:.2f}, evidence in the marked quarter {share:.2f}")
    display = ExplanationDisplay.from_estimator(each, cells[of_class[:3]], cells[train], y[train])
    save_figure(args, f"explain_{name}", display.figure_)
