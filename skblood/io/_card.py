"""The model card: a fitted model described in Markdown, from its spec and fitted attributes."""

import os
import platform
import re
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
# Confusions that are listed.
_MAX_CONFUSIONS = 5
# Channels whose statistics are given; more of them are the columns of a table.
_MAX_CHANNELS = 4
# Parameters that are the user's own paths or say nothing of the model; weights are in the spec.
_NOT_LISTED = {"memory", "verbose", "weights"}
# The address of an object, as its repr has it.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


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
    trained = [each for each in ours if hasattr(each, "training_data_")]
    parts = [_head(model, ours), "## Model", *_steps(model, steps), *_of_each(_model, ours)]
    if trained:
        parts += ["## Training data", *_of_each(_training_data, trained)]
        parts += ["## Training", *_of_each(_training, trained)]
    if hasattr(model, "classes_"):
        last = steps[-1] if steps[-1] in trained else None
        parts += ["## Evaluation", *_evaluation(reports, last)]
    if ours:
        parts += ["## Preprocessing", *_of_each(_preprocessing, ours)]
    parts += ["## Intended use and limits", bullets(_limits(model, trained))]
    parts += ["## Versions", *_versions()]
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


def _named_reports(evaluation):
    if evaluation is None:
        return {}
    reports = evaluation if isinstance(evaluation, Mapping) else {None: evaluation}
    for report in reports.values():
        if not isinstance(report, EvaluationReport):
            raise TypeError(
                "evaluation must be an EvaluationReport, as skblood.evaluation.evaluate returns "
                f"it, or a dict of them by name; got {type(report).__name__}."
            )
    return reports


def _head(model, ours):
    sees_images = bool(ours) and ours[0].spec_.is_pixels
    if hasattr(model, "classes_"):
        task = "image-classification" if sees_images else "tabular-classification"
        does = f"classifies {{}} into {len(model.classes_)} classes"
    else:
        task = "image-feature-extraction" if sees_images else "feature-extraction"
        does = "turns {} into features"
    what = "images of single blood cells" if sees_images else "rows of numbers"
    return (
        f"---\nlibrary_name: skblood\npipeline_tag: {task}\n---\n\n"
        f"# Model card: {type(model).__name__}\n\n"
        f"It {does.format(what)}. For research use; not a medical device."
    )


def _steps(model, steps):
    if isinstance(model, Pipeline):
        names = (step if isinstance(step, str) else type(step).__name__ for step in steps)
        yield f"A {type(model).__name__} of {', '.join(map(as_text, names))}."
    if hasattr(model, "classes_"):
        yield f"Its classes are {', '.join(map(as_text, model.classes_))}."


def _model(ours):
    size = sum(each.numel() for each in ours.predictor_.network.parameters())
    rows = [("estimator", type(ours).__name__)]
    rows += [("backbone", text) for text in _backbones(ours)]
    rows += [("parameters of the network", f"{size:,}")]
    yield table(("what", "value"), rows)
    given, defaults = ours.get_params(deep=False), type(ours)().get_params(deep=False)
    settings = [
        (name, _ADDRESS.sub("", repr(value)))
        for name, value in given.items()
        if name not in _NOT_LISTED and repr(value) != repr(defaults[name])
    ]
    if settings:
        yield "Parameters for the next fit that are not the defaults of this version:"
        yield table(("parameter", "value"), settings)
    else:
        yield "All parameters for the next fit are the defaults of this version."


def _backbones(ours):
    sources = {None: "random weights", "default": "its published weights"}
    sources["pbc"] = "the pretrained weights pbc"
    extents = {"all": "all of it trained", "head": "none of it trained"}
    if any("contrastive" in epoch.values() for epoch in getattr(ours, "history_", ())):
        extents["head"] = "trained by contrastive learning, then frozen"
    for backbone in ours.spec_.backbones:
        if backbone.name == "pixels":
            continue
        source = f"the weights of {str(backbone.weights).removeprefix('file:')}"
        extent = extents.get(backbone.trained, f"its last {backbone.trained} stages trained")
        yield f"{backbone.name}, from {sources.get(backbone.weights, source)}, {extent}"


def _training_data(ours):
    data = ours.training_data_
    yield (
        f"{data['n_images']:,} training images and {data['n_validation_images']:,} validation "
        "images."
    )
    counts = data["class_counts"].items()
    yield table(("class", "training images"), [(label, f"{n:,}") for label, n in counts])
    yield (
        "SHA-256 of the decoded training images with their classes, independent of their order: "
        f"`{data['fingerprint']}`"
    )


def _training(ours):
    kept = "the last epoch"
    if ours.best_epoch_ < ours.n_iter_:
        kept = f"epoch {ours.best_epoch_}, the best on the validation images"
    epochs = "epoch" if ours.n_iter_ == 1 else "epochs"
    yield f"{ours.n_iter_} {epochs} on {ours.device_}; the weights are those of {kept}."
    if hasattr(ours, "adaptation_"):
        yield _adaptation(ours.adaptation_)


