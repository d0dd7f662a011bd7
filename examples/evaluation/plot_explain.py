"""
Grad-CAM and nearest cells: a network that cheats
=================================================

Why does a network predict this class? Grad-CAM shows where in the image the evidence is, and the
nearest training cells show what the network takes for similar. Both reveal a shortcut that no
score reveals: a network that reads a mark of the scanner instead of the cell.

See :doc:`/user_guide/explain`.
"""

# %%
# Two networks
# ------------
# In one data set, the scanner leaves a green mark on all lymphocytes: think of cells of one class
# that all come from one hospital. The other data set has the same cells without the mark.
import numpy as np

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells

X, y = make_blood_cells(500, image_size=32, random_state=0)
X_marked = X.copy()
X_marked[y == "lymphocyte", 1:7, 1:7] = (30, 200, 60)
train, test = np.arange(350), np.arange(350, 500)
fair, fooled = (
    TransferCellClassifier(
        "cellnet_t", batch_size=16, lr=3e-3, augment=None, max_epochs=10, random_state=0
    ).fit(cells[train], y[train])
    for cells in (X, X_marked)
)

# %%
# The scores tell nothing
# -----------------------
# On cells of the same scanner the fooled network finds every lymphocyte. Without the mark it does
# not.
lymphocytes = test[y[test] == "lymphocyte"]
for name, classifier, cells in (
    ("fair", fair, X),
    ("fooled, with mark", fooled, X_marked),
    ("fooled, without mark", fooled, X),
):
    recall = np.mean(classifier.predict(cells[lymphocytes]) == "lymphocyte")
    print(f"{name}: recall of lymphocytes {recall:.2f}")

# %%
# The maps tell all
# -----------------
# :class:`~skblood.explain.ExplanationDisplay` draws a row for each cell: the map of the evidence,
# then the nearest training cells with their labels. The fair network looks at the cell ...
from skblood.explain import ExplanationDisplay

ExplanationDisplay.from_estimator(fair, X[lymphocytes[:3]], X[train], y[train])

# %%
# ... and the fooled one at the corner.

# sphinx_gallery_thumbnail_number = 2
ExplanationDisplay.from_estimator(fooled, X_marked[lymphocytes[:3]], X_marked[train], y[train])

# %%
# The maps as numbers
# -------------------
# :func:`~skblood.explain.grad_cam` returns the maps, so that all cells can be checked: the share of
# the evidence in the upper left quarter.
from skblood.explain import grad_cam

for name, classifier, cells in (("fair", fair, X), ("fooled", fooled, X_marked)):
    maps = grad_cam(classifier, cells[lymphocytes], target="lymphocyte")
    half = maps.shape[1] // 2
    print(f"{name}: {maps[:, :half, :half].sum() / maps.sum():.0%} of the evidence")
