"""
Adaptation to another laboratory
================================

Another stain and another camera change the images of the same cells. How much accuracy is lost, and
how much do a few labeled cells of the new laboratory regain?

:func:`~skblood.adapt` needs seconds; it trains no network. :doc:`/user_guide/adaptation` describes
its steps, with results of real laboratories.
"""

# %%
# Two laboratories
# ----------------
# The second one is simulated: its camera mixes the color channels, and its lamp is dimmer.
import numpy as np

from skblood.datasets import make_blood_cells

X, y = make_blood_cells(900, image_size=32, random_state=0)
X_home, y_home = X[:450], y[:450]
mixing = np.array([[0.6, 0.3, 0.0], [0.1, 0.4, 0.4], [0.3, 0.1, 0.3]])
X_away, y_away = (255 * (X[450:] @ mixing / 255) ** 1.3).round().astype(np.uint8), y[450:]

# %%
# The same cells as the first laboratory (left) and the second one (right) would see them:
import matplotlib.pyplot as plt

from skblood.evaluation import CellSampleDisplay

as_away = (255 * (X_home @ mixing / 255) ** 1.3).round().astype(np.uint8)
figure = plt.figure(figsize=(9, 7.5), layout="constrained")
parts = dict(zip(["first laboratory", "second laboratory"], figure.subfigures(1, 2, wspace=0.05)))
for (name, part), images in zip(parts.items(), [X_home, as_away]):
    CellSampleDisplay.from_labels(images, y_home, n_per_class=5, random_state=0, figure=part)
    part.suptitle(name)
plt.show()

# %%
# In the training laboratory and in another one
# ---------------------------------------------
from sklearn.metrics import balanced_accuracy_score

from skblood import TransferCellClassifier

classifier = TransferCellClassifier(
    "cellnet_t", batch_size=16, lr=3e-3, max_epochs=15, random_state=0
).fit(X_home[:350], y_home[:350])
own = balanced_accuracy_score(y_home[350:], classifier.predict(X_home[350:]))
print(f"balanced accuracy in the training laboratory {own:.2f}")

# %%
# Labeled cells
# -------------
# The first cells of each class are given to the adaptation, the others measure the result.
import pandas as pd

from skblood import adapt

place = pd.Series(y_away).groupby(y_away).cumcount().to_numpy()
rest = place >= 20
numbers, scores = [0, 1, 2, 5, 10, 20], []
for n in numbers:
    given = place < n
    adapted = adapt(classifier, X_away[given], y_away[given], random_state=0) if n else classifier
    scores.append(balanced_accuracy_score(y_away[rest], adapted.predict(X_away[rest])))
    print(f"{n:>2} labeled cells of each class: {scores[-1]:.2f}")

# %%
# What the last adaptation did:
print(adapted.adaptation_)

# %%
# Unlabeled cells
# ---------------
# They cost nothing, and help less: here not at all.
unlabeled = adapt(classifier, X_away[~rest], random_state=0)
without = balanced_accuracy_score(y_away[rest], unlabeled.predict(X_away[rest]))
print(f"{np.sum(~rest)} cells without a label: {without:.2f}")

# %%
# sphinx_gallery_thumbnail_number = 2
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(range(len(numbers)), scores, "o-", color="#0072b2", label="labeled cells")
ax.axhline(without, ls="--", color="#d55e00", label="cells without a label")
ax.axhline(own, ls=":", color="0.3", label="training laboratory")
ax.set_xticks(range(len(numbers)), numbers)
ax.set(xlabel="labeled cells of each class", ylabel="balanced accuracy", ylim=(0, 1))
figure.legend(loc="outside upper left", ncols=3)
plt.show()
