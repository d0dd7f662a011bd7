"""Forged documents with a valid checksum are refused, and take no memory."""

from functools import reduce
from operator import getitem

import pytest
import torch

import skblood
from skblood import ModelFileError
from skblood.adaptation import Adaptation

from .conftest import assert_same_predictions, bounded_memory

HUGE = 10**9


def refused(path, match=None):
    with bounded_memory(), pytest.raises(ModelFileError, match=match) as error:
        skblood.load(path)
    assert len(str(error.value)) < 2000


def updating(*places):
    """Return a function that makes changes of one part of a document."""
    return lambda **changes: lambda document: reduce(getitem, places, document).update(changes)


model, parameters = updating("model"), updating("model", "parameters")
attributes, spec = updating("model", "attributes"), updating("model", "spec")
head, backbone = updating("model", "spec", "head"), updating("model", "spec", "backbones", 0)


def classes(dtype, values):
    return attributes(classes_={"array": {"dtype": dtype, "values": values}})


# What is changed in the file of a perceptron of 8 units, for 16 x 16 pixels and three classes.
CHANGES = {
    "another class": (model(**{"class": "os.system"}), "not an estimator"),
    "an embedder": (model(**{"class": "CellEmbedder"}), "in its parameters"),
    "a key missing": (lambda d: d["model"].pop("spec"), "in its document"),
    "a key more": (model(init="run()"), "in its document"),
    "a key more above": (lambda d: d.update(init="run()"), "its JSON must hold"),
    "a list": (lambda d: d.update(model=[]), "its JSON must hold"),
    "parameters in a list": (model(parameters=[1]), "cannot be loaded"),
    "an unknown parameter": (parameters(run="it"), "in its parameters"),
    "a folder of this computer": (parameters(memory="."), "in its parameters"),
    "an unknown type": (parameters(augment={"eval": "1"}), "not a value of a known type"),
    "an attribute missing": (lambda d: d["model"]["attributes"].pop("n_iter_"), "missing or un"),
    "an unknown attribute": (attributes(__class__="x"), "missing or unknown"),
    "a type of attribute": (attributes(n_iter_="x"), "attribute n_iter_"),
    "other classes": (classes("<U12", ["a", "b", "c"]), "do not fit the network"),
    "classes of a huge dtype": (classes(f"<U{HUGE}", ["a", "b", "c"]), "its dtype"),
    "classes of a structure": (classes("i4,i4", [1, 2, 3]), "its dtype"),
    "a longer history": (attributes(n_iter_=12), "do not fit one another"),
    "a later best epoch": (attributes(best_epoch_=2), "do not fit one another"),
    "other training data": (attributes(training_data_={"dict": []}), "in its training_data_"),
    "no spec": (model(spec=[]), "cannot be loaded"),
    "a spec with more": (spec(run=1), "NetworkSpec holds"),
    "no backbone": (spec(backbones=[]), "backbones of its NetworkSpec"),
    "no head": (spec(head=None), "both head and classes"),
    "fewer classes": (spec(classes=["a", "b"]), "do not fit the network"),
    "a class twice": (spec(classes=["a", "a"]), "classes of its"),
    "huge images": (spec(image_shape=[HUGE, HUGE, 3]), "image_shape of its"),
    "images of no size": (spec(image_shape=[0, 16, 3]), "image_shape of its"),
    "gray images": (spec(image_shape=[16, 16, 1]), "is needed"),
    "two sizes": (spec(image_size=[9, 9]), "not that of image_shape"),
    "a crop": (spec(crop=9.0), "crop of its"),
    "dihedral views": (spec(dihedral_views=3), "dihedral_views of its"),
    "an interpolation": (spec(interpolation=["x"]), "interpolation of its"),
    "a precision": (spec(precision="int8"), "precision of its"),
    "is_pixels": (spec(is_pixels=1), "is_pixels of its"),
    "a huge layer": (head(hidden_layer_sizes=[HUGE]), "is needed"),
    "many layers": (head(hidden_layer_sizes=[1] * 10**5), "more or fewer parts"),
    "an activation": (head(activation="__import__"), "activation of its"),
    "a dropout": (head(dropout=5.0), "dropout of its"),
    "a standardization": (backbone(standardize="x"), "standardize of its"),
    "a long name": (backbone(name="x" * 10**5), "name of its"),
    "stages": (backbone(trained=0), "trained of its"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_document(kind, mlp, forge):
    change, match = CHANGES[kind]
    refused(forge(mlp, change), match)


@pytest.mark.parametrize("name", ["no_such_net", "hf-hub:some/body", "../weights"])
def test_an_unknown_backbone(name, fitted, forge):
    refused(forge(fitted["transfer"], backbone(name=name)), "backbone")


def test_a_large_backbone_is_not_built(fitted, forge):
    refused(forge(fitted["transfer"], backbone(name="cellnet_s")), "are not those of the network")

    def change(document):
        backbone(name="vit_giant_patch14_224")(document)
        spec(image_shape=[224, 224, 3], image_size=[224, 224])(document)

    refused(forge(fitted["transfer"], change), "are not those of the network")


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.clear(),
        lambda tensors: tensors.pop("head.0.weight"),
        lambda tensors: tensors.update(more=torch.zeros(3)),
        lambda tensors: tensors.update({"head.0.weight": torch.zeros(768, 8)}),
        lambda tensors: tensors.update({"head.0.weight": torch.zeros(8, 768).half()}),
    ],
)
def test_tensors(change, mlp, forge):
    refused(forge(mlp, change_tensors=change), "parts|tensors are not those of the network")


def test_a_forged_file_without_changes_loads(mlp, forge, cells):
    assert_same_predictions(mlp, skblood.load(forge(mlp)), cells[0])


def test_an_adapted_model(mlp, forge, path):
    mlp = skblood.load(skblood.save(mlp, path))
    counts = {"lymphocyte": 3, "neutrophil": 2, "platelet": 0}
    mlp.adaptation_ = Adaptation(("statistics",), "It was better.", {"unchanged": 0.5}, counts, 7)
    again = skblood.load(skblood.save(mlp, path))
    assert again.adaptation_ == mlp.adaptation_
