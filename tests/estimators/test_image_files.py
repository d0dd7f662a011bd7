"""Image files: decoded once, kept in a folder, mapped when they are many; leaks into X_val."""

import warnings

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from skblood.images import _files, _stack
from skblood.inference import FeatureStore


class TestDecodedOnce:
    """Each file in each call."""

    def test_fit_predict_score(self, make_any, small, png_paths, decoded, output):
        model = make_any().fit(png_paths, small[1])
        assert sorted(decoded) == png_paths
        decoded.clear()
        output(model, png_paths)
        assert sorted(decoded) == png_paths
        decoded.clear()
        if hasattr(model, "score"):
            model.score(png_paths, small[1])
            assert sorted(decoded) == png_paths
        if hasattr(model, "fit_transform"):
            features = make_any().fit_transform(png_paths)
            assert sorted(decoded) == png_paths
            np.testing.assert_array_equal(features, output(model, small[0]))

    def test_partial_fit_and_validation(self, make_mlp, small, png_paths, decoded):
        y = small[1]
        make_mlp().partial_fit(png_paths, y, classes=np.unique(y))
        assert sorted(decoded) == png_paths
        decoded.clear()
        make_mlp().fit(png_paths[:30], y[:30], X_val=png_paths[30:], y_val=y[30:])
        assert sorted(decoded) == png_paths

    def test_with_pretrained_weights(self, make_transfer, small, png_paths, decoded):
        """Whose training images are looked for in the whole images, and not in their crops."""
        options = {"backbone": "cellnet_s", "weights": "pbc", "max_epochs": 1, "crop": 0.5}
        clf = make_transfer(image_size=16, trainable="head", **options).fit(png_paths, small[1])
        assert sorted(decoded) == png_paths
        decoded.clear()
        clf.score(png_paths, small[1])
        assert sorted(decoded) == png_paths


class TestFolder:
    def test_second_fit_decodes_nothing(self, make, small, png_paths, tmp_path, decoded):
        y = small[1]
        first = make(memory=tmp_path).fit(png_paths, y) if _has_memory(make) else None
        if first is None:
            pytest.skip("an MLP has no memory")
        assert sorted(decoded) == png_paths
        second = make(memory=FeatureStore(tmp_path)).fit(png_paths, y)
        probabilities = second.predict_proba(png_paths)
        assert len(decoded) == len(png_paths)
        np.testing.assert_array_equal(probabilities, first.predict_proba(small[0]))

    def test_search(self, make_transfer, small, png_paths, tmp_path, decoded):
        y, memory = small[1], tmp_path / "memory"
        GridSearchCV(make_transfer(memory=memory), {"dropout": [0.0, 0.5]}, cv=2).fit(png_paths, y)
        assert len(decoded) == len(set(decoded)) == 48

    @pytest.mark.slow
    def test_processes(self, make_transfer, small, png_paths, tmp_path, monkeypatch):
        """Workers decode; the parent finds it done."""
        memory = FeatureStore(tmp_path / "memory")
        clf = make_transfer(memory=memory)
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            cross_val_predict(clf, png_paths, small[1], cv=3, n_jobs=2)
        assert memory.n_computed == 48
        monkeypatch.setattr(_files, "_read_file", lambda *args: pytest.fail("decoded"))
        clf.fit(png_paths, small[1]).predict(png_paths)
        assert memory.n_computed == 48

    def test_embedder_and_classifier_share(
        self, make_embedder, small, png_paths, tmp_path, decoded
    ):
        pipeline = make_pipeline(make_embedder(memory=tmp_path), LogisticRegression())
        pipeline.fit(png_paths, small[1]).predict(png_paths)
        assert len(decoded) == 48
        assert FeatureStore(tmp_path).n_computed == 2 * 48  # the images, and their features

    def test_other_crops_are_others(self, make_transfer, small, png_paths, tmp_path):
        store = FeatureStore(tmp_path / "memory")
        for n, crop in enumerate((0.5, 1.0, 1.25), start=1):
            options = {"crop": crop, "image_size": 10, "trainable": "head"}
            expected = make_transfer(**options).fit(*small).predict_proba(small[0])
            for _ in range(2):
                clf = make_transfer(memory=store, **options).fit(png_paths, small[1])
                np.testing.assert_array_equal(clf.predict_proba(png_paths), expected)
            assert store.n_computed == 2 * 48 * n

    def test_nothing_is_kept_in_memory(self, make_transfer, small, png_paths, decoded):
        store = FeatureStore()
        before = len(store)
        for memory in (None, store):
            make_transfer(memory=memory).fit(png_paths, small[1]).predict(png_paths)
        assert len(decoded) == 4 * 48
        assert len(store) == before

    def test_arrays_need_no_folder(self, make_transfer, small, tmp_path):
        make_transfer(memory=tmp_path / "memory").fit(*small).predict(small[0])
        assert not (tmp_path / "memory").exists()


def _has_memory(make):
    return "memory" in make().get_params()


@pytest.mark.parametrize("memory", [False, True])
def test_mapped_images_give_the_same_model(
    make_transfer, small, png_paths, tmp_path, monkeypatch, seen, memory
):
    expected = make_transfer().fit(*small).predict_proba(small[0])
    monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
    clf = make_transfer(memory=tmp_path if memory else None).fit(png_paths, small[1])
    np.testing.assert_array_equal(clf.predict_proba(png_paths), expected)
    base = seen[-1].images.pixels
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


def test_bars(make_mlp, small, png_paths, monkeypatch):
    from skblood.images import _read

    shown, tqdm = [], _read.tqdm

    def note(**options):
        shown.append(not options["disable"])
        return tqdm(**{**options, "disable": True})

    monkeypatch.setattr(_read, "tqdm", note)
    for verbose in (0, 1, 2):
        make_mlp(verbose=verbose).fit(png_paths, small[1])
    assert shown == [False, True, False]


class TestLeak:
    def fit(self, make, X, y, X_val, y_val, weight=None, **params):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make(**params).fit(X, y, weight, X_val=X_val, y_val=y_val)
        leaks = [w for w in caught if "X_val" in str(w.message)]
        assert all(w.filename == __file__ for w in leaks)
        return [str(w.message) for w in leaks]

    def test_images_of_both_are_counted(self, make, small, png_paths):
        X, y = small
        (text,) = self.fit(make, X[:40], y[:40], X[37:], y[37:])
        assert text.startswith("3 of the 11 images of X_val are images of X, too.")
        assert "Leave them out of one of the two." in text
        (text,) = self.fit(make, X, y, png_paths[:5], y[:5])
        assert text.startswith("5 of the 5 images")

    def test_none(self, make_mlp, small, rng):
        X, y = small
        assert self.fit(make_mlp, X[:40], y[:40], X[40:], y[40:]) == []
        train, valid = [*range(40), 0, 0, 1], [*range(40, 48), 40]  # copies within one of them
        assert self.fit(make_mlp, X[train], y[train], X[valid], y[valid]) == []
        not_trained_on = np.r_[np.ones(40), np.zeros(8)]
        assert self.fit(make_mlp, X, y, X[40:], y[40:], not_trained_on) == []
        numbers, y = rng.integers(0, 3, (30, 4)).astype(float), np.arange(30) % 2
        assert self.fit(make_mlp, numbers, y, numbers, y) == []
