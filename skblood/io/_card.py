"""The model card: a fitted model described in Markdown, from its spec and fitted attributes."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from skblood._typing import Reports
from skblood.estimators import describe_prior, given_factors
from skblood.evaluation import EvaluationReport
from skblood.pages import render
from skblood.pretrained import ATTRIBUTIONS, pretrained_weights

from ._describe import describe_backbone
from ._pipelines import find_fitted

_PACKAGES = ("skblood", "torch", "timm", "torchvision", "scikit-learn", "numpy", "pillow")
_PBC = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()
# A class with fewer training images is named among the limits.
_FEW = 50
_NUMBER = re.compile(r"\d+\.\d{5,}")


def model_card(model: Any, *, evaluation: Reports = None) -> str:
    """Describe a fitted model in Markdown, for its users and reviewers.

    Parameters
    ----------
    model : fitted estimator
        Of skblood, or one of scikit-learn that holds such estimators, such as a Pipeline.
    evaluation : EvaluationReport or dict of str to EvaluationReport, default=None
        Results of :func:`skblood.evaluation.evaluate`; several by names of the test sets. None:
        the card says that the model was not evaluated.

    Returns
    -------
    card : str
        Model, training data, training, evaluation, preprocessing, intended use and limits, the
        attribution that the licence of its first weights asks for, versions. It begins with the
        metadata that the Hugging Face Hub reads. The date is today's or that of the environment
        variable SOURCE_DATE_EPOCH.

    Raises
    ------
    TypeError
        If `model` or `evaluation` is something else.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> from skblood import MLPCellClassifier, model_card
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.evaluation import evaluate
    >>> X, y = make_blood_cells(160, image_size=16, random_state=0)
    >>> clf = MLPCellClassifier((32,), max_epochs=2, random_state=0).fit(X[:100], y[:100])
    >>> card = model_card(clf, evaluation={"my test": evaluate(clf, X[100:], y[100:])})
    >>> for line in card.splitlines():
    ...     if line.startswith("#"):
    ...         print(line)
    # Model card: MLPCellClassifier
    ## Model
    ## Training data
    ## Training
    ## Evaluation
    ### my test
    ## Preprocessing
    ## Intended use and limits
    ## Versions
    """
    reports = evaluation or {}
    reports = reports if isinstance(reports, dict) else {None: reports}
    if not all(isinstance(report, EvaluationReport) for report in reports.values()):
        raise TypeError(
            "evaluation must be an EvaluationReport, as skblood.evaluation.evaluate returns it, or "
            f"a dict of them by name; got {type(evaluation).__name__}."
        )
    estimators = find_fitted(model)
    trained = [each for each in estimators if hasattr(each, "training_data_")]
    classes = np.asarray(getattr(model, "classes_", ()))
    factors = given_factors(model) if len(classes) else None
    counts = [pair for each in trained for pair in each.training_data_["class_counts"].items()]
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    card = render(
        "card.md",
        model=model,
        models=estimators,
        trained=trained,
        classes=classes.tolist(),
        possible=(classes if factors is None else classes[factors > 0]).tolist(),
        is_pbc=sorted(map(str, classes.tolist())) == _PBC,
        reports=reports,
        few=_FEW,
        rare=[(label, n) for label, n in counts if n < _FEW],
        attribution=attribution(estimators),
        date=datetime.fromtimestamp(seconds, UTC).date(),
        versions=read_versions().items(),
        **{each.__name__: each for each in (describe_prior, facts, scores, standardizations)},
        other_training=other_training,
    )
    return re.sub(r"\n{3,}", "\n\n", card).lstrip("\n")


def attribution(estimators):
    """Return what the licence of the weights that estimators started from asks for, or ""."""
    names = pretrained_weights(b for each in estimators for b in each.spec_.backbones)
    return "\n\n".join(ATTRIBUTIONS[name] for name in names)


def facts(model):
    """Return what an estimator is, and the parameters of its fit that are not the defaults."""
    rows = [("estimator", type(model).__name__)]
    backbones = [asdict(each) for each in model.spec_.backbones if each.name != "pixels"]
    rows += [("backbone", describe_backbone(each)) for each in backbones]
    size = sum(each.numel() for each in model.predictor_.network.parameters())
    rows.append(("parameters of the network", f"{size:,}"))
    defaults = {name: repr(value) for name, value in type(model)().get_params(deep=False).items()}
    # Files of earlier versions list parameters that there no longer are.
    return rows + [
        (f"parameter {name}", _NUMBER.sub(lambda found: f"{float(found[0]):.4g}", value))
        for name, value in model.fit_settings_.items()
        if value not in (defaults.get(name, value), other_training(model))
    ]


def other_training(model):
    """Return what stands for the number of epochs of a model that no `fit` has trained, or None."""
    epochs = model.fit_settings_.get("max_epochs", "")
    return epochs if " " in epochs else None


def scores(model):
    """Return the scores of the best epoch on the validation images."""
    return [
        f"{name.removeprefix('valid_')} {value:.3f}"
        for name, value in model.history_[model.best_epoch_ - 1].items()
        if name.startswith("valid_") and isinstance(value, float)
    ]


def standardizations(model):
    """Return how the input of each backbone is standardized, without repetitions."""
    lines = []
    for spec, backbone in zip(
        model.spec_.backbones, model.predictor_.network.backbones, strict=True
    ):
        scale = backbone.standardize
        line = f"per channel: mean {_numbers(scale.mean)}; standard deviation {_numbers(scale.std)}"
        lines.append("" if spec.standardize == "image" else line)
    return dict.fromkeys(lines)


def _numbers(tensor):
    """Return the values as text; of many, the first and the last."""
    return np.array2string(tensor.cpu().numpy(), precision=4, separator=", ", threshold=6)


def read_versions():
    """Return the versions of what computes, by name."""
    return {"Python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
