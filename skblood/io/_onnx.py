"""A fitted model as an ONNX file, preprocessing included."""

import copy
import json
import math
from importlib import import_module

import torch
from sklearn.utils.validation import check_is_fitted

from skblood._replace import replace_file
from skblood.estimators import CellModel
from skblood.io._onnx_check import largest_difference
from skblood.io._onnx_graph import Graph
from skblood.io._onnx_proto import make_proto, open_proto

# The most that a graph and its estimator may differ by.
_TOLERANCE = 1e-4
_USE = "research use; not a medical device"


def export_onnx(model, path):
    """Write a fitted model as an ONNX file, which answers without Python, skblood or PyTorch.

    The preprocessing is inside: images go in as they are, as uint8, and are cropped, resized,
    scaled and standardised by the graph, each pixel to the bit as `skblood` does it. Before
    anything is written, ONNX Runtime has to give the answers of the model for drawn images of two
    sizes and in batches of two lengths, within 1e-4.

    Parameters
    ----------
    model : estimator
        A fitted classifier or `CellEmbedder`. It is not changed. Of a Pipeline or a search, give
        the estimator within.
    path : str or path-like
        The file, by convention ``*.onnx``. An existing one is replaced when the new one is whole.

    Returns
    -------
    difference : float
        The largest difference met between the file and the model: of probabilities, or of
        features, those in parts of the largest one if it is above 1.

    Raises
    ------
    ImportError
        If onnx, onnxruntime or onnxscript is not installed: ``pip install "skblood[onnx]"``.
    TypeError
        If `model` is no estimator of skblood.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If its network cannot be written as ONNX, has more than 2 GiB, or cannot be run by ONNX
        Runtime, or gives other answers there. No file is written then.
    OSError
        If the file cannot be written.

    See Also
    --------
    save : A file to go on working with in skblood.

    Notes
    -----
    The input is ``images``, uint8 of shape (n, height, width, channels), with 1 channel for gray
    and 3 for RGB. Any n from 1 is taken, and any height and width if the model brings images to one
    size (its ``image_size_`` is not None); else those that it was fitted with. A model of rows of
    floats has the input ``rows``, float32 of shape (n, number of features).

    The output of a classifier is ``probabilities``, float32 of shape (n, n_classes), in the order
    of ``classes_``; that of an embedder is ``features``, float32 of shape (n, n_features).

    The metadata hold, each as text: ``classes`` (a JSON list; classifiers only), ``input`` (a JSON
    object: name, dtype, axes, shape with null for any length, and the range), ``estimator``,
    ``skblood_version``, ``largest_difference`` and ``intended_use``.

    The file computes in float32, and is compared with the model in float32 on the CPU. Where
    ``precision="auto"`` chooses bfloat16, `predict_proba` itself differs by more than 1e-4 from
    that; ``set_params(precision="float32")`` gives what the file gives.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import onnxruntime
    >>> import skblood
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = skblood.MLPCellClassifier((64,), max_epochs=3, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cells.onnx")
    ...     difference = skblood.export_onnx(clf, path)
    ...     session = onnxruntime.InferenceSession(path)
    >>> difference < 1e-4
    True
    >>> session.run(["probabilities"], {"images": X[:2]})[0].shape
    (2, 8)
    """
    _check_packages()
    _check_model(model)
    network = copy.deepcopy(model._network).cpu()
    classifies = hasattr(model, "classes_")
    graph = Graph(network, model.image_shape_, model._is_pixels, classifies, model.crop_).eval()
    contract = _contract(model)
    names = contract["name"], "probabilities" if classifies else "features"
    proto = make_proto(graph, _example(model), _free_axes(contract), names)
    difference = largest_difference(open_proto(proto, names), model, network)
    if not difference <= _TOLERANCE:  # not a number is not, either
        raise ValueError(
            f"The answers of ONNX Runtime differ from those of {type(model).__name__} by "
            f"{difference:.2g}; {_TOLERANCE:g} is allowed. Nothing was written. Choose another "
            "backbone, or use skblood.save."
        )
    _describe(proto, model, contract, difference)
    replace_file(path, proto.SerializeToString())
    return difference


def _check_packages():
    for package in ("onnx", "onnxruntime", "onnxscript"):
        try:
            import_module(package)
        except ImportError as error:
            raise ImportError(
                f"export_onnx needs onnx, onnxruntime and onnxscript, and {package} cannot be "
                'imported. Install them by: pip install "skblood[onnx]"'
            ) from error


def _check_model(model):
    if isinstance(model, CellModel):
        check_is_fitted(model)
        return
    advice = "Give one of them."
    steps = [name for name, step in getattr(model, "steps", ()) if isinstance(step, CellModel)]
    if steps:
        advice = (
            f"Export its step named_steps[{steps[0]!r}], and do the other steps where the file is "
            "used."
        )
    elif isinstance(getattr(model, "best_estimator_", None), CellModel):
        advice = "Export its best_estimator_."
    raise TypeError(
        "export_onnx takes a fitted classifier or embedder of skblood, not "
        f"{type(model).__name__}. {advice}"
    )


def _contract(model):
    """Say what goes in, as JSON has it; None is any length."""
    if not model._is_pixels:
        return {
            "name": "rows",
            "dtype": "float32",
            "axes": ["n", "columns"],
            "shape": [None, model.n_features_in_],
        }
    height, width, n_channels = model._given_shape
    size = [height, width] if model.image_size_ is None else [None, None]
    return {
        "name": "images",
        "dtype": "uint8",
        "axes": ["n", "height", "width", "channels"],
        "shape": [None, *size, n_channels],
        "range": [0, 255],
        "channels": {1: "gray", 3: "RGB"}.get(n_channels),
    }


def _free_axes(contract):
    pairs = zip(contract["axes"], contract["shape"], strict=True)
    return {i: axis for i, (axis, length) in enumerate(pairs) if length is None}


def _example(model):
    """Return two images, or rows, for the exporter to follow through the network."""
    if not model._is_pixels:
        return torch.zeros(2, model.n_features_in_)
    height, width, n_channels = model._given_shape
    if model.image_size_ is not None:
        # No size that could be taken for a fixed one, as a single pixel that is left would be.
        least = math.ceil(2 / model.crop_)
        height, width = max(height, least) + 3, max(width, least) + 5
    return torch.zeros(2, height, width, n_channels, dtype=torch.uint8)


def _describe(proto, model, contract, difference):
    """Write into a graph what it is, for whoever has nothing but the file."""
    version = import_module("skblood").__version__  # it imports this module
    proto.producer_name, proto.producer_version = "skblood", version
    facts = {
        "estimator": type(model).__name__,
        "input": json.dumps(contract),
        "intended_use": _USE,
        "largest_difference": f"{difference:.3g}",
        "skblood_version": version,
    }
    if hasattr(model, "classes_"):
        facts["classes"] = json.dumps(model.classes_.tolist())
    for key, value in sorted(facts.items()):
        proto.metadata_props.add(key=key, value=value)
