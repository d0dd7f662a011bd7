"""Tiny models of each kind, each exported once."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import onnxruntime
import pytest

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
    export_onnx,
)
from skblood.datasets import make_blood_cells

QUICK = {"max_epochs": 1, "batch_size": 16, "random_state": 0, "device": "cpu"}
THREE = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}
_transfer = partial(TransferCellClassifier, **QUICK)
_mlp = partial(MLPCellClassifier, (8,), **QUICK)
_hybrid = partial(HybridFeatureClassifier, refine_epochs=0, **QUICK)


@dataclass
class Case:
    """A model to be made, and what it is fitted on."""

    make: object
    classes: tuple = ("lymphocyte", "neutrophil", "platelet")
    form: str = "images"
    options: dict = field(default_factory=dict)

    def data(self, n, size=(16, 16)):
        """Return X of the form that the model takes, and labels."""
        side = max(16, *size)  # cells are drawn no smaller
        X, y = make_blood_cells(n, image_size=side, class_weights=THREE, random_state=n)
        X = X[:, : size[0], : size[1]]
        if self.form == "gray":
            X = X[..., 1]
        if self.form == "rows":
            X = X.reshape(n, -1)[:, 200:212] * 3.7 - 250
        names = ("lymphocyte", "neutrophil", "platelet")
        y = np.asarray(self.classes)[[names.index(label) % len(self.classes) for label in y]]
        return X, y

    def fitted(self):
        return self.make(**self.options).fit(*self.data(48))


CASES = {
    "mlp": Case(_mlp),
    "mlp_on_rows": Case(_mlp, form="rows"),
    "embedder_of_rows": Case(
        partial(CellEmbedder, "cellnet_t"), form="rows", options={"image_shape": (1, -1, 1)}
    ),
    "own_size": Case(_transfer, options={"backbone": "cellnet_t", "trainable": "head"}),
    "resized": Case(
        _transfer, options={"backbone": "cellnet_t", "image_size": (20, 14)}, classes=(30, 10, 20)
    ),
    "bicubic_gray_two_classes": Case(
        _transfer,
        form="gray",
        classes=(-1, 1),
        options={"backbone": "cellnet_t", "image_size": 12, "interpolation": "bicubic"},
    ),
    "nearest_mlp_two_names": Case(
        _mlp, classes=("Zelle", "Ärger"), options={"image_size": 9, "interpolation": "nearest"}
    ),
    "cropped": Case(
        _transfer, options={"backbone": "cellnet_t", "image_size": (20, 14), "crop": 0.56}
    ),
    "cropped_mlp_of_own_size": Case(_mlp, options={"crop": 0.5}),
    "cropped_to_a_pixel": Case(_mlp, options={"image_size": 9, "crop": 0.03}),
    "mirrored_gray_bicubic": Case(
        _mlp,
        form="gray",
        options={"image_size": 11, "interpolation": "bicubic", "crop": 1.25},
    ),
    "hybrid": Case(_hybrid, options={"backbones": ("cellnet_t", "cellnet_t")}),
    "contrastive": Case(
        partial(ContrastiveCellClassifier, "cellnet_t", pretrain_epochs=1, **QUICK)
    ),
    "frozen_gray": Case(
        _transfer,
        form="gray",
        options={"backbone": "test_resnet", "weights": None, "trainable": "head"},
    ),
    "vit": Case(_transfer, options={"backbone": "test_vit", "weights": None, "image_size": 32}),
    "torchvision": Case(
        _transfer,
        options={"backbone": "torchvision/squeezenet1_0", "weights": None, "image_size": 24},
    ),
    "embedder": Case(
        partial(CellEmbedder, "cellnet_t", random_state=0), options={"image_size": (11, 32)}
    ),
}


@dataclass
class Exported:
    """A model, its file, and how to ask either."""

    case: Case
    model: object
    path: object
    difference: float

    def __post_init__(self):
        self.session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])
        self.meta = self.session.get_modelmeta()

    def run(self, X):
        return self.session.run(None, {self.session.get_inputs()[0].name: as_input(X)})[0]

    def expected(self, X):
        exact = self.model.set_params(precision="float32", device="cpu")
        X = as_input(X)  # since (n, 1, 1) could be a single image, too
        return exact.predict_proba(X) if hasattr(exact, "classes_") else exact.transform(X)


def as_input(X):
    """Return X as the file takes it: gray images with their axis of channels, rows in float32."""
    if X.ndim == 2:
        return X.astype(np.float32)
    return X[..., None] if X.ndim == 3 else X


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """Return what fits and exports one of CASES, once in a session."""
    folder, known = tmp_path_factory.mktemp("onnx"), {}

    def make(name):
        if name not in known:
            case = CASES[name]
            model, path = case.fitted(), folder / f"{name}.onnx"
            known[name] = Exported(case, model, path, export_onnx(model, path))
        return known[name]

    return make


@pytest.fixture(params=CASES)
def exported(request, export):
    return export(request.param)


@pytest.fixture
def small():
    """(X, y): 24 cells of 16 x 16 pixels in three classes."""
    return CASES["mlp"].data(24)


@pytest.fixture(scope="session")
def mlp(export):
    """Return a fitted perceptron. Shared: do not change it."""
    return export("mlp").model


@pytest.fixture
def rng():
    return np.random.default_rng(0)
