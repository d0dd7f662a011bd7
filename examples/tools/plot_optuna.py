"""
Hyperparameter search with Optuna
=================================

A grid spends most of its time on candidates that are clearly bad. `Optuna
<https://optuna.readthedocs.io>`__ learns from the trials so far where to look next, and gives up a
trial after its first fold if others were better there.

An objective is a function that returns a score; the estimator needs nothing special. Install it by
``pip install optuna``. :ref:`sphx_glr_auto_examples_models_plot_search_backbones.py` searches with
scikit-learn alone.
"""

# %%
# The objective
# -------------
# ``trial.suggest_...`` asks for the values. The score of each fold is reported, so that a hopeless
# trial is pruned. Augmentation is off to be fast.
import optuna
from sklearn.model_selection import StratifiedKFold

from skblood import MLPCellClassifier
from skblood.datasets import make_blood_cells

X, y = make_blood_cells(300, image_size=28, random_state=0)
folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))


def objective(trial):
    classifier = MLPCellClassifier(
        hidden_layer_sizes=(trial.suggest_int("units", 4, 128, log=True),),
        lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.6),
        augment=None,
        max_epochs=8,
        random_state=0,
    )
    scores = []
    for i, (train, test) in enumerate(folds):
        scores.append(classifier.fit(X[train], y[train]).score(X[test], y[test]))
        trial.report(scores[-1], i)
        if trial.should_prune():
            raise optuna.TrialPruned
    return sum(scores) / len(scores)


# %%
# The study
# ---------
# Without ``storage`` it stays in memory; ``storage="sqlite:///study.db"`` keeps it, and lets
# several processes share it.
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=6),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
)
study.optimize(objective, n_trials=18)
trials = study.trials_dataframe()
print(trials["state"].value_counts().to_dict())
print(f"best accuracy {study.best_value:.3f} with {study.best_params}")

# %%
# Where it looked
# ---------------
# Later trials (large dots) gather where the learning rate is good; crosses were given up after one
# or two folds.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
done, pruned = (trials[trials["state"] == state] for state in ["COMPLETE", "PRUNED"])
dots = ax.scatter(
    done["params_lr"],
    done["params_units"],
    s=20 + 6 * done["number"],
    c=done["value"],
    cmap="viridis",
)
ax.plot(pruned["params_lr"], pruned["params_units"], "x", color="0.4", label="pruned")
ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="hidden units")
figure.colorbar(dots, label="accuracy, mean of three folds")
figure.legend(loc="outside upper left")
plt.show()

# %%
# The best one
# ------------
# ``study.best_params`` are the names of the trial: here ``units`` is not a parameter of the
# classifier, so it is renamed.
best = dict(study.best_params)
classifier = MLPCellClassifier((best.pop("units"),), **best, augment=None, random_state=0)
print(classifier.fit(X, y))
