"""The classifier and the images of a command, and what it predicts for them."""

import glob
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from skblood._writing import to_utf8
from skblood.cli import _data, _output, _settings

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
                "--frame auto measures the crop: give either --frame or --crop."
            )
        crop = {} if self.crop is None else {"crop": self.crop}
        self.settings = crop | _settings.parse_prior(self.classes, self.prior)


def open_words(words, options, files, *, is_network=False, label_column=None):
    """Return what the words [MODEL] IMAGES name.

    Parameters
    ----------
    words : list of str
    options : Model
    files : Files
    is_network : bool, default=False
        Whether the model must be as of `load_network`, not of `load_classifier`.
    label_column : str, default=None
        As of `find_images`.

    Returns
    -------
    model : fitted classifier
    cells : Bunch
        Readable images, as of `find_images`.
    unreadable : dict of str to str
    """
    _data.check_words(words, options.on_error, files.list_columns())
    path, images = split_words(words)
    model = (load_network if is_network else load_classifier)(path, options)
    cells = _data.find_images(images, files, label_column)
    cells, unreadable = _data.leave_out_unreadable(cells, options.on_error)
    return take_frame(model, options.frame, cells.X), cells, unreadable


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
            "for a Pipeline, save its last step."
        )
    return model


def _change_reader(model, change):
    """Return the model with what reads its images changed."""
    from skblood.streaming import find_reader

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
    return to_utf8(Path(path).name if path else str(getattr(model, "weights", "")))


def add_columns(table, columns):
    """Return a table with the columns given, if any; "given_" goes before names that it has."""
    if columns is None:
        return table
    from skblood.streaming import name_given

    names = name_given(columns, table)
    return table.join(columns.reset_index(drop=True).map(to_utf8).rename(columns=names))
