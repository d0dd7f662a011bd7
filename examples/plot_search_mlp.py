"""
Grid search of a multi-layer perceptron
=======================================

The grid of Batista & Silva (2025) over the optimizer, the loss, the learning rate, the batch size
and the epochs of a multi-layer perceptron, and how training and validation score change with its
size.

It runs on synthetic cells, without a download, in a minute or two on two cores::

    python examples/plot_search_mlp.py

and on your own cells, the whole grid::

    python examples/plot_search_mlp.py --data cells/ --n-cells 4000 --full
"""

# %%
# Cells
# -----
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.model_selection import GridSearchCV, train_test_split, validation_curve

from skblood import MLPCellClassifier

parser = make_parser(__doc__)
parser.add_argument("--full", action="store_true", help="the whole grid: hours")
parser.add_argument("--n-jobs", type=int, default=2, help="fits side by side")
args = parser.parse_args()
n_jobs = 1 if args.quick else args.n_jobs

X, y = get_cells(args)
print_counts(y)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=args.seed
)

# %%
# The grid
# --------
# The perceptron of the paper: one hidden layer, dropout 0.2, a constant learning rate, no
# augmentation, label smoothing or weight decay.
mlp = MLPCellClassifier(
    hidden_layer_sizes=(1024,) if args.full else (128,),
    image_size=28,
    dropout=0.2,
    augment=None,
    label_smoothing=0.0,
    weight_decay=0.0,
    lr_schedule=None,
    random_state=args.seed,
)
if args.full:
    grid = {
        "optimizer": ["adam", "adamw", "sgd", "rmsprop"],
        "loss": ["cross_entropy", "focal"],
        "lr": [1e-2, 1e-3, 1e-4],
        "batch_size": [32, 64, 128],
        "max_epochs": [10, 20, 50],
    }
else:
    grid = {
        "optimizer": ["adam", "sgd"],
        "loss": ["cross_entropy", "focal"],
        "lr": [1e-2, 1e-3],
        "batch_size": [32, 128],
        "max_epochs": [1] if args.quick else [5, 15],
    }
search = GridSearchCV(
    mlp, grid, cv=2 if args.quick else 3, scoring="f1_macro", n_jobs=n_jobs, verbose=1
)
search.fit(X_train, y_train)
print(f"best: {search.best_params_}, macro-F1 {search.best_score_:.3f}")

# %%
# Effect of each parameter
# ------------------------
# Each dot is one candidate; each panel sorts all of them by one parameter. If the means (lines)
# differ clearly, the parameter matters.
results = pd.DataFrame(search.cv_results_)
figure, axes = plt.subplots(1, len(grid), figsize=(11, 3.6), sharey=True, layout="constrained")
rng = np.random.default_rng(args.seed)
for ax, (parameter, values) in zip(axes, grid.items(), strict=True):
    for place, value in enumerate(values):
        scores = results.loc[results[f"param_{parameter}"] == value, "mean_test_score"]
        ax.scatter(place + rng.uniform(-0.15, 0.15, len(scores)), scores, s=12, alpha=0.6)
        ax.hlines(scores.mean(), place - 0.3, place + 0.3, color="black")
    ax.set_xticks(range(len(values)), [str(v).replace("cross_", "cross\n") for v in values])
    ax.set(xlabel=parameter, xlim=(-0.6, len(values) - 0.4))
axes[0].set_ylabel("macro-F1")
save_figure(args, "search_mlp_grid", figure)

# %%
# Width
# -----
# Beyond some width, the training score still rises but the validation score does not: the
# difference is overfitting.
widths = [4, 16] if args.quick else [4, 16, 64, 256, 1024]
train_scores, valid_scores = validation_curve(
    search.best_estimator_,
    X_train,
    y_train,
    param_name="hidden_layer_sizes",
    param_range=[(width,) for width in widths],
    cv=2 if args.quick else 3,
    scoring="f1_macro",
    n_jobs=n_jobs,
)
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, scores in {"training folds": train_scores, "validation fold": valid_scores}.items():
    mean, spread = scores.mean(axis=1), scores.std(axis=1)
    ax.plot(widths, mean, "o-" if name == "training folds" else "s--", label=name)
    ax.fill_between(widths, mean - spread, mean + spread, alpha=0.2)
ax.set(xscale="log", xlabel="hidden units", ylabel="macro-F1")
ax.set_xticks(widths, map(str, widths))
ax.minorticks_off()
figure.legend(loc="outside upper left", ncols=2)
save_figure(args, "search_mlp_complexity", figure)

draw_results(args, "search_mlp", search.best_estimator_, X_test, y_test)

# %%
# Conclusion
# ----------
# The number of epochs matters most, and the width less than the training score suggests: on 1,500
# cells of PBC, three folds, the candidates of 15 epochs have a macro-F1 of 0.71 on average and
# those of 5 epochs 0.67, a larger difference than that of any other parameter. From 64 to 1,024
# units the training score rises from 0.94 to 1.00, but the validation score only from 0.70 to 0.74.
# Augmentation and convolutions reduce this gap.
