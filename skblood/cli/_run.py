"""A training from the shell: what it reads, what it writes, and how it is gone on with."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import typer

from skblood.cli._data import read_cells
from skblood.cli._output import (
    as_json,
    check_new,
    check_pictures,
    check_table,
    say,
    write,
    write_picture,
    write_table,
)

# What has no part in the result.
_NOT_OF_THE_RUN = {"checkpoint", "device", "memory", "verbose"}


@dataclass(frozen=True)
class Outputs:
    """The files of a training.

    Attributes
    ----------
    model : Path
    history : Path or None
    plots : Path or None
        A folder.
    """

    model: Path
    history: Path | None = None
    plots: Path | None = None

    @property
    def partial(self):
        """The model that Ctrl-C leaves."""
        return self.model.with_name(f"{self.model.name}.partial")

    @property
    def checkpoint(self):
        """The folder of the state of the training, while it is not complete."""
        return self.model.with_name(f"{self.model.name}.checkpoint")

    @property
    def _run(self):
        return self.checkpoint / "run.json"

    @property
    def _curves(self):
        return None if self.plots is None else self.plots / "history.png"

    @property
    def _confusions(self):
        return None if self.plots is None else self.plots / "confusion_matrix.png"

    def check(self, resume, overwrite):
        """Raise an error, and not after hours of training, if something must not be written."""
        check_table(self.history, "--history")
        check_pictures(self.plots)
        check_new([self.model, self.history, self._curves, self._confusions], overwrite)
        if self.checkpoint.exists() and not self._run.exists():
            raise FileExistsError(
                f"{str(self.checkpoint)!r} is there, and was not made by `skblood train`, which "
                "needs the name. Move it away, or name another model."
            )
        left = [str(path) for path in (self.partial, self.checkpoint) if path.exists()]
        if left and not (resume or overwrite):
            raise FileExistsError(
                f"A training was broken off, and left {', '.join(left)}. Go on with it by "
                "--resume, or begin anew by --overwrite."
            )

    def start(self, run, resume):
        """Note what is trained, or see that it is what was broken off."""
        if resume and not self._run.exists():
            say(f"{self.model}: no training was broken off; it begins from the start.")
        elif resume:
            _compare(json.loads(self._run.read_text(encoding="utf-8")), run)
            return
        elif self.checkpoint.exists():
            shutil.rmtree(self.checkpoint)
        write(self._run, as_json(run))

    def clear(self):
        """Remove what a training leaves until it is complete."""
        self.partial.unlink(missing_ok=True)
        shutil.rmtree(self.checkpoint)

    def write_further(self, model, report):
        """Write the history and the pictures."""
        if self.history is not None:
            write_table(self.history, epochs_of(model))
        if self.plots is not None:
            from skblood.evaluation import HistoryDisplay

            write_picture(self._curves, HistoryDisplay.from_estimator(model).figure_)
            if report is not None:
                write_picture(self._confusions, report.plot().figure_)


def _compare(before, now):
    """Raise ValueError if a training is another than the one that was broken off."""
    now = json.loads(as_json(now))
    names = [name for name in before | now if before.get(name) != now.get(name)]
    if names:
        changes = ", ".join(f"{n} ({before.get(n)}, now {now.get(n)})" for n in names)
        raise ValueError(
            f"--resume goes on with the training that was broken off, and this is another: "
            f"{changes}. Give what was given then, or begin anew by --overwrite."
        )


def read_parts(data, val, test, columns):
    """Return the images to train on, and, where there are, those to validate and to test on.

    Parameters
    ----------
    data : str
    val, test : str or None
        Go before the parts of `data`.
    columns : Columns

    Returns
    -------
    dict of str to Cells
    """
    import numpy as np

    from skblood.evaluation._report_input import code_labels

    cells = read_cells(data, columns)
    parts = {"train": cells.part("train")}
    for name, source in (("val", val), ("test", test)):
        if source is not None:
            parts[name] = read_cells(source, columns).part(name)
        elif name in cells.parts:
            parts[name] = cells.part(name)
    classes = np.unique(parts["train"].y).tolist()
    for name, part in parts.items():
        code_labels(part.y, classes, name)  # now, and not when the training is done
    for name, part in parts.items():
        say(f"{name}: {len(part.y)} images of {len(np.unique(part.y))} classes.")
    return parts


def fit(model, parts, outputs, resume):
    """Train a model and write it; what is learnt is kept whenever that is broken off."""
    import skblood

    train, val = parts["train"], parts.get("val")
    outputs.start(_describe_run(model, parts), resume)
    model.set_params(checkpoint=str(outputs.checkpoint))
    validation = {} if val is None else {"X_val": val.X, "y_val": val.y}
    try:
        model.fit(train.X, train.y, **validation)
    except skblood.TrainingInterrupted as interrupted:
        best = interrupted.estimator
        skblood.save(best, outputs.partial)
        say(
            f"skblood: broken off by Ctrl-C after {best.n_iter_} epochs. The best so far is "
            f"{outputs.partial}. The same command with --resume goes on."
        )
        raise typer.Exit(130) from interrupted
    model.set_params(checkpoint=None)
    _save_somewhere(model, outputs.model)
    outputs.clear()


def _save_somewhere(model, path):
    """Save a model; where that fails, since a disk is full now, hours of training are not lost."""
    import skblood

    try:
        skblood.save(model, path)
    except OSError as error:
        rescued = Path(tempfile.mkdtemp(prefix="skblood-")) / path.name
        skblood.save(model, rescued)
        raise OSError(f"{error} The model that was trained is {str(rescued)!r}.") from error


def _describe_run(model, parts):
    """Return what decides the result, as far as the user gives it."""
    parameters = model.get_params(deep=False)
    counts = {f"images ({name})": len(part.y) for name, part in parts.items() if name != "test"}
    shown = {name: repr(v) for name, v in parameters.items() if name not in _NOT_OF_THE_RUN}
    return {"estimator": type(model).__name__, **shown, **counts}


def score_test(model, parts, outputs):
    """Score the model on the test part, if there is one, and write that into its file."""
    import skblood
    from skblood.evaluation import evaluate

    if "test" not in parts:
        return None
    report = evaluate(model, parts["test"].X, parts["test"].y)
    skblood.save(model, outputs.model, evaluation={"test": report})
    return report


def epochs_of(model):
    """Return a table of the epochs, without what skorch notes for itself."""
    import pandas as pd

    rows = [
        {name: value for name, value in epoch.items() if isinstance(value, int | float | str)}
        for epoch in model.history_
    ]
    frame = pd.DataFrame(rows)
    shown = [name for name in frame if not name.endswith(("_best", "_batch_count"))]
    return frame[shown]


def summary_of(model, report, out):
    """Return what a training gave, for a program."""
    return {
        "model": str(out),
        "estimator": type(model).__name__,
        "classes": model.classes_,
        "training_data": model.training_data_,
        "n_iter": model.n_iter_,
        "best_epoch": model.best_epoch_,
        "best_epoch_scores": _scores_of(model),
        "test": None if report is None else report.to_dict(),
    }


def summary_text(model, report, out):
    """Return what a training gave, for a person."""
    n_images = model.training_data_["n_images"]
    scores = "".join(f", {name} {value:.4g}" for name, value in _scores_of(model).items())
    line = (
        f"{out}: {type(model).__name__} of {len(model.classes_)} classes, trained on {n_images:,} "
        f"images; epoch {model.best_epoch_} of {model.n_iter_}{scores}."
    )
    return line if report is None else f"{line}\n\nOn the test part, {report}"


def _scores_of(model):
    """Return the losses and scores of the epoch whose weights the model has."""
    row = epochs_of(model).iloc[model.best_epoch_ - 1]
    return {name: row[name] for name in row.index if name.startswith(("train_", "valid_"))}
