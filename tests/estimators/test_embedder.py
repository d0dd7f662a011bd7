"""CellEmbedder: the features of a backbone, as a table."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from skblood import CellEmbedder


def make(**params):
    return CellEmbedder("cellnet_t", **{"random_state": 0, "device": "cpu", **params})


@pytest.fixture(scope="module")
def embedder(small):
    return make().fit(small[0])


def test_features(embedder, small):
    features = embedder.transform(small[0])
    assert features.shape == (48, 48)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == 48
    assert_array_equal(make().fit_transform(small[0]), features)


def test_names(embedder):
    names = embedder.get_feature_names_out()
    assert len(names) == len(set(names)) == 48
    assert names[0] == "cellembedder0"


@pytest.mark.parametrize("form", ["images", "paths", "column", "rows"])
def test_pandas_output(small, png_paths, form):
    index = [f"cell {i}" for i in range(48)]
    forms = {
        "images": small[0],
        "paths": png_paths,
        "column": pd.DataFrame({"file": png_paths}, index=index),
        "rows": pd.DataFrame(small[0].reshape(48, -1), index=index).rename(columns=str),
    }
    embedder = make().set_output(transform="pandas")
    table = embedder.fit_transform(forms[form])
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == list(embedder.get_feature_names_out())
    assert_array_equal(table.to_numpy(), make().fit_transform(small[0]))
    if form in ("column", "rows"):
        assert list(table.index) == index


def test_forms_order_and_company(embedder, small, png_paths):
    X = small[0]
    features = embedder.transform(X)
    for other in (png_paths, X / 255, X.reshape(48, -1), list(X), np.asfortranarray(X)):
        assert_array_equal(embedder.transform(other), features)
    assert_array_equal(embedder.transform(X[::-1]), features[::-1])
    assert_array_equal(np.concatenate([embedder.transform(x[None]) for x in X]), features)


def test_seed_and_global_generators(small):
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = make().fit_transform(small[0])
    assert_array_equal(make().fit_transform(small[0]), first)
    assert not np.allclose(make(random_state=1).fit_transform(small[0]), first)
    assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_copies(embedder, small):
    features = embedder.transform(small[0])
    assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(small[0]), features)
    assert_array_equal(clone(embedder).fit_transform(small[0]), features)


def test_y_is_not_used(embedder, small):
    X, y = small
    assert_array_equal(make().fit(X, y).transform(X), embedder.transform(X))


def test_mixed_sizes(small, large):
    X = [*small[0][:5], *large[0][5:10]]
    embedder = make(image_size=16).fit(X)
    assert embedder.image_shape_ == (16, 16, 3)
    parts = np.concatenate([embedder.transform([x]) for x in X])
    assert_array_equal(embedder.transform(X), parts)


def test_a_failed_fit_leaves_it_as_it_was(small):
    embedder = make().fit(small[0])
    features, attributes = embedder.transform(small[0]), dict(vars(embedder))
    with pytest.raises(ValueError, match=r"in 0..255"):
        embedder.fit(small[0].astype(float))
    assert vars(embedder) == attributes
    assert_array_equal(embedder.transform(small[0]), features)


@pytest.mark.parametrize(
    ("name", "value"), [("backbone", 1), ("weights", 2), ("image_size", 0), ("device", None)]
)
def test_constraints(small, name, value):
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of CellEmbedder"):
        make().set_params(**{name: value}).fit(small[0])


def test_missing_weights_file(small, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no file\. weights takes"):
        make(weights=tmp_path / "no.safetensors").fit(small[0])


def test_head_of_a_classifier_stands_on_the_same_features(embedder, make_transfer, small):
    """With one seed, ``trainable="head"`` is CellEmbedder, standardisation and dense layers."""
    X, y = small
    clf = make_transfer(trainable="head").fit(X, y)
    features = embedder.transform(X)
    module = clf.net_.module_.eval()
    assert_allclose(module.scale.mean.numpy(), features.mean(axis=0), rtol=1e-4, atol=1e-5)
    spread = features.std(axis=0)  # a feature that never varies is left as it is
    assert_allclose(module.scale.std.numpy(), np.where(spread > 0, spread, 1), rtol=1e-3)
    with torch.no_grad():
        logits = module.head(module.scale(torch.from_numpy(features))).numpy()
    assert_allclose(logits, clf.decision_function(X), rtol=1e-4, atol=1e-5)
