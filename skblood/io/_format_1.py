"""Files of format 1, which described a network by the parameters of its estimator.

Here its document becomes one of format 2: parameters and attributes give the spec, and parameters
get their present names.
"""

import math
import os

from skblood.networks import BackboneSpec, HeadSpec, NetworkSpec, resolve_weights

from ._estimators import ESTIMATORS
from ._schema import ATTRIBUTES
from ._values import decode, encode, plain


def upgrade(document):
    """Return the document of a model in format 2.

    Parameters
    ----------
    document : dict
        Of an estimator, a Pipeline, or a step of one, in format 1.

    Returns
    -------
    document : dict
        Nothing is checked but what the conversion needs. Parameters that the estimator no longer
        has are left out; the spec has what they said of the network.
    """
    if "steps" in document:
        return {**document, "steps": [[name, upgrade(step)] for name, step in document["steps"]]}
    if "attributes" not in document:  # a step that skops carries
        return document
    name, encoded = document["class"], _rename_color(document["parameters"])
    old = {key: decode(value) for key, value in encoded.items()}
    fitted = {key: decode(value) for key, value in document["attributes"].items()}
    settings = {key: repr(value) for key, value in old.items() if key not in ("verbose", "weights")}
    attributes = {key: value for key, value in document["attributes"].items() if key in ATTRIBUTES}
    attributes["n_features_in_"] = math.prod(fitted["_fold_shape"])
    known = ESTIMATORS[name]().get_params()
    parameters = {key: value for key, value in encoded.items() if key in known}
    if old.get("early_stopping") and old.get("n_iter_no_change", 10) != 10:
        parameters["early_stopping"] = old["n_iter_no_change"]
    spec = plain(_make_spec(name, old, fitted).to_dict())
    described = document.get("preprocessing", {})
    if odd := [key for key in ("crop", "image_size") if described.get(key, spec[key]) != spec[key]]:
        raise ValueError(f"{odd} of its preprocessing are not those of its attributes")
    return {
        "class": name,
        "parameters": parameters,
        "spec": spec,
        "attributes": {**attributes, "fit_settings_": encode(settings)},
    }


def _rename_color(stored):
    """Rename the parameter colour of augmentations."""
    if isinstance(stored, list):
        return [_rename_color(item) for item in stored]
    if isinstance(stored, dict):
        return {k.replace("colour", "color"): _rename_color(v) for k, v in stored.items()}
    return stored


def _make_spec(name, old, fitted):
    backbones, head = _make_backbones(name, old), None
    if "classes_" in fitted:
        head = HeadSpec(
            hidden_layer_sizes=old["hidden_layer_sizes"],
            dropout=old["dropout"],
            activation=old.get("activation", "relu"),
            batch_norm=name == "MLPCellClassifier",
            standardize_features=name == "ContrastiveCellClassifier"
            or all(each.trained == "head" for each in backbones),
        )
    return NetworkSpec(
        backbones=backbones,
        head=head,
        classes=fitted.get("classes_"),
        input_shape=fitted["_fold_shape"],
        image_shape=fitted["image_shape_"],
        is_pixels=fitted["_is_pixels"],
        image_size=fitted["image_size_"],
        crop=fitted.get("crop_", 1.0),
        interpolation=old["interpolation"],
        dihedral_views=old.get("predict_views", 1),
        precision=old["precision"],
    )


def _make_backbones(name, old):
    if name == "MLPCellClassifier":
        return [BackboneSpec("pixels")]
    backbones = []
    names = old["backbones"] if "backbones" in old else [old["backbone"]]
    weights, trained = old["weights"], old.get("trainable", "head")  # "head": of an embedder
    for i, backbone in enumerate(names):
        source = resolve_weights(backbone, weights[i] if _is_sequence(weights) else weights)
        # The model "pbc" was trained on images standardized by themselves.
        by_image = old.get("standardize") == "image" or source == "pbc"
        if source not in (None, "default", "pbc"):
            source = f"file:{os.path.basename(source)}"
        part = trained[i] if _is_sequence(trained) else trained
        backbones.append(BackboneSpec(backbone, source, part, "image" if by_image else "channel"))
    return backbones


def _is_sequence(value):
    return not isinstance(value, str) and hasattr(value, "__len__")
