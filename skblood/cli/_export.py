"""`skblood export`."""

from functools import partial
from pathlib import Path

from skblood.cli import _classifier, _output


def export(
    model: Path,
    out: Path,
    *,
    classes: str | None = None,
    prior: str | None = None,
    output: _output.Output,
):
    """Write a model as ONNX: uint8 pixels in, probabilities out, preprocessing included.

    ONNX Runtime checks the file against the model before it is written.

    Parameters
    ----------
    out : OUT.onnx
        The file to write.

    Examples
    --------
    skblood export cells.skblood cells.onnx
    """
    output.reserve(out)
    options = _classifier.Model(classes=classes, prior=prior, device="cpu")
    fitted = _classifier.load_model(str(model), options)
    from skblood.io import export_onnx

    difference = output.write(out, partial(export_onnx, fitted))
    document = {"path": str(out), "largest_difference": difference}
    output.show(document, f"{out}: differs from the model by {difference:.1e} at most.")
