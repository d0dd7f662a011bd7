"""Warnings of fit and score about training images of the pretrained weights."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import cross_val_score

import skblood
from skblood import MLPCellClassifier, TrainingOverlapWarning, TransferCellClassifier
from skblood.pretrained import pretrained_weights


def make(**options):
    options = {"weights": "pbc", "image_size": 32, "max_epochs": 1, "random_state": 0, **options}
    return TransferCellClassifier("cellnet_s", device="cpu", **options)


class TestScore:
    def test_warns_with_the_count_and_scores_the_same(self, pretrained, synthetic, trained_on):
        X, y = synthetic[0][:16], synthetic[1][:16]
        silent = pretrained.score(X, y)  # warnings are errors here
        trained_on(X[:7])
        with pytest.warns(TrainingOverlapWarning, match="on 7 of the 16 images of X:") as caught:
            assert pretrained.score(X, y) == silent == np.mean(pretrained.predict(X) == y)
        assert caught[0].filename == __file__
        pretrained.predict_proba(X)  # no warning: nothing is scored
        for form in (skblood.images.resize_images(X, (28, 28)), X / 255, list(X)):
            with pytest.warns(TrainingOverlapWarning, match="on [678] of the 16"):
                pretrained.score(form, y)

    def test_a_model_that_crops_compares_whole_images(self, synthetic, trained_on, tmp_path):
        """Fitted, saved and loaded."""
        X, y = synthetic
        trained_on(X[17:24])
        match = "on 4 of the 40 images of X and 3 of the 20 images of X_val"
        with pytest.warns(TrainingOverlapWarning, match=match):
            model = make(crop=0.8).fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
        model = skblood.load(skblood.save(model, tmp_path / "m"))
        for form in (X, X.reshape(60, -1)):
            with pytest.warns(TrainingOverlapWarning, match="on 7 of the 60"):
                assert model.score(form, y) == np.mean(model.predict(form) == y)


class TestFit:
    def test_warns_with_the_count_and_fits_the_same(self, synthetic, trained_on):
        X, y = synthetic
        silent = make().fit(X, y).predict_proba(X)
        trained_on(X[:7])
        with pytest.warns(TrainingOverlapWarning, match="trained on 7 of the 60 images of X:") as w:
            model = make().fit(X, y)
        assert [each.filename for each in w] == [__file__]
        assert np.array_equal(model.predict_proba(X), silent)

    def test_cross_validation_warns_once_a_fit_and_a_score(self, synthetic, trained_on):
        X, y = synthetic[0], np.where(np.arange(60) % 2, "a", "b")
        trained_on(X)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cross_val_score(make(), X, y, cv=2)
        assert sum(each.category is TrainingOverlapWarning for each in caught) == 4

    @pytest.mark.parametrize(
        "model",
        [make(weights=None), MLPCellClassifier((8,), max_epochs=1, random_state=0)],
        ids=["random", "mlp"],
    )
    def test_models_with_other_weights_do_not_warn(self, model, synthetic, trained_on):
        trained_on(synthetic[0])
        model.fit(*synthetic).score(*synthetic)


def test_pretrained_weights():
    cases = [(["pbc"], ["pbc"]), ([None, "blood8-2"], ["blood8-2"]), (["file:pbc", "default"], [])]
    for weights, expected in cases:
        backbones = [SimpleNamespace(weights=each) for each in weights]
        assert pretrained_weights(backbones) == expected


def test_audit(synthetic, trained_on, tmp_path):
    """Unreadable files are left out, and an overlap is no leak between parts of the split."""
    X, _ = synthetic
    assert skblood.audit(X).training_overlap == []
    paths = [tmp_path / f"{i}.png" for i in range(17)]
    paths[0].write_bytes(b"no image")
    for path, image in zip(paths[1:], X, strict=False):
        Image.fromarray(image).save(path)
    trained_on(X[:2])
    report = skblood.audit(paths, split=["train", "test"] * 8 + ["test"])
    assert [e.positions for e in report.training_overlap] == [(1,), (2,)]
    lines = [line for line in str(report).splitlines() if "PBC" in line or ".png" in line]
    assert lines[1:] == []
    clean = str(skblood.audit(X, split=["train", "test"] * (len(X) // 2))).splitlines()[1:]
    assert clean == [
        "No copies, no bad images, no leaks found.",
        "2 training images of the pretrained models",
        "  Scores of these models on them, fine-tuned or not, are too high.",
    ]
    assert report.to_frame()["names"][1:].tolist() == [(str(paths[1]),), (str(paths[2]),)]
    report.raise_if_leaky()
