"""Small fitted models, and files of them that were tampered with so that their checksum holds."""

import json

import numpy as np
import pytest

import skblood
from skblood.datasets import make_blood_cells
from skblood.io import _container as container

QUICK = {"max_epochs": 1, "batch_size": 16, "random_state": 0, "device": "cpu"}
MAKERS = {
    "transfer": lambda **more: skblood.TransferCellClassifier("cellnet_t", **QUICK | more),
    "frozen": lambda **more: skblood.TransferCellClassifier(
        "cellnet_t", trainable="head", image_size=24, crop=0.75, n_views=2, **QUICK | more
    ),
    "mlp": lambda **more: skblood.MLPCellClassifier((8,), **QUICK | more),
    "hybrid": lambda **more: skblood.HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(8,), refine_epochs=1, **QUICK | more
    ),
    "contrastive": lambda **more: skblood.ContrastiveCellClassifier(
        "cellnet_t", pretrain_epochs=1, **QUICK | more
    ),
    "embedder": lambda **more: skblood.CellEmbedder(
        "cellnet_t", random_state=0, device="cpu", **more
    ),
}


def answers(model, X):
    """Return all that a model says of images, by method."""
    methods = ("predict", "predict_proba", "decision_function", "transform")
    return {name: getattr(model, name)(X) for name in methods if hasattr(model, name)}


def assert_same_answers(model, other, X):
    expected, found = answers(model, X), answers(other, X)
    assert expected.keys() == found.keys()
    assert expected
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], strict=True)


@pytest.fixture(scope="session")
def cells():
    """(X, y): 48 cells of 16 x 16 pixels in three classes. Nobody can write into them."""
    weights = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}
    X, y = make_blood_cells(48, image_size=16, class_weights=weights, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def fitted(cells):
    """Each kind of model, fitted. Nobody fits them anew."""
    return {kind: make().fit(*cells) for kind, make in MAKERS.items()}


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
    """Return what writes a file whose checksum holds, with a document that was changed.

    It is what somebody could make who knows the format, and wants to do harm.
    """

    def forge(model, change=lambda document: None, change_tensors=lambda tensors: None):
        skblood.save(model, path)
        document, card, _, tensors, version = container.unpack(path)
        change(document)
        change_tensors(tensors)
        path.write_bytes(container.pack(document, tensors, card, version))
        return path

    return forge


def rewrite(path, change):
    """Change the header of a file, as bytes, and mend its sizes and its checksum."""
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[:8], "little")
    header = change(bytes(content[8 : 8 + size]))
    content = bytearray(len(header).to_bytes(8, "little") + header + content[8 + size :])
    content[container._DIGEST] = container._digest(content)
    path.write_bytes(content)


def change_metadata(path, **changes):
    """Change values of the metadata; None removes one."""

    def change(header):
        parsed = json.loads(header)
        metadata = {**parsed["__metadata__"], **changes}
        parsed["__metadata__"] = {k: v for k, v in metadata.items() if v is not None}
        changed = json.dumps(parsed, separators=(",", ":")).encode()
        return changed + b" " * (-len(changed) % 8)

    rewrite(path, change)
