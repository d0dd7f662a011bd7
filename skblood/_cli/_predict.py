"""`skblood predict`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from skblood._cli._data import find_images
from skblood._cli._options import AsJson, Crop, Device, ErrorMode, Images, Model, OnError, Overwrite
from skblood._cli._output import check_new, check_table, print_json, say, write_table

# Images that are read and predicted at a time.
_CHUNK = 1024


def predict(
    model: Model,
    images: Images,
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

    Examples
    --------
    skblood predict cells.skblood cell.png
    skblood predict cells.skblood new/ 'old/**/*.tif' --out new.parquet --on-error skip
    """
    check_table(out)
    check_new([out], overwrite)
    classifier = load_classifier(model, device)
    names, X = find_images(images)
    probabilities, errors = predict_all(classifier, X, crop, skip=on_error == ErrorMode.SKIP)
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


def load_classifier(path, device):
    """Load a model that predicts probabilities."""
    import skblood

    model = skblood.load(path, device=device)
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"{str(path)!r} holds a {type(model).__name__}, which predicts no classes; "
            "`skblood embed` gives its features."
        )
    return model


def predict_all(model, X, crop=None, *, skip=False):
    """Return the probabilities of all images, with a bar on a terminal.

    Parameters
    ----------
    model : fitted classifier
    X : list of paths, or ndarray of images
    crop : int, default=None
        Height and width of the part in the centre of each file that is looked at.
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

    if crop is not None and not _are_paths(X):
        raise ValueError("--crop is for image files; those of an npz file are cropped already.")
    probabilities, errors = np.full((len(X), len(model.classes_)), np.nan), {}
    with tqdm(total=len(X), unit="image", disable=None, delay=1, leave=False) as bar:
        for start in range(0, len(X), _CHUNK):
            some, rows = (each[start : start + _CHUNK] for each in (X, probabilities))
            try:
                rows[:] = _predict_some(model, some, crop)
            except ValueError as error:
                # Only now are they looked at one by one; whoever mends them needs them all.
                found = _find_unreadable(some if skip else X, crop)
                if not found:
                    raise  # it is something else
                if not skip:
                    raise ValueError(_name_unreadable(found, X)) from error
                left = [i for i in range(len(some)) if i not in found]
                if left:
                    rows[left] = _predict_some(model, [some[i] for i in left], crop)
                errors.update((start + i, why) for i, why in found.items())
            bar.update(len(some))
    return probabilities, errors


def _are_paths(X):
    return getattr(X, "ndim", 1) == 1


def _predict_some(model, X, crop):
    from skblood.images import map_images

    if crop is not None:
        X, errors = map_images(partial(_centre, crop=crop), X)
        if errors:
            raise ValueError("Some cannot be read.")  # see where it is caught
    return model.predict_proba(X)


def _find_unreadable(X, crop):
    """Return position -> why an image file cannot be used."""
    import numpy as np

    from skblood.images import map_images

    look = np.shape if crop is None else partial(_centre, crop=crop)
    return map_images(look, X)[1] if _are_paths(X) else {}


def _name_unreadable(errors, X):
    from skblood.images import list_unreadable

    named = list_unreadable({i: f"{X[i]}: {why}" for i, why in errors.items()})
    return (
        f"{len(errors)} of {len(X)} image files cannot be used:\n{named}\n"
        "Mend them or leave them out; `skblood predict --on-error skip` leaves their rows empty."
    )


def _centre(image, crop):
    height, width = image.shape[:2]
    if min(height, width) < crop:
        raise ValueError(f"has {height} x {width} px, less than --crop {crop}")
    top, left = (height - crop) // 2, (width - crop) // 2
    return image[top : top + crop, left : left + crop]


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
