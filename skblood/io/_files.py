"""Saving and loading: the public functions."""

import os
import warnings
from importlib import import_module, metadata

from skblood._replace import replace_file
from skblood.inference import resolve_device
from skblood.io._container import FORMAT, pack, unpack
from skblood.io._errors import ModelFileError
from skblood.io._pipelines import check_model, describe_model, restore_model
from skblood.io._values import decode, plain

_PACKAGES = ("torch", "torchvision", "timm", "scikit-learn", "numpy")
_DOCUMENT = {"model", "left_out", "versions", "evaluation"}


def save(model, path, *, evaluation=None):
    """Save a fitted model in one file that holds no code.

    The file is a safetensors file: raw tensors, and in its header JSON that tells all the rest:
    the class and its parameters, the labels, what images it takes, the history and data of its
    training, versions, a checksum of the file, and the model card. An existing file is replaced
    in one step: whenever saving is broken off, be it by a full disk or the end of the process,
    the old file is whole.

    Parameters
    ----------
    model : fitted estimator of skblood, or Pipeline of scikit-learn or imbalanced-learn
        The other steps of a Pipeline are saved by skops (``pip install skops``), as far as they
        are scikit-learn's own or samplers of imbalanced-learn; of a sampler, the parameters.
    path : str or path-like
        The file, by custom with the suffix ``.skblood``. Its folder must be there.
    evaluation : EvaluationReport, dict of str to EvaluationReport, or None, default=None
        What `skblood.evaluation.evaluate` found, for the model card.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If the model, a parameter or a step of a Pipeline cannot be saved.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    OSError
        If the file cannot be written: FileNotFoundError if there is no such folder,
        PermissionError if it cannot be written to.

    Warns
    -----
    UserWarning
        If parameters hold code or a random generator (`callbacks`, a callable as `augment` or
        `scoring`, a RandomState). They are needed in a further fit only, and are saved as the
        default.

    See Also
    --------
    load : Load it.
    load_info : What is in the file, without the network.

    Notes
    -----
    Not saved are the folders of this computer (`memory`, `checkpoint`), the figures of single
    batches in `history_`, what `set_fit_request` routes, and the state of the optimizer: after
    loading, `partial_fit` goes on with a fresh one.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skblood
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(64, image_size=28, random_state=0)
    >>> clf = skblood.TransferCellClassifier("cellnet_t", max_epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = skblood.save(clf, Path(folder, "cells.skblood"))
    ...     again = skblood.load(path)
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    document, tensors, left_out = describe_model(model)
    card = _package().model_card(model, evaluation=evaluation)
    if left_out:
        warnings.warn(
            f"{', '.join(left_out)} cannot be saved, being code or a random generator; saved is "
            "the default. Predictions do not depend on it; set it anew before a further fit.",
            UserWarning,
            stacklevel=2,
        )
    document = {
        "model": document,
        "left_out": left_out,
        "versions": {package: metadata.version(package) for package in _PACKAGES},
        "evaluation": _as_dict(evaluation),
    }
    content = pack(document, tensors, card, _package().__version__)
    return replace_file(path, content)


def load(path, *, device="auto"):
    """Load a model that `save` wrote.

    Nothing in the file is run, unpickled or imported by a name that it gives, and neither the
    network nor the file that pretrained weights once came from is needed. All that
    is in the file is checked.

    Parameters
    ----------
    path : str or path-like
    device : str, default="auto"
        Where the model predicts, and its new parameter `device`. "auto" leaves the parameter as
        it was saved, unless it names a device that is not here: then it becomes "auto", which
        takes CUDA if there is one, else MPS, else the CPU.

    Returns
    -------
    model : fitted estimator or Pipeline
        On the same device, its predictions are those of the saved model to the bit.

    Raises
    ------
    ModelFileError
        If the file is no model, is damaged, or was written by a later version of skblood.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the device is not known or not there.
    ImportError
        If a step of a Pipeline needs skops, which is not installed.

    See Also
    --------
    save : Save a model; there is an example.
    load_info : What is in the file, without the network.

    Examples
    --------
    >>> import skblood
    >>> skblood.load("somewhere/else.skblood")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'somewhere/else.skblood'
    """
    if device != "auto":
        resolve_device(device)  # an error of the call and not of the file
    document, _, layout, tensors, _ = _unpack(path)
    try:
        check_model(document["model"], layout)  # all of it, before anything is built
        return restore_model(document["model"], layout, tensors, device)
    except (ImportError, MemoryError):
        raise
    # Whatever it meets: the file is whole, but may have been made by anybody or any version.
    except Exception as error:
        raise _wrong(path, document, error) from error


def load_info(path):
    """Return what is in the file of a model, without building its network.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    info : dict
        Of types that JSON has. `class`, `parameters`, `attributes` (as those of the fitted
        estimator, such as `classes_`, `history_` and `training_data_`) and `preprocessing`; of a
        Pipeline `class`, `parameters` and `steps`, a list of such dicts with a `name`. Then
        `format`, `skblood` (the version that wrote it), `versions` of other packages, `left_out`
        (parameters that could not be saved), `evaluation`, and `card`, which is Markdown.

    Raises
    ------
    ModelFileError
        If the file is no model, is damaged, or was written by a later version of skblood.
    FileNotFoundError
        If there is no such file.

    See Also
    --------
    load : Load the model itself.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skblood
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(64, image_size=28, random_state=0)
    >>> clf = skblood.MLPCellClassifier((8,), max_epochs=1, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     info = skblood.load_info(skblood.save(clf, Path(folder, "cells.skblood")))
    >>> info["class"], info["parameters"]["hidden_layer_sizes"]
    ('MLPCellClassifier', [8])
    >>> info["attributes"]["training_data_"]["n_images"]
    64
    """
    document, card, layout, _, version = _unpack(path, with_tensors=False)
    try:
        check_model(document["model"], layout)
        model = _readable(document["model"])
    # As in `load`.
    except Exception as error:
        raise _wrong(path, document, error) from error
    rest = {key: document[key] for key in sorted(_DOCUMENT - {"model"})}
    return {"format": FORMAT, "skblood": version, **model, **rest, "card": card}


def _unpack(path, with_tensors=True):
    """Return what `unpack` does; the form of the document is checked as far as it is ours."""
    unpacked = unpack(path, with_tensors)
    document = unpacked[0]
    model = document.get("model")
    if set(document) != _DOCUMENT or not isinstance(model, dict):
        raise ModelFileError(
            f"{os.fspath(path)!r} is no model of this version: its JSON must hold "
            f"{', '.join(sorted(_DOCUMENT))}, and holds {', '.join(sorted(document))[:200]}."
        )
    return unpacked


def _readable(document):
    """Return the description of a model in types that JSON has."""
    readable = {"class": document["class"]}
    for key in ("parameters", "attributes"):
        if key in document:
            readable[key] = {name: plain(decode(v)) for name, v in document[key].items()}
    if "preprocessing" in document:
        readable["preprocessing"] = document["preprocessing"]
    if "type" in document:
        readable["class"] = document["type"]
    if "steps" in document:
        steps = document["steps"]
        readable["steps"] = [{"name": name, **_readable(step)} for name, step in steps]
    return readable


def _as_dict(evaluation):
    """Return reports as JSON has them."""
    if isinstance(evaluation, dict):
        return {name: _as_dict(report) for name, report in evaluation.items()}
    return None if evaluation is None else evaluation.to_dict()


def _wrong(path, document, error):
    """Return the error of a file that is whole, but tells of no model that can be built here."""
    saved = document["versions"] if isinstance(document["versions"], dict) else {}
    here = {package: metadata.version(package) for package in _PACKAGES}
    other = [
        f"{p} {saved[p]!s:.20} (here {here[p]})" for p in here if saved.get(p, here[p]) != here[p]
    ]
    hint = f" It was saved with {', '.join(other)}." if other else ""
    return ModelFileError(f"{os.fspath(path)!r} cannot be loaded: {error}.{hint}")


def _package():
    """Return skblood itself, which imports this module."""
    return import_module("skblood")
