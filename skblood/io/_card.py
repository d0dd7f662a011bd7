"""The model card: a fitted model described in Markdown, from its spec and fitted attributes."""

import math
import os
import platform
import re
import textwrap
import time
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skblood._writing import printable
from skblood.evaluation import EvaluationReport
from skblood.pretrained import ATTRIBUTION, starts_from_pretrained

from ._pipelines import find_estimators

_PACKAGES = ("skblood", "torch", "timm", "torchvision", "scikit-learn", "numpy", "pillow")
_PBC = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()
# A class with fewer training images is named among the limits.
_FEW = 50
# Characters that Markdown or HTML would interpret, and those by which text becomes a link; an
# underscore inside a word is not one.
_MARKS = re.compile(r"[\\|<>*`\[\]&~$@]|:(?=//)|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])", re.I)

_HEAD = """---
library_name: skblood
pipeline_tag: {task}
---

# Model card: {name}

It {does}. For research use; not a medical device."""
_LIMITS = """\
- For research use. It is not a medical device, and nothing here shows that it is fit for
  diagnosis.
- It is for images like its training images. Another laboratory, stain, microscope, camera or crop
  can lower every score: evaluate it on images from there first."""
_CLASSIFIER_LIMITS = """
- It knows {} classes and assigns one of them to every image, even to a cell of another kind, two
  cells, or none.
- Trust its probabilities only as far as an evaluation supports them, on images like those of the
  evaluation."""
_PBC_LIMITS = """
- Its classes are those of PBC and BloodMNIST. BloodMNIST is made of the images of PBC: a model
  trained on one has seen test images of the other."""


def model_card(model, *, evaluation=None):
    """Describe a fitted model in Markdown, for its users and reviewers.

    Parameters
    ----------
    model : fitted estimator
        Of skblood, or one of scikit-learn that holds such estimators, such as a Pipeline.
    evaluation : EvaluationReport or dict of str to EvaluationReport, default=None
        Results of :func:`skblood.evaluation.evaluate`; several by names of the test sets. None:
        the card says that the model was not evaluated, and gives the scores on the validation
        images, if there are any.

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
    found = find_estimators(model)
    if isinstance(model, BaseSearchCV) or not (found or isinstance(model, Pipeline)):
        raise TypeError(
            "A card describes an estimator of skblood, one of scikit-learn that holds it, or a "
            f"Pipeline, not {type(model).__name__}. Of a search, give its best_estimator_."
        )
    check_is_fitted(model)
    estimators = [each for each in found if hasattr(each, "spec_")]
    steps = _flatten(model)
    trained = [each for each in estimators if hasattr(each, "training_data_")]
    sections = {
        "Model": _steps(model, steps) + _of_each(_model, estimators),
        "Training data": _of_each(_training_data, trained),
        "Training": _of_each(_training, trained),
        "Evaluation": _evaluation(reports, steps[-1]) if hasattr(model, "classes_") else [],
        "Preprocessing": _of_each(_preprocessing, estimators),
        "Intended use and limits": [_limits(model, trained)],
        "Attribution": list(filter(None, [attribution(estimators)])),
        "Versions": _versions(),
    }
    parts = [_head(model, estimators)]
    for title, paragraphs in sections.items():
        parts += [f"## {title}", *paragraphs] if paragraphs else []
    return printable("\n\n".join(parts) + "\n")


def attribution(estimators):
    """Return what the licence of the weights that estimators started from asks for, or ""."""
    specs = [each.spec_ for each in estimators if hasattr(each, "spec_")]
    return ATTRIBUTION if any(map(starts_from_pretrained, specs)) else ""


def _flatten(model):
    """Return the estimators of a model, including those of nested Pipelines."""
    if isinstance(model, Pipeline):
        return [part for _, step in model.steps for part in _flatten(step)]
    return [model]


def _of_each(describe, estimators):
    """Return the paragraphs on each estimator, under its name if there are several."""
    paragraphs = []
    for each in estimators:
        paragraphs += [f"### {type(each).__name__}"] if len(estimators) > 1 else []
        paragraphs += describe(each)
    return paragraphs


def _as_text(value):
    """Return a value as one line of text with Markdown's special characters escaped."""
    return _MARKS.sub(r"\\\g<0>", " ".join(str(value).split()))


def _join(values):
    return ", ".join(map(_as_text, values))