def _adaptation(done):
    labels = [f"{as_text(label)} {n:,}" for label, n in done.n_labelled.items() if n]
    cells = f"{sum(done.n_labelled.values()):,} labelled cells"
    cells += f" ({', '.join(labels)})" if labels else ""
    cells += f" and {done.n_unlabelled:,} unlabelled ones"
    if not done.steps:
        return f"An adaptation to {cells} changed nothing: {as_text(done.reason)}."
    steps = ", ".join(map(as_text, done.steps))
    return f"**Adapted** after the training to {cells}, by {steps}. Reason: {as_text(done.reason)}."


def _evaluation(reports, trained):
    if not reports:
        yield "**Not evaluated** on images that had no part in the training."
        if trained is not None:
            yield from _validation(trained)
    for name, report in reports.items():
        if name is not None:
            yield f"### {as_text(name)}"
        yield from _report(report)


def _validation(ours):
    scores = [
        f"{as_text(key.removeprefix('valid_'))} {value:.3f}"
        for key, value in ours.history_[ours.best_epoch_ - 1].items()
        if key.startswith("valid_") and isinstance(value, float)
    ]
    if scores:
        n = ours.training_data_["n_validation_images"]
        yield (
            f"On the {n:,} validation images, in epoch {ours.best_epoch_}: {', '.join(scores)}. "
            "Where early stopping chose the epoch by these scores, expect lower ones on other "
            "images."
        )


def _report(report):
    per = f" of {report.n_groups:,} groups" if report.n_groups else ""
    level = f"{100 * report.confidence_level:.4g}% interval"
    yield f"{report.n_images:,} images{per}."
    yield table(
        ("score", "value", level),
        [(name, *_cells(estimate)) for name, estimate in report.scores.items()],
    )
    heads = [head for name in report.class_scores for head in (name, level)]
    each = zip(report.classes, report.support, *report.class_scores.values(), strict=True)
    yield table(
        ("class", "images", *heads),
        [
            (label, f"{n:,}", *(cell for estimate in estimates for cell in _cells(estimate)))
            for label, n, *estimates in each
        ],
    )
    if report.confusions:
        yield "Most frequent confusions:"
        yield bullets(
            f"{each.count:,} {as_text(each.true)} ({each.share:.1%}) taken for "
            f"{as_text(each.predicted)}"
            for each in report.confusions[:_MAX_CONFUSIONS]
        )


def _cells(estimate):
    value, _, interval = str(estimate).partition(" ")
    return value, interval.strip("[]").replace(", ", " to ")


def _preprocessing(ours):
    spec = ours.spec_
    height, width, n_channels = spec.image_shape
    items = [f"Rows of {n_channels * height * width} numbers."]
    if spec.is_pixels:
        colors = {1: "gray", 3: "RGB"}.get(n_channels, f"{n_channels} channels")
        items = [f"Pixels in 0..255 (uint8), or in 0..1 (float); {colors}."]
        if spec.image_size is None:
            items += ["Size: {} x {} px (height x width), as given.".format(*spec.input_shape)]
        if spec.crop < 1:
            items += [f"Cropped to {spec.crop:.4g} of each side, around the center."]
        elif spec.crop > 1:
            items += [f"Extended by reflection to {spec.crop:.4g} times each side."]
        if spec.image_size is not None:
            items += [
                f"Resized to {height} x {width} px (height x width), {spec.interpolation} with "
                "antialiasing."
            ]
        items += ["Divided by 255."]
    modules = ours.predictor_.network.backbones
    items += map(_standardization, spec.backbones, (each.standardize for each in modules))
    if spec.dihedral_views > 1:
        items += [f"Logits are averaged over {spec.dihedral_views} dihedral views of each image."]
    yield bullets(dict.fromkeys(items))


def _standardization(backbone, module):
    if backbone.standardize == "image":
        return "Each image standardized by its own darkest and brightest spot, per channel."
    n_channels = len(module.mean)
    if n_channels > _MAX_CHANNELS:
        return f"Each of the {n_channels} standardized by its mean and deviation in training."
    mean, std = (
        ", ".join(f"{value:.4g}" for value in values.tolist())
        for values in (module.mean, module.std)
    )
    return f"Standardized per channel: mean {mean}; standard deviation {std}."


def _limits(model, trained):
    yield (
        "For research use. It is not a medical device, and nothing here shows that it is fit for "
        "diagnosis."
    )
    yield (
        "It is for images like its training images. Another laboratory, stain, microscope, camera "
        "or crop can lower every score: evaluate it on images from there first."
    )
    if hasattr(model, "classes_"):
        yield (
            f"It knows {len(model.classes_)} classes and assigns one of them to every image, even "
            "to a cell of another kind, two cells, or none."
        )
        yield (
            "Trust its probabilities only as far as an evaluation supports them, on images like "
            "those of the evaluation."
        )
        if sorted(map(str, model.classes_)) == _PBC:
            yield (
                "Its classes are those of PBC and BloodMNIST. BloodMNIST is made of the images of "
                "PBC: a model trained on one has seen test images of the other."
            )
    counts = [pair for each in trained for pair in each.training_data_["class_counts"].items()]
    few = [f"{as_text(label)} ({n:,})" for label, n in counts if n < _FEW]
    if few:
        yield f"It has seen few training images (fewer than {_FEW}) of {', '.join(few)}."


def _versions():
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    yield f"Written on {datetime.fromtimestamp(seconds, UTC).date()} (UTC) with"
    rows = [(package, version(package)) for package in _PACKAGES]
    yield table(("package", "version"), [("Python", platform.python_version()), *rows])
