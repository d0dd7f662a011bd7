"""`skblood count`."""

import glob
import os
from itertools import takewhile
from pathlib import Path

import typer

from skblood._writing import NO_CLASS, list_some
from skblood.cli import _batches, _classifier, _data, _output, _settings

_SUFFIXES = (".html", ".csv", ".fhir.json")


def count(
    words: list[str],
    *,
    model: str | None = None,
    corrections: Path | None = None,
    group_column: str | None = None,
    patient_column: str | None = None,
    min_probability: float = 0.0,
    rules: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    path_column: str = "path",
    output: _output.Output,
):
    """Count the cells of each slide: a differential count in clinical order, to review and sign.

    White cells are given in whole percents that sum to 100, with intervals, nucleated red cells
    per 100 white cells, platelets apart; rejected cells, and those decided by a reader, are
    counted apart. Rules name the slides that need a manual look. --out writes count.html, count.csv
    and count.fhir.json (FHIR R4 with LOINC codes), and patients.* if a patient has several slides.

    Parameters
    ----------
    words : PREDICTIONS or [MODEL] CELLS
        A table or folder written by `skblood predict` or `skblood evaluate`, or the corrections.csv
        of a review or the labeled table of `skblood query`, whose labels are those of a reader. Or
        images to predict first: a folder, an image, a pattern, a table with the column path, or
        an npz file, after the model that predicts them (by default, the pretrained one). For other
        options of the prediction, such as --frame auto, predict them first.
    model : MODEL
        The model, if it is not the first word.
    corrections : FILE
        The corrections.csv of a review: these labels replace those of the model.
    group_column : NAME
        Column with the slide of each cell; by default, all cells are of one slide, or one of each
        patient.
    patient_column : NAME
        Column with the patient of each slide, whose slides are added up.
    min_probability : SHARE
        Reject the cells whose label has a lower probability, or none; labels of a reader are kept.
    rules : LIMITS
        Changed rules for a manual look, such as ig=0.05,blast=0,nRBC=0.02,min_cells=200,
        max_rejected=0.2: shares above which, and white cells below which a slide is named.
    out : FOLDER
        Write the reports here.

    Examples
    --------
    skblood count predictions.csv --group-column slide --out count/
    skblood count predictions.csv --corrections corrections.csv --min-probability 0.5
    skblood count cells.skblood slides.csv --group-column slide --patient-column patient
    """
    model, source = _classifier.split_data(words, model)
    limits = _parse_limits(rules, min_probability)
    names = ["count", "patients"] if patient_column and group_column else ["count"]
    if out is not None:
        output.reserve(out, [name + end for name in names for end in _SUFFIXES])
    if corrections is not None:
        _data.check_columns(
            [_data.existing(corrections, "table of corrections")], ["path", "label"]
        )
    columns = [name for name in (group_column, patient_column) if name]
    if not (glob.has_magic(source) or _data.is_shards(source)):
        _data.existing(source, "table, folder or image file")
    table, folder = _open_table(source, model, path_column, columns)
    note = f"Cells: {Path(source).name}."
    from skblood.evaluation import DifferentialCount, differential_count

    if table is None:
        classifier = _classifier.load_classifier(model, _classifier.Model(device=device))
        DifferentialCount.from_counts(  # raises for unknown rules, before images are read
            [[0] * len(classifier.classes_)], classes=classifier.classes_, rules=limits
        )
        name = _classifier.name_model(model, classifier)
        table = _predict_cells(classifier, name, source, path_column, columns)
    _check_columns(table, columns, source)
    places = _place_cells(table[path_column], folder, source)
    cells = _judge_cells(table, places, source, corrections, min_probability)
    if min_probability:
        note += f" Cells of a probability below {min_probability:g} are rejected."
    if corrections is not None:
        note += f" Labels of a reader: {corrections.name}."
    groups = table[columns[0]] if columns else None
    patients = table[patient_column] if patient_column else None
    about = {"note": note, "model": ", ".join(table["model"].unique()) if "model" in table else ""}
    result = differential_count(**cells, groups=groups, patients=patients, rules=limits, **about)
    if patients is not None and patients.nunique() == len(result.groups):
        names = ["count"]
    reports = {name: result if name == "count" else result.by_patient for name in names}
    for name, report in reports.items() if out is not None else ():
        saves = (report.to_html, report.to_csv, report.to_fhir)
        for end, save in zip(_SUFFIXES, saves, strict=True):
            output.write(out / f"{name}{end}", save)
    document = {name: each.to_table().to_dict("records") for name, each in reports.items()}
    output.show(document, result)


def _parse_limits(rules, min_probability):
    """Return the rules as a dict, or None, and check the probability."""
    if not 0 <= min_probability < 1:
        raise typer.BadParameter(
            f"--min-probability must be from 0 to 1, not {min_probability:g}: 0.5 is 50 %."
        )
    return _settings.parse_shares(rules, "--rules", "name=limit,name=limit")