def _table(head, rows):
    rows = [map(_as_text, head), ["---"] * len(head), *(map(_as_text, row) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _head(model, estimators):
    if estimators and estimators[0].spec_.is_pixels:
        what, kinds = "images of single blood cells", ("image", "image-feature-extraction")
    else:
        what, kinds = "rows of numbers", ("tabular", "feature-extraction")
    task, does = kinds[1], f"turns {what} into features"
    if hasattr(model, "classes_"):
        task = f"{kinds[0]}-classification"
        does = f"classifies {what} into {len(model.classes_)} classes"
    return _HEAD.format(task=task, name=type(model).__name__, does=does)


def _steps(model, steps):
    names = (step if isinstance(step, str) else type(step).__name__ for step in steps)
    about = []
    if isinstance(model, Pipeline):
        about.append(f"A {type(model).__name__} of {_join(names)}.")
    if hasattr(model, "classes_"):
        about.append(f"Its classes are {_join(model.classes_)}.")
    return about


def _model(model):
    rows = [("estimator", type(model).__name__)]
    sources = {None: "random weights", "default": "its published weights"}
    extents = {"all": "all of it", "head": "none of it"}
    for backbone in model.spec_.backbones:
        named = f"the weights of {str(backbone.weights).removeprefix('file:')}"
        named += f" (SHA-256 {backbone.weights_sha256})" if backbone.weights_sha256 else ""
        extent = extents.get(backbone.trained, f"its last {backbone.trained} stages")
        text = f"{backbone.name}, from {sources.get(backbone.weights, named)}, {extent} trained"
        rows += [("backbone", text)] if backbone.name != "pixels" else []
    size = sum(each.numel() for each in model.predictor_.network.parameters())
    rows.append(("parameters of the network", f"{size:,}"))
    defaults = {name: repr(value) for name, value in type(model)().get_params(deep=False).items()}
    # Files of earlier versions list parameters that there no longer are.
    settings = [
        (name, value)
        for name, value in model.fit_settings_.items()
        if value != defaults.get(name, value)
    ]
    text = "All parameters of the fit are the defaults of this version."
    if settings:
        text = "Parameters of the fit that are not the defaults of this version:\n\n"
        text += _table(("parameter", "value"), settings)
    return [_table(("what", "value"), rows), text]


def _training_data(model):
    data = model.training_data_
    numbers = "{n_images:,} training images and {n_validation_images:,} validation images."
    counts = [(label, f"{n:,}") for label, n in data["class_counts"].items()]
    digest = "SHA-256 of the decoded training images with their classes, in any order: "
    counted = _table(("class", "training images"), counts)
    return [numbers.format(**data), counted, digest + _as_text(data["fingerprint"])]


def _training(model):
    kept = "the last epoch"
    if model.best_epoch_ < model.n_iter_:
        kept = f"epoch {model.best_epoch_}, the best on the validation images"
    text = (
        f"Epochs: {model.n_iter_}, on {_as_text(model.device_)}; the weights are those of {kept}."
    )
    if (done := getattr(model, "adaptation_", None)) is None:
        return [text]
    counts = _join(f"{label} {n:,}" for label, n in done.n_labelled.items() if n) or "none"
    adapted = (
        f"**Adapted** after the training to {sum(done.n_labelled.values()):,} labelled ({counts}) "
        f"and {done.n_unlabelled:,} unlabelled cells: {_join(done.steps) or 'nothing was changed'}."
    )
    return [text, f"{adapted} Reason: {_as_text(done.reason)}."]


def _evaluation(reports, model):
    paragraphs = []
    for name, report in reports.items():
        paragraphs += [] if name is None else [f"### {_as_text(name)}"]
        # A block of code, whatever labels hold.
        paragraphs.append(textwrap.indent(str(report), "    "))
    if reports:
        return paragraphs
    paragraphs.append("**Not evaluated** on images that had no part in the training.")
    row = model.history_[model.best_epoch_ - 1] if hasattr(model, "training_data_") else {}
    scores = [
        f"{_as_text(key.removeprefix('valid_'))} {value:.3f}"
        for key, value in row.items()
        if key.startswith("valid_") and isinstance(value, float)
    ]
    if scores:
        paragraphs.append(
            f"On the {model.training_data_['n_validation_images']:,} validation images, in epoch "
            f"{model.best_epoch_}: {', '.join(scores)}. Where early stopping chose the epoch by "
            "these scores, expect lower ones on other images."
        )
    return paragraphs


def _preprocessing(model):
    spec = model.spec_
    n_channels = spec.image_shape[2]
    colors = {1: "gray", 3: "RGB"}.get(n_channels, f"{n_channels} channels")
    lines = [f"Pixels in 0..255 (uint8), or in 0..1 (float); {colors}."]
    if spec.bit_depth is not None:
        lines.append(f"Files of more than 8 bits: values of {spec.bit_depth} bits.")
    size = "{} x {} px (height x width)"
    if spec.image_size is None:
        lines.append(f"Size: {size.format(*spec.input_shape)}, as given.")
    if spec.crop != 1:
        done = "Cropped" if spec.crop < 1 else "Extended by reflection"
        lines.append(f"{done} to {spec.crop:.4g} times each side, around the center.")
    if spec.image_size is not None:
        size = size.format(*spec.image_size)
        lines.append(f"Resized to {size}, {spec.interpolation} with antialiasing.")
    lines.append("Divided by 255.")
    if not spec.is_pixels:
        lines = [f"Rows of {math.prod(spec.image_shape)} numbers."]
    for backbone, module in zip(spec.backbones, model.predictor_.network.backbones, strict=True):
        mean, std = (_numbers(getattr(module.standardize, name)) for name in ("mean", "std"))
        line = f"Standardized per channel: mean {mean}; standard deviation {std}."
        if backbone.standardize == "image":
            line = "Each image standardized by its darkest and brightest spot, per channel."
        lines += [line] if line not in lines else []
    if spec.dihedral_views > 1:
        lines.append(f"Logits are averaged over {spec.dihedral_views} dihedral views of an image.")
    return ["\n".join(f"- {line}" for line in lines)]


def _numbers(tensor):
    """Return the values as text; of many, the first and the last."""
    return np.array2string(tensor.cpu().numpy(), precision=4, separator=", ", threshold=6)


def _limits(model, trained):
    text = _LIMITS
    if hasattr(model, "classes_"):
        text += _CLASSIFIER_LIMITS.format(len(model.classes_))
        text += _PBC_LIMITS if sorted(map(str, model.classes_)) == _PBC else ""
    counts = [pair for each in trained for pair in each.training_data_["class_counts"].items()]
    if few := [f"{_as_text(label)} ({n:,})" for label, n in counts if n < _FEW]:
        text += f"\n- It has seen few training images (fewer than {_FEW}) of {', '.join(few)}."
    return text


def _versions():
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    rows = [("Python", platform.python_version())]
    rows += [(package, version(package)) for package in _PACKAGES]
    return [
        f"Written on {datetime.fromtimestamp(seconds, UTC).date()} (UTC) with",
        _table(("package", "version"), rows),
    ]
