"""`skblood export`."""

from functools import partial
from pathlib import Path

from skblood.cli import _classifier, _output, _settings


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
    settings = _settings.parse_prior(classes, prior)
    fitted = _classifier.load_model(str(model), "cpu")
    from skblood.estimators import reconfigure
    from skblood.io import export_onnx

    fitted = reconfigure(fitted, **settings) if settings else fitted
    difference = output.write(out, partial(export_onnx, fitted))
    document = {"path": str(out), "largest_difference": difference}
    output.show(document, f"{out}: differs from the model by {difference:.1e} at most.")
