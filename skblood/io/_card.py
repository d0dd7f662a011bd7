"""The model card: a fitted model described in Markdown, from its spec and fitted attributes."""

import os
import platform
import textwrap
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skblood.estimators import CellModel
from skblood.evaluation import EvaluationReport

from ._markdown import as_text, bullets, table

_PACKAGES = ("skblood", "torch", "timm", "torchvision", "scikit-learn", "numpy", "pillow")
_PBC = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()
# A class with fewer training images is named among the limits.
_FEW = 50
# Channels whose statistics are given; more of them are the columns of a table.
_MAX_CHANNELS = 4

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
        A classifier or embedder of skblood, or a Pipeline.
    evaluation : EvaluationReport or dict of str to EvaluationReport, default=None
        Results of :func:`skblood.evaluation.evaluate`; several by names of the test sets. None:
        the card says that the model was not evaluated, and gives the scores on the validation
        images, if there are any.

    Returns
    -------
    card : str
        Model, training data, training, evaluation, preprocessing, intended use and limits,
        versions. It begins with the metadata that the Hugging Face Hub reads. The date is today's
        or that of the environment variable SOURCE_DATE_EPOCH.

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
    reports = evaluation if isinstance(evaluation, Mapping) else {None: evaluation}
    reports = {} if evaluation is None else reports
    if not all(isinstance(report, EvaluationReport) for report in reports.values()):
        raise TypeError(
            "evaluation must be an EvaluationReport, as skblood.evaluation.evaluate returns it, or "
            f"a dict of them by name; got {type(evaluation).__name__}."
        )
    if not isinstance(model, (CellModel, Pipeline)):
        raise TypeError(
            f"A card describes an estimator of skblood or a Pipeline, not {type(model).__name__}. "
            "Of a search give its `best_estimator_`."
        )
    steps = _flatten(model)
    estimators = [step for step in steps if isinstance(step, CellModel)]
    for each in (model, *estimators):
        check_is_fitted(each)
    trained = [each for each in estimators if hasattr(each, "training_data_")]
    last = steps[-1] if steps[-1] in trained else None
    sections = {
        "Model": [*_steps(model, steps), *_of_each(_model, estimators)],
        "Training data": _of_each(_training_data, trained),
        "Training": _of_each(_training, trained),
        "Evaluation": _evaluation(reports, last) if hasattr(model, "classes_") else (),
        "Preprocessing": _of_each(_preprocessing, estimators),
        "Intended use and limits": [_limits(model, trained)],
        "Versions": _versions(),
    }
    parts = [_head(model, estimators)]
    for title, paragraphs in sections.items():
        if paragraphs := list(paragraphs):
            parts += [f"## {title}", *paragraphs]
    return "\n\n".join(parts) + "\n"


def _flatten(model):
    """Return the estimators of a model, including those of nested Pipelines."""
    if isinstance(model, Pipeline):
        return [part for _, step in model.steps for part in _flatten(step)]
    return [model]


def _of_each(describe, estimators):
    """Yield the description of each estimator, under its name if there are several."""
    for each in estimators:
        if len(estimators) > 1:
            yield f"### {type(each).__name__}"
        yield from describe(each)


def _head(model, estimators):
    sees_images = bool(estimators) and estimators[0].spec_.is_pixels
    what = "images of single blood cells" if sees_images else "rows of numbers"
    if hasattr(model, "classes_"):
        task = "image-classification" if sees_images else "tabular-classification"
        does = f"classifies {what} into {len(model.classes_)} classes"
    else:
        task = "image-feature-extraction" if sees_images else "feature-extraction"
        does = f"turns {what} into features"
    return _HEAD.format(task=task, name=type(model).__name__, does=does)


def _steps(model, steps):
    if isinstance(model, Pipeline):
        names = (step if isinstance(step, str) else type(step).__name__ for step in steps)
        yield f"A {type(model).__name__} of {', '.join(map(as_text, names))}."
    if hasattr(model, "classes_"):
        yield f"Its classes are {', '.join(map(as_text, model.classes_))}."


def _model(model):
    size = sum(each.numel() for each in model.predictor_.network.parameters())
    rows = [("estimator", type(model).__name__)]
    rows += [("backbone", text) for text in _backbones(model)]
    yield table(("what", "value"), [*rows, ("parameters of the network", f"{size:,}")])
    defaults = {name: repr(value) for name, value in type(model)().get_params(deep=False).items()}
    settings = [each for each in model.fit_settings_.items() if each[1] != defaults.get(each[0])]
    if settings:
        yield "Parameters of the fit that are not the defaults of this version:"
        yield table(("parameter", "value"), settings)
    else:
        yield "All parameters of the fit are the defaults of this version."


def _backbones(model):
    sources = {None: "random weights", "default": "its published weights"}
    extents = {"all": "all of it trained", "head": "none of it trained"}
    for backbone in model.spec_.backbones:
        source = f"the weights of {str(backbone.weights).removeprefix('file:')}"
        extent = extents.get(backbone.trained, f"its last {backbone.trained} stages trained")
        if backbone.name != "pixels":
            yield f"{backbone.name}, from {sources.get(backbone.weights, source)}, {extent}"


