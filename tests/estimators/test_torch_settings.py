"""Estimators, files and tools under PyTorch's global settings: the same results, settings kept."""

import multiprocessing
import os
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import skblood
from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)
from skblood.augment import augment_images
from skblood.datasets import make_blood_cells
from skblood.explain import grad_cam

X, Y = make_blood_cells(64, image_size=16, random_state=0)
COMMON = {"max_epochs": 1, "precision": "float32", "random_state": 0}


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
        assert torch.get_default_device() == torch.device(device)
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def without_gradients():
    torch.set_grad_enabled(False)
    try:
        yield
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


SETTINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "float16": lambda: default_dtype(torch.float16),
    "device": lambda: default_device("meta"),
    "inference_mode": torch.inference_mode,
    "set_grad_enabled": without_gradients,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
}


def weights(model):
    state = model.predictor_.network.state_dict().values()
    return np.concatenate([tensor.numpy().ravel() for tensor in state])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    model = TransferCellClassifier("cellnet_t", **COMMON).fit(X, Y)
    return model, skblood.save(model, tmp_path_factory.mktemp("models") / "m.skblood")


def embed(model, path):
    return CellEmbedder("cellnet_t", image_size=12, random_state=0).fit(X).transform(X)


USES = {
    "fit": lambda model, path: weights(
        TransferCellClassifier("cellnet_t", augment="laboratory", **COMMON).fit(X, Y)
    ),
    "frozen": lambda model, path: weights(
        TransferCellClassifier("cellnet_t", trainable="head", **COMMON).fit(X, Y)
    ),
    "phases": lambda model, path: weights(
        ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1, **COMMON).fit(X, Y)
    ),
    "partial_fit": lambda model, path: weights(
        MLPCellClassifier((8,), **COMMON).partial_fit(X, Y, np.unique(Y)).partial_fit(X, Y)
    ),
    "load and warm_start": lambda model, path: weights(
        skblood.load(path).set_params(warm_start=True).fit(X, Y)
    ),
    "predict": lambda model, path: model.predict_proba(X),
    "reconfigure": lambda model, path: skblood.reconfigure(model, crop=0.8).predict_proba(X),
    "pretrained": lambda model, path: skblood.load_pretrained().predict_proba(X),
    "embed": embed,
    "adapt": lambda model, path: weights(skblood.adapt(model, X[:24], Y[:24], random_state=0)),
    "grad_cam": lambda model, path: grad_cam(model, X[:4]),
    "augment": lambda model, path: augment_images(X[:4], "laboratory", random_state=0),
}


@pytest.fixture(scope="module")
def expected(fitted):
    return {name: use(*fitted) for name, use in USES.items()}


SLOW = {"float16", "set_grad_enabled", "deterministic"}  # close kin of the others


@pytest.mark.parametrize(
    "setting", [pytest.param(s, marks=[pytest.mark.slow] * (s in SLOW)) for s in SETTINGS]
)
def test_same_results(fitted, expected, setting):
    different = []
    for name, use in USES.items():
        with SETTINGS[setting]():
            found = use(*fitted)
        if not np.array_equal(found, expected[name]):
            different.append(name)
    assert different == []


@pytest.mark.parametrize("setting", ["bfloat16", pytest.param("device", marks=pytest.mark.slow)])
def test_export(fitted, tmp_path, setting):
    pytest.importorskip("onnxscript")
    with SETTINGS[setting]():
        assert skblood.export_onnx(fitted[0], tmp_path / "m.onnx") < 1e-4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_pool_of_forked_processes():
    """After a fit with several threads, OpenMP would wait for ever in the child."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        clf = MLPCellClassifier((64,), **COMMON).fit(X, Y)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            probabilities = pool.map_async(clf.predict_proba, [X, X]).get(timeout=60)
            again = pool.apply_async(clf.fit, (X, Y)).get(timeout=60)
    finally:
        torch.set_num_threads(before)
    for found in (*probabilities, again.predict_proba(X)):
        assert np.allclose(found, clf.predict_proba(X), atol=1e-4)
