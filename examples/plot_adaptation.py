"""
Adaptation to another laboratory
================================

Another stain and another camera change the images of the same cells. How much accuracy is lost, and
how much do a few labelled cells of the new laboratory regain?

It runs on synthetic cells, without a download, in about a minute on one core::

    python examples/plot_adaptation.py

and on your own cells, for which the other laboratory is simulated::

    python examples/plot_adaptation.py --data cells/ --n-cells 4000
"""

# %%
# Two laboratories
# ----------------
# The second one is simulated: its camera mixes the color channels, and its lamp is dimmer.
import matplotlib.pyplot as plt
import numpy as np
from _script import get_cells, make_parser, print_counts, save_figure
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier, adapt
from skblood.images import read_images

parser = make_parser(__doc__, n_cells=1600)
parser.add_argument("--epochs", type=int, default=10, help="passes over the training cells")
args = parser.parse_args()

X, y = get_cells(args)
X = read_images(X, size=(32, 32))
print_counts(y)
X_home, X_away, y_home, y_away = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=args.seed
)
mixing = np.array([[0.6, 0.3, 0.0], [0.1, 0.4, 0.4], [0.3, 0.1, 0.3]])
X_away = (255 * (X_away @ mixing / 255) ** 1.3).round().astype(np.uint8)

# %%
# In the training laboratory and in another one
# ---------------------------------------------
X_train, X_test, y_train, y_test = train_test_split(
    X_home, y_home, test_size=0.3, stratify=y_home, random_state=args.seed
)
classifier = TransferCellClassifier(
    "cellnet_t", max_epochs=2 if args.quick else args.epochs, random_state=args.seed
).fit(X_train, y_train)
own = balanced_accuracy_score(y_test, classifier.predict(X_test))
print(f"balanced accuracy, training laboratory {own:.3f}")

# %%
# Labelled cells
# --------------
# Some cells are given to the adaptation, and the others measure the result. With 0 cells, it is the
# unchanged model.
order = np.random.default_rng(args.seed).permutation(len(y_away))
X_away, y_away = X_away[order], y_away[order]
place = np.array([np.sum(y_away[:i] == label) for i, label in enumerate(y_away)])
numbers = [0, 1, 2] if args.quick else [0, 1, 2, 5, 10, 20]
rest = place >= max(numbers)
scores = []
for n in numbers:
    given = place < n
    adapted = adapt(classifier, X_away[given], y_away[given], random_state=0) if n else classifier
    scores.append(balanced_accuracy_score(y_away[rest], adapted.predict(X_away[rest])))
    print(f"{n} labelled cells a class: {scores[-1]:.3f}")

# %%
# Steps of the adaptation
# -----------------------
print(adapted.adaptation_)

# %%
# Unlabelled cells
# ----------------
# They cost nothing, and help less.
unlabelled = adapt(classifier, X_away[~rest], random_state=0)
without = balanced_accuracy_score(y_away[rest], unlabelled.predict(X_away[rest]))
print(unlabelled.adaptation_)
print(f"{np.sum(~rest)} unlabelled cells: {without:.3f}")

# %%
# Accuracy by the number of labelled cells
# ----------------------------------------
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(range(len(numbers)), scores, "o-", label="labelled cells")
ax.axhline(without, ls="--", color="C1", label="unlabelled cells")
ax.axhline(own, ls=":", color="gray", label="training laboratory")
ax.set_xticks(range(len(numbers)), numbers)
ax.set(xlabel="labelled cells a class", ylabel="balanced accuracy away", ylim=(0, 1))
figure.legend(loc="outside upper left", ncols=3)
save_figure(args, "adaptation_accuracy", figure)