def _training_data(model):
    data = model.training_data_
    n_images, n_validation = data["n_images"], data["n_validation_images"]
    yield f"{n_images:,} training images and {n_validation:,} validation images."
    counts = [(label, f"{n:,}") for label, n in data["class_counts"].items()]
    yield table(("class", "training images"), counts)
    yield (
        "SHA-256 of the decoded training images with their classes, independent of their order: "
        f"`{data['fingerprint']}`"
    )


def _training(model):
    kept = "the last epoch"
    if model.best_epoch_ < model.n_iter_:
        kept = f"epoch {model.best_epoch_}, the best on the validation images"
    epochs = "epoch" if model.n_iter_ == 1 else "epochs"
    yield f"{model.n_iter_} {epochs} on {model.device_}; the weights are those of {kept}."
    if hasattr(model, "adaptation_"):
        yield _adaptation(model.adaptation_)


def _adaptation(done):
    counts = [f"{as_text(label)} {n:,}" for label, n in done.n_labelled.items() if n]
    labels = f" ({', '.join(counts)})" if counts else ""
    n_labelled, n_unlabelled = sum(done.n_labelled.values()), done.n_unlabelled
    return (
        f"**Adapted** after the training to {n_labelled:,} labelled{labels} and {n_unlabelled:,} "
        f"unlabelled cells: {', '.join(map(as_text, done.steps)) or 'nothing was changed'}. "
        f"Reason: {as_text(done.reason)}."
    )


def _evaluation(reports, trained):
    if not reports:
        yield "**Not evaluated** on images that had no part in the training."
        yield from _validation(trained) if trained else ()
        return
    for name, report in reports.items():
        yield from () if name is None else [f"### {as_text(name)}"]
        yield textwrap.indent(str(report), "    ")  # a block of code, whatever labels hold


def _validation(model):
    scores = [
        f"{as_text(key.removeprefix('valid_'))} {value:.3f}"
        for key, value in model.history_[model.best_epoch_ - 1].items()
        if key.startswith("valid_") and isinstance(value, float)
    ]
    if scores:
        n = model.training_data_["n_validation_images"]
        yield (
            f"On the {n:,} validation images, in epoch {model.best_epoch_}: {', '.join(scores)}. "
            "Where early stopping chose the epoch by these scores, expect lower ones on other "
            "images."
        )


def _preprocessing(model):
    spec = model.spec_
    height, width, n_channels = spec.image_shape
    resized = f"{height} x {width} px (height x width), {spec.interpolation} with antialiasing"
    given = "{} x {} px (height x width), as given".format(*spec.input_shape)
    colors = {1: "gray", 3: "RGB"}.get(n_channels, f"{n_channels} channels")
    lines = {
        f"Pixels in 0..255 (uint8), or in 0..1 (float); {colors}.": True,
        f"Size: {given}.": spec.image_size is None,
        f"Cropped to {spec.crop:.4g} of each side, around the center.": spec.crop < 1,
        f"Extended by reflection to {spec.crop:.4g} times each side.": spec.crop > 1,
        f"Resized to {resized}.": spec.image_size is not None,
        "Divided by 255.": True,
    }
    if not spec.is_pixels:
        lines = {f"Rows of {height * width * n_channels} numbers.": True}
    for backbone, module in zip(spec.backbones, model.predictor_.network.backbones, strict=True):
        lines[_standardization(backbone, module.standardize)] = True
    views = f"Logits are averaged over {spec.dihedral_views} dihedral views of each image."
    lines[views] = spec.dihedral_views > 1
    yield bullets(line for line, holds in lines.items() if holds)


def _standardization(backbone, module):
    if backbone.standardize == "image":
        return "Each image standardized by its own darkest and brightest spot, per channel."
    if len(module.mean) > _MAX_CHANNELS:
        return f"Each of the {len(module.mean)} standardized by its mean and deviation in training."
    mean, std = (", ".join(f"{v:.4g}" for v in each.tolist()) for each in (module.mean, module.std))
    return f"Standardized per channel: mean {mean}; standard deviation {std}."


def _limits(model, trained):
    text = _LIMITS
    if hasattr(model, "classes_"):
        text += _CLASSIFIER_LIMITS.format(len(model.classes_))
        text += _PBC_LIMITS if sorted(map(str, model.classes_)) == _PBC else ""
    counts = [pair for each in trained for pair in each.training_data_["class_counts"].items()]
    if few := [f"{as_text(label)} ({n:,})" for label, n in counts if n < _FEW]:
        text += f"\n- It has seen few training images (fewer than {_FEW}) of {', '.join(few)}."
    return text


def _versions():
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    yield f"Written on {datetime.fromtimestamp(seconds, UTC).date()} (UTC) with"
    rows = [(package, version(package)) for package in _PACKAGES]
    yield table(("package", "version"), [("Python", platform.python_version()), *rows])
