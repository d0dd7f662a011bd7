"""
The ready model, and a model that starts from it
================================================

A model that was trained on real cells comes with the package. What it has learnt there, a few new
cells can build on: here, drawn ones, of which it has never seen any.

It runs on synthetic cells, without a download, in less than a minute on one core::

    python examples/plot_pretrained.py

and on your own cells::

    python examples/plot_pretrained.py --data cells/ --n-cells 800
"""

# %%
# Cells that it does not know
# ---------------------------
import matplotlib.pyplot as plt
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.io import load_pretrained

parser = make_parser(__doc__, n_cells=400)
parser.add_argument("--epochs", type=int, default=8, help="passes over the training cells")
args = parser.parse_args()

X, y = get_cells(args)
print_counts(y)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=args.seed
)

# %%
# What the ready model says
# -------------------------
# It is a fitted classifier and predicts at once. The drawn cells are no blood, and its answers on
# them are worth nothing: it is for stained cells under a microscope, framed as in BloodMNIST.
ready = load_pretrained("pbc8")
labels, counts = np.unique(ready.predict(X_test), return_counts=True)
print("The ready model says:", ", ".join(map("{} {}".format, labels, counts)))
shares = {}
if set(y) <= set(ready.classes_):
    shares["the ready model, as it is"] = ready.score(X_test, y_test)

# %%
# Started from it, and from nothing
# ---------------------------------
# The same short training twice. Where cells are many, the two meet; where they are few, the better
# start shows.
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
# Side by side
# ------------
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
bars = ax.barh(list(shares), list(shares.values()))
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.set(xlabel="test accuracy", xlim=(0, 1.1))
ax.invert_yaxis()
save_figure(args, "pretrained_accuracy", figure)
for name, share in shares.items():
    print(f"{name}: accuracy {share:.3f}")
