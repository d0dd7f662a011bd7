"""Objects of scikit-learn as bytes, written by skops, of which few kinds are read again.

skops builds only types that it trusts, so that no code of a file is run. It does not look at what
they hold: arrays that do not fit one another crash compiled code which takes them as they are, as
that of support vector machines, trees and nearest neighbors. So only classes are read whose
predictions are computed by NumPy, or by code that checks its arrays, and nothing that takes more
memory than it takes of the file.
"""

import io
import json
import math
import zipfile
from importlib import import_module

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.preprocessing import OneHotEncoder

# Modules of scikit-learn, or beginnings of names in them, whose fitted classes are safe.
_SAFE = """
calibration. compose. covariance. cross_decomposition. decomposition. discriminant_analysis. dummy.
ensemble._bagging. ensemble._stacking. ensemble._voting. ensemble._weight_boosting.
feature_selection. frozen. impute._base. isotonic. kernel_approximation. kernel_ridge. linear_model.
metrics._scorer. mixture. model_selection._classification multiclass. multioutput. naive_bayes.
neighbors._nca. neighbors._nearest_centroid. neural_network. pipeline. preprocessing._data.
preprocessing._discretization. preprocessing._encoders. preprocessing._polynomial.
preprocessing._function_transformer. preprocessing._label.Label preprocessing._target_encoder.
random_projection. svm._classes.Linear utils._bunch. utils._metadata
"""
_SAFE = ("imblearn.", *(f"sklearn.{name}" for name in _SAFE.split()))
# Private classes within these, which skops does not trust since they are no estimators.
_PARTS = """
calibration._CalibratedClassifier calibration._SigmoidCalibration calibration._TemperatureScaling
metrics._scorer._CurveScorer metrics._scorer._PassthroughScorer metrics._scorer._Scorer
neural_network._stochastic_optimizers.AdamOptimizer utils._metadata_requests.MetadataRequest
neural_network._stochastic_optimizers.SGDOptimizer utils._metadata_requests.MethodMetadataRequest
utils._bunch.Bunch
"""
_PARTS = {f"sklearn.{name}" for name in _PARTS.split()}
# Modules whose public names are trusted if they come from one of `_SOURCES`: samplers, which are
# saved unfitted, and scores, which no prediction uses.
_PUBLIC = ("imblearn.combine", "imblearn.over_sampling", "imblearn.under_sampling")
_PUBLIC += ("sklearn.feature_selection", "sklearn.metrics")
_SOURCES = ("imblearn.", "sklearn.feature_selection._univariate", "sklearn.metrics._classification")
_SOURCES += ("sklearn.metrics._ranking",)
# Kinds of values in skops' schema. Not among them are sparse arrays, which may be compressed and
# whose indices are not checked, and whatever may call something.
_LOADERS = {"JsonNode", "DictNode", "ListNode", "TupleNode", "SetNode", "SliceNode", "NdArrayNode"}
_LOADERS |= {"DTypeNode", "TypeNode", "FunctionNode", "ObjectNode", "LossNode", "RandomStateNode"}


def dump(thing):
    """Return the bytes of an object.

    Raises
    ------
    Exception
        Of any type, if `load` would not take them.
    ImportError
        If skops is not installed.
    """
    skops = _import_skops()
    content = skops.dumps(thing)
    _check(content, skops)
    return content


def load(content):
    """Return the object whose bytes `dump` returned.

    Raises
    ------
    Exception
        Of any type, if `dump` writes no such bytes.
    ImportError
        If skops is not installed.
    """
    skops = _import_skops()
    _check(content, skops)
    return skops.loads(content, trusted=sorted(_trusted()))


def refit_encoder(thing):
    """Return a fitted one-hot encoder fitted again from its categories, and other things as given.

    Its other attributes are places in sparse arrays, which compiled code does not check.

    Raises
    ------
    ValueError
        If categories are not as `fit` makes them, or rare ones are grouped: counts are not kept.
    """
    if type(thing) is not OneHotEncoder or not hasattr(thing, "categories_"):
        return thing
    if thing.min_frequency is not None or thing.max_categories is not None:
        raise ValueError("a OneHotEncoder with min_frequency or max_categories is not supported")
    for values in thing.categories_:
        values = values[~pd.isna(values)]
        # Text is looked up, numbers are searched by bisection.
        if {*map(type, values)} - {str} and not np.array_equal(np.unique(values), values):
            raise ValueError("a OneHotEncoder has categories that are not sorted")
    names = getattr(thing, "feature_names_in_", range(len(thing.categories_)))
    first = {name: values[:1] for name, values in zip(names, thing.categories_, strict=True)}
    encoder = clone(thing).set_params(categories=thing.categories_).fit(pd.DataFrame(first))
    encoder.categories, encoder.categories_ = thing.categories, thing.categories_
    return encoder


def _import_skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Objects of scikit-learn are saved and loaded by skops, which is not installed: "
            "pip install skops."
        ) from error
    return skops.io


def _trusted():
    """Return the names of what is trusted besides the estimators that skops trusts."""
    modules = map(import_module, _PUBLIC)
    public = (getattr(module, name) for module in modules for name in module.__all__)
    names = {f"{each.__module__}.{each.__name__}" for each in public if callable(each)}
    return _PARTS | {name for name in names if name.startswith(_SOURCES)}


def _check(content, skops):
    """Raise ValueError unless bytes are safe to build from, and no larger than they look."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if packed or sum(member.file_size for member in members) > len(content):
            raise ValueError("it is compressed, which skblood.save does not do")
        schema = json.loads(archive.read("schema.json"))
        refused = _refused_types(schema)
        if not refused:
            for member in members:
                _check_array(archive, member)
            refused = set(skops.get_untrusted_types(data=content)) - _trusted()
    if refused:
        raise ValueError(
            f"skblood.load does not trust {sorted(refused)}, since a file could run code or crash "
            "Python by these"
        )


def _check_array(archive, member):
    """Raise ValueError if a file of an archive is no array, or not of the size that it says."""
    if member.filename == "schema.json":
        return
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version[0]](file)
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{member.filename!r:.80} in it is not of the size that it says")


def _refused_types(schema):
    """Return the names of the types in a schema that are not of a kind that is read."""
    refused, known, owners, nodes = set(), {}, {}, [schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            nodes += node.values()
            if "__loader__" not in node:
                continue
            loader, name = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
            is_safe = loader != "ObjectNode" or name.startswith(_SAFE)
            refused |= set() if loader in _LOADERS and is_safe else {name}
            # skops builds an object once for each id, and reads a file for each of its objects.
            key = node.get("__id__") or id(node)
            shape = {k: len(v) if isinstance(v, list | dict) else v for k, v in node.items()}
            same = known.setdefault(key, shape) == shape
            if not same or owners.setdefault(node.get("file", key), key) != key:
                raise ValueError("two of its objects have the same id or file")
            if node.get("type") == "json" and len(node["shape"]["content"]) != 1:
                raise ValueError("it holds an array of objects of several dimensions")
    return refused
