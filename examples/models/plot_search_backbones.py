"""
Searching over backbones with GridSearchCV
==========================================

The name of a network is a parameter like any other, so that scikit-learn's
:class:`~sklearn.model_selection.GridSearchCV` can choose the network. With frozen, pretrained
networks the search is cheap: each image passes each network once, for all folds and all heads.

:doc:`/user_guide/backbones` lists the networks, and :doc:`/user_guide/speed` describes ``memory``,
which keeps their features.
"""

# %%
# The search
# ----------
# Two networks come with pretrained weights in the package, and one has random weights, for
# comparison. All are frozen: only the head is trained, a linear one or one with a hidden layer.
# With a network connection, try ``{"backbone": ["resnet50", "efficientnet_b0"], "weights":
# ["default"]}``.
import tempfile

from sklearn.model_selection import GridSearchCV, train_test_split

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells

X, y = make_blood_cells(320, image_size=32, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=0
)
networks = [("cellnet_s", "pbc"), ("cell_lite0", "blood8-2"), ("cellnet_s", None)]
grid = [
    {"backbone": [name], "weights": [weights], "hidden_layer_sizes": [(), (128,)]}
    for name, weights in networks
]
search = GridSearchCV(
    TransferCellClassifier(
        trainable="head",
        image_size=32,
        max_epochs=15,
        memory=tempfile.mkdtemp(),
        random_state=0,
    ),
    grid,
    cv=3,
    scoring="f1_macro",
)
search.fit(X_train, y_train)
print("best:", search.best_params_)
print(f"accuracy on the test cells: {search.best_estimator_.score(X_test, y_test):.2f}")

# %%
# Scores
# ------
# Compare the differences with the spread of the folds.
import matplotlib.pyplot as plt
import pandas as pd

results = pd.DataFrame(search.cv_results_).sort_values("mean_test_score")
names = [
    f"{p['backbone']}, weights={p['weights']!r},\n"
    f"{'a hidden layer' if p['hidden_layer_sizes'] else 'linear'}"
    for p in results["params"]
]
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.barh(names, results["mean_test_score"], xerr=results["std_test_score"], color="#56b4e9")
ax.set(xlabel="macro-F1: mean and standard deviation of three folds", xlim=(0, 1))
plt.show()
