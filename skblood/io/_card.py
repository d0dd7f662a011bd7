"""The model card: what a fitted model is, as it knows itself, in Markdown."""

import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skblood.estimators import CellModel
from skblood.evaluation import EvaluationReport
from skblood.io._card_parts import (
    describe_data,
    describe_evaluation,
    describe_model,
    describe_preprocessing,
    describe_steps,
    describe_training,
)
from skblood.io._markdown import as_text, bullets, table

_PACKAGES = ("torch", "timm", "torchvision", "scikit-learn", "numpy", "pillow")
# A class with fewer training images is named among the limits.
_FEW = 50
_PBC = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()


def model_card(model, *, evaluation=None):
    """Describe a fitted model in Markdown, for those who are to use it or to judge it.

    Parameters
    ----------
    model : fitted estimator
        A classifier or embedder of skblood, or a Pipeline.
    evaluation : EvaluationReport or dict of str to EvaluationReport, default=None
        How good it is, by :func:`skblood.evaluation.evaluate`; several by names of the test sets.
        None: the card says that it was not evaluated, and gives the scores on the validation
        images, if there are any.

    Returns
    -------
    card : str
        Model, training data, training, evaluation, preprocessing, intended use and limits,
        versions. The head has the form that the Hugging Face Hub reads. The date is that of
        today or, if set, of the environment variable SOURCE_DATE_EPOCH.

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
    reports = _named_reports(evaluation)
    if not isinstance(model, (CellModel, Pipeline)):
        raise TypeError(
            f"A card describes an estimator of skblood or a Pipeline, not {type(model).__name__}. "
            "Of a search give its `best_estimator_`."
        )
    steps = _flatten(model)
    ours = [step for step in steps if isinstance(step, CellModel)]
    for each in (model, *ours):
        check_is_fitted(each)
    trained = [each for each in ours if hasattr(each, "net_")]
    parts = [_head(model, ours), "## Model", *describe_steps(model, steps)]
    parts += _of_each(describe_model, ours)
    if trained:
        parts += ["## Training data", *_of_each(describe_data, trained)]
        parts += ["## Training", *_of_each(describe_training, trained)]
    if hasattr(model, "classes_"):
        last = steps[-1] if steps[-1] in trained else None
        parts += ["## Evaluation", *describe_evaluation(reports, last)]
    if ours:
        parts += ["## Preprocessing", *_of_each(describe_preprocessing, ours)]
    parts += ["## Intended use and limits", bullets(_limits(model, trained))]
    parts += ["## Versions", *_versions()]
    return "\n\n".join(parts) + "\n"


def _flatten(model):
    """Return the estimators of a model, those of Pipelines in Pipelines, too."""
    if isinstance(model, Pipeline):
        return [part for _, step in model.steps for part in _flatten(step)]
    return [model]


def _of_each(describe, estimators):
    """Return what is to be said of each estimator, under its name if there are several."""
    for each in estimators:
        if len(estimators) > 1:
            yield f"### {type(each).__name__}"
        yield from describe(each)


def _named_reports(evaluation):
    if evaluation is None:
        return {}
    reports = evaluation if isinstance(evaluation, Mapping) else {None: evaluation}
    for report in reports.values():
        if not isinstance(report, EvaluationReport):
            raise TypeError(
                "evaluation must be an EvaluationReport, as skblood.evaluation.evaluate gives it, "
                f"or a dict of them by name; got {type(report).__name__}."
            )
    return reports


def _head(model, ours):
    sees_images = bool(ours) and ours[0]._is_pixels
    if hasattr(model, "classes_"):
        task = "image-classification" if sees_images else "tabular-classification"
        does = f"sorts {{}} into {len(model.classes_)} classes"
    else:
        task = "image-feature-extraction" if sees_images else "feature-extraction"
        does = "turns {} into features"
    what = "images of single blood cells" if sees_images else "rows of numbers"
    return (
        f"---\nlibrary_name: skblood\npipeline_tag: {task}\n---\n\n"
        f"# Model card: {type(model).__name__}\n\n"
        f"It {does.format(what)}. For research use; not a medical device."
    )


def _limits(model, trained):
    yield (
        "For research use. It is not a medical device, and nothing here shows that it is fit for "
        "diagnosis."
    )
    yield (
        "It is for images like those that it was trained on. Another laboratory, stain, "
        "microscope, camera or crop can lower every score: evaluate it on images from there first."
    )
    if hasattr(model, "classes_"):
        yield (
            f"It knows {len(model.classes_)} classes and gives every image one of them, also a "
            "cell of another kind, two cells, or none."
        )
        yield (
            "Its probabilities are as trustworthy as an evaluation has shown them to be, on "
            "images like those of the evaluation."
        )
        if sorted(map(str, model.classes_)) == _PBC:
            yield (
                "Its classes are those of PBC and BloodMNIST. BloodMNIST is made of the images of "
                "PBC: a model trained on one has seen test images of the other."
            )
    counts = [pair for each in trained for pair in each.training_data_["class_counts"].items()]
    few = [f"{as_text(label)} ({n:,})" for label, n in counts if n < _FEW]
    if few:
        yield f"It has seen few training images (less than {_FEW}) of {', '.join(few)}."


def _versions():
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    yield f"Written on {datetime.fromtimestamp(seconds, UTC).date()} (UTC) with"
    rows = [("skblood", import_module("skblood").__version__)]
    rows += [("Python", platform.python_version())]
    rows += [(package, version(package)) for package in _PACKAGES]
    yield table(("package", "version"), rows)
