"""
The pretrained model and its weights
====================================

The package contains a model that was trained on real cells. It predicts at once, and other models
can start from its weights: here, for synthetic cells, on which it was not trained.

It runs on synthetic cells, without a download, in less than a minute on one core::

    python examples/plot_pretrained.py

and on your own cells::

    python examples/plot_pretrained.py --data cells/ --n-cells 800
"""

# %%
# Cells
# -----
import matplotlib.pyplot as plt
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier, load_pretrained

parser = make_parser(__doc__, n_cells=400)
parser.add_argument("--epochs", type=int, default=8, help="passes over the training cells")
args = parser.parse_args()

X, y = get_cells(args)
print_counts(y)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=args.seed
)

# %%
# Predictions of the pretrained model
# -----------------------------------
# It is a fitted classifier. Its predictions for synthetic cells mean nothing: it was trained on
# stained cells under a microscope, cropped as in BloodMNIST.
pretrained = load_pretrained("pbc8")
labels, counts = np.unique(pretrained.predict(X_test), return_counts=True)
print("The pretrained model predicts:", ", ".join(map("{} {}".format, labels, counts)))
shares = {}
if set(y) <= set(pretrained.classes_):
    shares["the pretrained model"] = pretrained.score(X_test, y_test)

# %%
# Training from its weights and from scratch
# ------------------------------------------
# The same short training twice. The fewer the cells, the larger the difference.
for name, weights in {"pbc": "pbc", "scratch": None}.items():
    classifier = TransferCellClassifier(
        "cellnet_s",
        weights=weights,
        image_size=32,
        max_epochs=1 if args.quick else args.epochs,
        random_state=args.seed,
    ).fit(X_train, y_train)
    draw_results(args, f"pretrained_{name}", classifier, X_test, y_test)
    shares[f"trained from weights={weights!r}"] = classifier.score(X_test, y_test)

# %%
# Test accuracy
# -------------
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
bars = ax.barh(list(shares), list(shares.values()))
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.set(xlabel="test accuracy", xlim=(0, 1.1))
ax.invert_yaxis()
save_figure(args, "pretrained_accuracy", figure)
for name, share in shares.items():
    print(f"{name}: accuracy {share:.3f}")
