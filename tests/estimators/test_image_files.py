"""Fits on image files: decoded once, mapped when they are many, left out when they are broken."""

import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from skblood import CellEmbedder
from skblood.images import _files, _stack
from skblood.inference import FeatureStore


@pytest.fixture
def decoded(monkeypatch):
    """The paths of the files that were decoded in this process."""
    paths, read_file = [], _files._read_file

    def read(path, channels):
        paths.append(str(path))
        return read_file(path, channels)

    monkeypatch.setattr(_files, "_read_file", read)
    return paths


@pytest.fixture
def no_decoder(monkeypatch):
    """Return a function after whose call decoding is an error."""

    def forbid():
        monkeypatch.setattr(_files, "_read_file", lambda *args: pytest.fail("decoded"))

    return forbid


class TestDecodedOnce:
    def test_second_fit_decodes_nothing(self, make, small, png_paths, tmp_path, decoded):
        y = small[1]
        first = make(memory=tmp_path).fit(png_paths, y)
        assert sorted(decoded) == png_paths
        second = make(memory=FeatureStore(tmp_path)).fit(png_paths, y)
        probabilities = second.predict_proba(png_paths)
        assert len(decoded) == len(png_paths)
        np.testing.assert_array_equal(probabilities, first.predict_proba(png_paths))

    @pytest.mark.parametrize("mapped", [False, True])
    @pytest.mark.parametrize("memory", [False, True])
    def test_same_model_to_the_bit(
        self, make, small, fitted, png_paths, tmp_path, monkeypatch, mapped, memory
    ):
        if mapped:
            monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        clf = make(memory=str(tmp_path) if memory else None).fit(png_paths, small[1])
        np.testing.assert_array_equal(clf.predict_proba(png_paths), fitted.predict_proba(small[0]))

    def test_mapped_images_are_not_copied(self, make_mlp, small, png_paths, monkeypatch):
        from skblood import _training_set

        stored, to_tensor = [], _training_set.to_tensor

        def keep(images, device):
            tensor = to_tensor(images, device)
            stored.append((images, tensor))
            return tensor

        monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        monkeypatch.setattr(_training_set, "to_tensor", keep)
        make_mlp().fit(png_paths, small[1])
        ((images, tensor),) = stored
        assert isinstance(images.base.base, np.memmap)
        assert tensor.data_ptr() == images.ctypes.data

    def test_folds_and_candidates(self, make_mlp, small, png_paths, tmp_path, decoded):
        y, memory = small[1], tmp_path / "memory"
        GridSearchCV(make_mlp(memory=memory), {"dropout": [0.0, 0.5]}, cv=3).fit(png_paths, y)
        assert len(decoded) == len(set(decoded)) == 48

    def test_processes(self, make_mlp, small, png_paths, tmp_path, decoded, no_decoder):
        """Workers decode; the parent, which refits and predicts, finds it done."""
        memory = FeatureStore(tmp_path / "memory")
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            cross_val_predict(make_mlp(memory=memory), png_paths, small[1], cv=3, n_jobs=2)
        assert memory.n_computed == 48
        no_decoder()
        make_mlp(memory=memory).fit(png_paths, small[1]).predict(png_paths)
        assert memory.n_computed == 48

    def test_nothing_is_kept_by_default(self, make, small, png_paths, decoded):
        clf = make().fit(png_paths, small[1])
        assert len(FeatureStore()) == 0
        clf.predict(png_paths)
        assert len(decoded) == 2 * 48

    def test_store_in_memory_keeps_no_images(self, make_mlp, small, png_paths, decoded):
        make_mlp(memory=FeatureStore()).fit(png_paths, small[1]).predict(png_paths)
        assert len(FeatureStore()) == 0
        assert len(decoded) == 2 * 48

    def test_embedder(self, small, png_paths, tmp_path, decoded):
        embedder = CellEmbedder("cellnet_t", memory=tmp_path, random_state=0, device="cpu")
        pipeline = make_pipeline(embedder, LogisticRegression()).fit(png_paths, small[1])
        pipeline.predict(png_paths)
        assert len(decoded) == 48
        # The images, and their features.
        assert FeatureStore(tmp_path).n_computed == 2 * 48

    def test_arrays_need_no_store(self, make_mlp, small, tmp_path):
        make_mlp(memory=tmp_path / "memory").fit(*small).predict(small[0])
        assert not (tmp_path / "memory").exists()

    def test_bars(self, make_mlp, small, png_paths, monkeypatch):
        from skblood.images import _read

        shown, tqdm = [], _read.tqdm

        def note(**options):
            shown.append(not options["disable"])
            return tqdm(**{**options, "disable": True})

        monkeypatch.setattr(_read, "tqdm", note)
        make_mlp().fit(png_paths, small[1])
        make_mlp(verbose=1).fit(png_paths, small[1])
        assert shown == [False, True]


