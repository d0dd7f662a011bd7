"""CellEmbedder: the features of a backbone, as a table."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skblood import FeatureStore


def test_features(make_embedder, small):
    X, y = small
    embedder = make_embedder().fit(X, y)
    features = embedder.transform(X)
    assert features.shape == (48, 48)
    assert features.dtype == np.float32
    assert len(np.unique(features, axis=0)) == 48
    assert_array_equal(make_embedder().fit_transform(X), features)
    assert not np.allclose(make_embedder(random_state=1).fit_transform(X), features)
    assert not np.allclose(make_embedder(standardize="image").fit_transform(X), features)
    names = embedder.get_feature_names_out()
    assert len(set(names)) == 48
    assert names[0] == "cellembedder0"
    assert embedder.network_ is embedder.predictor_.network


@pytest.mark.parametrize("form", ["images", "paths", "column", "rows"])
def test_pandas_output(make_embedder, small, png_paths, form):
    index = [f"cell {i}" for i in range(48)]
    forms = {
        "images": small[0],
        "paths": png_paths,
        "column": pd.DataFrame({"file": png_paths}, index=index),
        "rows": pd.DataFrame(small[0].reshape(48, -1), index=index).rename(columns=str),
    }
    embedder = make_embedder().set_output(transform="pandas")
    expected = make_embedder().fit_transform(small[0])
    for table in (embedder.fit_transform(forms[form]), embedder.transform(forms[form])):
        assert list(table.columns) == list(embedder.get_feature_names_out())
        assert_array_equal(table.to_numpy(), expected)
        if form in ("column", "rows"):
            assert list(table.index) == index


def test_a_failed_fit_leaves_it_as_it_was(make_embedder, small):
    embedder = make_embedder().fit(small[0])
    features, attributes = embedder.transform(small[0]), dict(vars(embedder))
    for method in (embedder.fit, embedder.fit_transform):
        with pytest.raises(ValueError, match=r"in 0..255"):
            method(small[0].astype(float))
    assert vars(embedder) == attributes
    assert_array_equal(embedder.transform(small[0]), features)


def test_bad_parameters(make_embedder, small, tmp_path):
    for name, value in [("backbone", 1), ("weights", 2), ("image_size", 0), ("device", None)]:
        for method in ("fit", "fit_transform"):
            with pytest.raises(ValueError, match=f"The '{name}' parameter of CellEmbedder"):
                getattr(make_embedder().set_params(**{name: value}), method)(small[0])
    with pytest.raises(FileNotFoundError, match=r"is no file\. weights takes"):
        make_embedder(weights=tmp_path / "no.safetensors").fit(small[0])


def test_head_of_a_classifier_has_the_same_features(make_embedder, make_transfer, small):
    """With one seed, ``trainable="head"`` is CellEmbedder, standardization and dense layers."""
    X, y = small
    clf = make_transfer(trainable="head").fit(X, y)
    features = make_embedder().fit_transform(X)
    module = clf.net_.module_.eval()
    assert_allclose(module.scale.mean.numpy(), features.mean(axis=0), rtol=1e-4, atol=1e-5)
    spread = features.std(axis=0)  # a feature that never varies is left as it is
    assert_allclose(module.scale.std.numpy(), np.where(spread > 0, spread, 1), rtol=1e-3)
    with torch.no_grad():
        logits = module.head(module.scale(torch.from_numpy(features))).numpy()
    assert_allclose(logits, clf.decision_function(X), rtol=1e-4, atol=1e-5)
    assert_array_equal(clf.predictor_.features(clf.read_images(X)), features)


def test_features_that_are_not_finite(make_embedder, small):
    embedder = make_embedder(memory=FeatureStore()).fit(small[0])
    with torch.no_grad():
        next(embedder.network_.backbones.parameters()).fill_(torch.nan)
    for store in (None, embedder.predictor_.store):
        embedder.predictor_.store = store
        with pytest.raises(ValueError, match=r"no finite number for 48 of 48.*X\[0\].*weights"):
            embedder.transform(small[0])
