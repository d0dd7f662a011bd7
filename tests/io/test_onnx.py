"""ONNX files: they compute what the model does, say what they are, or are not written."""

import copy
import json
import logging
import pickle
import sys
import warnings
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skblood
from skblood import CellEmbedder, MLPCellClassifier, export_onnx
from skblood.datasets import make_blood_cells
from skblood.estimators import reconfigure
from skblood.io import _onnx
from skblood.io._onnx_graph import Graph

from .conftest import QUICK

OLD = b"what was there before"
THREE = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}
_transfer = partial(skblood.TransferCellClassifier, "cellnet_t", **QUICK)
_timm = partial(skblood.TransferCellClassifier, weights=None, **QUICK)
_embedder = partial(CellEmbedder, "cellnet_t", interpolation="bicubic", random_state=0)
_mlp = partial(MLPCellClassifier, (8,), **QUICK)
slow = partial(pytest.param, marks=pytest.mark.slow)


def draw(n, form="images", size=(16, 16)):
    """Return X in a form, and labels."""
    side = max(16, *size)  # cells are drawn no smaller
    X, y = make_blood_cells(n, image_size=side, class_weights=THREE, random_state=n)
    X = X[:, : size[0], : size[1]]
    X = X[..., 1:2] if form == "gray" else X
    X = (X.reshape(n, -1)[:, 200:212] * 3.7 - 250).astype(np.float32) if form == "rows" else X
    return X, y


