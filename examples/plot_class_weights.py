"""
Class weights for rare classes
==============================

One network is trained twice on cells as imbalanced as those of blood: with equal weights of all
cells, and with equal weights of all classes.

It runs on synthetic cells, without a download, in about a minute on one core::

    python examples/plot_class_weights.py

and on your own cells::

    python examples/plot_class_weights.py --data cells/ --n-cells 4000
"""

# %%
# Imbalanced cells
# ----------------
# The most common class has ten times as many cells as the rarest.
import matplotlib.pyplot as plt
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier

parser = make_parser(__doc__, n_cells=1200)
parser.add_argument("--epochs", type=int, default=12, help="passes over the training cells")
args = parser.parse_args()

common = {"neutrophil": 10, "lymphocyte": 6, "platelet": 4, "eosinophil": 3}
rare = {"monocyte": 2, "erythroblast": 2, "ig": 1, "basophil": 1}
X, y = get_cells(args, class_weights=common | rare)
print_counts(y)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=args.seed
)

# %%
# Two trainings
# -------------
# Only `class_weight` differs; even the random numbers are the same.
classifiers = {
    name: TransferCellClassifier(
        "cellnet_t",
        image_size=32,
        class_weight=class_weight,
        lr=5e-3,
        batch_size=16,
        max_epochs=1 if args.quick else args.epochs,
        random_state=args.seed,
    ).fit(X_train, y_train)
    for name, class_weight in {"unweighted": None, "balanced": "balanced"}.items()
}

# %%
# Recall of each class
# --------------------
# From the rarest to the most common. Balanced weights move errors from rare classes to common ones;
# macro-F1 tells whether that is worth it.
classes, counts = np.unique(y_train, return_counts=True)
classes, counts = classes[np.argsort(counts)], np.sort(counts)
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for shift, (name, classifier) in zip((-0.2, 0.2), classifiers.items(), strict=True):
    print(f"{name}:")
    y_pred = draw_results(args, f"class_weights_{name}", classifier, X_test, y_test)
    recall = recall_score(y_test, y_pred, labels=classes, average=None, zero_division=0)
    score = f1_score(y_test, y_pred, average="macro")
    ax.bar(np.arange(len(classes)) + shift, recall, 0.4, label=f"{name}, macro-F1 {score:.3f}")
    print(f"    accuracy {np.mean(y_test == y_pred):.3f}, macro-F1 {score:.3f}")
ax.set_xticks(range(len(classes)), [f"{c}\n{n}" for c, n in zip(classes, counts, strict=True)])
ax.set(xlabel="class and its training cells", ylabel="recall", ylim=(0, 1))
figure.legend(loc="outside upper left", ncols=2)
save_figure(args, "class_weights_recall", figure)

# %%
# Conclusion
# ----------
# Weights help if a class is rare: on the synthetic cells, with a ratio of ten to one, macro-F1
# rises from 0.74 to 0.81. On 3,000 cells of PBC, where the most common class is less than three
# times as frequent as the rarest, they only add noise to the gradient: macro-F1 is 0.885 without
# weights and 0.857 with them (one seed).
