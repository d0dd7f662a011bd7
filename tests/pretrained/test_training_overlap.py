"""Warnings of fit and score about training images of the pretrained weights."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import skblood
from skblood import MLPCellClassifier, TrainingOverlapWarning, TransferCellClassifier
from skblood.pretrained import starts_from_pretrained


def make(**options):
    options = {"weights": "pbc", "image_size": 32, "max_epochs": 1, "random_state": 0, **options}
    return TransferCellClassifier("cellnet_s", device="cpu", **options)


class TestScore:
    def test_warns_with_the_count_and_scores_the_same(self, pretrained, synthetic, trained_on):
        X, y = synthetic[0][:16], synthetic[1][:16]
        silent = pretrained.score(X, y)  # warnings are errors here
        trained_on(X[:7])
        with pytest.warns(TrainingOverlapWarning, match="^7 of the 16 images to be sc") as caught:
            assert pretrained.score(X, y) == silent == np.mean(pretrained.predict(X) == y)
        assert caught[0].filename == __file__
        pretrained.predict_proba(X)  # no warning: nothing is scored

    def test_sample_weight_counts(self, pretrained, synthetic):
        X, y = synthetic[0][:16], synthetic[1][:16]
        right = pretrained.predict(X) == y
        assert pretrained.score(X, y, sample_weight=right + 1e-9) == pytest.approx(1)

    @pytest.mark.parametrize("form", ["28 px", "floats", "list"])
    def test_other_forms_of_the_images(self, pretrained, synthetic, trained_on, form):
        X, y = synthetic[0][:16], synthetic[1][:16]
        trained_on(X[:7])
        changed = {
            "28 px": lambda: skblood.images.resize_images(X, (28, 28)),
            "floats": lambda: X / 255,
            "list": lambda: list(X),
        }[form]()
        with pytest.warns(TrainingOverlapWarning, match="^[678] of the 16"):
            pretrained.score(changed, y)

    def test_a_model_that_crops_compares_whole_images(self, synthetic, trained_on):
        X, y = synthetic
        trained_on(X[17:24])
        match = "on 4 of the 40 images of X and 3 of the 20 images of X_val"
        with pytest.warns(TrainingOverlapWarning, match=match):
            model = make(crop=0.8).fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
        for form in (X, X.reshape(60, -1)):
            with pytest.warns(TrainingOverlapWarning, match="^7 of the 60"):
                assert model.score(form, y) == np.mean(model.predict(X) == y)

    def test_after_fit_save_and_load(self, synthetic, trained_on, tmp_path):
        X, y = synthetic
        model = skblood.load(skblood.save(make().fit(X, y), tmp_path / "m"))
        trained_on(X[:7])
        with pytest.warns(TrainingOverlapWarning, match="^7 of the 60"):
            model.score(X, y)

    def test_unfitted(self, synthetic):
        with pytest.raises(NotFittedError):
            make().score(*synthetic)


class TestFit:
    def test_warns_with_the_count_and_fits_the_same(self, synthetic, trained_on):
        X, y = synthetic
        silent = make().fit(X, y).predict_proba(X)
        trained_on(X[:7])
        with pytest.warns(TrainingOverlapWarning, match="trained on 7 of the 60 images of X.") as w:
            model = make().fit(X, y)
        assert [each.filename for each in w] == [__file__]
        assert np.array_equal(model.predict_proba(X), silent)

    def test_validation_images_alone(self, synthetic, trained_on):
        X, y = synthetic
        trained_on(X[40:])
        with pytest.warns(TrainingOverlapWarning, match="on 20 of the 20 images of X_val"):
            make().fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])

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
def test_models_with_other_weights_do_not_warn(model, synthetic, trained_on):
    trained_on(synthetic[0])
    model.fit(*synthetic).score(*synthetic)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [(["pbc"], True), ([None, "pbc"], True), ([None, "default"], False), (["file:pbc"], False)],
)
def test_starts_from_pretrained(weights, expected):
    spec = SimpleNamespace(backbones=[SimpleNamespace(weights=each) for each in weights])
    assert starts_from_pretrained(spec) is expected


class TestAudit:
    def test_findings(self, synthetic, trained_on):
        X, _ = synthetic
        assert skblood.audit(X).training_overlap == []
        trained_on(X[:7])
        report = skblood.audit(X[3:20], split=["train", "test"] * 8 + ["test"])
        assert [e.positions for e in report.training_overlap] == [(0,), (1,), (2,), (3,)]
        assert "4 training images of the pretrained model" in str(report)
        assert "X[0]: in the train part of PBC" in str(report)
        assert report.to_frame()["kind"].tolist() == ["training_overlap"] * 4
        report.raise_if_leaky()  # it is no leak between the parts of the split

    def test_unreadable_files_are_left_out(self, synthetic, trained_on, tmp_path):
        trained_on(synthetic[0][:2])
        paths = [tmp_path / f"{i}.png" for i in range(3)]
        paths[0].write_bytes(b"no image")
        for path, image in zip(paths[1:], synthetic[0], strict=False):
            Image.fromarray(image).save(path)
        assert [e.positions for e in skblood.audit(paths).training_overlap] == [(1,), (2,)]
