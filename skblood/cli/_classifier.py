"""The classifier and the images of a command, and what it predicts for them."""

import glob
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from skblood._writing import list_some, shorten, track
from skblood.cli import _data, _output, _settings

# Images that are read and predicted at a time.
_CHUNK = 1024

FrameMode = StrEnum("FrameMode", ["AUTO"])


@dataclass(kw_only=True)
class Model:
    """Options of a command that predicts: how images are read, and what a model takes them for."""

    crop: float | None = None
    frame: FrameMode | None = None
    classes: str | None = None
    prior: str | None = None
    on_error: _data.ErrorMode = _data.ErrorMode.RAISE
    device: str = "auto"

    def __post_init__(self):
        """Check the options, before anything is imported."""
        if self.frame is not None and self.crop is not None:
            raise typer.BadParameter(
                "--frame auto measures the crop: leave --crop out, or --frame."
            )
        crop = {} if self.crop is None else {"crop": self.crop}
        self.settings = crop | _settings.parse_prior(self.classes, self.prior)


def open_words(words, options, files, *, is_network=False, label_column=None):
    """Return the model, and the images as of `find_images`, of the words [MODEL] IMAGES.

    Parameters
    ----------
    words : list of str
    options : Model
    files : Files
    is_network : bool, default=False
        Whether the model must be as of `load_network`, not of `load_classifier`.
    label_column : str, default=None
        As of `find_images`.
    """
    _data.check_words(words, options.on_error, files.list_columns())
    path, images = split_words(words)
    model = (load_network if is_network else load_classifier)(path, options)
    cells = _data.find_images(images, files, label_column)
    return take_frame(model, options.frame, cells.X), cells


def split_words(words):
    """Return the model file, or None if the first word names images, and the images."""
    from skblood.datasets import IMAGE_EXTENSIONS

    name, *images = words
    first, is_pretrained = Path(name).expanduser(), _data.find_pretrained(name) is not None
    is_pattern = glob.has_magic(name) and not first.exists()
    is_file = first.suffix.lower() in (*IMAGE_EXTENSIONS, ".npz", ".tar", ".parquet")
    is_file = is_file or _data.is_table(first) or "://" in name
    if (first.is_dir() or is_pattern or is_file) and not is_pretrained:
        return None, words
    if images:
        return name, images
    what = f"a pretrained model: name images after it. A folder of this name is ./{name}"
    if not is_pretrained:
        _data.existing(name, "image, folder, table or model file")
        what = "no image, folder, csv or npz file. If it is a model, name images after it."
    raise typer.BadParameter(f"{name!r} is {what}")


def split_data(words, model):
    """Return the model, or None, and DATA of the words [MODEL] DATA and the option --model."""
    if len(words) > 2 - (model is not None):
        raise typer.BadParameter(f"give one model and one folder or table, not {len(words)} words.")
    return (words[0] if len(words) == 2 else model), words[-1]


def load_model(path, options):
    """Load a model.

    Parameters
    ----------
    path : str or None
        A file, or the name of a pretrained model, which goes first; None is the default one.
    options : Model
    """
    is_pretrained = path is None or _data.find_pretrained(path) is not None
    file = None if is_pretrained else _data.existing(path)
    from skblood.io import load, load_pretrained

    if is_pretrained:
        model = load_pretrained(*filter(None, [path]), device=options.device)
        _output.say(f"model: {path or model.weights} (pretrained)")
    else:
        model = load(file, device=options.device)
    if not options.settings:
        return model
    from skblood.estimators import reconfigure

    return _change_reader(model, lambda reader: reconfigure(reader, **options.settings))


def load_classifier(path, options):
    """Load a model that predicts probabilities, as `load_model` does."""
    model = load_model(path, options)
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"{path!r} holds a {type(model).__name__}, which predicts no classes; `skblood embed` "
            "gives its features."
        )
    return model


