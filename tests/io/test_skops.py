"""What skops has written is built only if it runs no code, fits memory, and crashes nothing."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from skblood.io import _skops

from .conftest import bounded_memory

skops_io = pytest.importorskip("skops.io")
X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 2.0], [0.0, 3.0]], [0, 1, 0, 1]


def crafted(change):
    """Return the bytes of a scaler, of which a function changes each file."""
    whole, content = io.BytesIO(skops_io.dumps(StandardScaler().fit(X))), io.BytesIO()
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(content, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, change(name, source.read(name)))
    return content.getvalue()


def crafted_state(change):
    """Return the bytes of a scaler, of which a function changes the attributes."""

    def change_file(name, content):
        if name != "schema.json":
            return content
        schema = json.loads(content)
        change(schema["content"]["content"])
        return json.dumps(schema)

    return crafted(change_file)


def huge_array(name, content):
    header, written = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}, io.BytesIO()
    np.lib.format.write_array_header_1_0(written, header)
    return content if name == "schema.json" else written.getvalue()


def node(kind, loader, number, **content):
    module = "numpy" if kind == "ndarray" else "builtins"
    names = {"__class__": kind, "__module__": module, "__loader__": loader, "__id__": number}
    return names | content


def one_array_often(state):
    state.update({f"more_{i}": {**state["mean_"], "__id__": i + 1} for i in range(5)})


def lists_of_lists(state):
    """Lists that hold one another ten times would be an array of 100,000 objects."""
    item = node("str", "JsonNode", 1, content="1", is_json=True)
    for i in range(5):
        item = node("list", "ListNode", 2 + i, content=[item] * 10)
    shape = node("tuple", "TupleNode", 9, content=[item, item])
    array = {"type": "json", "content": [item], "shape": shape}
    state["more"] = node("ndarray", "NdArrayNode", 10, **array)


def two_of_one_id(state):
    first = node("tuple", "TupleNode", 1, content=[])
    state.update(a=first, b={**first, "content": [first]})


def sparse():
    model = LogisticRegression()
    model.coef_ = csr_array([[1.0]])  # its indices are not checked
    return model


def generator():
    model = PCA(1).fit(X)
    return model.set_params(random_state=np.random.default_rng(0))


@pytest.mark.parametrize(
    "model",
    [
        *(cls() for cls in (SVC, NuSVC, SVR, NuSVR, OneClassSVM, DecisionTreeClassifier)),
        *(KMeans(2), IsolationForest(n_estimators=2), sparse(), generator()),
        KNeighborsClassifier(2, algorithm="brute"),
        VotingClassifier([("a", SVC()), ("b", LogisticRegression())]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_compiled_code_would_take_unchecked(model):
    if not hasattr(model, "coef_") and not hasattr(model, "components_"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="does not trust"):
        _skops.dump(model)
    with pytest.raises(ValueError, match="does not trust"):
        _skops.load(skops_io.dumps(model))


TABLE = pd.DataFrame({"site": ["b", "a", None, "b"], "stain": [2.0, np.nan, 1.0, 2.0]})


def one_hot(**changes):
    encoder = OneHotEncoder(drop="first").fit(TABLE)
    vars(encoder).update(changes)
    return encoder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"_n_features_outs": [1, 1]},  # a sparse array whose indices are beyond its shape
        {"_drop_idx_after_grouping": np.array([-9, -9], dtype=object)},
        {"_infrequent_enabled": True, "_default_to_infrequent_mappings": [np.arange(99), None]},
    ],
)
def test_one_hot_encoders_are_fitted_again(changes):
    encoder = _skops.refit_encoder(_skops.load(skops_io.dumps(one_hot(**changes))))
    np.testing.assert_array_equal(
        encoder.transform(TABLE).toarray(), one_hot().transform(TABLE).toarray()
    )
    assert encoder.get_feature_names_out().tolist() == one_hot().get_feature_names_out().tolist()
    assert encoder.get_params() == one_hot().get_params()


@pytest.mark.parametrize(
    ("encoder", "match"),
    [
        (one_hot(categories_=[np.array(["a", "b"]), np.array([2.0, 1.0])]), "not sorted"),
        (one_hot(categories_=[np.array(["b", "a"]), np.array([1.0])]), "not sorted"),
        (one_hot(categories_=[np.array(["a", "b"], object)]), "argument 2 is shorter"),
        (one_hot(categories_=[np.array([3, 1], object), np.array([1.0])]), "not sorted"),
        (OneHotEncoder(min_frequency=2).fit(TABLE), "min_frequency or max_categories"),
    ],
)
def test_one_hot_encoders_that_are_refused(encoder, match):
    with pytest.raises(ValueError, match=match):
        _skops.refit_encoder(encoder)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("model", [LinearSVC(), MLPClassifier((2,), max_iter=2), PCA(1)])
def test_what_numpy_computes(model):
    again = _skops.load(_skops.dump(model.fit(X, y)))
    method = "predict" if hasattr(model, "predict") else "transform"
    np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (crafted(huge_array), "not of the size that it says"),
        (crafted_state(one_array_often), "the same id or file"),
        (crafted_state(two_of_one_id), "the same id or file"),
        (crafted_state(lists_of_lists), "several dimensions"),
        (skops_io.dumps(StandardScaler(), compression=zipfile.ZIP_DEFLATED), "is compressed"),
        (b"x" * 1000, "not a zip file"),
    ],
)
def test_what_is_larger_than_it_looks(content, match):
    with bounded_memory(), pytest.raises((ValueError, zipfile.BadZipFile), match=match):
        _skops.load(content)
    _skops.load(crafted_state(lambda state: None))
