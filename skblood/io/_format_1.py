"""Files of format 1, which described a network by the parameters of its estimator.

Here its document becomes one of format 2: parameters and attributes give the spec, and parameters
get their present names.
"""

import os

from skblood.networks import resolve_weights

from ._estimators import FITTED
from ._values import decode, encode, plain

# Parameters that are gone; the spec has what they said of the network.
_GONE = {"checkpoint", "compile", "momentum", "n_iter_no_change", "n_views", "on_error"}
_GONE |= {"predict_views", "shuffle", "tol"}
_GONE_FROM_MLP = {"crop", "interpolation", "memory"}


def upgrade(document):
    """Return the document of a model in format 2.

    Parameters
    ----------
    document : dict
        Of an estimator, a Pipeline, or a step of one, in format 1.

    Returns
    -------
    document : dict
        Nothing is checked but what the conversion needs.
    """
    if "steps" in document:
        steps = [[name, upgrade(step)] for name, step in document["steps"]]
        return {**document, "steps": steps}
    if "attributes" not in document:  # a step that skops carries
        return document
    name, encoded = document["class"], _rename_color(document["parameters"])
    old = {key: decode(value) for key, value in encoded.items()}
    settings = {key: repr(value) for key, value in old.items() if key not in ("verbose", "weights")}
    attributes = {**document["attributes"], "fit_settings_": encode(settings)}
    gone = _GONE | (_GONE_FROM_MLP if name == "MLPCellClassifier" else set())
    parameters = {key: value for key, value in encoded.items() if key not in gone}
    if old.get("early_stopping") and old.get("n_iter_no_change", 10) != 10:
        parameters["early_stopping"] = old["n_iter_no_change"]
    return {
        "class": name,
        "parameters": parameters,
        "spec": plain(_spec(name, old, {key: decode(v) for key, v in attributes.items()})),
        "attributes": {key: value for key, value in attributes.items() if key in FITTED},
    }


def _rename_color(stored):
    """Rename the parameter colour of augmentations."""
    if isinstance(stored, list):
        return [_rename_color(item) for item in stored]
    if isinstance(stored, dict):
        return {k.replace("colour", "color"): _rename_color(v) for k, v in stored.items()}
    return stored


def _spec(name, old, attributes):
    """Return the fields of a NetworkSpec."""
    backbones, head, classes = _backbones(name, old), None, None
    if "classes_" in attributes:
        classes = attributes["classes_"]
        head = {
            "hidden_layer_sizes": old["hidden_layer_sizes"],
            "dropout": old["dropout"],
            "activation": old.get("activation", "relu"),
            "batch_norm": name == "MLPCellClassifier",
            "standardize_features": name == "ContrastiveCellClassifier"
            or all(each["trained"] == "head" for each in backbones),
        }
    return {
        "backbones": backbones,
        "head": head,
        "classes": classes,
        "input_shape": attributes["_fold_shape"],
        "image_shape": attributes["image_shape_"],
        "is_pixels": attributes["_is_pixels"],
        "image_size": attributes["image_size_"],
        "crop": attributes.get("crop_", 1.0),
        "interpolation": old["interpolation"],
        "dihedral_views": old.get("predict_views", 1),
        "precision": old["precision"],
    }


def _backbones(name, old):
    if name == "MLPCellClassifier":
        backbone = {"name": "pixels", "weights": None, "trained": "all", "standardize": "channel"}
        return [backbone]
    names = list(old["backbones"]) if "backbones" in old else [old["backbone"]]
    trained = old.get("trainable", "head")  # of an embedder
    each = zip(
        names,
        _one_for_each(names, old["weights"]),
        _one_for_each(names, trained),
        strict=True,
    )
    return [_backbone(*one, old.get("standardize", "auto")) for one in each]


def _backbone(name, weights, trained, standardize):
    weights = resolve_weights(name, weights)
    by_image = standardize == "image" or weights == "pbc"  # as that model was trained
    if weights not in (None, "default", "pbc"):
        weights = f"file:{os.path.basename(weights)}"
    return {
        "name": name,
        "weights": weights,
        "trained": trained,
        "standardize": "image" if by_image else "channel",
    }


def _one_for_each(names, value):
    is_one = isinstance(value, str) or not hasattr(value, "__len__")
    return [value] * len(names) if is_one else value
