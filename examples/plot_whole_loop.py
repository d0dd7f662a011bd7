"""
From a folder of cells to a signed count
========================================

A laboratory has a folder of cells and a model that was trained elsewhere. The model chooses 40
cells, a reader labels them on an HTML page, the model is adapted to them, evaluated on slides that
it has not seen, and counts the cells of each slide.

It runs on synthetic cells, without a download, in about a minute on one core::

    python examples/plot_whole_loop.py

Cells of your own are assigned to slides at random, and get the colors of another laboratory::

    python examples/plot_whole_loop.py --data cells/ --n-cells 2400

The same in the shell, with figures of real cells: "From a folder of cells to a signed count" in the
user guide.
"""

# %%
# A folder of cells
# -----------------
# Labels and slides are in a table. Here the laboratory is simulated: its camera mixes the color
# channels, and its lamp is dimmer.
import numpy as np
import pandas as pd
from _script import answer_review, get_cells, make_parser, print_counts, save_figure
from PIL import Image
from sklearn.model_selection import train_test_split

import skblood
from skblood import TransferCellClassifier
from skblood.datasets import load_csv
from skblood.evaluation import compare_models, differential_count, evaluate
from skblood.images import read_images

parser = make_parser(__doc__, n_cells=2400)
parser.add_argument("--epochs", type=int, default=10, help="passes over the training cells")
parser.add_argument("--n-slides", type=int, default=12, help="slides of the laboratory")
args = parser.parse_args()

X, y = get_cells(args)
X = read_images(X, size=(32, 32))
X_home, X_away, y_home, y_away = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=args.seed
)
mixing = np.array([[0.6, 0.3, 0.0], [0.1, 0.4, 0.4], [0.3, 0.1, 0.3]])
X_away = (255 * (X_away @ mixing / 255) ** 1.3).round().astype(np.uint8)
folder = args.output / "whole_loop"
(folder / "cells").mkdir(parents=True, exist_ok=True)
names = [f"cells/{i:04}.png" for i in range(len(X_away))]
for name, image in zip(names, X_away, strict=True):
    Image.fromarray(image).save(folder / name)
slides = [f"slide {i % args.n_slides + 1:02}" for i in range(len(names))]
table = pd.DataFrame({"path": names, "label": y_away, "slide": slides})
table.to_csv(folder / "cells.csv", index=False)
cells = load_csv(folder / "cells.csv", group_column="slide")
print_counts(cells.target)

# %%
# A model from elsewhere
# ----------------------
model = TransferCellClassifier(
    "cellnet_t", max_epochs=2 if args.quick else args.epochs, random_state=args.seed
).fit(X_home, y_home)

# %%
# The cells whose labels help most
# --------------------------------
# They are chosen without labels, on half of the slides. The others are for the evaluation.
unseen = np.isin(cells.groups, np.unique(cells.groups)[: args.n_slides // 2])
ours = np.flatnonzero(~unseen)
n_labels = 20 if args.quick else 40
chosen = skblood.query(model, cells.data[ours], n_labels, random_state=args.seed)
print(chosen)
asked = ours[chosen.indices]

# %%
# The reader
# ----------
# The page opens in a browser; keys 1 to 8 are the classes. It saves ``corrections.csv``. Here a
# function answers in place of a reader, by the true labels.
page = skblood.review(
    model,
    cells.data[asked],
    groups=pd.Series(cells.groups[asked], name="slide"),
    out=folder / "review.html",
)
labels = dict(zip(map(str, cells.data[asked]), cells.target[asked], strict=True))
corrections = load_csv(answer_review(page, labels, folder), group_column="slide")
print(f"{page}: {len(corrections.data)} cells labelled")

# %%
# Adaptation
# ----------
# Cells without a label, of the same slides, take part.
known = dict(zip(corrections.data, corrections.target, strict=True))
partly = [known.get(path) for path in cells.data[ours]]
adapted = skblood.adapt(
    model, cells.data[ours], partly, groups=cells.groups[ours], random_state=args.seed
)
print(adapted.adaptation_)
skblood.save(adapted, folder / "adapted.skblood")

# %%
# Slides that were not seen
# -------------------------
given = cells.data[unseen], cells.target[unseen]
before, after = (evaluate(each, *given, groups=cells.groups[unseen]) for each in (model, adapted))
for name, report in {"before": before, "after": after}.items():
    print(f"{name} the adaptation: balanced accuracy {report.scores['balanced_accuracy']}")
comparison = compare_models(before, after, names=("before", "after"))
print(comparison)
save_figure(args, "whole_loop_confusion_matrix", after.plot().figure_)
save_figure(args, "whole_loop_differences", comparison.plot().figure)

# %%
# The count
# ---------
# Cells of low probability are rejected, for a person to look at. The count is a page, a table, and
# a FHIR document.
probabilities = adapted.predict_proba(cells.data[unseen])
count = differential_count(
    adapted.classes_[probabilities.argmax(axis=1)],
    groups=cells.groups[unseen],
    classes=adapted.classes_,
    rejected=probabilities.max(axis=1) < 0.3,
    note=f"Adapted to {n_labels} cells of the laboratory.",
)
print(count)
count.to_html(folder / "count.html")
count.to_csv(folder / "count.csv")
count.to_fhir(folder / "count.fhir.json")
save_figure(args, "whole_loop_count", count.plot().figure)

# %%
# The report
# ----------
# What was measured on what, the errors with their pictures, the audit of the cells, and what the
# model is.
audit = skblood.audit(*given, groups=cells.groups[unseen])
page = after.to_html(folder / "report.html", audit=audit, card=skblood.model_card(adapted))
print(page)

# %%
# Conclusion
# ----------
# 40 labels are a quarter of an hour of work. Report the scores of slides whose cells were neither
# labelled nor used for the adaptation: others are optimistic.
