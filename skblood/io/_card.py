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

from skblood._writing import printable
from skblood.estimators import describe_prior, given_factors
from skblood.evaluation import EvaluationReport
from skblood.pretrained import ATTRIBUTIONS, pretrained_weights

from ._pipelines import find_fitted

_PACKAGES = ("skblood", "torch", "timm", "torchvision", "scikit-learn", "numpy", "pillow")
_PBC = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()
# A class with fewer training images is named among the limits.
_FEW = 50
# Characters that Markdown or HTML would interpret, and those by which text becomes a link; an
# underscore inside a word is not one.
_NUMBER = re.compile(r"\d+\.\d{5,}")
_MARKS = re.compile(r"[\\|<>*`\[\]&~$@]|:(?=//)|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])", re.I)

_HEAD = """---
library_name: skblood
pipeline_tag: {task}
---

# Model card: {name}

{parts}It {does}. For research use; not a medical device."""
_LIMITS = """\
- It is for images like its training images. Another laboratory, stain, microscope, camera or crop
  can lower every score: evaluate it on images from there first."""
_CLASSIFIER_LIMITS = """
- It assigns one of {} to every image, even to a cell of another kind, two cells, or
  none. Trust its probabilities only as far as an evaluation on such images supports them."""
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
    sections = {
        "Model": _of_each(_model, estimators),
        "Training data": _of_each(_training_data, trained),
        "Training": _of_each(_training, trained),
        "Evaluation": _evaluation(reports) if hasattr(model, "classes_") else [],
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
    names = pretrained_weights(b for each in estimators for b in each.spec_.backbones)
    return "\n\n".join(ATTRIBUTIONS[name] for name in names)


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
    what, kinds = "rows of numbers", ("tabular-classification", "feature-extraction")
    if estimators and estimators[0].spec_.is_pixels:
        what = "images of single blood cells"
        kinds = ("image-classification", "image-feature-extraction")
    task, does = kinds[1], f"turns {what} into features"
    if hasattr(model, "classes_"):
        n_classes, possible = f"{len(model.classes_)} classes", _possible(model)
        if len(possible) < len(model.classes_):
            n_classes = f"{len(possible)} of its {n_classes}"
        task, does = kinds[0], f"classifies {what} into {n_classes}: {_join(possible)}"
    name = type(model).__name__
    steps = [type(step).__name__ for _, step in getattr(model, "steps", ())]
    parts = f"A {name} of {_join(steps)}. " if steps else ""
    return _HEAD.format(task=task, name=name, parts=parts, does=does)


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
    rows += [
        (f"parameter {name}", _NUMBER.sub(lambda found: f"{float(found[0]):.4g}", value))
        for name, value in model.fit_settings_.items()
        if value not in (defaults.get(name, value), _other_training(model))
    ]
    unlisted = "Parameters of the fit that are not listed are the defaults of this version."
    prior = describe_prior(model)
    return [_table(("what", "value"), rows), unlisted, *([f"**{_as_text(prior)}**"] * bool(prior))]


def _other_training(model):
    """Return what stands for the number of epochs of a model that no `fit` has trained, or None."""
    epochs = model.fit_settings_.get("max_epochs", "")
    return epochs if " " in epochs else None


def _training_data(model):
    data = model.training_data_
    numbers = "{n_images:,} training images and {n_validation_images:,} validation images."
    if not data["n_validation_images"]:
        numbers = "{n_images:,} training images."
    counts = ((label, f"{n:,}") for label, n in data["class_counts"].items())
    digest = "SHA-256 of the decoded training images with their classes, in any order: "
    counted = _table(("class", "training images"), counts)
    return [numbers.format(**data), counted, digest + _as_text(data["fingerprint"])]


def _training(model):
    kept = "the last epoch"
    if model.best_epoch_ < model.n_iter_:
        kept = f"epoch {model.best_epoch_}, the best on the validation images"
    text = f"Epochs: {model.n_iter_}, on {model.device_}; the weights are those of {kept}."
    if other := _other_training(model):
        text = f"{other[0].upper()}{other[1:]}."
    scores = [
        f"{name.removeprefix('valid_')} {value:.3f}"
        for name, value in model.history_[model.best_epoch_ - 1].items()
        if name.startswith("valid_") and isinstance(value, float)
    ]
    if scores:
        text += f" On the validation images it had {', '.join(scores)}; expect less on others."
    if not hasattr(model, "adaptation_"):
        return [_as_text(text)]
    account = textwrap.indent(str(model.adaptation_), "    ")  # its columns stay in line
    return [_as_text(text), "**Adapted** after the training:", account]


def _evaluation(reports):
    if not reports:
        return ["**Not evaluated** on images that had no part in the training."]
    paragraphs = []
    for name, report in reports.items():
        paragraphs += [] if name is None else [f"### {_as_text(name)}"]
        # A block of code, whatever labels hold.
        paragraphs.append(textwrap.indent(str(report), "    "))
    return paragraphs


def _preprocessing(model):
    spec = model.spec_
    height, width, n_channels = spec.image_shape
    colors = {1: "gray", 3: "RGB"}.get(n_channels, f"{n_channels} channels")
    lines = [f"Pixels in 0..255 (uint8), or in 0..1 (float); {colors}."]
    if spec.bit_depth is not None:
        lines.append(f"Files of more than 8 bits: values of {spec.bit_depth} bits.")
    if spec.crop != 1:
        done = "Cropped" if spec.crop < 1 else "Extended by reflection"
        lines.append(f"{done} to {spec.crop:.4g} times each side, around the center.")
    how = f"resized ({spec.interpolation})" if spec.image_size else "not resized"
    lines += [f"Size: {height} x {width} px (height x width), {how}.", "Divided by 255."]
    if not spec.is_pixels:
        lines = [f"Rows of {math.prod(spec.image_shape)} numbers."]
    for backbone, module in zip(spec.backbones, model.predictor_.network.backbones, strict=True):
        mean, std = (_numbers(getattr(module.standardize, name)) for name in ("mean", "std"))
        line = f"Standardized per channel: mean {mean}; standard deviation {std}."
        if backbone.standardize == "image":
            line = "Each image standardized by its darkest and brightest spot, per channel."
        lines += [line] if line not in lines else []
    if size := getattr(model, "training_data_", {}).get("cell_size"):
        lines.append(
            f"Expects cells that fill {size:.2f} of the side after the crop (median of the white "
            "cells of the training; geometric mean of the diameters of nucleus and cell)."
        )
    if spec != spec.with_one_view():
        crops = ", ".join(f"{crop:g}" for crop in spec.view_crops)
        lines.append(
            f"Logits are averaged over {spec.dihedral_views} dihedral views of each image"
            + (f", at {crops} of its side." if spec.view_crops != (1.0,) else ".")
        )
    return ["\n".join(f"- {line}" for line in lines)]


def _numbers(tensor):
    """Return the values as text; of many, the first and the last."""
    return np.array2string(tensor.cpu().numpy(), precision=4, separator=", ", threshold=6)


def _limits(model, trained):
    text = _LIMITS
    if hasattr(model, "classes_"):
        possible = _possible(model)
        n_classes = f"its {len(possible)} classes"
        if len(possible) < len(model.classes_):
            n_classes = f"the {len(possible)} classes named above"
        text += _CLASSIFIER_LIMITS.format(n_classes)
        text += _PBC_LIMITS if sorted(map(str, model.classes_)) == _PBC else ""
    counts = [pair for each in trained for pair in each.training_data_["class_counts"].items()]
    if few := [f"{_as_text(label)} ({n:,})" for label, n in counts if n < _FEW]:
        text += f"\n- It has seen few training images (fewer than {_FEW}) of {', '.join(few)}."
    return text


def _possible(model):
    """Return the classes that are predicted."""
    factors = given_factors(model)
    return model.classes_ if factors is None else np.asarray(model.classes_)[factors > 0]


def read_versions():
    """Return the versions of what computes, by name."""
    return {"Python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _versions():
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    written = f"Written on {datetime.fromtimestamp(seconds, UTC).date()} (UTC) with"
    return [written, _table(("package", "version"), read_versions().items())]
