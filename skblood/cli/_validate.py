"""`skblood validate`."""

from datetime import datetime
from pathlib import Path

import typer

from skblood.cli import _data, _output, _settings
from skblood.cli._options import add_command

_FILES = ("validation.html", "validation.json", "classes.csv", "criteria.csv")


def plan(
    limits: Path,
    *,
    shares: str,
    out: Path,
    slides: int | None = None,
    cells: str = "200",
    separate: bool = False,
    reader_errors: float = 0.03,
    model_errors: str = "0.03",
    spread: float = 40,
    power: float = 0.9,
    simulations: int = 200,
    output: _output.Output,
):
    """Plan a validation at a new site, before any of its cells is looked at.

    Finds by simulation how many slides the study needs to pass the acceptance limits, and writes
    both to a plan, without which `skblood validate analyze` gives no verdict.

    Parameters
    ----------
    limits : LIMITS
        A JSON file with acceptance limits, such as {"bias": 0.02, "within_limits": 0.8, "classes":
        {"basophil": {"bias": 0.01}}}; see skblood.evaluation.plan_validation.
    shares : SHARES
        Expected shares of the classes, such as lymphocyte=.3,monocyte=.1,neutrophil=.6.
    out : FILE
        The plan, a .json file.
    slides : NUMBER
        Number of slides; by default, the smallest of 10 to 300 that has the power.
    cells : NUMBERS
        Cells on a slide by each reader and the model; of several numbers, separated by commas, the
        one with the fewest cells in all is taken.
    separate : bool
        Readers and model count cells of their own; by default, they label the same cells.
    reader_errors : SHARE
        Share of the cells whose label a reader draws at random.
    model_errors : SHARE
        The same of the model, or confusion_matrix.csv of `skblood evaluate`.
    spread : NUMBER
        How alike the slides are (sum of the parameters of a Dirichlet distribution).
    power : SHARE
        Share of the simulated studies that must pass.
    simulations : NUMBER
        Simulated studies of each number of slides and cells.

    Examples
    --------
    skblood validate plan limits.json --shares lymphocyte=.3,neutrophil=.7 --out plan.json
    """
    import json

    content = _data.existing(limits, "file of limits").read_bytes()  # of any encoding of JSON
    try:
        stated = dict(json.loads(content, object_pairs_hook=_check_unique))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{str(limits)!r} is not a JSON object of limits: {error}") from error
    parsed = _settings.parse_shares(shares, "--shares", "class=share,class=share")
    try:
        n_cells = [int(each) for each in cells.split(",")]
    except ValueError as error:
        message = f"--cells: {cells!r} must be numbers, such as 100,200."
        raise typer.BadParameter(message) from error
    output.reserve(out)
    from skblood.evaluation import plan_validation

    study = {"n_slides": slides, "n_cells": n_cells, "same_cells": not separate, "spread": spread}
    study |= {"reader_errors": reader_errors, "model_errors": _read_errors(model_errors)}
    run = {"power": power, "n_simulations": simulations}
    made = plan_validation(parsed, stated, **study, **run, verbose=_output.verbosity())
    output.write(out, made.save)
    _output.say(f"{out}: written. Keep it as it is, and note its fingerprint {made.fingerprint}.")
    output.show(made.to_dict(), made)


