"""`skblood export` and `skblood info`."""

from pathlib import Path
from typing import Annotated

import typer

from skblood.cli._options import AsJson, Model, Overwrite
from skblood.cli._output import check_new, print_json


def export(
    model: Model,
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    as_json: AsJson = False,
    overwrite: Overwrite = False,
):
    """Write a model as ONNX: uint8 pixels in, probabilities out, preprocessing within.

    The file is checked against the model by ONNX Runtime before it is written.

    Examples
    --------
    skblood export cells.skblood cells.onnx
    """
    import skblood

    check_new([out], overwrite)
    fitted = skblood.load(model, device="cpu")
    out.expanduser().parent.mkdir(parents=True, exist_ok=True)
    difference = skblood.export_onnx(fitted, out)
    if as_json:
        print_json({"path": str(out), "largest_difference": difference})
    else:
        print(f"{out}: differs from the model by {difference:.1e} at most.")


def info(
    model: Model,
    card: Annotated[bool, typer.Option("--card", help="Print the model card, Markdown.")] = False,
    as_json: AsJson = False,
):
    """Say what a model is, what it was trained on, and how good it was found to be.

    Examples
    --------
    skblood info cells.skblood
    skblood info cells.skblood --card > MODEL_CARD.md
    """
    import skblood

    if card and as_json:
        raise typer.BadParameter("--card prints Markdown; leave one of the two out.")
    about = skblood.load_info(model)
    if as_json:
        print_json(about)
    elif card:
        print(about["card"])
    else:
        print("\n".join(_summary(model, about)))


def _summary(path, about):
    """Yield the lines that tell a person what is in a model file."""
    size = path.expanduser().stat().st_size
    yield f"{path}: {about['class']}, {size / 1e6:.1f} MB, written by skblood {about['skblood']}"
    # Of a Pipeline, what is ours is one of its steps.
    ours = next((s for s in about.get("steps", ()) if "attributes" in s), about)
    attributes = ours.get("attributes", {})
    if "image_shape_" in attributes:
        height, width, channels = attributes["image_shape_"]
        yield f"images      {height} x {width} px, {channels} channels"
    if "training_data_" in attributes:
        data = attributes["training_data_"]
        counts = ", ".join(f"{label} {n:,}" for label, n in data["class_counts"].items())
        yield f"trained on  {data['n_images']:,} images: {counts}"
        yield f"validated   on {data['n_validation_images']:,} images"
        yield f"epoch       {attributes['best_epoch_']} of {attributes['n_iter_']}"
    for name, report in _reports(about["evaluation"]):
        shown = ("accuracy", "balanced_accuracy", "f1_macro")
        scores = ", ".join(f"{each} {_interval(report['scores'][each])}" for each in shown)
        yield f"{name:11} {report['n_images']:,} images: {scores}"
    yield "For research use: no medical device. --card prints the model card."


def _reports(evaluation):
    """Return the evaluations by name."""
    if evaluation is None:
        return []
    return [("evaluated", evaluation)] if "scores" in evaluation else evaluation.items()


def _interval(estimate):
    return "{value:.3f} [{low:.3f}, {high:.3f}]".format(**estimate)
