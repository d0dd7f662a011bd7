"""Saving and loading: the public functions."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from skblood._typing import Reports, StrPath
from skblood._writing import replace_file
from skblood.inference import resolve_device

from ._card import model_card, read_versions
from ._container import ModelFileError, pack, unpack
from ._format_1 import upgrade
from ._hub import local_file
from ._pipelines import describe_model, readable_model, restore_model
from ._schema import has_fields, is_evaluation

_DOCUMENT = {
    "model": lambda v: isinstance(v, dict),
    "left_out": lambda v: isinstance(v, list),
    "versions": lambda v: isinstance(v, dict),
    "evaluation": is_evaluation,
}


def save(model: Any, path: StrPath, *, evaluation: Reports = None) -> Path:
    """Save a fitted model in one file that holds no code.

    The file is a safetensors file: raw tensors, and in its header JSON with all the rest: the
    class and its parameters, the specification of the network (`spec_`), labels, history and
    training data, versions, a checksum, and the model card. An existing file is replaced in one
    step: if saving fails or is interrupted, the old file is whole.

    Parameters
    ----------
    model : fitted estimator
        Of skblood, or one of scikit-learn or imbalanced-learn that holds such estimators: a
        Pipeline, FeatureUnion, ColumnTransformer, CalibratedClassifierCV, VotingClassifier and
        others. What is not skblood's is saved by skops (``pip install skops``); of a sampler, its
        parameters.
    path : str or path-like
        The file, by convention with the suffix ``.skblood``. Its folder must exist.
    evaluation : EvaluationReport, dict of str to EvaluationReport, or None, default=None
        Result of `skblood.evaluation.evaluate`, for the model card.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If the model, or a part of it, cannot be saved: code, and classes such as SVC, trees and
        nearest neighbors, with which a file that somebody made could crash Python.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    OSError
        If the file cannot be written: FileNotFoundError if the folder does not exist,
        PermissionError if it cannot be written to.

    Warns
    -----
    UserWarning
        If a parameter cannot be written, such as code or a random generator (`callbacks`, a
        callable as `augment` or `scoring`, a RandomState). Only a further fit needs it; the file
        has its default. Attributes that skblood does not know are left out with the same warning.

    See Also
    --------
    load : Load a saved model.
    load_info : Describe a saved model without building its network.

    Notes
    -----
    The file holds what was fitted: parameters that were set after `fit` are saved for the next fit
    and change no prediction.

    Not saved are `memory` (a folder of this computer), the folders of `weights` (of which the name
    and the SHA-256 of the file are kept), the figures of single batches in
    `history_`, what `set_fit_request` routes, and the state of the optimizer: after loading,
    `partial_fit` starts with a fresh one.

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
    card = model_card(model, evaluation=evaluation)  # which checks both
    document, tensors, left_out = describe_model(model)
    if left_out:
        warnings.warn(
            f"{', '.join(left_out)} cannot be saved: the file has the default of a parameter, and "
            "no other attributes. No prediction depends on them; set them before a further fit.",
            UserWarning,
            stacklevel=2,
        )
    if isinstance(evaluation, dict):
        reports = {name: report.to_dict() for name, report in evaluation.items()}
    else:
        reports = None if evaluation is None else evaluation.to_dict()
    document = {"model": document, "left_out": left_out}
    document |= {"versions": read_versions(), "evaluation": reports}
    return replace_file(path, pack(document, tensors, card, metadata.version("skblood")))


