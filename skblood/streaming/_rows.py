"""Rows of predictions, or of features, of a batch of images."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from skblood._sklearn import unwrap_model
from skblood._writing import list_some, shorten, to_utf8
from skblood.datasets import find_unreadable

# Arrow types of columns of text and of numbers.
_TEXT, _PROBABILITY, _FEATURE = "string", "double", "float"


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """What the rows hold, of all shards of a folder.

    Attributes
    ----------
    task : {"predict", "embed"}
    on_error : {"raise", "skip"}
    model_name : str or None
        What stands in the column model; None leaves it out.
    fields : tuple of (str, str)
        Names and Arrow types of all columns.
    given : tuple of (str, str)
        Other columns of the source: their names there, and in the rows.
    run : str
        Token of the manifest, which shards state.
    """

    task: str
    on_error: str
    model_name: str | None
    fields: tuple[Any, ...]
    given: tuple[Any, ...] = ()
    run: str = ""

    @classmethod
    def of(cls, model, given=(), *, task="predict", on_error="raise", model_name=None):
        """Return the settings for a model and the other columns of a source.

        "given_" goes before names that are taken.
        """
        _check_choice("task", task, ("predict", "embed"))
        _check_choice("on_error", on_error, ("raise", "skip"))
        fields = {"path": _TEXT}
        if task == "predict":
            fields |= {"label": _TEXT, "probability": _PROBABILITY}
            fields |= {f"p_{to_text(label)}": _PROBABILITY for label in model.classes_.tolist()}
        else:
            fields |= {f"feature_{i}": _FEATURE for i in range(_count_features(model))}
        fields |= {"model": _TEXT} if model_name is not None else {}
        fields |= {"error": _TEXT} if on_error == "skip" else {}
        columns = name_given(given, fields)
        fields |= dict.fromkeys(columns.values(), _TEXT)
        settings = {"task": task, "on_error": on_error, "model_name": model_name}
        return cls(**settings, fields=tuple(fields.items()), given=tuple(columns.items()))

    def check(self, unreadable, n):
        """Raise ValueError if images of the last `n` are unreadable and not to be skipped."""
        if unreadable and self.on_error == "raise":
            named = list_some(f"{shorten(name)}: {why}" for name, why in unreadable)
            raise ValueError(
                f"{len(unreadable)} of the next {n} images cannot be read:\n{named}\nRepair them "
                "and start again, which resumes, or pass on_error='skip' for rows without numbers."
            )


def name_given(given, taken):
    """Return names of columns -> names in a table; "given_" goes before those that are taken."""
    names = {}
    for name in given:
        column = to_text(name)
        while column in taken or (column != name and column in given):
            column = f"given_{column}"
        names[name] = column
    return names


def _check_choice(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, allowed))}.")


def to_text(value):
    """Return a value as text in UTF-8, "" for None and NaN; other bytes are escaped."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    return to_utf8(str(value))


def find_reader(model):
    """Return what reads the images of a fitted model.

    Returns
    -------
    name : str or None
        That of the step of a Pipeline.
    reader : CellModel or None
        The step, or the model itself; None if members of an ensemble read their images themselves.

    Raises
    ------
    TypeError
        If no part of the model reads images.
    """
    for name, step in [(None, model), *getattr(model, "steps", ())]:
        if hasattr(step, "spec_"):
            return name, step
    if any(hasattr(each, "read_images") for each in model.get_params().values()):
        return None, None
    raise TypeError(f"No step of the {type(model).__name__} reads images.")


@contextmanager
def for_stream(model):
    """Compute by one thread, and keep no features in memory, inside.

    Sums depend on the number of threads, by up to 0.004 of a probability in bfloat16: with one,
    rows are the same for any number of workers and cores. Images of a stream are not seen again.
    """
    predictor = getattr(find_reader(model)[1], "predictor_", None)
    store, n_threads = getattr(predictor, "store", None), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        if store is not None and store.location is None:
            predictor.store = None
        yield
    finally:
        torch.set_num_threads(n_threads)
        if store is not None:
            predictor.store = store


def make_rows(model, batch, settings):
    """Return the rows of a batch of images, and which of them are unreadable.

    Parameters
    ----------
    model : fitted estimator
    batch : Batch
    settings : RowSettings

    Returns
    -------
    rows : DataFrame
        One of each image; at the end, one of each that the source itself could not read.
    unreadable : list of (str, str)
        Name and reason.
    """
    images, reasons = read_readable(model, batch.items)
    names = [*map(to_text, [*batch.names, *batch.errors])]
    reasons |= dict(enumerate(batch.errors.values(), len(batch.names)))
    readable = [i for i in range(len(names)) if i not in reasons]
    numbers = [name for name, kind in settings.fields if kind != _TEXT]
    is_predicted = settings.task == "predict"
    values = np.full((len(names), len(numbers)), np.nan, float if is_predicted else np.float32)
    labels = np.full(len(names), "", object)
    if readable and is_predicted:
        found, probabilities = predict_images(model, images)
        labels[readable] = [*map(to_text, found.tolist())]
        values[readable] = np.column_stack([probabilities.max(axis=1), probabilities])
    elif readable:
        values[readable] = embed_images(model, images)
    texts = {"path": names, "label": labels, "model": [settings.model_name] * len(names)}
    texts["error"] = [to_text(reasons.get(i)) for i in range(len(names))]
    for name, column in settings.given:
        has = batch.columns is not None and name in batch.columns
        given = [*map(to_text, batch.columns[name])] if has else [""] * len(batch.names)
        texts[column] = given + [""] * len(batch.errors)
    rows = pd.DataFrame(values, columns=numbers).assign(**texts)
    unreadable = [(names[i], why) for i, why in reasons.items()]
    return rows[[name for name, _ in settings.fields]], unreadable


def read_readable(model, items):
    """Return the readable images, and by position why the others are not.

    Parameters
    ----------
    model : fitted estimator
    items : sequence of paths or EncodedImage, or ndarray of images
    """
    _, reader = find_reader(model)
    reasons = {}
    if reader is None:
        reasons = find_unreadable(items) if len(items) else {}
        images = [item for i, item in enumerate(items) if i not in reasons] if reasons else items
        return images, reasons
    try:
        images = reader.read_images(items, unreadable=reasons) if len(items) else []
    except ValueError:
        if len(reasons) < len(items):
            raise
        images = []
    return images, {i: why.removeprefix(f"{items[i]}: ") for i, why in reasons.items()}


def predict_images(model, images):
    """Return the label of each image, and the probabilities of the classes, from one pass."""
    last, features = unwrap_model(model, images)
    probabilities = last.predict_proba(features)
    # Other models may have a threshold; a network needs no second pass of the images.
    labels = model.classes_[probabilities.argmax(axis=1)]
    return labels if hasattr(last, "spec_") else last.predict(features), probabilities


def embed_images(model, images):
    """Return the features of images: of a classifier, what its head is given."""
    if hasattr(model, "transform"):
        return model.transform(images)
    _, reader = find_reader(model)
    if reader is None:
        raise TypeError(f"A {type(model).__name__} has no features of its own.")
    return reader.predictor_.features(reader.iter_images(images))


def _count_features(model):
    _, reader = find_reader(model)
    shape = (8, 8, 3) if reader is None else reader.spec_.accepted_shape
    with for_stream(model):
        return embed_images(model, np.zeros((1, *shape), np.uint8)).shape[1]
