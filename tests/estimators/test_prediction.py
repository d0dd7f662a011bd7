"""Predictions: of each image alone, of one set of cells in many forms, and at their price."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from skblood import FeatureStore
from skblood.inference import _predictor
from skblood.inference._device import autocast_dtype
from skblood.networks import Backbone

BFLOAT16 = autocast_dtype("auto", torch.device("cpu")) == torch.bfloat16
# What a user may have in place of an array of shape (n, h, w, c).
FORMS = {
    "float64": lambda X, paths: X / 255,
    "float32": lambda X, paths: (X / 255).astype(np.float32),
    "rows": lambda X, paths: X.reshape(len(X), -1),
    "float rows": lambda X, paths: X.reshape(len(X), -1) / 255,
    "table of pixels": lambda X, paths: pd.DataFrame(X.reshape(len(X), -1)),
    "paths": lambda X, paths: paths,
    "Path objects": lambda X, paths: [Path(path) for path in paths],
    "column of paths": lambda X, paths: pd.DataFrame({"file": paths}, index=range(7, 7 + len(X))),
    "Series of paths": lambda X, paths: pd.Series(paths, index=range(7, 7 + len(X))),
    "PIL images": lambda X, paths: [Image.fromarray(x) for x in X],
    "list of arrays": lambda X, paths: list(X),
    "tensor": lambda X, paths: torch.tensor(X),
    "Fortran order": lambda X, paths: np.asfortranarray(X),
    "flipped twice": lambda X, paths: np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    "RGBA": lambda X, paths: np.concatenate([X, np.full_like(X[..., :1], 255)], axis=3),
}


@pytest.fixture
def passed(monkeypatch):
    """Return a list to which each pass of a backbone appends its number of images."""
    counts, original = [], Backbone.forward

    def forward(self, x):
        counts.append(len(x))
        return original(self, x)

    monkeypatch.setattr(Backbone, "forward", forward)
    return counts


class TestProbabilities:
    def test_shapes_and_order_of_columns(self, fitted, small):
        X, y = small
        probabilities, logits = fitted.predict_proba(X), fitted.decision_function(X)
        assert probabilities.shape == logits.shape == (48, 3)
        assert probabilities.dtype == np.float64
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        assert_allclose(e / e.sum(axis=1, keepdims=True), probabilities)
        assert_array_equal(fitted.classes_, ["lymphocyte", "neutrophil", "platelet"])
        assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])
        assert fitted.score(X, y) == np.mean(fitted.predict(X) == y)
        weight = np.arange(48)
        expected = np.average(fitted.predict(X) == y, weights=weight)
        assert fitted.score(X, y, sample_weight=weight) == pytest.approx(expected)

    def test_decision_function_of_two_classes(self, make, small):
        X, y = small
        clf = make().fit(X, y == "platelet")
        values = clf.decision_function(X)
        assert values.shape == (48,)
        assert_allclose(1 / (1 + np.exp(-values)), clf.predict_proba(X)[:, 1])
        assert_array_equal(values > 0, clf.predict(X))


class TestForms:
    """One set of cells in many forms is one set of cells."""

    @pytest.mark.parametrize("form", FORMS)
    def test_predict(self, fitted, small, png_paths, form):
        X = FORMS[form](small[0], png_paths)
        assert_array_equal(fitted.predict_proba(X), fitted.predict_proba(small[0]))

    @pytest.mark.parametrize("form", FORMS)
    def test_fit(self, make_mlp, small, png_paths, form):
        clf = make_mlp().fit(FORMS[form](small[0], png_paths), small[1])
        assert clf.image_shape_ == (16, 16, 3)
        expected = make_mlp().fit(*small).predict_proba(small[0])
        assert_array_equal(clf.predict_proba(small[0]), expected)

    def test_gray(self, make, small, png_paths):
        X, y = small
        gray = X[..., 1].copy()
        forms = [gray, gray[..., None], gray.reshape(48, -1)]
        expected = make().fit(gray, y).predict_proba(gray)
        fits = [make().fit(form, y) for form in forms]
        fits.append(make(image_shape=(-1, 16)).fit(forms[2], y))
        for clf in fits:
            assert clf.image_shape_ == (16, 16, 1)
            for form in forms:
                assert_array_equal(clf.predict_proba(form), expected)
        # Files are RGB whatever they show; a gray model sees their luma.
        luma = np.stack([np.asarray(Image.open(path).convert("L")) for path in png_paths])
        assert_array_equal(fits[0].predict_proba(png_paths), fits[0].predict_proba(luma))

    @pytest.mark.parametrize("is_gray", [False, True])
    def test_gray_and_color_are_converted_in_all_forms(self, make, small, tmp_path, is_gray):
        X, y = small
        color, gray = X, X[..., 1].copy()
        clf = make().fit(gray if is_gray else color, y)
        if is_gray:
            given = color
            expected = clf.predict_proba([Image.fromarray(x).convert("L") for x in color])
        else:
            given, expected = gray, clf.predict_proba(np.stack([gray] * 3, axis=-1))
        pictures, paths = [Image.fromarray(x) for x in given], []
        for i, picture in enumerate(pictures):
            paths.append(str(tmp_path / f"{i}.png"))
            picture.save(paths[-1])
        tensors = torch.from_numpy(given)
        forms = [paths, pictures, given, list(given), given / 255, tensors, (given / 255).tolist()]
        forms += [] if is_gray else [gray[..., None], list(gray[..., None])]
        for form in forms:
            assert_array_equal(clf.predict_proba(form), expected)
        read = clf.read_images(given)
        assert_array_equal(clf.predict_proba(read), expected)
        clf.partial_fit(given, y)

    @pytest.mark.parametrize("size", [16, (16, 12)])
    def test_images_of_mixed_sizes(self, make, small, large, size):
        X = [*small[0][:24], *large[0][24:]]
        clf = make(image_size=size).fit(X, small[1])
        assert clf.image_shape_ == (*((size, size) if size == 16 else size), 3)
        found = clf.predict_proba(X)
        for part in (slice(0, 24), slice(24, 48), slice(5, 6)):
            assert_allclose(clf.predict_proba(X[part]), found[part], atol=1e-6)


class TestAloneAndInCompany:
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    @pytest.mark.parametrize("params", [{}, {"trainable": "head"}], ids=["trained", "frozen"])
    def test_agree(self, make_transfer, large, rng, precision, params):
        if precision == "bfloat16" and not BFLOAT16:
            pytest.skip("this CPU emulates bfloat16")
        X = np.concatenate([large[0], large[0][:, ::-1]])
        clf = make_transfer(precision=precision, max_epochs=4, lr=1e-2, **params).fit(*large)
        together, order = clf.predict_proba(X), rng.permutation(len(X))
        assert_allclose(clf.predict_proba(X[order]), together[order], atol=1e-6)
        for n in (1, 2, 3, 7, 20, 33, 65):
            parts = [clf.predict_proba(X[i : i + n]) for i in range(0, len(X), n)][:8]
            found = np.concatenate(parts)
            assert_allclose(found, together[: len(found)], atol=1e-6)

    def test_all_estimators(self, fitted_any, small, output, rng):
        X, order = small[0], rng.permutation(48)
        together = output(fitted_any, X)
        assert_allclose(output(fitted_any, X[order]), together[order], atol=2e-6)
        alone = np.concatenate([output(fitted_any, X[i : i + 1]) for i in range(6)])
        assert_allclose(alone, together[:6], atol=2e-6)

    def test_prediction_leaves_the_model_alone(self, fitted, small):
        before = {k: v.clone() for k, v in fitted.net_.module_.state_dict().items()}
        first = fitted.predict_proba(small[0])
        with torch.inference_mode():
            assert_array_equal(fitted.predict_proba(small[0]), first)
        after = fitted.net_.module_.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert not fitted.net_.module_.training


class TestPrice:
    def test_one_image_passes_with_one_more_at_most(self, fitted_any, small, output, passed):
        """And an embedder of 33 images does not pass 128."""
        output(fitted_any, small[0][:1] // 2)
        n_backbones = len(fitted_any.spec_.backbones)
        assert 1 <= len(passed) <= n_backbones
        assert max(passed) <= 2
        passed.clear()
        output(fitted_any, small[0][:33] // 3)
        assert sum(passed) <= 64 * n_backbones

    def test_weights_of_a_frozen_network_are_hashed_once(
        self, make_transfer, make_embedder, small, monkeypatch, output
    ):
        calls, original = [], _predictor.hash_weights

        def hash_weights(*args):
            calls.append(1)
            return original(*args)

        for make in (lambda: make_transfer(trainable="head"), make_embedder):
            model = make().fit(*small)
            monkeypatch.setattr(_predictor, "hash_weights", hash_weights)
            for n in (1, 5, 48, 1):
                output(model, small[0][:n])
            monkeypatch.undo()
        assert len(calls) <= 2

    def test_images_pass_a_frozen_backbone_once(self, make_transfer, small, passed):
        """In nine epochs and a prediction. The first pass is of a blank image."""
        X, y = small
        FeatureStore().clear()
        clf = make_transfer(trainable="head", max_epochs=9)
        clf.fit(X[:32], y[:32], X_val=X[32:], y_val=y[32:]).predict(X)
        assert passed == [1, 64 if clf.predictor_.max_batch < 32 else 32, 16] or sum(passed) <= 81


class TestCellImages:
    def test_are_taken_in_place_of_x(self, fitted_any, small, output, decoded, png_paths):
        images = fitted_any.read_images(png_paths)
        assert len(images) == len(decoded) == 48
        assert_array_equal(output(fitted_any, images), output(fitted_any, small[0]))
        assert_allclose(
            output(fitted_any, images[5:9]), output(fitted_any, small[0][5:9]), atol=1e-6
        )
        if hasattr(fitted_any, "score"):
            assert fitted_any.score(images, small[1]) == fitted_any.score(*small)
        assert len(decoded) == 48
        assert fitted_any.read_images(images) is images

    def test_of_another_model_are_refused(self, make_mlp, small, large):
        images = make_mlp(image_size=12).fit(*small).read_images(small[0])
        alike = make_mlp(image_size=12, hidden_layer_sizes=(3,)).fit(*small)
        assert alike.predict(images).shape == (48,)
        others = [make_mlp().fit(*small), make_mlp(image_size=16).fit(*large)]
        others.append(make_mlp(image_size=12).fit(small[0][..., 0], small[1]))
        for other in others:
            with pytest.raises(ValueError, match="with another preprocessing"):
                other.predict(images)
