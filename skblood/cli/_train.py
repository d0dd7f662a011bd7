"""`skblood train`."""

import shutil
import sys
import tempfile
from pathlib import Path

import typer

from skblood.cli import _data, _model, _options, _output, _settings


def train(
    data: _options.Data,
    out: _options.ModelOut,
    val: _options.Val = None,
    test: _options.Test = None,
    estimator: _options.EstimatorName = _options.Estimator.TransferCellClassifier,
    backbone: _options.Backbones = None,
    image_size: _options.ImageSize = None,
    epochs: _options.Epochs = None,
    seed: _options.Seed = 0,
    settings: _options.Settings = None,
    memory: _options.Memory = None,
    device: _options.Device = "auto",
    resume: _options.Resume = False,
    history: _options.History = None,
    plots: _options.Plots = None,
    as_json: _options.AsJson = False,
    overwrite: _options.Overwrite = False,
    path_column: _options.PathColumn = "path",
    label_column: _options.LabelColumn = "label",
    split_column: _options.SplitColumn = "split",
    group_column: _options.GroupColumn = None,
):
    """Train a classifier on images, and write it to a file.

    If DATA has the parts train, val and test, val selects the best epoch and the score on test is
    written to the model file. Without val, some of the training images are set aside, groups
    (--group-column) kept together. --json prints what `skblood info --json` prints of the file.

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
    checkpoint, partial = (out.with_name(f"{out.name}.{end}") for end in ("checkpoint", "partial"))
    _check_outputs(out, history, plots, overwrite)
    _check_interrupted(checkpoint, partial, resume, overwrite)
    options = {"image_size": image_size, "max_epochs": epochs, "random_state": seed}
    options |= {"memory": memory, "device": device}
    model = _settings.make_estimator(estimator, backbone, settings, options)
    parts = _read_parts(data, val, test, path_column, label_column, split_column, group_column)
    _fit(model, parts, checkpoint, partial, resume)
    _save(model, out)
    partial.unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)
    report = _score_test(model, parts["test"], out) if "test" in parts else None
    _write_further(model, report, history, plots)
    _model.print_info(out, as_json)
    if report is not None and not as_json:
        print(f"\nOn the test part, {report}")


def _check_outputs(out, history, plots, overwrite):
    """Raise an error now, and not after training, if a result cannot be written."""
    _output.check_table(history, overwrite, "--history")
    _output.check_new([out], overwrite)
    if plots is not None:
        from skblood._plotting import import_pyplot

        import_pyplot("--plots")
        _output.check_new([plots / "history.png", plots / "confusion_matrix.png"], overwrite)


def _check_interrupted(checkpoint, partial, resume, overwrite):
    """Raise FileExistsError if an interrupted training, or somebody else, left something."""
    left = [str(path) for path in (partial, checkpoint) if path.exists()]
    if left and not (resume or overwrite):
        raise FileExistsError(
            f"An interrupted training left {', '.join(left)}. Continue it by --resume, or start "
            "anew by --overwrite."
        )
    if any(file.suffix not in (".checkpoint", ".tmp") for file in checkpoint.glob("*")):
        raise FileExistsError(
            f"{str(checkpoint)!r} holds files that `skblood train` did not write, but needs the "
            "name. Move it away, or name another model."
        )
    if resume and left:
        _output.say(
            f"Resuming from {checkpoint}; if data or parameters differ, training starts anew."
        )
    elif resume:
        _output.say(f"There is no {checkpoint}: training starts from the first epoch.")


def _read_parts(data, val, test, *columns):
    """Return the training and, if given, validation and test images by name of the part."""
    import numpy as np

    from skblood._labels import encode_labels

    cells = _data.read_cells(data, *columns)
    parts = {"train": cells.part("train")}
    for name, source in (("val", val), ("test", test)):
        if source is not None:
            parts[name] = _data.read_cells(source, *columns).part(name)
        elif name in cells.parts:
            parts[name] = cells.part(name)
    for name, part in parts.items():
        # Raises now, not after training.
        encode_labels(part.y, np.unique(parts["train"].y), name)
        _output.say(f"{name}: {len(part.y)} images of {len(np.unique(part.y))} classes.")
    return parts


def _fit(model, parts, checkpoint, partial, resume):
    """Train a model; Ctrl-C saves the best so far."""
    from skblood.io import save
    from skblood.training import TrainingCheckpoint, TrainingInterrupted

    if not resume:
        shutil.rmtree(checkpoint, ignore_errors=True)
    # A progress bar on a terminal, a line per epoch in a log.
    verbose = 1 if sys.stderr.isatty() else 2
    model.set_params(verbose=verbose, callbacks=[TrainingCheckpoint(checkpoint)])
    train, val = parts["train"], parts.get("val")
    options = {} if val is None else {"X_val": val.X, "y_val": val.y}
    if train.groups is not None:
        options["groups"] = train.groups
    try:
        model.fit(train.X, train.y, **options)
    except TrainingInterrupted as interrupted:
        best = interrupted.estimator.set_params(callbacks=None)
        save(best, partial)
        _output.say(
            f"skblood: interrupted by Ctrl-C after {best.n_iter_} epochs. {partial} is the best "
            "model so far. The same command with --resume continues."
        )
        raise typer.Exit(130) from interrupted
    model.set_params(callbacks=None)


def _save(model, path, **options):
    """Save a model; if that fails, e.g. because the disk is full, to a temporary folder."""
    from skblood import io

    try:
        io.save(model, path, **options)
    except OSError as error:
        rescued = Path(tempfile.mkdtemp(prefix="skblood-")) / path.name
        io.save(model, rescued, **options)
        raise OSError(f"{error} The trained model is {str(rescued)!r}.") from error


def _score_test(model, test, out):
    """Evaluate the model on the test part, and write the scores to its file."""
    from skblood.evaluation import evaluate

    # Intervals of a single group would be of no use.
    groups = None if test.groups is None or len(set(test.groups)) == 1 else test.groups
    report = evaluate(model, test.X, test.y, groups=groups)
    _save(model, out, evaluation={"test": report})
    return report


def _write_further(model, report, history, plots):
    """Write the table of the epochs and the pictures."""
    import pandas as pd

    from skblood.evaluation import HistoryDisplay

    if history is not None:
        internal = ("batches", "_best", "_batch_count")  # what skorch keeps for itself
        names = [name for name in model.history_[-1] if not name.endswith(internal)]
        _output.write_table(history, pd.DataFrame(list(model.history_))[names])
    if plots is not None:
        _output.write_picture(plots / "history.png", HistoryDisplay.from_estimator(model).figure_)
    if plots is not None and report is not None:
        _output.write_picture(plots / "confusion_matrix.png", report.plot().figure_)
