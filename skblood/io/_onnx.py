"""A fitted model as an ONNX file, preprocessing included."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from importlib import import_module, metadata
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from skblood._typing import StrPath
from skblood._writing import announce, replace_file, show_progress
from skblood.estimators import CellModel, describe_prior
from skblood.images import resize_images, torch_defaults

from ._card import attribution
from ._onnx_graph import Graph
from ._onnx_proto import make_proto, run_proto

# The largest difference allowed between a graph and its model.
_TOLERANCE = 1e-4


@torch_defaults()
def export_onnx(model: Any, path: StrPath, *, verbose: int = 0) -> float:
    """Write a fitted model as an ONNX file, which runs without Python, skblood or PyTorch.

    The preprocessing is part of the graph: it takes uint8 images as they are, and crops, resizes,
    scales and standardizes them; resizing is equal to skblood's in every pixel. Before the file is
    written, ONNX Runtime must agree with the model within 1e-4 on synthetic images of two sizes,
    in batches of two lengths.

    Parameters
    ----------
    model : estimator
        A fitted classifier or `CellEmbedder`. It is not changed. Of a Pipeline or a search, give
        the estimator inside.
    path : str or path-like
        The file, by convention ``*.onnx``. An existing one is replaced in one step.
    verbose : int, default=0
        If not 0, a line for each stage is printed on the standard error.

    Returns
    -------
    difference : float
        The largest difference found between the file and the model: of probabilities, or of
        features, divided by the largest feature if that is above 1.

    Raises
    ------
    ImportError
        If onnx, onnxruntime or onnxscript is not installed: ``pip install "skblood[onnx]"``.
    TypeError
        If `model` is not an estimator of skblood.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If its network cannot be written as ONNX, has more than 2 GiB, cannot be run by ONNX
        Runtime, or gives other results there. No file is written then.
    OSError
        If the file cannot be written.

    See Also
    --------
    save : Write a file that skblood loads.

    Notes
    -----
    The input is ``images``, uint8 of shape (n, height, width, channels), with 1 channel for gray
    and 3 for RGB. n may be any number from 1; height and width may be any if the model resizes
    images (its ``spec_.image_size`` is not None), and are those of `fit` otherwise. A model of
    rows of floats has the input ``rows``, float32 of shape (n, number of features).

    The output of a classifier is ``probabilities``, float32 of shape (n, n_classes), in the order
    of ``classes_``; that of an embedder is ``features``, float32 of shape (n, n_features).

    The metadata hold, as text: ``classes`` (a JSON list; classifiers only), ``input`` (a JSON
    object: name, dtype, axes, shape with null for any length, and the range), ``estimator``,
    ``skblood_version``, ``largest_difference``, ``intended_use``, of a model that started from the
    weights "pbc" the ``attribution`` that their licence asks for, and ``prior`` (text) if classes
    are ruled out or shares assumed by `reconfigure`, which the graph does, too.

    The file computes in float32, and is compared with the model in float32 on the CPU. A model
    that was fitted with ``precision="auto"`` on a device that chooses bfloat16 differs from both by
    more than 1e-4 in its own `predict_proba`; one fitted with ``precision="float32"`` does not.

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
    try:
        for package in ("onnx", "onnxruntime", "onnxscript"):
            import_module(package)
    except ImportError as error:
        raise ImportError(f'{package} cannot be imported: pip install "skblood[onnx]"') from error
    if not isinstance(model, CellModel):
        raise TypeError(
            f"export_onnx takes a fitted estimator of skblood, not {type(model).__name__}. Of a "
            "Pipeline, export the step that is one; of a search, its best_estimator_."
        )
    check_is_fitted(model)
    with show_progress(verbose):
        return _export(model, path)


