"""`skblood predict`, and what `evaluate` shares with it."""

import glob
from enum import StrEnum
from pathlib import Path

import typer

from skblood._writing import printable
from skblood.cli import _data, _output

# Images that are read and predicted at a time.
_CHUNK = 1024

ErrorMode = StrEnum("ErrorMode", ["RAISE", "SKIP"])


def predict(
    words: list[str],
    *,
    out: Path | None = None,
    crop: float | None = None,
    on_error: ErrorMode = ErrorMode.RAISE,
    device: str = "auto",
    bit_depth: int | None = None,
    as_json: bool = False,
    overwrite: bool = False,
):
    """Predict the class of each image, in the order of the images; print csv or write a table.

    The table has the columns path, label, probability (that of the label), and for each class
    its probability: p_ and the name of the class as it is spelled ("p_immature granulocyte").
    --on-error skip adds the column error.

    Without a model file, the pretrained model of skblood is used, which knows the eight classes
    of PBC and BloodMNIST.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', or one npz file in the MedMNIST format.
    out : FILE
        A .csv or .parquet file to write.
    on_error : raise or skip
        raise: name unreadable images, and fail. skip: empty rows.

    Examples
    --------
    skblood predict new/
    skblood predict cells.skblood cell.png
    skblood predict cells.skblood new/ 'old/**/*.tif' --out new.parquet --on-error skip
    """
    _output.reserve_table(out, overwrite)
    model, images = _split_words(words)
    classifier = load_classifier(model, device, crop)
    names, X = _data.find_images(images, bit_depth)
    skip = on_error == ErrorMode.SKIP
    probabilities, errors = predict_all(classifier, X, skip=skip)
    frame = prediction_table(names, classifier.classes_, probabilities)
    if skip:
        frame["error"] = _output.as_utf8(errors.get(i, "") for i in range(len(names)))
    if errors:
        _output.say(f"skblood: {len(errors)} of {len(names)} images cannot be read: see `error`.")
    if out is not None or not as_json:
        _output.write_table(out, frame, overwrite)
    if out is not None:
        _output.say(f"{out}: {len(names) - len(errors)} images predicted.")
    if as_json:
        counts = {"n_images": len(names), "n_unreadable": len(errors)}
        _output.show({**counts, "predictions": frame.to_dict("records")})


def _split_words(words):
    """Return the model file, or None if the first word names images, and the images."""
    from skblood.datasets import IMAGE_EXTENSIONS

    first = Path(words[0]).expanduser()
    is_pattern = glob.has_magic(words[0]) and not first.exists()
    if first.is_dir() or is_pattern or first.suffix.lower() in (*IMAGE_EXTENSIONS, ".npz"):
        return None, words
    if len(words) == 1:
        _data.existing(words[0], "image, folder or model file")
        raise typer.BadParameter(
            f"{words[0]!r} is no image, folder or npz file. If it is a model, name images, too."
        )
    return words[0], words[1:]


def load_classifier(path, device, crop=None):
    """Load a model that predicts probabilities.

    Parameters
    ----------
    path : str or None
        None loads the pretrained model.
    device : str
    crop : float, default=None
        Share of each side that the model looks at; None keeps that of the model.
    """
    from skblood.estimators import reconfigure
    from skblood.io import load, load_pretrained

    if path is None:
        model = load_pretrained(device=device)
    else:
        model = load(_data.existing(path), device=device)
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"{path!r} holds a {type(model).__name__}, which predicts no classes; `skblood embed` "
            "gives its features."
        )
    if crop is None:
        return model
    name, reader = find_reader(model)
    cropped = reconfigure(reader, crop=crop)
    return cropped if name is None else model.set_params(**{name: cropped})


def find_reader(model):
    """Return name and estimator of the step of a Pipeline that reads images, or None and model."""
    if hasattr(model, "read_images"):
        return None, model
    steps = model.get_params().items()
    if found := [step for step in steps if hasattr(step[1], "read_images")]:
        return found[0]
    raise TypeError(f"No step of the {type(model).__name__} reads images.")


def predict_all(model, X, *, skip=False):
    """Return the probabilities of all images, each read once, with a bar on a terminal.

    Parameters
    ----------
    model : fitted classifier
    X : list of paths, ndarray of images, or CellImages
    skip : bool, default=False
        Leave rows of NaN for unreadable images.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes)
    unreadable : dict of int to str
        Position -> reason.

    Raises
    ------
    ValueError
        If images are unreadable and `skip` is False; all are named.
    """
    import numpy as np
    from tqdm.auto import tqdm

    _, reader = find_reader(model)
    probabilities, unreadable = np.full((len(X), len(model.classes_)), np.nan), {}
    with tqdm(total=len(X), unit="image", disable=None, delay=1, leave=False) as bar:
        for start in range(0, len(X), _CHUNK):
            chunk, reasons = X[start : start + _CHUNK], {}
            try:
                images = reader.read_images(chunk, unreadable=reasons)
            except ValueError:
                if len(reasons) < len(chunk):
                    raise
                images = []  # none of them can be read
            for i, why in reasons.items():
                unreadable[start + i] = why.removeprefix(f"{chunk[i]}: ")
            if len(images) and (skip or not unreadable):
                rows = [start + i for i in range(len(chunk)) if i not in reasons]
                probabilities[rows] = model.predict_proba(images)
            bar.update(len(chunk))
    if unreadable and not skip:
        named = "\n".join(f"  {printable(X[i], '')}: {why}" for i, why in unreadable.items())
        raise ValueError(
            f"{len(unreadable)} of {len(X)} image files cannot be read:\n{named}\nRepair them, "
            "leave them out, or leave their rows empty by `skblood predict --on-error skip`."
        )
    return probabilities, unreadable


def prediction_table(names, classes, probabilities):
    """Return the table of predictions; unreadable images have the label ""."""
    import numpy as np
    import pandas as pd

    classes = np.array(_output.as_utf8(classes.tolist()), object)
    labels = classes[probabilities.argmax(axis=1)]
    labels[np.isnan(probabilities[:, 0])] = ""
    frame = pd.DataFrame({"path": names, "label": labels, "probability": probabilities.max(axis=1)})
    return frame.join(pd.DataFrame(probabilities, columns=classes).add_prefix("p_"))
