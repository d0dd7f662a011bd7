"""`skblood train`."""

import sys
import tempfile
from pathlib import Path

import typer

from skblood.cli import _options as option
from skblood.cli._data import read_cells
from skblood.cli._output import (
    check_new,
    check_table,
    print_json,
    say,
    write_picture,
    write_table,
)
from skblood.cli._settings import make_estimator, parse_settings

# Files in the folder of the training state.
_STATES = (".checkpoint", ".tmp")


def train(
    data: option.Data,
    out: option.ModelOut,
    val: option.Val = None,
    test: option.Test = None,
    estimator: option.EstimatorName = option.Estimator.TRANSFER,
    backbone: option.Backbones = None,
    image_size: option.ImageSize = None,
    epochs: option.Epochs = None,
    seed: option.Seed = 0,
    settings: option.Settings = None,
    memory: option.Memory = None,
    device: option.Device = "auto",
    resume: option.Resume = False,
    history: option.History = None,
    plots: option.Plots = None,
    as_json: option.AsJson = False,
    overwrite: option.Overwrite = False,
    path_column: option.PathColumn = "path",
    label_column: option.LabelColumn = "label",
    split_column: option.SplitColumn = "split",
    group_column: option.GroupColumn = None,
):
    """Train a classifier on images, and write it to a file.

    If DATA has the parts train, val and test, val selects the best epoch and the score on test is
    written to the model file. Without val, some of the training images are set aside, groups
    (--group-column) kept together.

    Ctrl-C writes the best model so far to MODEL.partial. The training state is kept in the folder
    MODEL.checkpoint until training is complete: after any interruption, the same command with
    --resume continues from the last epoch, and gives the model of an uninterrupted training.

    \b
    Examples:
      skblood train cells/ --out cells.skblood
      skblood train cells.csv --out cells.skblood --backbone resnet18 --set trainable=head
      skblood train cells.csv --out cells.skblood --group-column patient
      skblood train synthetic --out toy.skblood --estimator mlp --epochs 5
    """  # noqa: D301
    out = out.expanduser()
    _check_outputs(out, history, plots, overwrite)
    checkpoint, partial = (out.with_name(f"{out.name}.{end}") for end in ("checkpoint", "partial"))
    _check_interrupted(checkpoint, partial, resume, overwrite)
    model = make_estimator(
        estimator.value,
        backbone,
        parse_settings(settings),
        image_size=image_size,
        max_epochs=epochs,
        random_state=seed,
        memory=memory,
        device=device,
    )
    columns = (path_column, label_column, split_column, group_column)
    parts = _read_parts(data, val, test, columns)
    _fit(model, parts, checkpoint, partial, resume)
    _save(model, out)
    partial.unlink(missing_ok=True)
    _remove_state(checkpoint)
    report = _score_test(model, parts, out)
    _write_further(model, report, history, plots)
    summary = _summarize(model, report, out)
    print_json(summary) if as_json else print(_summary_text(summary, report))


def _check_outputs(out, history, plots, overwrite):
    """Raise an error now, and not after training, if a result cannot be written."""
    check_table(history, "--history")
    check_new([out, history], overwrite)
    if plots is not None:
        from skblood._plotting import import_pyplot

        import_pyplot("--plots")
        check_new([plots / "history.png", plots / "confusion_matrix.png"], overwrite)


def _check_interrupted(checkpoint, partial, resume, overwrite):
    """Raise FileExistsError if an interrupted training, or somebody else, left something."""
    left = [str(path) for path in (partial, checkpoint) if path.exists()]
    if left and not (resume or overwrite):
        raise FileExistsError(
            f"An interrupted training left {', '.join(left)}. Continue it by --resume, or start "
            "anew by --overwrite."
        )
    if checkpoint.exists() and any(file.suffix not in _STATES for file in checkpoint.iterdir()):
        raise FileExistsError(
            f"{str(checkpoint)!r} holds files that `skblood train` did not write, but needs the "
            "name. Move it away, or name another model."
        )
    if resume and not checkpoint.exists():
        say(f"{checkpoint}: no interrupted training found; training starts from the first epoch.")


def _remove_state(checkpoint):
    """Remove the state of a training."""
    if checkpoint.exists():
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()


