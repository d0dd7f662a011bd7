"""
Reports of skore
================

`skore <https://docs.skore.probabl.ai>`__ evaluates scikit-learn estimators: it fits them, keeps the
predictions, and gives metrics, curves and warnings from one object. An estimator of skblood is one
of them.

Install it by ``pip install skore``. For confidence intervals, patients and pictures of the errors,
use :func:`skblood.evaluation.evaluate` (:doc:`/user_guide/evaluation`).
"""

# %%
# Two classifiers, three folds
# ----------------------------
# skore takes rows of numbers. Flattened images are such rows; the estimators of skblood know them
# as images again.
import skore

from skblood import MLPCellClassifier, TransferCellClassifier
from skblood.datasets import make_blood_cells

skore.configuration.show_progress = False
X, y = make_blood_cells(240, image_size=28, random_state=0)
rows = X.reshape(len(X), -1)
report = skore.evaluate(
    {
        "perceptron": MLPCellClassifier((64,), max_epochs=10, random_state=0),
        "cellnet_t": TransferCellClassifier(
            "cellnet_t", image_size=28, batch_size=16, lr=5e-3, max_epochs=10, random_state=0
        ),
    },
    rows,
    y,
    splitter=3,
)

# %%
# Metrics
# -------
report.metrics.summarize(metric=["accuracy", "log_loss", "fit_time"]).frame().round(2)

# %%
# Curves
# ------
# One curve for each class, against all others.
report.metrics.roc().plot()
