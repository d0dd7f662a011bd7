"""Who is warned of images that the weights were trained on, and who is not."""

import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import skblood
from skblood import MLPCellClassifier, TransferCellClassifier
from skblood.io import load_pretrained
from skblood.pretrained import SeenImagesWarning, _seen


@pytest.fixture
def ready():
    return load_pretrained(device="cpu")


def make(**options):
    options = {"weights": "pbc", "image_size": 32, "max_epochs": 1, "random_state": 0, **options}
    return TransferCellClassifier("cellnet_s", device="cpu", **options)


def caught(call):
    """Return the warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [each for each in found if issubclass(each.category, SeenImagesWarning)]


class TestScore:
    def test_with_the_count(self, ready, drawn, trained_on):
        X, y = drawn
        trained_on(X[:7])
        with pytest.warns(SeenImagesWarning, match="^7 of the 60 images to be scored on") as found:
            ready.score(X, y)
        assert found[0].filename == __file__

    def test_the_score_is_the_same(self, ready, drawn, trained_on):
        X, y = drawn
        unwarned = ready.score(X, y)
        trained_on(X)
        with pytest.warns(SeenImagesWarning):
            assert ready.score(X, y) == unwarned == np.mean(ready.predict(X) == y)

    def test_weights_of_images_count(self, ready, drawn):
        X, y = drawn
        right = ready.predict(X) == y
        assert ready.score(X, y, sample_weight=right + 1e-9) == pytest.approx(1)

    @pytest.mark.parametrize("side", [28, 100])
    def test_other_sizes(self, ready, drawn, trained_on, side):
        X, y = drawn
        trained_on(X[:7])
        other = skblood.images.resize_images(X, (side, side))
        with pytest.warns(SeenImagesWarning, match="^[678] of the 60"):
            ready.score(other, y)

    @pytest.mark.parametrize("crop", [0.556, 0.8, 1.1])
    def test_a_model_that_crops(self, drawn, trained_on, crop):
        """It is the frame of the image itself that is looked at."""
        X, y = drawn
        trained_on(X[17:24])
        with pytest.warns(SeenImagesWarning, match="on 4 of the 40 images of X and 3 of the 20"):
            model = make(crop=crop).fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
        for form in (X, list(X), X.reshape(60, -1)):
            with pytest.warns(SeenImagesWarning, match="^7 of the 60"):
                assert model.score(form, y) == np.mean(model.predict(X) == y)

    def test_floats_and_flat_rows(self, drawn, trained_on):
        X, y = drawn
        model = make().fit(X.reshape(60, -1), y)
        trained_on(X[:7])
        with pytest.warns(SeenImagesWarning, match="^7 of the 60"):
            model.score(X.reshape(60, -1), y)
        with pytest.warns(SeenImagesWarning, match="^7 of the 60"):
            model.score(X / 255, y)

    def test_other_cells_are_no_reason(self, ready, drawn):
        ready.score(*drawn)  # warnings are errors

    def test_after_a_fit_and_a_file(self, drawn, trained_on, tmp_path):
        X, y = drawn
        model = skblood.load(skblood.save(make().fit(X, y), tmp_path / "m"))
        trained_on(X[:7])
        with pytest.warns(SeenImagesWarning, match="^7 of the 60"):
            model.score(X, y)

    def test_predictions_are_not_warned_of(self, ready, drawn, trained_on):
        trained_on(drawn[0])
        ready.predict(drawn[0])
        ready.predict_proba(drawn[0])

    def test_unfitted(self, drawn):
        with pytest.raises(NotFittedError):
            make().score(*drawn)


class TestFit:
    def test_with_the_count(self, drawn, trained_on):
        X, y = drawn
        trained_on(X[:7])
        with pytest.warns(SeenImagesWarning, match="trained on 7 of the 60 images of X.") as found:
            make().fit(X, y)
        assert [each.category for each in found] == [SeenImagesWarning]
        assert found[0].filename == __file__

    def test_validation_images_are_counted_apart(self, drawn, trained_on):
        X, y = drawn
        trained_on(X[:50])
        fit = make().fit
        with pytest.warns(SeenImagesWarning) as found:
            fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
        assert "40 of the 40 images of X and 10 of the 20 images of X_val" in str(found[0].message)
        trained_on(X[40:])
        with pytest.warns(SeenImagesWarning, match="on 20 of the 20 images of X_val"):
            fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])

    def test_the_model_is_the_same(self, drawn, trained_on):
        X, y = drawn
        unwarned = make().fit(X, y).predict_proba(X)
        trained_on(X)
        model = make()
        with pytest.warns(SeenImagesWarning):
            model.fit(X, y)
        assert np.array_equal(model.predict_proba(X), unwarned)

    def test_cross_validation_does_not_drown_in_them(self, drawn, trained_on):
        X, y = drawn
        y = np.where(np.arange(60) % 2, "a", "b")
        trained_on(X)
        found = caught(lambda: cross_val_score(make(), X, y, cv=2, scoring="accuracy"))
        assert len(found) == 2
        found = caught(lambda: cross_val_score(make(), X, y, cv=2))
        assert len(found) == 4  # its fit, and its score, in each fold

    def test_other_cells_are_no_reason(self, drawn):
        make().fit(*drawn)


class TestOtherModels:
    @pytest.mark.parametrize(
        "model",
        [
            make(weights=None),
            make(weights="default"),
            MLPCellClassifier((8,), max_epochs=1, random_state=0),
        ],
        ids=["none", "default", "mlp"],
    )
    def test_they_are_not_looked_for(self, model, drawn, monkeypatch):
        """Such a model pays nothing."""
        monkeypatch.setattr("skblood.estimators._classifier.warn_of_score", None)
        monkeypatch.setattr("skblood.estimators._classifier.warn_before_fit", None)
        model.fit(*drawn).score(*drawn)

    @pytest.mark.parametrize(
        ("weights", "starts"),
        [
            ("pbc", True),
            (("pbc", None), True),
            ([None, "pbc"], True),
            (np.array(["default", "pbc"]), True),
            (None, False),
            ("default", False),
            ("./pbc", False),
            ((None, "default"), False),
        ],
    )
    def test_what_weights_may_be(self, weights, starts):
        class Model:
            pass

        assert not _seen.starts_from_ready(Model())
        model = Model()
        model.weights = weights
        assert _seen.starts_from_ready(model) == starts


class TestAudit:
    def test_a_finding_for_each(self, drawn, trained_on):
        X, _ = drawn
        trained_on(X[:7])
        report = skblood.audit(X[3:20])
        assert [each.positions for each in report.seen] == [(0,), (1,), (2,), (3,)]
        assert "4 images that the ready model has seen" in str(report)
        assert "X[0]: in the train part of PBC" in str(report)
        assert report.to_frame()["kind"].tolist().count("seen") == 4

    def test_one(self, drawn, trained_on):
        trained_on(drawn[0][:1])
        assert "1 image that the ready model has seen" in str(skblood.audit(drawn[0]))

    def test_none(self, drawn):
        assert skblood.audit(drawn[0]).seen == []

    def test_it_is_no_leak(self, drawn, trained_on):
        X, _ = drawn
        trained_on(X)
        report = skblood.audit(X, split=["train", "test"] * 30)
        report.raise_if_leaky()
        assert len(report.seen) == 60

    def test_what_cannot_be_read_is_not_looked_for(self, drawn, trained_on, tmp_path):
        trained_on(drawn[0][:2])
        paths = [tmp_path / f"{i}.png" for i in range(3)]
        paths[0].write_bytes(b"no image")
        for path, image in zip(paths[1:], drawn[0], strict=False):
            Image.fromarray(image).save(path)
        assert [each.positions for each in skblood.audit(paths).seen] == [(1,), (2,)]
