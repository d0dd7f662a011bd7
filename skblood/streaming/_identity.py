"""What the rows of a model depend on, to be known again."""

import hashlib

import joblib

from skblood.estimators import CellModel
from skblood.networks import hash_weights

from ._rows import find_reader, to_text


def describe_model(model):
    """Return what the rows of a model depend on, as a dict of JSON types."""
    _, reader = find_reader(model)
    digest = joblib.hash(_as_plain(model))
    description = {"model": f"{type(model).__name__} {digest}"}
    if reader is not None:
        spec = reader.spec_
        description |= {"crop": spec.crop, "precision": str(reader.predictor_.dtype)}
        description |= {"dihedral_views": spec.dihedral_views, "view_crops": [*spec.view_crops]}
        description["class_factors"] = spec.class_factors and [*spec.class_factors]
    if hasattr(model, "classes_"):
        description["classes"] = [*map(to_text, model.classes_.tolist())]
    return description


def _as_plain(value):
    """Return a model as a structure that has the same hash in all processes."""
    if isinstance(value, CellModel):
        digest = hashlib.blake2b(digest_size=16)
        hash_weights(value.predictor_.network, digest)
        return type(value).__name__, repr(value.spec_), digest.hexdigest()
    if isinstance(value, dict):
        return {key: _as_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_plain(each) for each in value]
    if hasattr(value, "get_params") or hasattr(value, "predict_proba"):  # of scikit-learn
        return type(value).__name__, _as_plain(vars(value))
    return value