def load(path: StrPath, *, device: str = "auto") -> Any:
    """Load a model that `save` wrote.

    Nothing in the file is executed, unpickled or imported by name, and all of it is checked. The
    internet and the files that pretrained weights came from are not needed.

    Parameters
    ----------
    path : str or path-like
        The file; or ``"hf://owner/name"``, a model on the Hugging Face Hub that
        :func:`skblood.push_to_hub` pushed, which is downloaded once. ``"hf://owner/name@revision"``
        is its version at a branch, tag or commit: only a commit is always the same model.
    device : str, default="auto"
        Where the model predicts. "auto" is the device that it was fitted on if that is available,
        else CUDA if there is one, else MPS, else the CPU; its parameter `device` is the saved one.
        Another value becomes its parameter `device`, too.

    Returns
    -------
    model : fitted estimator
        On the same device, its predictions equal those of the saved model. To a type checker its
        class is unknown: ``clf: TransferCellClassifier = load(path)`` tells it.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged, or was written by a later version of skblood.
    FileNotFoundError
        If the file, or the model on the Hub, does not exist.
    PermissionError, ConnectionError
        If the Hub refuses, or cannot be reached.
    ValueError
        If the device is unknown or not available.
    ImportError
        If a part of the model needs skops, which is not installed.

    See Also
    --------
    save : Save a model; with an example.
    load_info : Describe a saved model without building its network.

    Examples
    --------
    >>> import skblood
    >>> skblood.load("somewhere/else.skblood")
    Traceback (most recent call last):
    FileNotFoundError: There is no model file 'somewhere/else.skblood'.
    """
    if device != "auto":
        resolve_device(device)  # an error of the call, not of the file
    contents = read_file(path)
    with _as_file_error(path, contents.document):
        return restore_model(contents.document["model"], contents.tensors, device)


def load_info(path: StrPath) -> dict[str, Any]:
    """Describe a saved model without building its network.

    Parameters
    ----------
    path : str or path-like
        As of :func:`skblood.load`.

    Returns
    -------
    info : dict
        JSON types only. `class`, `parameters`, `spec` (see `skblood.networks.NetworkSpec`),
        `attributes` (those of the fitted estimator, such as `classes_`, `history_` and
        `training_data_`), `network` (its `backbones` in words, with the weights that training
        started from, and the `device` of the training) and `preprocessing`; of a Pipeline `class`,
        `parameters` and `steps`, a list of such dicts with a `name`; of other estimators `class`
        and `estimators`, a list of such dicts, one for each estimator of skblood in it. Then
        `format`, `skblood` (the version that wrote the file), `versions` of other packages,
        `left_out` (what could not be saved), `evaluation`, and `card` (Markdown).

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged, or was written by a later version of skblood.
    FileNotFoundError
        If the file does not exist.

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
    >>> info["class"], info["spec"]["head"]["hidden_layer_sizes"]
    ('MLPCellClassifier', [8])
    >>> info["attributes"]["training_data_"]["n_images"]
    64
    """
    contents = read_file(path)
    document = contents.document
    with _as_file_error(path, document):
        model = readable_model(document["model"], contents.tensors)
    rest = {key: document[key] for key in sorted(_DOCUMENT.keys() - {"model"})}
    head = {"format": contents.format, "skblood": contents.version}
    return {**head, **model, **rest, "card": contents.card}


def read_file(path):
    """Return the `Contents` of a file of any format, with the document in the current one."""
    with local_file(path) as file:
        contents = unpack(file)
    document = contents.document
    if not has_fields(document, _DOCUMENT):
        raise ModelFileError(
            f"{os.fspath(path)!r} is not a model of this version: in its JSON, one of "
            f"{[*_DOCUMENT]} is missing or not valid, or there is more."
        )
    if contents.format == 1:
        with _as_file_error(path, document):
            document["model"] = upgrade(document["model"])
    # Half the bytes in the package; every network is one of float32.
    halves = {k: v.float() for k, v in contents.tensors.items() if v.dtype == torch.float16}
    return contents._replace(tensors=contents.tensors | halves)


@contextmanager
def _as_file_error(path, document):
    """Raise ModelFileError for whatever is found wrong in a file that is whole."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    # Whatever it meets: the file may have been made by anybody, or by any version.
    except Exception as error:
        what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ModelFileError(
            f"{os.fspath(path)!r} cannot be loaded: {what:.500}. It was saved with "
            f"{document['versions']!s:.200}; here is {read_versions()}."
        ) from error
