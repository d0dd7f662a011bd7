"""`skblood train`."""

import shutil
from contextlib import suppress
from functools import partial
from itertools import combinations
from pathlib import Path

import typer

from skblood.cli import _data, _info, _output, _settings

_PICTURES = ("history.png", "confusion_matrix.png")


def train(
    data: str,
    *,
    out: Path,
    val: str | None = None,
    test: str | None = None,
    estimator: _settings.Estimator = _settings.Estimator.TransferCellClassifier,
    backbone: list[str] | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    settings: list[str] | None = None,
    memory: Path | None = None,
    on_error: _data.ErrorMode = _data.ErrorMode.RAISE,
    device: str = "auto",
    resume: bool = False,
    history: Path | None = None,
    plots: Path | None = None,
    output: _output.Output,
    table: _data.Table,
):
    """Train a classifier on images, and write it to a file.

    If DATA has the parts train, val and test, val selects the best epoch and the score on test is
    written to the model file. Without val, some of the training images are set aside, groups
    (--group-column) kept together. --json prints what `skblood info --json` prints of the file.
    Tar files are read anew in each epoch: they may hold any number of images, each with its label
    in a .cls file.

    Ctrl-C writes the best model so far to MODEL.partial. The training state is kept in the folder
    MODEL.checkpoint until training is complete: after any interruption, the same command with
    --resume continues from the last epoch, and gives the model of an uninterrupted training.

    `torchrun --nproc_per_node=N -m skblood train ...` trains one model by N processes, each on a
    GPU, or with --device cpu on the CPU.

    Parameters
    ----------
    out : MODEL
        The model file to write.
    val : DATA
        Validation images, instead of the val part of DATA.
    test : DATA
        Test images, instead of the test part of DATA.
    estimator : name
        The class of the classifier.
    backbone : NAME
        A network of timm, torchvision/NAME, or cellnet_s and others; repeat for hybrid.
    epochs : int
        Maximum number of epochs.
    seed : int
        Seed; the same seed gives the same model.
    settings : NAME=VALUE
        Any parameter of the class, e.g. lr=1e-3, augment=none. Repeat for several.
    memory : FOLDER
        Cache of decoded images and features for other runs.
    resume : bool
        Continue this training if it was interrupted.
    history : FILE
        A .csv or .parquet table of the epochs to write.
    plots : FOLDER
        Write the learning curves and the confusion matrix here.

    Examples
    --------
    skblood train cells/ --out cells.skblood
    skblood train cells.csv --out cells.skblood --backbone resnet18 --set trainable=head
    skblood train cells.csv --out cells.skblood --group-column patient
    skblood train 'train-*.tar' --val 'val-*.tar' --out cells.skblood
    skblood train synthetic --out toy.skblood --estimator mlp --epochs 5
    """
    out = out.expanduser()
    checkpoint, best = (out.with_name(f"{out.name}.{end}") for end in ("checkpoint", "partial"))
    helps = _output.helps()
    if not helps:
        output.reserve(out)
        output.reserve_table(history, "--history")
        output.reserve_folder(plots, _PICTURES, "--plots")
    for source in filter(None, (data, val, test)):
        _data.check_source(source, table)
    if not (resume or output.overwrite or helps):
        _check_nothing_left(best, checkpoint)
    from skblood import io
    from skblood.evaluation import evaluate

    options = {"image_size": image_size, "max_epochs": epochs, "random_state": seed}
    options |= {"memory": memory, "device": device}
    model = _settings.make_estimator(estimator, backbone, settings, options)
    parts = _read_parts(data, val, test, on_error, table)
    if not (resume or helps):
        shutil.rmtree(checkpoint, ignore_errors=True)
    _fit(model, parts, checkpoint, best)
    if helps:
        return
    output.write(out, partial(io.save, model))
    best.unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)
    report = None
    if test := parts.get("test"):
        # Intervals of a single group would be of no use.
        groups = None if test.groups is None or len(set(test.groups)) == 1 else test.groups
        report = evaluate(model, test.X, test.y, groups=groups)
        replacing = _output.Output(overwrite=True)
        replacing.write(out, partial(io.save, model, evaluation={"test": report}))
    _write_further(model, report, history, plots, output)
    _info.info(out, as_json=output.as_json)
    if report is not None and not output.as_json:
        _output.show(f"\nOn the test part, {report}")


