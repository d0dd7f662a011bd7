"""A file that was made to do harm, its checksum being right, is refused."""

import json
import resource
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import skblood
from skblood import ModelFileError

from .conftest import change_metadata, rewrite

HUGE = 10**9


@contextmanager
def little_memory():
    """Fail if a block takes much more memory or time than there is reason for."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 2**28
    assert time.monotonic() - start < 60


def refused(path, match=None):
    with pytest.raises(ModelFileError, match=match) as error, little_memory():
        skblood.load(path)
    assert repr(str(path)) in str(error.value)
    assert len(str(error.value)) < 2000


def parameters(**changes):
    return lambda document: document["model"]["parameters"].update(changes)


def attributes(**changes):
    return lambda document: document["model"]["attributes"].update(changes)


def classes(dtype, values):
    return {"classes_": {"array": {"dtype": dtype, "values": values}}}


# What is changed in the file of a perceptron of 8 units, for 16 x 16 pixels and three classes.
CHANGES = {
    "class": (lambda d: d["model"].update({"class": "os.system"}), "no estimator"),
    "class of another kind": (lambda d: d["model"].update({"class": "FeatureStore"}), "no estim"),
    "class that is no string": (lambda d: d["model"].update({"class": ["MLP"]}), "no estimator"),
    "no class": (lambda d: d["model"].pop("class"), "it must hold"),
    "another class": (lambda d: d["model"].update({"class": "CellEmbedder"}), "no parameters"),
    "no parameters": (lambda d: d["model"].pop("parameters"), "it must hold"),
    "parameters that are a list": (lambda d: d["model"].update(parameters=[]), "are no object"),
    "unknown key": (lambda d: d["model"].update(init="run()"), "it must hold"),
    "unknown key above": (lambda d: d.update(init="run()"), "its JSON must hold"),
    "model that is a list": (lambda d: d.update(model=[]), "its JSON must hold"),
    "unknown parameter": (parameters(run="it"), "has no parameters"),
    "folder of this computer": (parameters(memory="."), "has no parameters"),
    "huge layer": (parameters(hidden_layer_sizes={"tuple": [HUGE]}), "asks for more"),
    "huge number": (parameters(hidden_layer_sizes={"tuple": [10**4000]}), "positive int|asks for"),
    "another layer": (parameters(hidden_layer_sizes={"tuple": [9]}), "is needed"),
    "one layer more": (parameters(hidden_layer_sizes={"tuple": [8, 8]}), "are not those of the"),
    "many layers": (parameters(hidden_layer_sizes={"tuple": [1] * 10**5}), "asks for more"),
    "layer of no unit": (parameters(hidden_layer_sizes={"tuple": [-1]}), "positive integers"),
    "layer that is a string": (parameters(hidden_layer_sizes={"tuple": ["8"]}), "positive int"),
    "dropout": (parameters(dropout=5.0), "'dropout' parameter"),
    "dropout that is no number": (parameters(dropout={"float": "nan"}), "'dropout' parameter"),
    "activation": (parameters(activation="__import__"), "'activation' parameter"),
    "callbacks": (parameters(callbacks="os"), "'callbacks' parameter"),
    "augment": (parameters(augment={"CellAugment": {"flip": "x"}}), "must be the numbers"),
    "unknown type": (parameters(augment={"eval": "1"}), "no value of any known type"),
    "two types": (parameters(lr={"tuple": [], "dict": []}), "no value of any known type"),
    "key that is a list": (parameters(class_weight={"dict": [[[1], 1.0]]}), "unhashable"),
    "long string": (parameters(scoring="x" * 10**6), "more than 1024 char"),
    "no attribute": (lambda d: d["model"]["attributes"].pop("classes_"), "'classes_'.*missing"),
    "unknown attribute": (attributes(predict="x"), "'predict'.*unknown"),
    "dunder attribute": (attributes(__class__="x"), "'__class__'.*unknown"),
    "attributes that are a list": (lambda d: d["model"].update(attributes=[1]), "no object"),
    "fewer classes": (attributes(**classes("<U12", ["a", "b"])), "is needed"),
    "one class": (attributes(**classes("<U12", ["a"])), "attribute classes_"),
    "classes out of order": (attributes(**classes("<i8", [3, 1, 2])), "attribute classes_"),
    "class twice": (attributes(**classes("<i8", [1, 1, 2])), "attribute classes_"),
    "classes that do not fit": (attributes(**classes("|i1", [1, 2, 300])), "array"),
    "classes of another dtype": (attributes(**classes("<i8", ["a", "b", "c"])), "array"),
    "classes of a huge dtype": (attributes(**classes(f"<U{HUGE}", ["a", "b", "c"])), "dtype"),
    "classes that are objects": (attributes(**classes("object", [1, 2, 3])), "than strings"),
    "classes that are code": (attributes(**classes("O", [1, 2, 3])), "its dtype"),
    "classes of a structure": (attributes(**classes("i4,i4", [1, 2, 3])), "its dtype"),
    "huge images": (
        attributes(image_shape_={"tuple": [HUGE, HUGE, 3]}, n_features_in_=3 * HUGE**2),
        "attribute n_features_in_",
    ),
    "large images": (attributes(image_shape_={"tuple": [9999, 9999, 3]}), "at most"),
    "other images": (attributes(image_shape_={"tuple": [16, 16, 1]}), "is needed"),
    "images of no size": (attributes(image_shape_={"tuple": [0, 16, 3]}), "attribute image_sh"),
    "two sizes": (attributes(image_size_={"tuple": [9, 9]}), "not that of its image_shape_"),
    "wrong width": (attributes(n_features_in_=5), "n_features_in_ is not"),
    "crop": (parameters(crop=9.0), "'crop' parameter"),
    "another crop": (attributes(crop_=9.0), "attribute crop_"),
    "crop that is no number": (attributes(crop_="half"), "attribute crop_"),
    "pixels": (attributes(_is_pixels=1), "attribute _is_pixels"),
    "history": (attributes(history_={"history": [1]}), "no history"),
    "history of another length": (attributes(n_iter_=12), "another length"),
    "training data": (attributes(training_data_={"dict": []}), "attribute training_data_"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_document(kind, mlp, forge):
    change, match = CHANGES[kind]
    refused(forge(mlp, change), match)


def test_what_is_forged_loads_if_nothing_is_changed(mlp, forge, cells):
    again = skblood.load(forge(mlp))
    np.testing.assert_array_equal(again.predict_proba(cells[0]), mlp.predict_proba(cells[0]))


class TestBackbones:
    @pytest.mark.parametrize(
        "name", ["no_such_net", "hf-hub:some/body", "../weights", "torchvision/x"]
    )
    def test_an_unknown_backbone(self, name, fitted, forge):
        refused(forge(fitted["transfer"], parameters(backbone=name)), "Allowed are the names")

    def test_a_large_backbone_is_not_built(self, fitted, forge):
        change = parameters(backbone="vit_giant_patch14_224", image_size=None)
        images = attributes(image_shape_={"tuple": [224, 224, 3]}, image_size_={"tuple": [224] * 2})

        def both(document):
            change(document)
            images(document)

        refused(forge(fitted["transfer"], both), "are not those of the network")

    def test_another_backbone_of_ours(self, fitted, forge):
        refused(forge(fitted["transfer"], parameters(backbone="cellnet_s")), "are not those of")

    def test_many_backbones(self, fitted, forge):
        many = {"tuple": ["cellnet_t"] * 4000}
        refused(forge(fitted["hybrid"], parameters(backbones=many)), "more than its tensors hold")


def drop(name):
    return lambda tensors: tensors.pop(name)


def put(name, tensor):
    return lambda tensors: tensors.update({name: tensor})


WEIGHT = "head.0.weight"
TENSORS = {
    "one less": drop(WEIGHT),
    "one more": put("more", torch.zeros(3)),
    "another shape": put(WEIGHT, torch.zeros(8, 767)),
    "turned": put(WEIGHT, torch.zeros(768, 8)),
    "another dtype": put(WEIGHT, torch.zeros(8, 768, dtype=torch.float16)),
    "integers": put(WEIGHT, torch.zeros(8, 768, dtype=torch.int32)),
    "none": lambda tensors: tensors.clear(),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors(kind, mlp, forge):
    refused(forge(mlp, change_tensors=TENSORS[kind]), "tensors are not those of the network")


class TestHeader:
    def test_a_key_stands_twice(self, mlp, path):
        skblood.save(mlp, path)
        rewrite(path, lambda header: header.replace(b'"format":"1"', b'"format":"1","format":"1"'))
        refused(path, "stands twice")

    def test_deep_nesting(self, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, model="[" * 10**6 + "]" * 10**6)
        refused(path, "cannot be read")

    @pytest.mark.parametrize("text", ["", "null", "[]", "1", '"x"', "{", '{"a": NaN}', "\0"])
    def test_odd_json(self, text, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, model=text)
        refused(path, "JSON")

    def test_a_huge_number(self, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, model='{"model": ' + "9" * 10**5 + "}")
        refused(path, "cannot be read")

    def test_metadata_that_is_no_string(self, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, card={"a": 1})
        refused(path, "its header must hold")

    @pytest.mark.parametrize("changes", [{"card": None}, {"more": "x"}])
    def test_metadata_missing_or_unknown(self, changes, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, **changes)
        refused(path, "its header must hold")

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
            {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**62]},
            {"dtype": "O", "shape": [1], "data_offsets": [0, 4]},
            {"dtype": "F32"},
            [],
            None,
        ],
        ids=repr,
    )
    def test_an_odd_tensor(self, entry, mlp, path):
        def change(header):
            changed = json.dumps({**json.loads(header), WEIGHT: entry}, separators=(",", ":"))
            return changed.encode().ljust(-(-len(changed) // 8) * 8)

        skblood.save(mlp, path)
        rewrite(path, change)
        refused(path, "tensors")

    def test_a_gap_between_tensors(self, mlp, path):
        """Bytes that belong to no tensor could be anything."""
        skblood.save(mlp, path)
        rewrite(path, lambda header: header)
        content = path.read_bytes() + bytes(8)
        path.write_bytes(content)
        rewrite(path, lambda header: header)
        refused(path, "tensors")