def _export(model, path):
    announce("export: load torch's exporter and write the network as a graph")
    spec = model.spec_
    graph = Graph(copy.deepcopy(model.predictor_.network).cpu(), spec).eval()
    contract = _input_contract(spec)
    free = {i: contract["axes"][i] for i, n in enumerate(contract["shape"]) if n is None}
    names = contract["name"], "features" if spec.head is None else "probabilities"
    proto = make_proto(graph, _example(spec), free, names)
    announce("export: compare the graph with the model, in ONNX Runtime")
    batches = _draw_inputs(spec, graph.network)
    difference = _largest_difference(model, batches, run_proto(proto, names, batches))
    if not difference <= _TOLERANCE:  # nor is NaN allowed
        raise ValueError(
            f"ONNX Runtime's results differ from those of {type(model).__name__} by "
            f"{difference:.2g}; {_TOLERANCE:g} is allowed. Nothing was written: use skblood.save."
        )
    proto.producer_name, proto.producer_version = "skblood", metadata.version("skblood")
    facts = {
        "estimator": type(model).__name__,
        "input": json.dumps(contract),
        "intended_use": "research use; not a medical device",
        "largest_difference": f"{difference:.3g}",
        "skblood_version": proto.producer_version,
    }
    if spec.classes is not None:
        facts["classes"] = json.dumps(spec.classes)
    if prior := describe_prior(model):
        facts["prior"] = prior
    if notice := attribution([model]):
        facts["attribution"] = notice
    for key, value in facts.items():
        proto.metadata_props.add(key=key, value=value)
    replace_file(path, proto.SerializeToString())
    return difference


def _input_contract(spec):
    """Return the form of the input as JSON; null is any length."""
    height, width, n_channels = spec.input_shape
    if not spec.is_pixels:
        shape = [None, math.prod(spec.input_shape)]
        return {"name": "rows", "dtype": "float32", "axes": ["n", "columns"], "shape": shape}
    size = [height, width] if spec.image_size is None else [None, None]
    return {
        "name": "images",
        "dtype": "uint8",
        "axes": ["n", "height", "width", "channels"],
        "shape": [None, *size, n_channels],
        "range": [0, 255],
        "channels": {1: "gray", 3: "RGB"}.get(n_channels),
    }


def _example(spec):
    """Return two images, or rows, for the exporter to trace the network with."""
    height, width, n_channels = spec.input_shape
    if not spec.is_pixels:
        return torch.zeros(2, math.prod(spec.input_shape))
    if spec.image_size is not None:
        # The exporter takes a size of 1, or one that the network knows, for a constant.
        least = math.ceil(2 / spec.crop)
        height, width = max(spec.image_size[0], least) + 3, max(spec.image_size[1], least) + 5
    return torch.zeros(2, height, width, n_channels, dtype=torch.uint8)


def _largest_difference(model, batches, outputs):
    """Return the largest difference of the outputs of a graph from those of its model.

    The model computes in float32 on the CPU. The difference is NaN if the graph gives NaN.
    """
    spec = replace(model.spec_, precision="float32")
    predictor = model.predictor_.with_spec(spec, "cpu")
    differences = []
    for X, output in zip(batches, outputs, strict=True):
        # Not by `predictor.features`, which would keep those of synthetic images.
        expected = predictor.run(predictor.network, model.read_images(X))
        if spec.head is not None:
            expected = softmax(expected + np.float32(spec.log_factors), axis=1)
        scale = max(1.0, float(np.abs(expected).max()))
        differences.append(np.abs(output - expected).max() / scale)
    return float(np.max(differences))


def _draw_inputs(spec, network):
    """Return two batches like those that the model was fitted on, the same ones each time."""
    rng = np.random.default_rng(0)
    height, width, n_channels = shape = spec.input_shape
    if not spec.is_pixels:
        scale = network.backbones[0].standardize
        rows = rng.normal(scale.mean.numpy(), scale.std.numpy(), (5, *shape))
        rows = rows.reshape(5, -1).astype(np.float32)
        return [rows[:1], rows]
    sizes = [(height, width)] * 2
    if spec.image_size is not None:
        height, width = spec.image_size
        sizes = (height, width), (height + height // 2 + 1, max(1, width // 2))
    batches = []
    for n, size in zip((1, 3), sizes, strict=True):
        # Soft patches with a little noise: unlike plain noise, they differ.
        patches = rng.integers(0, 256, (n, 6, 6, n_channels), dtype=np.uint8)
        images = resize_images(patches, size, "bicubic") + rng.integers(-12, 13, (n, *size, 1))
        batches.append(images.clip(0, 255).astype(np.uint8))
    return batches
