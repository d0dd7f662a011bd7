"""Forged documents with a valid checksum are refused, and take no memory."""

from functools import reduce
from operator import getitem

import pytest
import torch

import skblood
from skblood import ModelFileError
from skblood.adaptation import Adaptation
from skblood.io import _estimators
from skblood.io._values import encode
from skblood.networks import Backbone, _backbone

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


def array(dtype, values):
    return {"array": {"dtype": dtype, "values": values}}


def classes(dtype, values):
    return attributes(classes_=array(dtype, values))


def feature_names(values):
    return attributes(feature_names_in_=array("object", values), n_features_in_=3)


def history(**changes):
    return updating("model", "attributes", "history_", "history", 0)(**changes)


def training_data(**changes):
    def change(document):
        stored = document["model"]["attributes"]["training_data_"]
        encoded = {name: encode(value) for name, value in changes.items()}
        stored["dict"] = [[name, encoded.get(name, value)] for name, value in stored["dict"]]

    return change


def account(**changes):
    counts = {"dict": [["platelet", 3]]}
    valid = {"steps": {"tuple": []}, "reason": "", "scores": {"dict": []}, "n_labelled": counts}
    return attributes(adaptation_={"Adaptation": {**valid, "n_unlabelled": 7, **changes}})


def scores(value):
    return {"n_images": 6, "scores": {"accuracy": {"value": value, "low": None, "high": None}}}


