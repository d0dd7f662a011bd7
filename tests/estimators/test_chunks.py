"""Prediction in chunks: the same results, messages and decodings as of all images at once."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skblood.images import ImageChunks, read_images
from skblood.inference import Predictor

# Images of a batch and of a chunk. The last chunk has 8 to 23.
BATCH, CHUNK = 4, 16


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(Predictor, "max_batch", BATCH)
    monkeypatch.setattr(Predictor, "chunk_size", CHUNK)


def whole(model, X):
    """Return X as read at once, which is not read in chunks."""
    return model.read_images(X)


@pytest.fixture
def save(tmp_path):
    """Return a function that saves images as files, and returns their paths."""

    def save(images):
        paths = [str(tmp_path / f"{i:02d}.png") for i in range(len(images))]
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        return paths

    return save


@pytest.mark.parametrize("n", [1, 4, 5, 15, 16, 17, 23, 24, 25, 31, 32, 48])
def test_results_are_equal_to_the_bit(fitted_any, small, png_paths, output, n):
    expected = output(fitted_any, whole(fitted_any, small[0][:n]))
    for X in (png_paths[:n], small[0][:n]):
        np.testing.assert_array_equal(output(fitted_any, X), expected)


def test_methods(make_transfer, small, png_paths, decoded):
    X, y = small
    clf = make_transfer().fit(X, y)
    images = whole(clf, X)
    for method in (clf.predict, clf.decision_function):
        np.testing.assert_array_equal(method(png_paths), method(images))
        assert sorted(decoded) == png_paths
        decoded.clear()
    assert clf.score(png_paths, y) == clf.score(images, y) == np.mean(clf.predict(X) == y)


class TestForms:
    """Whatever X is, the rows are those of its images."""

    def test_images(self, fitted_any, small, png_paths, output, tmp_path):
        X = small[0]
        expected = output(fitted_any, whole(fitted_any, X))
        mapped = np.memmap(tmp_path / "X", np.uint8, "w+", shape=X.shape)
        mapped[:] = X
        series = pd.Series(png_paths, index=np.arange(len(X))[::-1] * 7)
        opened = [Image.fromarray(image) for image in X]
        arrays = (mapped, list(X), torch.tensor(X))
        for form in (*arrays, series, series.to_frame(), np.array(png_paths), opened):
            np.testing.assert_array_equal(output(fitted_any, form), expected)
        for form in (X / 255, (X / 255).astype(np.float32), X.reshape(len(X), -1)):
            np.testing.assert_array_equal(output(fitted_any, form), expected)

    def test_arrays_are_not_copied(self, fitted, small):
        starts = [images.pixels.base is small[0] for images in fitted.iter_images(small[0])]
        assert starts == [True] * 3

    def test_only_slices_are_read(self, fitted, small):
        """Of arrays on a disk, such as those of h5py and zarr."""

        class Lazy:
            shape, largest = small[0].shape, 0

            def __array__(self, dtype=None, copy=None):
                raise AssertionError("All is read at once.")

            def __len__(self):
                return len(small[0])

            def __getitem__(self, rows):
                self.largest = max(self.largest, rows.stop - rows.start)
                return small[0][rows]

        lazy = Lazy()
        expected = fitted.predict_proba(small[0])
        np.testing.assert_array_equal(fitted.predict_proba(lazy), expected)
        assert lazy.largest == CHUNK

    def test_none(self, fitted):
        for X in ([], np.zeros((0, 16, 16, 3), np.uint8)):
            with pytest.raises(ValueError, match="it is empty"):
                fitted.predict(X)

    def test_an_iterator_is_refused(self, fitted, png_paths):
        with pytest.raises(TypeError, match=r"list\(X\)"):
            fitted.predict(path for path in png_paths)


class TestErrors:
    """Numbers and positions are those of all images."""

    def test_unreadable(self, fitted, png_paths, tmp_path, decoded):
        (tmp_path / "bad.png").write_bytes(b"no image")
        paths = png_paths * 2
        bad = [0, 15, 16, 40, 95]
        for i in bad:
            paths[i] = str(tmp_path / "bad.png")
        with pytest.raises(ValueError, match=f"{len(bad)} of 96 image files") as error:
            fitted.predict(paths)
        assert [f"position {i}: " in str(error.value) for i in range(96)] == [
            i in bad for i in range(96)
        ]
        assert len(decoded) == 96
        paths = [*png_paths[:40], *[str(tmp_path / "bad.png")] * 12]
        with pytest.raises(ValueError, match=r"12 of 52 image files(.|\n)*and 2 more"):
            fitted.predict(paths)

    def test_all_unreadable(self, fitted, tmp_path):
        with pytest.raises(ValueError, match="20 of 20 image files"):
            fitted.predict([tmp_path / "none.png"] * 20)

    def test_sizes(self, make_mlp, small, save):
        clf = make_mlp().fit(*small)
        images = [*small[0][:25]]
        images[9], images[19] = images[9][:12], images[19][:8]
        found = r"3 sizes.*16 x 16 \(first at position 0\), 12 x 16 \(first at position 9\), 8 x 16"
        for X in (images, save(images)):
            with pytest.raises(ValueError, match=found):
                clf.predict_proba(X)

    def test_another_size(self, make_mlp, small, large, save):
        clf = make_mlp().fit(*small)
        with pytest.raises(ValueError, match=r"images of shape \(24, 24, 3\)"):
            clf.predict(save(large[0][:20]))

    def test_values(self, fitted, small):
        X = small[0] / 255
        X[30, 0, 0, 0] = np.nan
        with pytest.raises(ValueError, match=r"1 of 48 hold NaN .*at position 30"):
            fitted.predict(X)
        X[30, 0, 0, 0] = 3
        with pytest.raises(ValueError, match=r"float64 in 0.*\.\.3"):
            fitted.predict(X)

    @pytest.mark.parametrize("frozen", [False, True])
    def test_network(self, make_transfer, small, frozen):
        clf = make_transfer(trainable="head" if frozen else "all").fit(*small)
        head = clf.predictor_.network.backbones[0] if frozen else clf.predictor_.network.head

        def spoil(layer, inputs, output):
            output[-1:] = torch.inf  # of each batch

        with head.register_forward_hook(spoil), pytest.raises(ValueError, match="12 of 48") as e:
            clf.set_params(memory=None).predict_proba(255 - small[0])
        assert "X[3]" in str(e.value)


def test_sizes_that_differ_in_some_chunks_only(make_transfer, small, large, save):
    """A common size is resized by the network, and others while they are read."""
    clf = make_transfer(image_size=20).fit(*small)
    images = [*small[0][:16], *large[0][:3], *small[0][:25], *large[0][3:9]]
    paths = save(images)
    expected = clf.predict_proba(read_images(paths, size=(20, 20)))
    np.testing.assert_array_equal(clf.predict_proba(paths), expected)


def test_a_warning_is_given_once(fitted, small):
    with pytest.warns(UserWarning, match="these images are black") as caught:
        fitted.predict(np.minimum(small[0], 3))
    assert len(caught) == 1


def test_chunks_are_read_anew(fitted, png_paths, decoded):
    chunks = fitted.iter_images(png_paths)
    assert isinstance(chunks, ImageChunks) and (len(chunks), decoded) == (48, [])
    assert [len(images) for images in chunks] == [CHUNK] * 3
    assert len(decoded) == 48
    assert sum(len(images) for images in chunks) == 48 and len(decoded) == 96
    pairs = fitted.iter_images(png_paths, crops=[1.0, 0.5])
    assert [len(pair) for pair in pairs] == [2] * 3


def test_read_images_stay_one(fitted, small, monkeypatch):
    images = whole(fitted, small[0])
    (only,) = fitted.iter_images(images)
    assert only is images


class TestComposition:
    def test_pipeline(self, make_embedder, small, png_paths, decoded):
        model = make_pipeline(make_embedder(), LogisticRegression()).fit(*small)
        expected = model.predict_proba(small[0])
        np.testing.assert_array_equal(model.predict_proba(png_paths), expected)
        assert sorted(decoded) == png_paths

    def test_calibration(self, fitted, small, png_paths):
        model = CalibratedClassifierCV(FrozenEstimator(fitted), cv=2).fit(*small)
        expected = model.predict_proba(whole(fitted, small[0]))
        np.testing.assert_array_equal(model.predict_proba(png_paths), expected)

    def test_sampler(self, make_mlp, small):
        imblearn = pytest.importorskip("imblearn")
        X, y = small[0].reshape(48, -1), small[1]
        sampler = imblearn.over_sampling.SMOTE(k_neighbors=2, random_state=0)
        model = imblearn.pipeline.make_pipeline(sampler, make_mlp()).fit(X, y)
        expected = model.predict_proba(X)
        np.testing.assert_array_equal(model[-1].predict_proba(whole(model[-1], X)), expected)

    def test_cross_validation(self, make_transfer, small, png_paths):
        clf, options = make_transfer(max_epochs=1), {"cv": 2, "method": "predict_proba"}
        expected = cross_val_predict(clf, *small, **options)
        found = cross_val_predict(clf, np.array(png_paths), small[1], **options)
        np.testing.assert_array_equal(found, expected)


def test_store(make_transfer, small, png_paths, decoded, tmp_path):
    """Frozen features and decoded files are kept, chunk by chunk."""
    clf = make_transfer(trainable="head", memory=tmp_path / "store").fit(*small)
    expected = clf.predict_proba(whole(clf, small[0]))
    for _ in range(2):
        np.testing.assert_array_equal(clf.predict_proba(png_paths), expected)
    assert sorted(decoded) == png_paths


def test_training_images_are_counted_over_all_chunks(make_transfer, small, png_paths, monkeypatch):
    found = iter([np.arange(CHUNK) < n for n in (1, 0, 2)])
    target = "skblood.estimators._scoring.find_training_overlap"
    options = {"backbone": "cellnet_s", "weights": "pbc", "trainable": "head", "max_epochs": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf = make_transfer(image_size=16, **options).fit(*small)
    monkeypatch.setattr(target, lambda images, weights: next(found))
    with pytest.warns(UserWarning, match="on 3 of the 48 images of X"):
        clf.score(png_paths, small[1])


class TestEmbedder:
    """A fit in chunks, of backbones that need no statistics of the images."""

    PRETRAINED = {"backbone": "cellnet_s", "weights": "pbc", "image_size": 20}

    def test_fit_transform(self, make_embedder, small, large, save, decoded):
        images = [*small[0][:30], *large[0][:5]]
        paths = save(images)
        embedder = make_embedder(**self.PRETRAINED)
        features = embedder.fit_transform(paths)
        assert sorted(decoded) == paths
        assert (
            embedder.spec_.input_shape == (20, 20, 3) and embedder.predictor_.spec is embedder.spec_
        )
        arrays = read_images(images, size=(20, 20))
        np.testing.assert_array_equal(features, embedder.transform(whole(embedder, arrays)))
        decoded.clear()
        again = make_embedder(**self.PRETRAINED).fit(paths)
        assert sorted(decoded) == paths and again.spec_ == embedder.spec_

    def test_arrays(self, make_embedder, small):
        X = small[0]
        expected = make_embedder(**self.PRETRAINED).fit(X)
        for form in (X, X / 255, list(X), X.reshape(len(X), -1)):
            embedder = make_embedder(**self.PRETRAINED)
            features = embedder.fit_transform(form)
            np.testing.assert_array_equal(features, expected.transform(whole(expected, X)))
            assert embedder.spec_.input_shape == (16, 16, 3)

    def test_gray_among_color(self, make_embedder, small):
        images = [image[..., 0] if i < 20 else image for i, image in enumerate(small[0])]
        embedder = make_embedder(**self.PRETRAINED)
        assert embedder.fit_transform(images).shape == (48, embedder._n_features_out)
        assert embedder.image_shape_ == (20, 20, 3)

    def test_a_fit_that_fails_changes_nothing(self, make_embedder, small, png_paths):
        embedder = make_embedder(**self.PRETRAINED).fit(small[0])
        before = dict(vars(embedder))
        for method in (embedder.fit, embedder.fit_transform):
            with pytest.raises(ValueError, match="1 of 49 image files"):
                method([*png_paths, "none.png"])
        assert vars(embedder) == before

    def test_statistics_are_of_all_images(self, make_embedder, small, png_paths):
        expected = make_embedder().fit(small[0]).transform(small[0])
        np.testing.assert_array_equal(make_embedder().fit_transform(png_paths), expected)
