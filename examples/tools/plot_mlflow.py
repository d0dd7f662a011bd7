"""
Tracking experiments with MLflow
================================

Which parameters gave which score, half a year ago? `MLflow <https://mlflow.org>`__ keeps the
parameters, curves, scores and files of each training. skorch's
:class:`~skorch.callbacks.MlflowLogger` logs the epochs; three lines log the rest.

The small package is enough: ``pip install mlflow-skinny sqlalchemy alembic`` for a database file,
as here, or ``mlflow-skinny`` alone for a server of your group. The full ``mlflow``, which has the
pages of ``mlflow ui``, is not used here, because it does not allow the newest pyarrow.
"""

# %%
# Where the runs are kept
# -----------------------
# A file here; elsewhere ``mlflow.set_tracking_uri("http://...")``.
import logging
import os
import tempfile
from pathlib import Path

import mlflow

logging.getLogger("mlflow").setLevel(logging.WARNING)
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
folder = Path(tempfile.mkdtemp())
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
mlflow.create_experiment("cells", artifact_location=(folder / "files").as_uri())
experiment = mlflow.set_experiment("cells")

# %%
# Three runs
# ----------
# Each logs its parameters, the losses of all epochs, the scores of the report, the model and its
# card.
from skorch.callbacks import MlflowLogger

import skblood
from skblood.datasets import make_blood_cells, train_val_test_split
from skblood.evaluation import evaluate

X, y = make_blood_cells(500, image_size=28, random_state=0)
X_train, X_val, X_test, y_train, y_val, y_test = train_val_test_split(X, y, random_state=0)
for lr in (3e-4, 3e-3, 3e-2):
    with mlflow.start_run(run_name=f"lr={lr}"):
        classifier = skblood.MLPCellClassifier(
            (64,),
            lr=lr,
            max_epochs=15,
            callbacks=[MlflowLogger(create_artifact=False, terminate_after_train=False)],
            random_state=0,
        ).fit(X_train, y_train, X_val=X_val, y_val=y_val)
        report = evaluate(classifier, X_test, y_test)
        mlflow.log_params({"lr": lr, "hidden_layer_sizes": (64,)})
        mlflow.log_metrics({name: score.value for name, score in report.scores.items()})
        mlflow.log_text(skblood.model_card(classifier, evaluation=report), "card.md")

# %%
# What was that again?
# --------------------
runs = mlflow.search_runs(order_by=["metrics.f1_macro DESC"])
runs[["tags.mlflow.runName", "metrics.f1_macro", "metrics.accuracy"]].round(3)

# %%
# The curves of all runs:
import matplotlib.pyplot as plt

client = mlflow.MlflowClient()
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for (_, run), style in zip(runs.iterrows(), ["o-", "s--", "^:"]):
    history = client.get_metric_history(run["run_id"], "valid_loss")
    ax.plot([e.step for e in history], [e.value for e in history], style, label=run["params.lr"])
ax.set(xlabel="epoch", ylabel="loss of the validation cells")
ax.legend(title="learning rate")
plt.show()

# %%
# And the card of the best run, up to its first section:
best = runs["run_id"].iloc[0]
card = mlflow.artifacts.load_text(f"runs:/{best}/card.md")
print(card.partition("## Model")[0])
