"""
Differential counts of slides
=============================

Laboratories report the share of each class on a slide. The errors of a model do not average out: a
class that it often confuses with another is counted too rarely on every slide. Confusions that were
measured on validation cells correct the count; the price is a wider interval.

:func:`~skblood.evaluation.differential_count` counts, and
:func:`~skblood.evaluation.compare_differentials` compares two counts as laboratories compare
methods. See :doc:`/user_guide/differential`.
"""

# %%
# A model and its confusions
# --------------------------
# It is trained for a short time on few cells, so that there are errors to correct.
import numpy as np
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.evaluation import compare_differentials, differential_count, evaluate

kinds = {"neutrophil": 3, "lymphocyte": 3, "monocyte": 2, "eosinophil": 1}
X, y = make_blood_cells(2200, image_size=28, class_weights=kinds, random_state=0)
X, X_train, y, y_train = train_test_split(X, y, test_size=300, stratify=y, random_state=0)
X_val, X_slides, y_val, y_slides = train_test_split(X, y, stratify=y, random_state=0, test_size=0.5)

classifier = TransferCellClassifier(
    "cellnet_t", image_size=28, batch_size=16, lr=3e-3, max_epochs=4, random_state=0
)
report = evaluate(classifier.fit(X_train, y_train), X_val, y_val)
report.plot()

# %%
# Thirty slides
# -------------
# Each slide has its own shares, and 200 cells, drawn from those that are left.
rng = np.random.default_rng(0)
classes = classifier.classes_
usual = np.array([{"neutrophil": 60, "lymphocyte": 30, "monocyte": 6}.get(c, 3) for c in classes])
truth = rng.dirichlet(usual / 2, size=30)
drawn = np.concatenate(
    [
        rng.choice(np.flatnonzero(y_slides == label), size=n)
        for shares in truth
        for label, n in zip(classes, rng.multinomial(200, shares))
    ]
)
slides = np.repeat([f"slide {i + 1:02}" for i in range(len(truth))], 200)
y_reader, y_model = y_slides[drawn], classifier.predict(X_slides)[drawn]

# %%
# Counted and corrected
# ---------------------
# The reader makes no errors here. The corrected shares are nearer to the true ones, and their
# intervals hold them as often as they claim.
reader = differential_count(y_reader, groups=slides, classes=classes)
counted = differential_count(y_model, groups=slides, classes=classes)
corrected = differential_count(y_model, groups=slides, confusion=report)
for name, count in {"as counted": counted, "corrected": corrected}.items():
    error = 100 * np.abs(count.shares - truth).mean()
    held = np.mean((count.low <= truth) & (truth <= count.high))
    print(f"{name}: mean error {error:.1f} % points; {held:.0%} of the intervals hold the truth")

# %%
# Three slides, as they are reported:

# sphinx_gallery_thumbnail_number = 2
first = slides <= "slide 03"
differential_count(y_model[first], groups=slides[first], confusion=report).plot()

# %%
# Comparison with the reader
# --------------------------
# Each dot is a slide. The uncorrected count is biased: dots lie beside the line of identity.
compare_differentials(reader, counted, cells=(y_reader, y_model), names=("reader", "model")).plot()

# %%
# The correction removes most of the bias. The dots scatter more: the confusions are measured on
# few cells, too.
compare_differentials(
    reader, corrected, cells=(y_reader, y_model), names=("reader", "model, corrected")
).plot()

# %%
# No correction separates two classes that the model hardly distinguishes: their intervals become
# wide.