huge_score = {"dict": [["unchanged", 10**400]]}
# What is changed in the file of a perceptron of 8 units, for 16 x 16 pixels and three classes.
CHANGES = {
    "another class": (model(**{"class": "os.system"}), "not an estimator"),
    "an embedder": (model(**{"class": "CellEmbedder"}), "in its parameters"),
    "a key missing": (lambda d: d["model"].pop("spec"), "in its document"),
    "a key more": (model(init="run()"), "in its document"),
    "a key more above": (lambda d: d.update(init="run()"), "or there is more"),
    "a list": (lambda d: d.update(model=[]), "missing or not valid"),
    "parameters in a list": (model(parameters=[1]), "cannot be loaded"),
    "an unknown parameter": (parameters(run="it"), "in its parameters"),
    "a folder of this computer": (parameters(memory="."), "in its parameters"),
    "an unknown type": (parameters(augment={"eval": "1"}), "not a value of a known type"),
    "an attribute missing": (lambda d: d["model"]["attributes"].pop("n_iter_"), "missing or un"),
    "an unknown attribute": (attributes(__class__="x"), "missing or unknown"),
    "a type of attribute": (attributes(n_iter_="x"), "n_iter_ of its attributes"),
    "other classes": (classes("<U12", ["a", "b", "c"]), "do not fit the network"),
    "classes of a huge dtype": (classes(f"<U{HUGE}", ["a", "b", "c"]), "its dtype"),
    "classes of a wide dtype": (classes("<U9999", ["a", "b", "c"] * 200), "are too large"),
    "classes of a structure": (classes("i4,i4", [1, 2, 3]), "its dtype"),
    "a longer history": (attributes(n_iter_=12), "do not fit one another"),
    "a later best epoch": (attributes(best_epoch_=2), "do not fit one another"),
    "other training data": (attributes(training_data_={"dict": []}), "training_data_ of its"),
    "text among the counts": (training_data(class_counts={"a": "x"}), "training_data_ of its"),
    "counts of other classes": (training_data(class_counts={"a": 48}), "do not fit its classes"),
    "a number of images": (training_data(n_images=10**400), "training_data_ of its"),
    "Markdown as a fingerprint": (training_data(fingerprint="<b>"), "training_data_ of its"),
    "a best epoch of another type": (attributes(best_epoch_=True), "best_epoch_ of its"),
    "an epoch of another type": (history(train_loss=[1]), "history_ of its"),
    "an epoch of huge numbers": (history(train_loss=10**400), "history_ of its"),
    "a device": (attributes(device_="cpu\x1b[2J"), "device_ of its"),
    "settings": (attributes(fit_settings_={"dict": [["lr", 1]]}), "fit_settings_ of its"),
    "numbers as names": (feature_names([1]), "feature_names_in_ of its"),
    "an account of text": (account(scores={"dict": [["unchanged", "x"]]}), "adaptation_ of its"),
    "an account of one text": (account(steps="crop"), "adaptation_ of its"),
    "an account of odd steps": (account(steps={"tuple": ["crop", None]}), "adaptation_ of its"),
    "an account without a reason": (account(reason=None), "adaptation_ of its"),
    "an account of lists": (account(n_labelled={"dict": [["a", [1]]]}), "adaptation_ of its"),
    "an account of huge scores": (account(scores=huge_score), "adaptation_ of its"),
    "an account of fractions": (account(n_unlabelled=0.5), "adaptation_ of its"),
    "keys of a dict": (parameters(class_weight={"dict": [[{"tuple": []}, 1]]}), "its keys must be"),
    "an evaluation": (lambda d: d.update(evaluation={"a": 1}), "missing or not valid"),
    "scores of text": (lambda d: d.update(evaluation=scores("x")), "missing or not valid"),
    "no spec": (model(spec=[]), "cannot be loaded"),
    "a spec with more": (spec(run=1), "in its NetworkSpec"),
    "no backbone": (spec(backbones=[]), "backbones of its NetworkSpec"),
    "no head": (spec(head=None), "both head and classes"),
    "fewer classes": (spec(classes=["a", "b"]), "do not fit the network"),
    "a class twice": (spec(classes=["a", "a"]), "classes of its"),
    "huge images": (spec(image_shape=[HUGE, HUGE, 3]), "image_shape of its"),
    "images of no size": (spec(image_shape=[0, 16, 3]), "image_shape of its"),
    "gray images": (spec(image_shape=[16, 16, 1], input_shape=[16, 16, 1]), "is needed"),
    "a smaller image": (spec(image_shape=[12, 16, 3]), "not what input_shape"),
    "a crop of the same size": (spec(crop=0.5), "not what input_shape"),
    "rows that are resized": (spec(is_pixels=False, image_size=[16, 16]), "rows of numbers"),
    "channels": (spec(input_shape=[16, 16, 1]), "not what input_shape"),
    "two sizes": (spec(image_size=[9, 9]), "not what input_shape"),
    "a crop": (spec(crop=9.0), "crop of its"),
    "dihedral views": (spec(dihedral_views=3), "dihedral_views of its"),
    "no views": (spec(view_crops=[]), "view_crops of its"),
    "a view of no size": (spec(view_crops=[1.0, 0.0]), "view_crops of its"),
    "views without end": (spec(view_crops=[1.0] * 11), "view_crops of its"),
    "a view as text": (spec(view_crops=["1"]), "view_crops of its"),
    "an interpolation": (spec(interpolation=["x"]), "interpolation of its"),
    "a precision": (spec(precision="int8"), "precision of its"),
    "too few factors": (spec(class_factors=[1.0, 1.0]), "do not fit its classes"),
    "one possible class": (spec(class_factors=[0.0, 1.0, 0.0]), "class_factors of its"),
    "a negative factor": (spec(class_factors=[1.0, 1.0, -1.0]), "class_factors of its"),
    "a huge factor": (spec(class_factors=[1, 1, 2**1100]), "class_factors of its"),
    "factors as text": (spec(class_factors=["1", "1", "1"]), "class_factors of its"),
    "one factor": (spec(class_factors=1.0), "class_factors of its"),
    "is_pixels": (spec(is_pixels=1), "is_pixels of its"),
    "a huge layer": (head(hidden_layer_sizes=[HUGE]), "is needed"),
    "many layers": (head(hidden_layer_sizes=[1] * 10**5), "more or fewer parts"),
    "an activation": (head(activation="__import__"), "activation of its"),
    "a dropout": (head(dropout=5.0), "dropout of its"),
    "a standardization": (backbone(standardize="x"), "standardize of its"),
    "a long name": (backbone(name="x" * 10**5), "backbone='xxx"),
    "stages": (backbone(trained=0), "trained of its"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_document(kind, mlp, forge):
    change, match = CHANGES[kind]
    refused(forge(mlp, change), match)


@pytest.mark.parametrize("name", ["no_such_net", "hf-hub:some/body", "../weights"])
def test_an_unknown_backbone(name, fitted, forge):
    refused(forge(fitted["transfer"], backbone(name=name)), "backbone")


class TestCost:
    """What is built for a file is no larger than the file, and sees no pixels."""

    def test_no_pixels(self, fitted, forge, monkeypatch):
        devices = []

        def forward(self, x):
            devices.append(x.device.type)
            return original(self, x)

        original = Backbone.forward
        monkeypatch.setattr(Backbone, "forward", forward)

        def change(document):
            spec(image_shape=[4096, 4096, 3], image_size=[4096, 4096])(document)

        with bounded_memory():
            model = skblood.load(forge(fitted["frozen"], change))
        assert model.spec_.image_size == (4096, 4096)
        assert set(devices) == {"meta"}

    def test_what_a_network_computes_from_the_size(self, fitted, forge, monkeypatch):
        monkeypatch.setattr(_estimators, "_MAX_BUFFERS", -HUGE)
        refused(forge(fitted["transfer"]), "much larger than the file")

    def test_many_backbones(self, fitted, forge, monkeypatch):
        built = []

        def build(name, *args):
            built.append(name)
            return original(name, *args)

        original = _backbone.build_body
        monkeypatch.setattr(_backbone, "build_body", build)

        def change(document):
            names = ["cellnet_t"] + ["cellnet_s"] * 40
            each = document["model"]["spec"]["backbones"][0]
            spec(backbones=[{**each, "name": name} for name in names])(document)

        refused(forge(fitted["hybrid"], change), "are not those of the network")
        assert built == ["cellnet_t", "cellnet_s"]


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
        lambda tensors: tensors.update({"head.0.weight": torch.zeros(8, 768).bfloat16()}),
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