def _check_nothing_left(*paths):
    """Raise FileExistsError if there is a training to resume."""
    # A folder without a complete epoch is nothing to resume from.
    left = [str(path) for path in paths if path.is_file() or any(path.glob("*"))]
    if left:
        raise FileExistsError(
            f"An interrupted training left {', '.join(left)}. Continue it by --resume, or start "
            "anew (and remove it) by --overwrite."
        )


def _read_parts(data, val, test, on_error, table):
    """Return the training and, if given, validation and test images by name of the part."""
    import numpy as np

    from skblood._labels import encode_labels

    is_stream = _data.is_shards(data)
    cells = _data.read_shards(data, table, on_error) if is_stream else _data.read_cells(data, table)
    parts = {"train": _data.select_part(cells, "train")}
    for name, source in (("val", val), ("test", test)):
        if source is not None:
            parts[name] = _data.select_part(_data.read_cells(source, table), name)
        elif cells.split is not None and name in cells.split:
            parts[name] = _data.select_part(cells, name)
    for name, part in parts.items():
        parts[name], _ = _data.leave_out_unreadable(part, on_error)
    _check_groups(parts)
    for name, part in parts.items():
        # Raises now, not after training.
        encode_labels(part.y, np.unique(parts["train"].y), name)
        _output.say(f"{name}: {len(part.y)} images of {len(np.unique(part.y))} classes.")
    return parts


def _check_groups(parts):
    """Raise an error if two parts have a group in common."""
    # As text: one table may hold the integer 7, another "7".
    groups = {k: set(map(str, part.groups)) for k, part in parts.items() if part.groups is not None}
    for one, other in combinations(groups, 2):
        if n_shared := len(groups[one] & groups[other]):
            raise ValueError(
                f"{one} and {other} share {n_shared} groups, so results would look too good. "
                "Keep each group in one part; if it is not the same group, rename one."
            )


def _fit(model, parts, checkpoint, best):
    """Train a model, from the checkpoint if there is one; Ctrl-C saves the best so far."""
    from skblood import io
    from skblood.training import TrainingCheckpoint, TrainingInterrupted

    if checkpoint.exists():
        _output.say(
            f"Resuming from {checkpoint}; if data or parameters differ, training starts anew."
        )
    model.set_params(verbose=_output.verbosity(), callbacks=[TrainingCheckpoint(checkpoint)])
    train, val = parts["train"], parts.get("val")
    options = {} if val is None else {"X_val": val.X, "y_val": val.y}
    try:
        model.fit(train.X, train.y, groups=train.groups, **options)
    except TrainingInterrupted as interrupted:
        model = _without_callbacks(interrupted.estimator)
        if _output.helps():
            raise typer.Exit(130) from interrupted
        _output.Output(overwrite=True).write(best, partial(io.save, model))
        _output.say(
            f"skblood: interrupted by Ctrl-C after {model.n_iter_} epochs. {best} is the best "
            "model so far. The same command with --resume continues."
        )
        raise typer.Exit(130) from interrupted
    finally:
        with suppress(OSError):  # unless an epoch is complete
            if not _output.helps():
                checkpoint.rmdir()
    _without_callbacks(model)


def _without_callbacks(model):
    """Return a model without those of this command, also in its card."""
    model.fit_settings_["callbacks"] = "None"
    return model.set_params(callbacks=None)


def _write_further(model, report, history, plots, output):
    """Write the table of the epochs and the pictures."""
    import pandas as pd

    from skblood.evaluation import HistoryDisplay

    if history is not None:
        internal = ("batches", "_best", "_batch_count")  # what skorch keeps for itself
        frame = pd.DataFrame(list(model.history_))
        output.write_table(history, frame.loc[:, ~frame.columns.str.endswith(internal)])
    if plots is not None:
        figure = HistoryDisplay.from_estimator(model).figure_
        output.write_picture(plots / "history.png", figure)
    if plots is not None and report is not None:
        output.write_picture(plots / "confusion_matrix.png", report.plot().figure_)
