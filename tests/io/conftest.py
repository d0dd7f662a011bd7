"""Small fitted models, and files that were changed without breaking their checksum."""

import json
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import skblood
from skblood.datasets import make_blood_cells
from skblood.estimators import reconfigure
from skblood.io import _container as container

QUICK = {"max_epochs": 1, "batch_size": 16, "random_state": 0, "device": "cpu"}
MAKERS = {
    "transfer": lambda **more: skblood.TransferCellClassifier("cellnet_t", **QUICK | more),
    "frozen": lambda **more: skblood.TransferCellClassifier(
        "cellnet_t", trainable="head", image_size=24, crop=0.75, **QUICK | more
    ),
    "mlp": lambda **more: skblood.MLPCellClassifier((8,), **QUICK | more),
    "hybrid": lambda **more: skblood.HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"),
        trainable=("head", 1),
        hidden_layer_sizes=(8,),
        refine_epochs=1,
        **QUICK | more,
    ),
    "contrastive": lambda **more: skblood.ContrastiveCellClassifier(
        "cellnet_t", standardize="image", pretrain_epochs=1, **QUICK | more
    ),
    "embedder": lambda **more: skblood.CellEmbedder(
        "cellnet_t", interpolation="bicubic", random_state=0, device="cpu", **more
    ),
}


def predictions(model, X):
    """Return the results of all prediction methods of a model."""
    methods = ("predict", "predict_proba", "decision_function", "transform")
    return {name: getattr(model, name)(X) for name in methods if hasattr(model, name)}


def assert_same_predictions(model, other, X):
    expected, found = predictions(model, X), predictions(other, X)
    assert expected
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], strict=True)


@pytest.fixture(scope="session")
def cells():
    """(X, y): 48 cells of 16 x 16 pixels in three classes; read-only."""
    weights = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}
    X, y = make_blood_cells(48, image_size=16, class_weights=weights, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def fitted(cells):
    """Each kind of model, fitted. Shared: do not change them."""
    models = {kind: make().fit(*cells) for kind, make in MAKERS.items()}
    models["transfer"] = reconfigure(models["transfer"], dihedral_views=4, view_crops=(1, 0.75))
    prior = {"lymphocyte": 1, "neutrophil": 3, "platelet": 0}
    models["hybrid"] = reconfigure(models["hybrid"], prior=prior)
    return models


@pytest.fixture(params=MAKERS)
def model(request, fitted):
    return fitted[request.param]


@pytest.fixture
def mlp(fitted):
    return fitted["mlp"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skblood"


@pytest.fixture
def forge(path):
    """Return a function that writes a changed file with a valid checksum.

    Anybody who knows the format can make such a file.
    """

    def forge(model, change=lambda document: None, change_tensors=lambda tensors: None):
        skblood.save(model, path)
        contents = container.unpack(path)
        change(contents.document)
        change_tensors(contents.tensors)
        packed = container.pack(
            contents.document, contents.tensors, contents.card, contents.version
        )
        path.write_bytes(packed)
        return path

    return forge


def rewrite_header(path, change):
    """Change the parsed header of a file, and correct its size and checksum."""
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8 : 8 + size]))
    change(header)
    packed = json.dumps(header, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)
    content = bytearray(len(packed).to_bytes(8, "little") + packed + content[8 + size :])
    content[container._DIGEST] = container._digest(content)
    path.write_bytes(content)


@contextmanager
def bounded_memory():
    """Check that less than 256 MiB are taken, where the system tells."""
    try:
        import resource
    except ImportError:  # on Windows
        yield
        return
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 2**28
