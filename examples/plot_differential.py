"""
Differential counts of slides
=============================

Laboratories report the share of each class on a slide. Here a model classifies the cells of many
slides, and its confusions are measured on validation cells. The shares, as counted and corrected,
are compared with those of a reader who makes no errors.

It runs on synthetic cells, without a download, in a minute or two on one core::

    python examples/plot_differential.py

and on your own cells, which are assigned to slides at random::

    python examples/plot_differential.py --data cells/
"""

# %%
# Cells and a model
# -----------------
# The model is trained for a short time on few cells, so that there are errors to correct.
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
# Confusions
# ----------
# Measured on validation cells of the same laboratory. A class without cells is not corrected.
report = evaluate(classifier, X_val, y_val)
print(report)

# %%
# Slides
# ------
# Each has its own shares. The cells are drawn from the remaining ones, with replacement.
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
# Counted and corrected shares
# ----------------------------
# The reader has the true labels. The corrected intervals are wider, because the confusions are
# measured on few cells only.
reader = differential_count(y_slides[drawn], groups=slides, classes=labels)
counted = differential_count(y_model[drawn], groups=slides, classes=labels)
corrected = differential_count(y_model[drawn], groups=slides, confusion=report)
for name, count in {"as counted": counted, "corrected": corrected}.items():
    held = (count.low <= shares) & (shares <= count.high)
    error = 100 * np.abs(count.shares - shares).mean()
    print(
        f"{name:<11} mean error {error:.2f} % points, coverage of the intervals {held.mean():.1%}"
    )

first = slice(3 * args.slide_size)
three = differential_count(y_model[drawn][first], groups=slides[first], confusion=report)
print(three)
save_figure(args, "differential_slides", three.plot().figure)

# %%
# Comparison with the reader
# --------------------------
# Gray: the limits of the reader's own count, which is uncertain with so few cells, too.
for name, count in {"counted": counted, "corrected": corrected}.items():
    cells = (y_slides[drawn], y_model[drawn])
    comparison = compare_differentials(reader, count, cells=cells, names=("reader", "model"))
    print(f"\n{name}: {comparison}")
    save_figure(args, f"differential_regression_{name}", comparison.plot())
    save_figure(args, f"differential_bland_altman_{name}", comparison.plot("bland-altman"))

# %%
# Conclusion
# ----------
# Errors of a model do not average out: a class that is often confused with another is counted too
# rarely on every slide. The correction removes this bias, but intervals get wider, more so with
# fewer validation cells. No correction separates two classes that the model hardly distinguishes:
# their intervals become wide.