CASES = {
    "mlp": (lambda: _mlp(), "images"),
    "mlp of rows": (lambda: _mlp(), "rows"),
    "mlp, resized": (lambda: _mlp(image_size=9), "images"),
    "cropped, resized": (lambda: _transfer(image_size=(20, 14), crop=0.56), "images"),
    "embedder": (
        lambda: _embedder(image_size=(11, 32), crop=1.25, interpolation="bicubic"),
        "gray",
    ),
    "nearest": (lambda: _embedder(image_size=12, interpolation="nearest"), "images"),
    "frozen": (lambda: _timm("test_resnet", trainable="head", image_size=32), "gray"),
    "embedder of rows": (lambda: _embedder(image_shape=(1, -1, 1)), "rows"),
    "cropped to a pixel": (lambda: _transfer(image_size=9, crop=0.03), "images"),
    "cropped, own size": (lambda: _embedder(crop=0.5), "images"),
    "hybrid": (
        lambda: skblood.HybridFeatureClassifier(
            ("cellnet_t", "cellnet_t"), refine_epochs=0, **QUICK
        ),
        "images",
    ),
    "contrastive": (
        lambda: skblood.ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1, **QUICK),
        "images",
    ),
    "vit": (lambda: _timm("test_vit", image_size=32), "images"),
    "torchvision": (lambda: _timm("torchvision/squeezenet1_0", image_size=24), "images"),
}
FAST = list(CASES)[:5]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Return a function that fits and exports one of CASES, once."""
    folder, known = tmp_path_factory.mktemp("onnx"), {}

    def make(name):
        if name not in known:
            build, form = CASES[name]
            model, path = build().fit(*draw(48, form)), folder / f"{len(known)}.onnx"
            if name == "cropped, resized":
                model = reconfigure(
                    model, dihedral_views=4, view_crops=(1, 0.8), precision="bfloat16"
                )
                model = reconfigure(model, prior=[1, 0, 3])
            known[name] = model, path, export_onnx(model, path)
        return known[name]

    return make


def open_file(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session, X):
    return session.run(None, {session.get_inputs()[0].name: X})[0]


@pytest.mark.parametrize("name", [*FAST, *map(slow, list(CASES)[5:])])
def test_exported(name, export):
    model, path, difference = export(name)
    spec, form = model.spec_, CASES[name][1]
    assert 0 <= difference <= 1e-4
    session = open_file(path)
    exact = reconfigure(model, precision="float32")
    predict = exact.transform if spec.head is None else exact.predict_proba
    # Any number of images, and any size if the model resizes them.
    for n, size in ((1, (16, 16)), (7, (16, 16)), (3, (7, 5)), (3, (1, 1)), (3, (61, 83))):
        if size == (16, 16) or spec.image_size is not None:
            X, _ = draw(n, form, size)
            out = run(session, X)
            assert out.dtype == np.float32
            assert_allclose(out, predict(X), atol=1e-5, rtol=1e-5)
    X, _ = draw(9, form)
    assert_allclose(run(session, X), np.concatenate([run(session, x[None]) for x in X]), atol=1e-6)
    # Metadata.
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["estimator"] == type(model).__name__
    assert facts["skblood_version"] == skblood.__version__
    assert facts["intended_use"] == "research use; not a medical device"
    assert float(facts["largest_difference"]) == pytest.approx(difference, rel=0.01)
    if spec.head is not None:
        classes = json.loads(facts["classes"])
        labels = [classes[code] for code in run(session, X).argmax(1)]
        assert labels == exact.predict(X).tolist()
    given, (entry,) = json.loads(facts["input"]), session.get_inputs()
    assert entry.name == given["name"]
    assert entry.type == {"uint8": "tensor(uint8)", "float32": "tensor(float)"}[given["dtype"]]
    pairs = zip(given["axes"], given["shape"], strict=True)
    assert entry.shape == [axis if length is None else length for axis, length in pairs]
    # The file itself.
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert b".py" not in path.read_bytes()
    assert b"site-packages" not in path.read_bytes()


def test_names_and_shapes(export):
    def signature(name):
        session = open_file(export(name)[1])
        return [
            (entry.name, entry.shape) for entry in (*session.get_inputs(), *session.get_outputs())
        ]

    assert signature("mlp") == [("images", ["n", 16, 16, 3]), ("probabilities", ["n", 3])]
    assert signature("mlp of rows")[0] == ("rows", ["n", 12])
    assert signature("embedder") == [
        ("images", ["n", "height", "width", 1]),
        ("features", ["n", 48]),
    ]


def test_only_the_fitted_size_without_resizing(export):
    session, (X, _) = open_file(export("mlp")[1]), draw(3, size=(17, 16))
    with pytest.raises(Exception, match="invalid dimensions"):
        run(session, X)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("mlp", [(1, 16, 16, 3), (3, 16, 16, 3)]),
        ("cropped, resized", [(1, 20, 14, 3), (3, 31, 7, 3)]),
        ("mlp of rows", [(1, 12), (5, 12)]),
    ],
)
def test_inputs_of_the_comparison(export, name, shapes):
    model = export(name)[0]
    network = model.predictor_.network
    first, again = (_onnx._draw_inputs(model.spec_, network) for _ in range(2))
    assert [X.shape for X in first] == shapes
    assert_array_equal(first[1], again[1])
    assert np.abs(first[1][0].astype(float) - first[1][1]).mean() > 20


@pytest.fixture
def path(tmp_path):
    """Return the path of a file that is there already."""
    path = tmp_path / "cells.onnx"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def mlp(export):
    return export("mlp")[0]


class TestNothingIsWritten:
    @pytest.fixture(autouse=True)
    def _unchanged(self, path):
        yield
        assert path.read_bytes() == OLD
        assert [p.name for p in path.parent.iterdir()] == [path.name]

    def test_when_the_results_differ(self, mlp, path, monkeypatch):
        monkeypatch.setattr(Graph, "_prepare", lambda self, images: images.float() / 256)
        with pytest.raises(ValueError, match=r"differ from those of MLPCellClassifier by 0\.0"):
            export_onnx(mlp, path)

    def test_when_the_resizing_differs(self, export, path, monkeypatch):
        def corners(images, size, interpolation):
            return torch.nn.functional.interpolate(images.float(), size)

        monkeypatch.setattr("skblood.io._onnx_graph.resize", corners)
        with pytest.raises(ValueError, match=r"results differ.*0\.0001 is allowed"):
            export_onnx(export("mlp, resized")[0], path)

    def test_when_a_weight_is_nan(self, mlp, path):
        broken = copy.deepcopy(mlp)
        with torch.no_grad():
            broken.net_.module_.head[-1].bias[0] = np.nan
        with pytest.raises(ValueError, match="gives no finite number"):
            export_onnx(broken, path)

    def test_when_the_network_cannot_be_written(self, mlp, path):
        class Moody(torch.nn.Module):
            def forward(self, x):
                return x if x.sum() > 0 else -x

        odd = copy.deepcopy(mlp)
        odd.net_.module_.scale = Moody()
        disabled = logging.root.manager.disable
        with pytest.raises(ValueError, match=r"cannot be written as ONNX.*another backbone"):
            export_onnx(odd, path)
        assert logging.root.manager.disable == disabled

    def test_when_onnx_runtime_cannot_run_it(self, export, path, monkeypatch):
        def of_doubles(images, size, interpolation):
            return torch.nn.functional.interpolate(images.double(), size)

        monkeypatch.setattr("skblood.io._onnx_graph.resize", of_doubles)
        with pytest.raises(ValueError, match=r"cannot be run by ONNX Runtime \(NotImplemented:"):
            export_onnx(export("mlp, resized")[0], path)

    @pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
    def test_when_the_extra_is_not_installed(self, mlp, path, monkeypatch, package):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf'{package} cannot.*pip install "skblood\[onnx\]"'):
            export_onnx(mlp, path)

    def test_when_there_is_no_fitted_model(self, mlp, path):
        with pytest.raises(NotFittedError):
            export_onnx(CellEmbedder(), path)
        for model in (make_pipeline(mlp), GridSearchCV(mlp, {}), MLPCellClassifier):
            with pytest.raises(TypeError, match=r"not \w+\. Of a Pipeline, export the step"):
                export_onnx(model, path)


def test_nothing_is_changed_or_printed(export, path, capfd, caplog, recwarn):
    caplog.set_level(logging.INFO)
    model = export("mlp, resized")[0]

    def world():
        generators = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()
        modules = [(id(module), module.training) for module in model.predictor_.network.modules()]
        streams = sys.stdout, sys.stderr, list(warnings.filters), logging.root.manager.disable
        return pickle.dumps(model), generators, modules, streams

    before = world()
    export_onnx(model, str(path))
    assert world() == before
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn.list
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.gpu
def test_a_model_on_the_gpu(tmp_path):
    model = skblood.TransferCellClassifier("cellnet_t", **QUICK | {"device": "cuda"})
    model.fit(*draw(24))
    assert export_onnx(model, tmp_path / "m.onnx") <= 1e-4
    assert next(model.net_.module_.parameters()).is_cuda
