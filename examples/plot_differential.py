"""
From cells to the laboratory's number
=====================================

What a laboratory reports is the share of each class on a slide. Here a model labels the cells of
many slides; its confusions are measured on validation cells; and the shares, as counted and
corrected, are compared with those of a reader who sees every cell rightly.

It runs on synthetic cells, without a download, in a minute or two on one core::

    python examples/plot_differential.py

and on your own cells, of which it makes slides at random::

    python examples/plot_differential.py --data cells/
"""

# %%
# Cells, and a model that is not perfect
# --------------------------------------
# It is trained for a short time on few cells, so that there is something to correct.
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.evaluation import compare_differentials, differential_count, evaluate

parser = make_parser(__doc__, n_cells=2000)
parser.add_argument("--epochs", type=int, default=10, help="passes over the training cells")
parser.add_argument("--backbone", default="cellnet_t", help="the network")
parser.add_argument("--image-size", type=int, default=28, help="side that the network sees")
parser.add_argument("--n-slides", type=int, default=30, help="slides to make of the cells")
parser.add_argument("--slide-size", type=int, default=200, help="cells of a slide")
args = parser.parse_args()

common = {"neutrophil": 4, "lymphocyte": 4, "monocyte": 2}
X, y = get_cells(args, class_weights=common | {"eosinophil": 2, "basophil": 1})
print_counts(y)
X_train, X_rest, y_train, y_rest = train_test_split(
    X, y, train_size=0.4, stratify=y, random_state=args.seed
)
X_val, X_slides, y_val, y_slides = train_test_split(
    X_rest, y_rest, train_size=0.5, stratify=y_rest, random_state=args.seed
)
classifier = TransferCellClassifier(
    args.backbone,
    image_size=args.image_size,
    max_epochs=1 if args.quick else args.epochs,
    random_state=args.seed,
)
classifier.fit(X_train, y_train)

# %%
# Its confusions
# --------------
# Measured on cells that the model has not seen, of the same laboratory. All classes must occur.
report = evaluate(classifier, X_val, y_val)
print(report)

# %%
# Slides
# ------
# Each has shares of its own. The cells are drawn from those that are left, with replacement.
rng = np.random.default_rng(args.seed)
y_model = draw_results(args, "differential", classifier, X_slides, y_slides)
labels = np.array(report.classes)
usual = np.array([{"neutrophil": 60, "lymphocyte": 30, "monocyte": 6}.get(c, 3) for c in labels])
shares = rng.dirichlet(0.5 * usual, size=args.n_slides)
drawn = np.concatenate(
    [
        rng.choice(np.flatnonzero(y_slides == label), size=n)
        for row in shares
        for label, n in zip(labels, rng.multinomial(args.slide_size, row), strict=True)
    ]
)
slides = np.repeat([f"slide {i}" for i in range(args.n_slides)], args.slide_size)

# %%
# Counted, and corrected
# ----------------------
# The reader has the true labels. The corrected intervals are wider: they know that the confusions
# are measured on a few cells only.
reader = differential_count(y_slides[drawn], groups=slides, classes=labels)
counted = differential_count(y_model[drawn], groups=slides, classes=labels)
corrected = differential_count(y_model[drawn], groups=slides, confusion=report)
for name, count in {"as counted": counted, "corrected": corrected}.items():
    held = (count.low <= shares) & (shares <= count.high)
    error = 100 * np.abs(count.shares - shares).mean()
    print(f"{name:<11} mean error {error:.2f} % points, intervals that hold {held.mean():.1%}")

first = slice(3 * args.slide_size)
three = differential_count(y_model[drawn][first], groups=slides[first], confusion=report)
print(three)
save_figure(args, "differential_slides", three.plot().figure)

# %%
# Against the reader
# ------------------
# In grey are the limits of the reader's own count: nobody who counts so few cells can do better.
for name, count in {"counted": counted, "corrected": corrected}.items():
    comparison = compare_differentials(reader, count, cells=(y_slides[drawn], y_model[drawn]))
    print(f"\n{name}: {comparison}")
    save_figure(args, f"differential_regression_{name}", comparison.plot())
    save_figure(args, f"differential_bland_altman_{name}", comparison.plot("bland-altman"))

# %%
# What is learned
# ---------------
# A model's errors do not average out: a class that is often taken for another is counted low on
# every slide. The correction takes that away, at the price of wider intervals, and the fewer the
# validation cells are the higher is the price. Two classes that the model can hardly tell apart no
# correction can: their intervals say that either may be the other.
