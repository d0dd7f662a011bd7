"""`skblood report`."""

from pathlib import Path

import typer

from skblood.cli import _classifier, _data, _evaluate, _output

# Accuracy from which on the probabilities of a model tell label errors.
_TRUSTED = 0.9


def report(
    words: list[str],
    *,
    out: Path,
    split: str | None = None,
    leave_out: str | None = None,
    errors: int = 24,
    no_audit: bool = False,
    title: str | None = None,
    shares: str | None = None,
    options: _classifier.Model,
    output: _output.Output,
    table: _data.Table,
):
    """Write the evaluation of a model and the audit of its images as one HTML page.

    The page has scores with intervals, the confusion matrix, calibration, accuracy against
    coverage, the accuracy of each slide or patient, wrong predictions with their pictures, the
    findings of the audit, and the model card. It is one file that needs no network. If DATA has the
    parts train, val and test, the test part is used, and the audit takes all parts.

    Parameters
    ----------
    words : [MODEL] DATA
        A model file; by default, the pretrained model. Then the data, as for `skblood evaluate`.
    out : FILE.html
        The page to write.
    split : NAME
        Part to evaluate on, or all; by default, test.
    errors : NUMBER
        Wrong predictions that are shown at most, the surest first.
    no_audit : bool
        Leave the audit out, whose time grows with the square of the number of images.
    title : TEXT
        Heading of the page.
    shares : SHARES
        Report the accuracy at these class shares, too, written as those of --prior; by default, at
        those of the prior.

    Examples
    --------
    skblood report cells.skblood cells/ --out report.html
    skblood report other-lab.csv --group-column slide --out report.html
    """
    model, data = _evaluate.split_words(words, "report", table)
    if errors < 0:
        raise typer.BadParameter(f"must be at least 0, not {errors}.", param_hint="--errors")
    output.reserve_table(out, suffixes=(".html", ".htm"))
    from skblood._plotting import import_pyplot
    from skblood.io import model_card

    import_pyplot("skblood report")  # fails now, not after the prediction
    classifier = _classifier.load_classifier(model, options)
    all_cells = _data.read_cells(data, table)
    cells = _evaluate.select_cells(all_cells, split, leave_out, options.on_error)
    classifier = _classifier.take_frame(classifier, options.frame, cells.X)
    evaluation = _evaluate.score(classifier, cells, shares)
    evaluation.model = {"model": model or classifier.weights, **evaluation.model}
    # Of a model that is often wrong, as in another laboratory, most are its own errors.
    knows_labels = evaluation.scores["accuracy"].value >= _TRUSTED
    trusted = evaluation.cells if knows_labels and len(cells.X) == len(all_cells.X) else None
    audit = None if no_audit else _audit(classifier, all_cells, trusted)
    page = {"n_errors": errors, "audit": audit, "card": model_card(classifier)}
    page = evaluation.to_html(**page, title=title or f"Evaluation on {data}")
    output.write_content(out, page, "the page is written.")
    output.show({"path": str(out), **evaluation.to_dict()}, evaluation)


def _audit(classifier, cells, predictions):
    """Return the audit of all parts, which looks for label errors by predictions of all cells."""
    from skblood.auditing import audit
    from skblood.streaming import find_reader

    _output.say(f"{cells.source}: audit of {len(cells.X):,} images.")
    _, reader = find_reader(classifier)
    knows_size = getattr(reader, "training_data_", {}).get("cell_size")
    given = {"split": cells.split, "groups": cells.groups, "model": reader if knows_size else None}
    if predictions is not None:
        probabilities = predictions[[f"p_{each}" for each in classifier.classes_]].to_numpy()
        given |= {"model": classifier, "probabilities": probabilities}
    return audit(cells.X, cells.y, **given)
