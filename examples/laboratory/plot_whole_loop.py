"""
From a folder of cells to a signed count
========================================

A laboratory has a folder of cells and a model that was trained elsewhere. The model chooses 40
cells, a reader labels them on an HTML page, the model is adapted to them, evaluated on slides that
it has not seen, and counts the cells of each slide.

The same in the shell, with results of real cells: :doc:`/user_guide/whole_loop`.
"""

# %%
# A folder of cells, and a model from elsewhere
# ---------------------------------------------
# A table lists files, labels and slides. The laboratory is simulated: its camera mixes the color
# channels, and its lamp is dimmer.
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from skblood import TransferCellClassifier
from skblood.datasets import load_csv, make_blood_cells

X, y = make_blood_cells(900, image_size=32, random_state=0)
model = TransferCellClassifier(
    "cellnet_t", batch_size=16, lr=3e-3, max_epochs=15, random_state=0
).fit(X[:400], y[:400])

folder = Path(tempfile.mkdtemp())
mixing = np.array([[0.6, 0.3, 0.0], [0.1, 0.4, 0.4], [0.3, 0.1, 0.3]])
table = pd.DataFrame({"label": y[400:]})
table["path"] = [f"cell_{i:03}.png" for i in table.index]
table["slide"] = [f"slide {i % 10 + 1:02}" for i in table.index]
for path, image in zip(table["path"], X[400:]):
    Image.fromarray((255 * (image @ mixing / 255) ** 1.3).astype(np.uint8)).save(folder / path)
table.to_csv(folder / "cells.csv", index=False)

cells = load_csv(folder / "cells.csv", group_column="slide")
unseen = np.isin(cells.groups, np.unique(cells.groups)[:5])
print(f"{np.sum(~unseen)} cells of five slides to learn from, {np.sum(unseen)} of five others")

# %%
# The cells whose labels help most
# --------------------------------
# :func:`~skblood.query` chooses them without labels.
import skblood

ours = np.flatnonzero(~unseen)
chosen = skblood.query(model, cells.data[ours], 40, random_state=0)
asked = ours[chosen.indices]
print(chosen)

# %%
# The reader
# ----------
# :func:`~skblood.review` writes the page. It opens in a browser; the keys 1 to 8 are the classes,
# and it saves ``corrections.csv``. No reader is here, so the true labels are written in that form.
page = skblood.review(
    model,
    cells.data[asked],
    groups=pd.Series(cells.groups[asked], name="slide"),
    out=folder / "review.html",
)
table.iloc[asked].to_csv(folder / "corrections.csv", index=False)
corrections = load_csv(folder / "corrections.csv", group_column="slide")
wrong = np.sum(model.predict(corrections.data) != corrections.target)
print(f"{page.name}: {wrong} of {len(corrections.data)} cells corrected")

# %%
# Adaptation
# ----------
# The other cells of the same slides take part, without a label.
known = dict(zip(corrections.data, corrections.target))
labels = [known.get(path) for path in cells.data[ours]]
adapted = skblood.adapt(model, cells.data[ours], labels, groups=cells.groups[ours], random_state=0)
skblood.save(adapted, folder / "adapted.skblood")
print(adapted.adaptation_)

# %%
# Slides that were not seen
# -------------------------
# Scores of cells that were labeled or used for the adaptation would be optimistic.
from skblood.evaluation import compare_models, differential_count, evaluate

X_unseen, y_unseen, slides = cells.data[unseen], cells.target[unseen], cells.groups[unseen]
before, after = (evaluate(each, X_unseen, y_unseen, groups=slides) for each in (model, adapted))
compare_models(before, after, names=("before", "after")).plot()

# %%
after.plot()

# %%
# The count
# ---------
# Cells of low probability are rejected, for a person to look at. The count becomes a page to sign,
# a table, and a FHIR document for the laboratory's information system.

# sphinx_gallery_thumbnail_number = 3
probabilities = adapted.predict_proba(X_unseen)
count = differential_count(
    adapted.classes_[probabilities.argmax(axis=1)],
    groups=slides,
    classes=adapted.classes_,
    rejected=probabilities.max(axis=1) < 0.3,
    note="Adapted to 40 cells of the laboratory.",
)
count.to_html(folder / "count.html")
count.to_csv(folder / "count.csv")
count.to_fhir(folder / "count.fhir.json")
count.plot()

# %%
# The report
# ----------
# One page for the file: what was measured on what, the errors with their pictures, the audit of the
# cells, and the model card.
audit = skblood.audit(X_unseen, y_unseen, groups=slides)
after.to_html(folder / "report.html", audit=audit, card=skblood.model_card(adapted))
print(sorted(path.name for path in folder.iterdir() if path.suffix != ".png"))
