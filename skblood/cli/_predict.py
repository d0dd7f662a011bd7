"""`skblood predict`."""

import glob
from pathlib import Path
from typing import Annotated

import typer

from skblood.cli._data import find_images
from skblood.cli._options import (
    AsJson,
    Crop,
    Device,
    ErrorMode,
    ModelAndImages,
    OnError,
    Overwrite,
)
from skblood.cli._output import check_new, check_table, print_json, say, write_table

# Images that are read and predicted at a time.
_CHUNK = 1024


def predict(
    words: ModelAndImages,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .csv or .parquet file; without, csv is printed."),
    ] = None,
    crop: Crop = None,
    on_error: OnError = ErrorMode.RAISE,
    device: Device = "auto",
    as_json: AsJson = False,
    overwrite: Overwrite = False,
):
    """Predict the class of each image.

    The table has the columns path, label, probability (that of the label), and for each class
    the probability, as p_ and the name of the class, spelt as it is ("p_immature granulocyte").
    The rows are in the order of the images.

    Without a model file, the ready model predicts, which comes with skblood and knows the eight
    classes of PBC and BloodMNIST.

    Examples
    --------
    skblood predict new/
    skblood predict cells.skblood cell.png
    skblood predict cells.skblood new/ 'old/**/*.tif' --out new.parquet --on-error skip
    """
    check_table(out)
    check_new([out], overwrite)
    model, images = _take_model(words)
    classifier = load_classifier(model, device, crop)
    names, X = find_images(images)
    probabilities, errors = predict_all(classifier, X, skip=on_error == ErrorMode.SKIP)
    frame = as_frame(names, classifier.classes_, probabilities)
    if on_error == ErrorMode.SKIP:
        frame["error"] = [errors.get(i, "") for i in range(len(names))]
        if errors:
            say(f"skblood: {len(errors)} of {len(names)} images cannot be read; see their error.")
    if out is not None or not as_json:
        write_table(out, frame)
    if out is not None:
        say(f"{out}: {len(names) - len(errors)} images predicted.")
    if as_json:
        rows = frame.to_dict("records")
        print_json({"n_images": len(names), "n_unreadable": len(errors), "predictions": rows})


def _take_model(words):
    """Return the model file, or None if the first word names images, and the images."""
    from skblood.datasets._folders import IMAGE_EXTENSIONS

    first = Path(words[0]).expanduser()
    is_pattern = glob.has_magic(words[0]) and not first.exists()
    is_images = first.suffix.lower() in (*IMAGE_EXTENSIONS, ".npz")
    if first.is_dir() or is_pattern or is_images:
        return None, words
    if len(words) == 1:
        raise typer.BadParameter(
            f"{words[0]!r} is no image, folder or npz file. If it is a model, name images, too.",
            param_hint="IMAGES",
        )
    return words[0], words[1:]


def load_classifier(path, device, crop=None):
    """Load a model that predicts probabilities; the ready one if there is no path.

    It looks at `crop` of each side of an image, or at what it did, if that is None.
    """
    import skblood
    from skblood.io import load_pretrained

    model = load_pretrained(device=device) if path is None else skblood.load(path, device=device)
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"{str(path)!r} holds a {type(model).__name__}, which predicts no classes; "
            "`skblood embed` gives its features."
        )
    if crop is not None:
        _reads_images(model)._reframe(crop)
    return model


def _reads_images(model):
    """Return a model, or the step of a Pipeline, that reads the images."""
    from skblood.estimators import CellModel

    for _, step in getattr(model, "steps", [(None, model)]):
        if isinstance(step, CellModel):
            return step
    raise TypeError(f"No step of the {type(model).__name__} reads images, so leave --crop out.")


def predict_all(model, X, *, skip=False):
    """Return the probabilities of all images, with a bar on a terminal.

    Parameters
    ----------
    model : fitted classifier
    X : list of paths, or ndarray of images
    skip : bool, default=False
        Leave rows of NaN for what cannot be read, which else is an error.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes)
    errors : dict of int to str
        Position -> why it cannot be read.
    """
    import numpy as np
    from tqdm.auto import tqdm

    probabilities, errors = np.full((len(X), len(model.classes_)), np.nan), {}
    with tqdm(total=len(X), unit="image", disable=None, delay=1, leave=False) as bar:
        for start in range(0, len(X), _CHUNK):
            some, rows = (each[start : start + _CHUNK] for each in (X, probabilities))
            try:
                rows[:] = model.predict_proba(some)
            except ValueError as error:
                # Only now are they looked at one by one; whoever mends them needs them all.
                found = _find_unreadable(some if skip else X)
                if not found:
                    raise  # it is something else
                if not skip:
                    raise ValueError(_name_unreadable(found, X)) from error
                left = [i for i in range(len(some)) if i not in found]
                if left:
                    rows[left] = model.predict_proba([some[i] for i in left])
                errors.update((start + i, why) for i, why in found.items())
            bar.update(len(some))
    return probabilities, errors


def _find_unreadable(X):
    """Return position -> why an image file cannot be used."""
    import numpy as np

    from skblood.images import map_images

    are_paths = getattr(X, "ndim", 1) == 1
    return map_images(np.shape, X)[1] if are_paths else {}


def _name_unreadable(errors, X):
    from skblood.images import list_unreadable

    named = list_unreadable({i: f"{X[i]}: {why}" for i, why in errors.items()})
    return (
        f"{len(errors)} of {len(X)} image files cannot be used:\n{named}\n"
        "Mend them or leave them out; `skblood predict --on-error skip` leaves their rows empty."
    )


def as_frame(names, classes, probabilities):
    """Return the table of predictions."""
    import numpy as np
    import pandas as pd

    known = ~np.isnan(probabilities[:, 0])
    best = probabilities[known].argmax(axis=1)
    labels = np.full(len(names), "", dtype=object)
    labels[known] = classes[best]
    columns = {f"p_{label}": p for label, p in zip(classes, probabilities.T, strict=True)}
    return pd.DataFrame(
        {"path": names, "label": labels, "probability": probabilities.max(axis=1), **columns}
    )
