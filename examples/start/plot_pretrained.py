"""
The pretrained model
====================

The package contains a model that was trained on real cells: it predicts at once, without a training
or a download. How good is it on cells that it has never seen, and what do its weights save where
there are few cells to train on?

:func:`~skblood.load_pretrained` returns it; the guide :doc:`/user_guide/pretrained` has its scores
in other laboratories. The cells here are synthetic, so that the scores mean nothing for real ones.
"""

# %%
# Predictions without a training
# ------------------------------
from skblood import load_pretrained
from skblood.datasets import make_blood_cells
from skblood.evaluation import CellGridDisplay

X, y = make_blood_cells(220, random_state=0)
model = load_pretrained()
p = model.predict_proba(X)
y_pred = model.classes_[p.argmax(axis=1)]
print(model.classes_)
CellGridDisplay.from_predictions(X, y, y_pred, n_cells=12, random_state=0)

# %%
# How sure, and how often right?
# ------------------------------
# A probability says how sure the model is, not whether the cells are of a kind that it knows: label
# some of your own cells, and measure. Without a label,
# :func:`~skblood.uncertainty.laboratory_test` tells whether cells are of an unknown kind.
print(f"accuracy {(y_pred == y).mean():.2f}, mean probability {p.max(axis=1).mean():.2f}")

# %%
# Training from its weights
# -------------------------
# ``weights="blood8-2"`` starts from this model, ``weights="pbc"`` from the older and smaller one,
# ``weights=None`` from random numbers. The same short training of both on the same few cells:
import numpy as np
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier

train, test = train_test_split(np.arange(len(y)), train_size=100, stratify=y, random_state=0)
accuracy = {"pretrained model,\nas it is": np.mean(y_pred[test] == y[test])}
for name, weights in {
    "trained from\npretrained weights": "pbc",
    "trained from\nscratch": None,
}.items():
    classifier = TransferCellClassifier(
        "cellnet_s", weights=weights, image_size=28, max_epochs=8, random_state=0
    ).fit(X[train], y[train])
    accuracy[name] = classifier.score(X[test], y[test])
    print(f"weights={weights!r}: accuracy {accuracy[name]:.2f}")

# %%
# The fewer the cells, the more the weights help.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
ax.bar_label(ax.barh(list(accuracy), list(accuracy.values())), fmt="%.2f", padding=3)
ax.set(xlabel="test accuracy", xlim=(0, 1))
ax.invert_yaxis()
plt.show()
