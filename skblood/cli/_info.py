"""`skblood info`."""

from pathlib import Path
from types import SimpleNamespace

import typer

from skblood._writing import printable
from skblood.cli import _data, _output

_SCORES = ("accuracy", "balanced_accuracy", "f1_macro")


def info(model: Path, *, card: bool = False, as_json: bool = False):
    """Describe a model: its class, network, first weights, device, images, training data, scores.

    Parameters
    ----------
    card : bool
        Print the model card (Markdown).

    Examples
    --------
    skblood info cells.skblood
    skblood info cells.skblood --card > MODEL_CARD.md
    """
    if card and as_json:
        raise typer.BadParameter("--card prints Markdown, --json JSON: leave one of the two out.")
    file = _data.find_pretrained(model) or _data.existing(model)
    from skblood import io

    # The summary needs no torch.
    about = None if as_json else io.load_summary(file)
    about = about or io.load_info(file)
    if as_json:
        _output.show(about)
    elif card:
        _output.show(about["card"])
    else:
        _output.show("\n".join(printable(line, keep="") for line in _describe(file, about)))


def _describe(path, about):
    """Yield the lines that describe a model file."""
    size = path.expanduser().stat().st_size
    yield f"{path}: {about['class']}, {size / 1e6:.1f} MB, written by skblood {about['skblood']}"
    # Of a Pipeline, that of the step with attributes.
    steps = [about, *about.get("steps", ()), *about.get("estimators", ())]
    fitted = next((step for step in steps if "attributes" in step), {"attributes": {}})
    attributes = fitted["attributes"]
    if "image_shape_" in attributes:
        depth = fitted["spec"].get("bit_depth")
        bits = f", values of {depth} bits" if depth else ""
        yield "images      {} x {} px, {} channels".format(*attributes["image_shape_"]) + bits
    yield from _describe_network(fitted.get("spec", {}), attributes)
    if "training_data_" in attributes:
        data = attributes["training_data_"]
        counts = ", ".join(f"{label} {n:,}" for label, n in data["class_counts"].items())
        yield f"trained on  {data['n_images']:,} images: {counts}"
        if size := data.get("cell_size"):
            yield f"cells       fill {size:.2f} of the side"
        if n_validation := data["n_validation_images"]:
            yield f"validated   on {n_validation:,} images"
        # A note in place of the epochs is of a pretrained model, which no fit has trained.
        if " " not in attributes.get("fit_settings_", {}).get("max_epochs", ""):
            yield f"epoch       {attributes['best_epoch_']} of {attributes['n_iter_']}"
    if adaptation := attributes.get("adaptation_"):
        labeled = {label: n for label, n in adaptation["n_labelled"].items() if n}
        listed = ", ".join(f"{label} {n:,}" for label, n in labeled.items()) or "none"
        yield f"adapted     {' + '.join(adaptation['steps']) or 'unchanged'}"
        yield f"            labeled cells: {listed}; unlabeled: {adaptation['n_unlabelled']:,}"
    spec = fitted.get("spec", {})
    if (crop := spec.get("crop", 1)) != 1:
        yield f"crop        {crop:.4g} of each side"
    if spec.get("class_factors"):
        yield f"predicts    {_describe_prior(attributes, spec)}"
    reports = about["evaluation"] or {}
    is_single = isinstance(reports.get("n_images"), int)
    for name, report in ({"evaluated": reports} if is_single else reports).items():
        found = [each for each in _SCORES if each in report["scores"]]
        scores = ", ".join(f"{each} {_as_text(report['scores'][each])}" for each in found)
        yield f"{name:11} {report['n_images']:,} images: {scores}"
    yield "For research use: not a medical device. --card prints the model card."


def _describe_network(spec, attributes):
    """Yield the lines of the backbones with their first weights, and of the device."""
    from skblood.io import describe_backbone

    for backbone in spec.get("backbones", ()):
        yield f"network     {describe_backbone(backbone)}"
    if device := attributes.get("device_"):
        yield f"device      {device}, where it was trained"


def _describe_prior(attributes, spec):
    """Return the words for restrictions and prior, from what a file tells of a model."""
    import numpy as np

    from skblood.estimators import describe_prior

    factors = SimpleNamespace(class_factors=spec["class_factors"])
    model = SimpleNamespace(
        **attributes | {"classes_": np.array(spec["classes"]), "spec_": factors}
    )
    if adaptation := attributes.get("adaptation_"):
        model.adaptation_ = SimpleNamespace(**adaptation)
    return describe_prior(model)


def _as_text(estimate):
    """Return a score with its interval; what is undefined is blank."""
    ends = (estimate.get(end) for end in ("value", "low", "high"))
    return "{} [{}, {}]".format(*("" if end is None else f"{end:.3f}" for end in ends))
