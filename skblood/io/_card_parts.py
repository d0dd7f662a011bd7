"""The parts of a model card that are read off the model and its evaluation.

Each function gives the paragraphs, lists and tables of one section.
"""

import os
import re

from sklearn.pipeline import Pipeline

from skblood.io._markdown import as_text, bullets, table
from skblood.networks import ImageStandardize, resolve_weights

# Parameters that say where and how a fit ran, not what the model is, and are the user's own paths;
# and the weights, which are told with the backbones.
_NO_SETTINGS = {"checkpoint", "memory", "verbose", "weights"}
# Where an object lies in memory, as its repr has it.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Confusions that are named.
_MAX_CONFUSIONS = 5
# Channels whose statistics are given; more are the columns of a table.
_MAX_CHANNELS = 4


def describe_steps(model, steps):
    """Name the steps of a Pipeline, and the classes of a classifier."""
    if isinstance(model, Pipeline):
        names = (step if isinstance(step, str) else type(step).__name__ for step in steps)
        yield f"A {type(model).__name__} of {', '.join(map(as_text, names))}."
    if hasattr(model, "classes_"):
        yield f"Its classes are {', '.join(map(as_text, model.classes_))}."


def describe_model(ours):
    """Say what an estimator is made of."""
    size = sum(each.numel() for each in ours._network.parameters())
    rows = [("estimator", type(ours).__name__)]
    rows += [("backbone", text) for text in _backbones(ours)]
    rows += [("parameters of the network", f"{size:,}")]
    yield table(("what", "value"), rows)
    settings = _settings(ours)
    if settings:
        yield "Settings that are not the defaults of this version:"
        yield table(("parameter", "value"), settings)
    else:
        yield "All settings are the defaults of this version."


def describe_data(ours):
    """Say what it was trained on."""
    data = ours.training_data_
    yield (
        f"{data['n_images']:,} images to train on, {data['n_validation_images']:,} others to "
        "validate on."
    )
    counts = data["class_counts"].items()
    yield table(("class", "training images"), [(label, f"{n:,}") for label, n in counts])
    yield (
        "SHA-256 of the decoded training images with their classes, which does not depend on "
        f"their order: `{data['fingerprint']}`"
    )


def describe_training(ours):
    """Say how it was trained."""
    if _chose_epoch(ours):
        kept = f"epoch {ours.best_epoch_}, the best on the validation images"
    else:
        kept = "the last epoch"
    epochs = "epoch" if ours.n_iter_ == 1 else "epochs"
    yield (
        f"{ours.n_iter_} {epochs} on {ours.device_}, in batches of {ours.batch_size}; the weights "
        f"are those of {kept}."
    )


def describe_evaluation(reports, trained):
    """Give the scores with their intervals; without reports, those in training, if there were."""
    if not reports:
        yield "**Not evaluated** on images that had no part in the training."
        if trained is not None:
            yield from _validation(trained)
    for name, report in reports.items():
        if name is not None:
            yield f"### {as_text(name)}"
        yield from _report(report)


def describe_preprocessing(ours):
    """Say what is done with images before the network sees them."""
    height, width, n_channels = ours._given_shape
    if ours._is_pixels:
        colour = {1: "gray", 3: "RGB"}.get(n_channels, f"{n_channels} channels")
        items = [f"Pixels in 0..255 (uint8), or in 0..1 (float); {colour}."]
        cropped = [] if ours.crop_ == 1 else [_describe_crop(ours.crop_)]
        if ours.image_size_ is None:
            items += [f"Size: {height} x {width} px (height x width), as they come.", *cropped]
        else:
            items += [
                *cropped,
                f"Resized to {height} x {width} px (height x width), {ours.interpolation} with "
                "antialiasing.",
            ]
        items += ["Divided by 255."]
    else:
        items = [f"Rows of {n_channels} numbers."]
    items += [_standardisation(backbone.standardize) for backbone in ours._network.backbones]
    yield bullets(dict.fromkeys(items))


def _describe_crop(crop):
    if crop < 1:
        return f"Cropped to {crop:.4g} of each side, around the centre."
    return f"Continued by its mirror images to {crop:.4g} times each side, around the centre."


def _backbones(ours):
    names = ours._backbone_names()
    if not names:
        return
    # What the fit did: the backbones of a fitted model may be frozen since.
    weights = _one_for_each(names, ours.weights)
    trainable = _one_for_each(names, getattr(ours, "trainable", "head"))
    extents = {"all": "all of it trained", "head": "none of it trained"}
    for name, start, extent in zip(names, weights, trainable, strict=True):
        start = resolve_weights(name, start)
        if start is None:
            source = "random weights"
        elif start == "default":
            source = "its published weights"
        else:
            source = f"the weights of {os.path.basename(start)}"
        yield f"{name}, from {source}, {extents.get(extent, f'its last {extent} stages trained')}"


def _one_for_each(names, value):
    is_one = isinstance(value, str) or not hasattr(value, "__len__")
    return [value] * len(names) if is_one else value


def _settings(ours):
    """Return the parameters that are not the defaults."""
    given, defaults = ours.get_params(deep=False), type(ours)().get_params(deep=False)
    return [
        (name, _ADDRESS.sub("", repr(value)))
        for name, value in given.items()
        if name not in _NO_SETTINGS and repr(value) != repr(defaults[name])
    ]


def _chose_epoch(ours):
    # partial_fit keeps the weights of its last call.
    return ours.early_stopping and not ours._online


def _validation(ours):
    row = ours.history_[ours.best_epoch_ - 1]
    scores = {
        key.removeprefix("valid_"): value
        for key, value in row.items()
        if key.startswith("valid_") and isinstance(value, float)
    }
    if not scores:
        return
    shown = ", ".join(f"{as_text(name)} {value:.3f}" for name, value in scores.items())
    n = ours.training_data_["n_validation_images"]
    text = f"On the {n:,} validation images, in epoch {ours.best_epoch_}: {shown}."
    if _chose_epoch(ours):
        text += (
            " The epoch was chosen for its score on these very images, so that other images can "
            "be expected to score lower."
        )
    yield text


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


def _standardisation(standardize):
    if isinstance(standardize, ImageStandardize):
        return "Each image standardised by its own darkest and brightest spot, per channel."
    n_channels = len(standardize.mean)
    if n_channels > _MAX_CHANNELS:
        return f"Each of the {n_channels} standardised by its mean and deviation in training."
    mean, std = (
        ", ".join(f"{value:.4g}" for value in values.tolist())
        for values in (standardize.mean, standardize.std)
    )
    return f"Standardised per channel: mean {mean}; standard deviation {std}."
