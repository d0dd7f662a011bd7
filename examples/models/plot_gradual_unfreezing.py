"""
Gradual unfreezing
==================

Fine-tuning in three steps: train the head on the frozen network, then the last stages as well, then
the whole network, each step from where the one before it ended, at a lower learning rate. Is that
better than training all of it at once?

``warm_start=True`` makes ``fit`` continue from the fitted network, so that ``set_params`` between
the fits is all that is needed. See :doc:`/user_guide/fine_tuning`, and
:ref:`sphx_glr_auto_examples_models_plot_fine_tuning.py` for the steps one by one.
"""

# %%
# Three steps
# -----------
# As ``random_state`` is an integer, all steps set aside the same cells for validation; the best
# epoch of a step goes into the next one.
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells

X, y = make_blood_cells(400, image_size=28, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=160, stratify=y, random_state=0
)

classifier = TransferCellClassifier(
    "cellnet_s",
    weights="pbc",
    image_size=28,
    batch_size=16,
    max_epochs=5,
    early_stopping=True,
    validation_fraction=0.2,
    warm_start=True,
    random_state=0,
)
steps = {
    "head": {"trainable": "head", "lr": 3e-3},
    "last 2 stages": {"trainable": 2, "lr": 1e-3},
    "whole network": {"trainable": "all", "lr": 5e-4},
}
curve, ends, scores = [], [0], {}
for name, parameters in steps.items():
    classifier.set_params(**parameters).fit(X_train, y_train)
    curve += classifier.history_[:, "valid_f1_macro"]
    ends.append(len(curve))
    scores[name] = f1_score(y_test, classifier.predict(X_test), average="macro")
    print(f"{name}: {classifier.n_iter_} epochs, test macro-F1 {scores[name]:.2f}")

# %%
# All at once
# -----------
# The whole network from the start, for as many epochs as the three steps had together.
at_once = TransferCellClassifier(
    "cellnet_s",
    weights="pbc",
    image_size=28,
    batch_size=16,
    lr=1e-3,
    max_epochs=len(curve),
    random_state=0,
).fit(X_train, y_train)
scores["all at once"] = f1_score(y_test, at_once.predict(X_test), average="macro")
print(f"all at once: {len(curve)} epochs, test macro-F1 {scores['all at once']:.2f}")

# %%
import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.plot(range(1, len(curve) + 1), curve, "o-", color="#0072b2")
for start, name in zip(ends, steps):
    left.axvline(start + 0.5, ls=":", color="gray")
    left.text(start + 0.6, 0.03, name, va="bottom")
left.set(xlabel="epoch", ylabel="macro-F1 of the validation cells", ylim=(0, 1))
bars = right.barh(list(scores), list(scores.values()), color=["#56b4e9"] * 3 + ["#d55e00"])
right.bar_label(bars, fmt="%.2f", padding=3)
right.set(xlabel="macro-F1 of the test cells", xlim=(0, 1))
right.invert_yaxis()
plt.show()

# %%
# On real cells
# -------------
# Gradual unfreezing is worth a try, and not always better. On 600 cells of PBC (Acevedo et al.
# 2020) at 64 px, with a SqueezeNet of ImageNet and 12 epochs in each step, macro-F1 is 0.751, 0.846
# and 0.821 after the steps, and 0.954 if the whole network is trained at once for 36 epochs (one
# seed, 1,400 test cells).