def _read_parts(data, val, test, columns):
    """Return the training and, if given, validation and test images by name of the part."""
    import numpy as np

    from skblood._labels import encode_labels

    cells = read_cells(data, *columns)
    parts = {"train": cells.part("train")}
    for name, source in (("val", val), ("test", test)):
        if source is not None:
            parts[name] = read_cells(source, *columns).part(name)
        elif name in cells.parts:
            parts[name] = cells.part(name)
    classes = np.unique(parts["train"].y)
    for name, part in parts.items():
        encode_labels(part.y, classes, name)  # raises now, not after training
        say(f"{name}: {len(part.y)} images of {len(np.unique(part.y))} classes.")
    return parts


def _fit(model, parts, checkpoint, partial, resume):
    """Train a model; Ctrl-C saves the best so far."""
    import skblood

    if not resume:
        _remove_state(checkpoint)
    # A progress bar on a terminal, a line per epoch in a log.
    model.set_params(
        verbose=1 if sys.stderr.isatty() else 2, callbacks=[skblood.TrainingCheckpoint(checkpoint)]
    )
    train, val = parts["train"], parts.get("val")
    options = {} if val is None else {"X_val": val.X, "y_val": val.y}
    if train.groups is not None:
        options["groups"] = train.groups
    states = set(checkpoint.glob("*")) if resume else set()
    try:
        model.fit(train.X, train.y, **options)
    except skblood.TrainingInterrupted as interrupted:
        best = interrupted.estimator.set_params(callbacks=None)
        skblood.save(best, partial)
        say(
            f"skblood: interrupted by Ctrl-C after {best.n_iter_} epochs. {partial} is the best "
            "model so far. The same command with --resume continues."
        )
        raise typer.Exit(130) from interrupted
    model.set_params(callbacks=None)
    # A completed training removes its own state.
    if states and states <= set(checkpoint.glob("*")):
        say(
            f"{checkpoint}: of a training with other data or parameters, so that this one started "
            "from the first epoch."
        )


def _save(model, path):
    """Save a model; if that fails, e.g. because the disk is full, to a temporary folder."""
    import skblood

    try:
        skblood.save(model, path)
    except OSError as error:
        rescued = Path(tempfile.mkdtemp(prefix="skblood-")) / path.name
        skblood.save(model, rescued)
        raise OSError(f"{error} The trained model is {str(rescued)!r}.") from error


def _score_test(model, parts, out):
    """Evaluate the model on the test part, if there is one, and write that to its file."""
    import skblood

    if "test" not in parts:
        return None
    test = parts["test"]
    report = skblood.evaluation.evaluate(model, test.X, test.y, groups=test.groups)
    skblood.save(model, out, evaluation={"test": report})
    return report


def _write_further(model, report, history, plots):
    """Write the table of the epochs and the pictures."""
    from skblood.evaluation import HistoryDisplay

    if history is not None:
        write_table(history, _epochs(model))
    if plots is not None:
        write_picture(plots / "history.png", HistoryDisplay.from_estimator(model).figure_)
    if plots is not None and report is not None:
        write_picture(plots / "confusion_matrix.png", report.plot().figure_)


def _epochs(model):
    """Return a table of the epochs, without what skorch keeps for itself."""
    import pandas as pd

    frame = pd.DataFrame(
        [{k: v for k, v in row.items() if k != "batches"} for row in model.history_]
    )
    return frame[[name for name in frame if not name.endswith(("_best", "_batch_count"))]]


def _summarize(model, report, out):
    """Return the result of a training as a dict."""
    best = _epochs(model).iloc[model.best_epoch_ - 1]
    return {
        "model": str(out),
        "estimator": type(model).__name__,
        "classes": model.classes_,
        "training_data": model.training_data_,
        "n_iter": model.n_iter_,
        "best_epoch": model.best_epoch_,
        "best_epoch_scores": best.filter(regex="^(train|valid)_").to_dict(),
        "test": None if report is None else report.to_dict(),
    }


def _summary_text(summary, report):
    """Return the result of a training as text."""
    scores = "".join(f", {name} {v:.4g}" for name, v in summary["best_epoch_scores"].items())
    text = (
        f"{summary['model']}: {summary['estimator']} of {len(summary['classes'])} classes, trained "
        f"on {summary['training_data']['n_images']:,} images; epoch {summary['best_epoch']} of "
        f"{summary['n_iter']}{scores}."
    )
    return text if report is None else f"{text}\n\nOn the test part, {report}"