@pytest.fixture
def broken(png_paths, small, tmp_path):
    """Paths of which four cannot be read, and their positions."""
    rows = [3, 10, 20, 47]
    paths = np.array(png_paths, dtype=object)
    for row in rows[1:]:
        paths[row] = str(tmp_path / f"broken_{row}.png")
        Path(paths[row]).write_bytes(b"no image")
    paths[3] = str(tmp_path / "missing.png")
    return paths, rows


class TestUnreadable:
    def test_raise_names_all(self, make, small, broken):
        paths, rows = broken
        with pytest.raises(ValueError, match=r"^4 of 48 image files cannot be read:") as error:
            make().fit(paths, small[1])
        assert all(f"position {row}: {paths[row]}: " in str(error.value) for row in rows)

    @pytest.mark.parametrize("memory", [False, True])
    def test_skip_is_a_fit_on_the_others(self, make, small, broken, tmp_path, memory):
        (paths, rows), y = broken, small[1]
        weight = np.linspace(0, 3, 48)
        good = np.delete(np.arange(48), rows)
        clf = make(on_error="skip", memory=tmp_path / "memory" if memory else None)
        with pytest.warns(UserWarning) as caught:
            clf.fit(list(paths), y, sample_weight=weight.tolist())
        expected = make().fit(small[0][good], y[good], sample_weight=weight[good])
        np.testing.assert_array_equal(clf.predict_proba(small[0]), expected.predict_proba(small[0]))
        (warning,) = caught
        assert warning.filename == __file__
        text = str(warning.message)
        assert text.startswith("4 of 48 images cannot be read and are left out, with their labels")
        assert all(f"position {row}: {paths[row]}: " in text for row in rows)
        for label, n in zip(*np.unique(y[rows], return_counts=True), strict=True):
            assert f"{label}: {n}" in text

    def test_skip_without_weights_and_without_faults(self, make_mlp, small, broken, png_paths):
        X, y = small
        with pytest.warns(UserWarning, match="4 of 48 images"):
            make_mlp(on_error="skip").fit(broken[0], y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_mlp(on_error="skip").fit(png_paths, y)
            make_mlp(on_error="skip").fit(X, y)

    def test_skip_in_validation_images(self, make_mlp, small, broken):
        (paths, _), (X, y) = broken, small
        clf = make_mlp(on_error="skip", early_stopping=True)
        with pytest.warns(UserWarning, match="1 of 18 images cannot be read") as caught:
            clf.fit(X[:30], y[:30], X_val=paths[30:], y_val=y[30:])
        assert len(caught) == 1
        expected = make_mlp(early_stopping=True).fit(X[:30], y[:30], X_val=X[30:47], y_val=y[30:47])
        assert clf.history_[:, "valid_loss"] == expected.history_[:, "valid_loss"]

    def test_skip_in_partial_fit(self, make_mlp, small, broken):
        (paths, _), y = broken, small[1]
        clf = make_mlp(on_error="skip")
        # A batch may lack a class.
        for rows in (slice(0, 8), slice(8, 48)):
            with pytest.warns(UserWarning, match="cannot be read"):
                clf.partial_fit(paths[rows], y[rows], classes=np.unique(y))
        assert clf.n_iter_ == 2

    def test_class_that_is_left_without_images(self, make_mlp, small, png_paths, tmp_path):
        y = small[1]
        paths = [
            str(tmp_path / "no") if c == "platelet" else p
            for p, c in zip(png_paths, y, strict=True)
        ]
        message = "No image of 'platelet' can be read. Repair the files"
        with (
            pytest.warns(UserWarning, match=r"left out, with their labels \(platelet: \d+\)"),
            pytest.raises(ValueError, match=message),
        ):
            make_mlp(on_error="skip").fit(paths, y)

    def test_nothing_is_left(self, make_mlp, small, png_paths):
        missing = [f"{path}.no" for path in png_paths]
        with pytest.raises(ValueError, match="48 of 48 image files cannot be read"):
            make_mlp(on_error="skip").fit(missing, small[1])
        with pytest.raises(ValueError, match=r"^X_val or y_val: 48 of 48 image files"):
            make_mlp(on_error="skip").fit(*small, X_val=missing, y_val=small[1])

    @pytest.mark.parametrize("n", [47, 49])
    @pytest.mark.filterwarnings("ignore:.*cannot be read and are left out")
    def test_lengths_are_still_compared(self, make_mlp, small, broken, n):
        y = np.resize(small[1], n)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            make_mlp(on_error="skip").fit(broken[0], y)
        with pytest.raises(ValueError, match="sample_weight"):
            make_mlp(on_error="skip").fit(broken[0], small[1], sample_weight=np.ones(n))

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
    def test_prediction_always_raises(self, make_mlp, small, broken, method):
        clf = make_mlp(on_error="skip").fit(*small)
        with pytest.raises(ValueError, match="4 of 48 image files cannot be read"):
            getattr(clf, method)(broken[0])


class TestLeak:
    def fit(self, make, X, y, X_val, y_val, **params):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make(**params).fit(X, y, X_val=X_val, y_val=y_val)
        leaks = [w for w in caught if "X_val" in str(w.message)]
        assert all(w.filename == __file__ for w in leaks)
        return [str(w.message) for w in leaks]

    def test_images_of_both_are_counted(self, make, small):
        X, y = small
        (text,) = self.fit(make, X[:40], y[:40], X[37:], y[37:])
        assert text.startswith("3 of the 11 images of X_val are images of X, too.")
        assert "Leave them out of one of the two." in text

    def test_none(self, make, small):
        X, y = small
        assert self.fit(make, X[:40], y[:40], X[40:], y[40:]) == []

    def test_copies_within_one_of_them_are_none(self, make_mlp, small):
        X, y = small
        train, valid = [*range(40), 0, 0, 1], [*range(40, 48), 40]
        assert self.fit(make_mlp, X[train], y[train], X[valid], y[valid]) == []

    def test_images_that_are_not_trained_on_do_not_count(self, make_mlp, small):
        X, y = small
        weight = np.ones(48)
        weight[40:] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_mlp().fit(X, y, weight, X_val=X[40:], y_val=y[40:])

    def test_other_forms_of_the_same_images(self, make_mlp, small, png_paths):
        X, y = small
        (text,) = self.fit(make_mlp, X, y, png_paths[:5], y[:5])
        assert text.startswith("5 of the 5 images")

    def test_at_the_size_of_the_network(self, make_mlp, small, large):
        """Images of X are kept at 16 px, those of X_val come at 8 and 16, and so at 24 px."""
        from skblood.images import resize_images

        X, y = small
        brought = resize_images(X[:3], (24, 24))
        (text,) = self.fit(make_mlp, X, y, [*brought, X[3], 255 - X[4]], y[:5], image_size=24)
        assert text.startswith("4 of the 5 images")

    def test_rows_of_numbers_may_be_equal(self, make_mlp, rng):
        X = rng.integers(0, 3, (30, 4)).astype(float)
        y = np.arange(30) % 2
        assert self.fit(make_mlp, X, y, X, y) == []