def _open_table(source, model, path_column, columns):
    """Return the table of predictions, or None, and the folder that its paths start from."""
    _data.check_columns([source], [path_column, *columns])
    path = Path(source).expanduser()
    if model is None and _data.is_table(path):
        from skblood.datasets import read_table

        table = read_table(path, [path_column])
        if "label" in table and ("probability" in table or "predicted" in table):
            return table, _data.table_folder(path)
    return None, Path()


def _predict_cells(classifier, name, source, path_column, columns):
    """Return the table of predictions of images, with the other columns of a table."""
    import pandas as pd

    images, tables = _batches.Images([source], _data.Files(path_column=path_column)), []
    for table in _batches.Rows(classifier, images, _data.ErrorMode.RAISE, model_name=name):
        _check_columns(table, columns, source)
        tables.append(table)
    return pd.concat(tables, ignore_index=True).rename(columns={"path": path_column})


def _check_columns(table, columns, source):
    """Raise ValueError if columns of the table are missing or have empty cells."""
    for name in columns:
        if name not in table:
            raise ValueError(f"{source} has no column {name!r}; it has {', '.join(table)}.")
        if n_empty := (table[name] == "").sum():
            raise ValueError(f"{source} has {n_empty} cells without a {name!r}. Fill them.")


def _judge_cells(table, places, source, corrections, min_probability):
    """Return labels, classes, and which cells are rejected or decided by a reader."""
    import numpy as np

    labels = np.array(table["label"], object)
    rejected, classes, by_model = labels == "", [], "probability" in table
    if by_model:
        # Those of the model follow at once; a later column may begin alike.
        rest = table.columns[table.columns.get_loc("probability") + 1 :]
        classes = [name[2:] for name in takewhile(lambda name: name.startswith("p_"), rest)]
        # Of cells that were chosen to be labeled, it is that of the column `predicted`.
        by_model = bool(classes) or "predicted" not in table
    if by_model and min_probability:
        rejected |= ~(_read_probabilities(table["probability"], source) >= min_probability)
    reviewed = np.full(len(table), not by_model)
    if corrections is not None:
        given = _read_corrections(corrections, places, source)
        rows = [*given]
        labels[rows], reviewed[rows], rejected[rows] = [*given.values()], True, False
    rejected |= labels == NO_CLASS
    classes = [*classes, *sorted({*labels[~rejected]} - {*classes})]
    if not classes:
        raise ValueError(f"{source}: none of the {len(table)} cells has a label. Fill its column.")
    return {"y_pred": labels, "classes": classes, "rejected": rejected, "reviewed": reviewed}


def _read_probabilities(column, source):
    """Return the probabilities of a table, also with decimal commas, NaN where there are none."""
    import pandas as pd

    texts = column.astype(str).str.replace(",", ".")
    values = pd.to_numeric(texts, errors="coerce")
    if (wrong := (texts != "") & ~values.between(0, 1)).any():
        raise ValueError(
            f"{source}: {wrong.sum()} probabilities are not numbers from 0 to 1, such as "
            f"{column[wrong].iloc[0]!r}. Give the table as `skblood predict` wrote it."
        )
    return values.to_numpy()


def _find_places(path, folder):
    """Return where a file of a table is: in its folder, or else maybe where the command runs."""
    place = os.path.abspath(folder / path)
    return [place] if os.path.exists(place) else [place, os.path.abspath(path)]


def _place_cells(paths, folder, source):
    """Return the row of each file, which must be one cell."""
    places, twice = {}, []
    for row, path in enumerate(paths):
        rows = [places.setdefault(place, row) for place in _find_places(path, folder)]
        twice += [path] if {*rows} != {row} else []
    if twice:
        raise ValueError(
            f"{source} names {len(twice)} cells twice, such as:\n{list_some(twice, 3)}\n"
            "Keep one row of each."
        )
    return places


def _read_corrections(file, places, source):
    """Return the label that a reader gave, by the row of the cell."""
    from skblood.datasets import read_table

    folder = _data.table_folder(file)
    given = read_table(file, ["path", "label"])
    found, unknown, several = {}, [], []
    for path, label in zip(given["path"], given["label"], strict=True):
        names = _find_places(path, folder)
        rows = {places[name] for name in names if name in places}
        if len(rows) != 1:
            unknown.append(path)
        elif found.setdefault(*rows, label) != label:
            several.append(path)
    if several:
        raise ValueError(
            f"{str(file)!r} has several labels of {len(several)} cells, such as:\n"
            f"{list_some(several, 3)}\nKeep one label of each."
        )
    if unknown:
        raise ValueError(
            f"{str(file)!r} has {len(unknown)} of {len(given)} corrections that match no cell "
            f"of {source}, such as:\n{list_some(unknown, 3)}\nGive the table that was reviewed."
        )
    return found
