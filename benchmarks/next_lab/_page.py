"""The table of all laboratories."""

from benchmarks._report import Bar, origins, table
from skblood.evaluation._estimates import Estimate

TITLE = "The next laboratory"
TEXT = """\
Models trained in one laboratory, in others: `home` is the test cells of the laboratory that they
were trained in; the other rows are other laboratories, or home's validation cells as others might
see them (`benchmarks/_laboratories.py`). `model` is the model that is asked about, `plain` the same
network trained with the library's defaults. *zero-shot* is the model as it is; *unlabelled* is
adapted to the cells without their labels, and read on the same cells, or on *others*: each half of
the cells is read by a model that has seen the other half. *k labelled* is adapted to k labelled
cells of each class that has 20 cells at least (half of its cells at most), and read on the rest,
which it has not seen, or has seen without labels (*rest unlabelled*), as a laboratory has them that
labels a few of its cells.

Predictions are of all classes, also where the laboratory has cells of some only; balanced accuracy
is the mean recall of the classes that are there, of those with 20 cells at least, and of the
classes that are there with the others ruled out. Intervals (95 %) come of resampling the cells
(BCa); a figure is the mean over the models and over the draws of labelled cells, whose lowest and
highest are in round brackets. The sets are prediction sets for 90 % coverage, calibrated on home's
validation cells (which simulated laboratories are not made of), and after k labelled cells on the
labelled ones alone: a model adapted to the first of them gets its sets from the others. Coverage is
that of the cells, and the mean of the classes'. *Surest* is the accuracy when the least sure cells
are put aside. In the results of the repository home is PBC (Acevedo et al. 2020, Data in Brief
30:105474, CC BY 4.0), BloodMNIST recipe, own split."""
COLUMNS = {
    "labelled": "labelled",
    "n_cells": "cells",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "balanced_accuracy_among_present": "others ruled out",
    "balanced_accuracy_often": "classes of 20 cells (draws)",
    "accuracy_rare": "accuracy, rarer classes",
    "expected_calibration_error": "calibration error",
    "coverage": "coverage of the sets",
    "class_coverage": "mean of the classes'",
    "set_size": "classes in a set",
    "accuracy_at_0.9": "surest 90 %",
    "accuracy_at_0.8": "surest 80 %",
    "accuracy_at_0.5": "surest 50 %",
    "steps": "steps of the adaptation",
    "seconds": "its seconds",
}
_FORMS = {"labelled": ".0f", "n_cells": "d", "set_size": ".2f", "seconds": ".1f"}
# What is asked of the model, by laboratory, state and figure.
BARS = {
    ("home", "home", "accuracy"): Bar(">=", 0.988),
    ("home", "home", "coverage"): Bar(">=", 0.88),
    ("wbc_tecom", "zero-shot", "balanced_accuracy"): Bar(">=", 0.75),
    ("wbc_tecom", "10 labelled", "balanced_accuracy_often"): Bar(">=", 0.90),
    ("wbc_tecom", "10 labelled, rest unlabelled", "balanced_accuracy_often"): Bar(">=", 0.90),
    ("wbc_tecom", "10 labelled", "coverage"): Bar(">=", 0.88),
}


def as_markdown(results):
    """Return the page of the results of all laboratories."""
    lines = [
        [f"`{name}`", group, state, *_cells(name, group, state, figures)]
        for name, result in results.items()
        for group, states in result["figures"].items()
        for state, figures in states.items()
    ]
    page = [f"# {TITLE}", "", TEXT, ""]
    page += table(["laboratory", "model", "state", *COLUMNS.values()], lines)
    page += [
        "",
        "![Accuracy without the least sure cells, and by labelled cells](next_lab.png)",
        "",
    ]
    notes = dict.fromkeys(note for result in results.values() for note in result["notes"])
    page += [*(f"- {note}" for note in notes), ""] if notes else []
    return "\n".join([*page, *origins(results)]) + "\n"


def _cells(name, group, state, figures):
    for key in COLUMNS:
        text = _text(figures.get(key), _FORMS.get(key, ".3f"))
        if key == "balanced_accuracy_often" and figures["n_readings"] > 1:
            text += f" ({figures['spread']['low']:.3f}..{figures['spread']['high']:.3f})"
        bar = BARS.get((name, state, key)) if group == "model" else None
        if bar:
            held = bar.holds(figures[key]["value"])
            text += f", {'' if held else '**missed** '}bar {bar}"
        yield text


def _text(figure, form):
    if not figure and figure != 0:
        return "-"
    if not isinstance(figure, dict):
        return format(figure, form)
    if "value" in figure:
        known = {name: value for name, value in figure.items() if value is not None}
        return str(Estimate(**known)) if "value" in known else "-"
    return ", ".join(f"{what} ({count})" for what, count in figure.items())


def missed(results):
    """Return what misses its bar, named."""
    return [
        f"{name}, {state} ({key})"
        for (name, state, key), bar in BARS.items()
        if name in results
        and (figures := results[name]["figures"]["model"].get(state))
        and not bar.holds(figures[key]["value"])
    ]
