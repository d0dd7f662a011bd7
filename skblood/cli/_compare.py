"""`skblood compare`."""

import os
from pathlib import Path

import typer

from skblood.cli import _classifier, _data, _evaluate, _output


def compare(
    words: list[str],
    *,
    split: str | None = None,
    leave_out: str | None = None,
    out: Path | None = None,
    options: _classifier.Model,
    output: _output.Output,
    table: _data.Table,
):
    """Compare models on the same images, with intervals of the differences of their scores.

    Prints the scores of each model and, of each pair, the differences with their intervals, on how
    many images only one of both is right, and the p-value of McNemar's test. With groups, intervals
    and p-values hold for new slides or patients. If DATA has the parts train, val and test, the
    test part is used. --crop, --frame, --classes and --prior are those of all models: a model that
    was adapted to a laboratory is compared with the one before in the same frame.

    Parameters
    ----------
    words : MODELS DATA
        Two or more model files, or names of pretrained models, then the data: a folder with one
        subfolder per class, a table with the columns path and label, an npz file or the name of
        a dataset. Or only tables of predictions: predictions.csv of `skblood evaluate --out`, or,
        of `skblood predict`, a table or folder whose true labels --label-column names.
    split : NAME
        Part of DATA to compare on, or all; by default, test.
    out : FILE
        A .csv or .parquet file to write: the differences over all images, by class and by group.

    Examples
    --------
    skblood compare pbc8 cells.skblood cells/
    skblood compare blood8-2 ours.skblood unseen.csv --group-column slide --frame auto
    skblood compare old.skblood new.skblood cells.csv --group-column slide --out differences.csv
    skblood compare old/predictions.csv new/predictions.csv
    skblood compare old/ new.parquet --label-column given_label
    """
    output.reserve_table(out)
    are_tables = all(_data.is_table(Path(word).expanduser()) for word in words)
    if len(words) < 3 - are_tables:
        raise typer.BadParameter(
            "name two or more models and DATA, or two or more tables of predictions."
        )
    if are_tables and (split or options.settings or options.frame):
        raise typer.BadParameter(
            "tables of predictions have no parts, frame or prior: leave --split, --crop, --frame, "
            "--classes and --prior out, or name models and DATA."
        )
    *models, data = words
    for word in words if are_tables else models:
        if are_tables or not _data.find_pretrained(word):
            _data.existing(word, "table" if are_tables else "model file")
    if not are_tables:
        _data.check_source(data, table)
    else:
        labels = "true" if table.label_column == "label" else table.label_column
        groups = [table.group_column] if table.group_column else []
        _data.check_columns(words, ["path", labels, "label", *groups])
    import pandas as pd

    from skblood.evaluation import compare_models

    if are_tables:
        reports = [_read_report(word, labels, groups) for word in words]
    else:
        cells = _data.read_cells(data, table)
        cells = _evaluate.select_cells(cells, split, leave_out, options.on_error)
        loaded = [_classifier.load_classifier(model, options) for model in models]
        loaded = [_classifier.take_frame(model, options.frame, cells.X) for model in loaded]
        reports = [_evaluate.score(model, cells) for model in loaded]
    names = words if are_tables else models
    # The files of `skblood evaluate` have one name: their folders tell them apart.
    short = [Path(name).stem for name in names], [Path(name).parent.name for name in names]
    names = next((each for each in short if len({*each}) == len(names)), names)
    comparison = compare_models(*reports, names=names)
    frames = [comparison.differences, comparison.by_group]
    if out is not None:
        output.write_table(out, pd.concat(frames, ignore_index=True), "differences are written.")
    document = {"n_images": comparison.n_images, "n_groups": comparison.n_groups}
    document["scores"] = comparison.scores.reset_index().to_dict("records")
    rows = [[] if frame is None else frame.to_dict("records") for frame in frames]
    output.show({**document, "differences": rows[0], "by_group": rows[1]}, comparison)


def _read_report(path, labels, groups):
    """Return the report of a table of predictions, by its columns of true labels and groups."""
    from skblood.datasets import read_table
    from skblood.evaluation import EvaluationReport

    folder = _data.table_folder(path)
    frame = read_table(path, ["path", labels, "label", *groups])
    names = [os.path.abspath(folder / name) for name in frame["path"]]
    about = {"groups": frame[groups[0]] if groups else None, "names": names}
    return EvaluationReport.from_predictions(frame[labels], frame["label"], **about)
