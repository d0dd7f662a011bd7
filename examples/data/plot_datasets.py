"""
Class distribution and sample images
====================================

Two pictures that every report on a data set should contain: the number of images of each class, and
some of the images. They tell which score and which split to use, and show what a table of counts
hides.

The displays take labels and images as the loaders of :doc:`/user_guide/datasets` return them. Of a
folder only those files are read that are drawn.
"""

# %%
# Images of each class
# --------------------
# Blood is imbalanced: neutrophils are common, basophils are rare. Rare classes need a stratified
# split and a score in which they count, such as macro-F1.
# :class:`~skblood.evaluation.ClassDistributionDisplay` shows whether the shares are alike in all
# parts of the split.
import numpy as np
from sklearn.model_selection import train_test_split

from skblood.datasets import make_blood_cells
from skblood.evaluation import CellSampleDisplay, ClassDistributionDisplay

weights = {"neutrophil": 4, "lymphocyte": 3, "platelet": 2, "monocyte": 1, "basophil": 0.5}
X, y = make_blood_cells(400, class_weights=weights, random_state=0)
train, test = train_test_split(np.arange(len(y)), stratify=y, random_state=0)
split = np.where(np.isin(np.arange(len(y)), train), "train", "test")

distribution = ClassDistributionDisplay.from_labels(y, split=split)

# %%
# Some cells of each class
# ------------------------
# A wrong label, another stain or another magnification is seen at once.
sample = CellSampleDisplay.from_labels(X, y, n_per_class=8, random_state=0)

# %%
# Each display keeps its matplotlib figure: ``sample.figure_.savefig("cells.pdf")`` writes it.