def load_network(path, options):
    """Load a classifier of skblood, which is not part of a Pipeline or an ensemble."""
    model = load_classifier(path, options)
    from skblood.estimators import CellClassifier

    if not isinstance(model, CellClassifier):
        raise TypeError(
            f"{path!r} holds a {type(model).__name__}. This command takes a classifier of skblood; "
            "of a Pipeline, save its last step."
        )
    return model


def _change_reader(model, change):
    """Return the model with what reads its images changed."""
    name, reader = find_reader(model)
    changed = change(reader or model)
    return changed if name is None else model.set_params(**{name: changed})


def take_frame(model, frame, X):
    """Return the model at the crop that suits the size of the cells, if a frame is asked for."""
    if frame is None:
        return model
    from skblood.cells import measure_frame
    from skblood.estimators import reconfigure

    def change(reader):
        measured = measure_frame(reader, X)
        _output.say(f"frame: {measured}")
        return reconfigure(reader, crop=measured.crop)

    return _change_reader(model, change)


def name_model(path, model):
    """Return the name of a model for reports: that of its file, or of the pretrained one."""
    return _output.to_utf8(Path(path).name if path else str(getattr(model, "weights", "")))


def find_reader(model):
    """Return what reads the images; see `streaming.find_reader`."""
    from skblood.streaming import find_reader

    return find_reader(model)


def predict_all(model, X, *, skip=False):
    """Return the probabilities of all images, each read once, and show the progress.

    Parameters
    ----------
    model : fitted classifier
    X : list of paths, ndarray of images, or CellImages
    skip : bool, default=False
        Leave rows of NaN for unreadable images.

    Returns
    -------
    labels : ndarray of shape (n,), dtype object
        "" for unreadable images.
    probabilities : ndarray of shape (n, n_classes)
    unreadable : dict of int to str
        Position -> reason.

    Raises
    ------
    ValueError
        If images are unreadable and `skip` is False; the first ten are named.
    """
    import numpy as np

    from skblood.streaming import predict_images, read_readable

    labels, unreadable = np.full(len(X), "", object), {}
    probabilities = np.full((len(X), len(model.classes_)), np.nan)
    with track(len(X), "predict") as update:
        for start in range(0, len(X), _CHUNK):
            chunk = X[start : start + _CHUNK]
            images, reasons = read_readable(model, chunk)
            unreadable |= {start + i: why for i, why in reasons.items()}
            if len(images) and (skip or not unreadable):
                rows = [start + i for i in range(len(chunk)) if i not in reasons]
                labels[rows], probabilities[rows] = predict_images(model, images)
            update(len(chunk))
    if unreadable and not skip:
        named = list_some(f"{shorten(X[i])}: {why}" for i, why in unreadable.items())
        raise ValueError(describe_unreadable(f"{len(unreadable)} of {len(X)}", named))
    return labels, probabilities, unreadable


def describe_unreadable(numbers, named):
    """Return the message of files that cannot be read: "2 of 9", and a list of them."""
    return (
        f"{numbers} image files cannot be read:\n{named}\nRepair them, leave "
        "them out, or pass --on-error skip. The depth of files is stated by --bit-depth."
    )


def prediction_table(names, classes, labels, probabilities):
    """Return the table of predictions."""
    import pandas as pd

    labels, classes = _output.as_utf8(labels), _output.as_utf8(classes.tolist())
    frame = pd.DataFrame({"path": names, "label": labels, "probability": probabilities.max(axis=1)})
    return frame.join(pd.DataFrame(probabilities, columns=classes).add_prefix("p_"))


def add_columns(table, columns):
    """Return a table with the columns given, if any; "given_" goes before names that it has."""
    if columns is None:
        return table
    names = {}
    for name in columns:
        names[name] = name
        while names[name] in table or (names[name] != name and names[name] in columns):
            names[name] = f"given_{names[name]}"
    return table.join(columns.reset_index(drop=True).map(_output.to_utf8).rename(columns=names))