def _check_unique(pairs):
    """Return a JSON object; json would take the last of a name that is given twice."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError(f"a name is given twice among {[name for name, _ in pairs]}")
    return found


def _read_errors(text):
    """Return a share of errors, or the confusion matrix of a csv file."""
    try:
        return float(text)
    except ValueError:
        import pandas as pd

        return pd.read_csv(_data.existing(text, "confusion matrix"), index_col=0)


def analyze(
    data: Path,
    *,
    plan: Path | None = None,
    out: Path | None = None,
    names: str = "reader_1,reader_2,model",
    slide_column: str = "slide",
    method: str = "passing-bablok",
    output: _output.Output,
):
    """Analyze a validation: a model against two readers, by the limits of a plan.

    Without a plan that is older than DATA there is no verdict. --out writes validation.html (the
    report on one page), validation.json, classes.csv and criteria.csv.

    Parameters
    ----------
    data : DATA
        A csv file. A row for each cell, with its slide and the labels by both readers and the
        model; or the columns slide, cell, reader and label, with a row for each label; or, of
        separate counts, slide, reader, label and count (1 where there is no such column).
    plan : FILE
        Written by `skblood validate plan`.
    out : FOLDER
        Write the report and tables here.
    names : NAMES
        Both readers and the model: columns of the labels, or entries of the column reader.
    slide_column : NAME
        Column of the slides.
    method : METHOD
        Regression: passing-bablok or deming.

    Examples
    --------
    skblood validate analyze cells.csv --plan plan.json --out validation/
    skblood validate analyze counts.csv --plan plan.json --names Lee,Kim,blood8-2
    """
    path, named = _data.existing(data, "table"), [each.strip() for each in names.split(",")]
    if len(set(named)) != 3:
        raise typer.BadParameter(f"--names: {names!r} must be three names: two readers, the model.")
    if plan is not None:
        _data.existing(plan, "plan")
    output.reserve_folder(out, _FILES)
    from skblood.evaluation import ValidationPlan, validate_differentials

    readings, slides = _read_study(path, named, slide_column)
    given = {"groups": slides, "method": method, "names": named}
    given["recorded"] = datetime.fromtimestamp(path.stat().st_mtime)
    given["plan"] = None if plan is None else ValidationPlan.load(plan)
    report = validate_differentials(*readings, **given)
    document = report.to_dict()
    if out is not None:
        output.write_content(out / _FILES[0], report.to_html())
        output.write_content(out / _FILES[1], _output.to_json(document) + "\n")
        output.write_table(out / _FILES[2], report.to_frame().reset_index())
        output.write_table(out / _FILES[3], report.criteria)
        _output.say(f"{out}: report and tables are written.")
    output.show(document, report)


def _read_study(path, names, slide_column):
    """Return what both readers and the model found, as labels or counts, and the slide of each."""
    from skblood.datasets import read_table

    table = read_table(path, [])
    counted = "reader" in table and "cell" not in table
    if counted and "count" not in table:
        table["count"] = "1"
    if "reader" in table:
        _check_columns(path, table, [slide_column, "label"])
        if missing := set(names) - set(table["reader"]):
            raise ValueError(f"{str(path)!r} has no rows of {sorted(missing)}. See --names.")
        table = table[table["reader"].isin(names)]
    if "reader" in table and not counted:
        rows = table[[slide_column, "cell", "reader"]]
        if twice := rows[rows.duplicated()].to_numpy().tolist():
            found = f"has several labels of one slide, cell and reader, such as {twice[0]}"
            raise ValueError(f"{str(path)!r} {found}. Keep one.")
        table = table.pivot(index=[slide_column, "cell"], columns="reader", values="label")
        table = table.fillna("").reset_index()
    wanted = [slide_column, *(("reader", "label", "count") if counted else names)]
    _check_columns(path, table, wanted)
    table = table[wanted]
    empty = (table == "").any(axis=1)
    if empty.any():
        _output.say(f"{path}: {empty.sum():,} rows with an empty cell are left out.")
        table = table[~empty]
    if not counted:
        return [table[name].tolist() for name in names], table[slide_column].tolist()
    import pandas as pd

    from skblood.evaluation import DifferentialCount

    numbers = pd.to_numeric(table["count"], errors="coerce")
    if len(odd := table["count"][~(numbers >= 0) | (numbers % 1 != 0)]):
        raise ValueError(
            f"{str(path)!r} has a count of {odd.iloc[0]!r}. Give whole numbers of cells, 0 or more."
        )
    table = table.assign(count=numbers)
    counts = table.groupby(["reader", slide_column, "label"], sort=False)["count"].sum().unstack()
    slides = table[slide_column].unique()
    each = [counts.loc[name].reindex(slides).fillna(0).to_numpy() for name in names]
    for name, of_reader in zip(names, each, strict=True):
        if len(without := slides[of_reader.sum(axis=1) == 0]):
            raise ValueError(f"{str(path)!r} has no cells of {name!r} on slide {without[0]!r}.")
    matched = {"classes": counts.columns, "groups": slides}
    return [DifferentialCount.from_counts(x, **matched) for x in each], None


def _check_columns(path, table, wanted):
    if missing := [name for name in wanted if name not in table]:
        found = f"has no column {missing}; its columns are {list(table)}"
        raise ValueError(f"{str(path)!r} {found}. See --names and --slide-column.")


app = typer.Typer(help="Plan and analyze a validation at a new site, by two readers.")
add_command(app, plan)
add_command(app, analyze)
