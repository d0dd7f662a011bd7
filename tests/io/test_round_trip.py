"""What comes out of a file is what went in."""

import pickle
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skblood
from skblood.evaluation import HistoryDisplay

from .conftest import MAKERS, QUICK, assert_same_answers

CLASSIFIERS = sorted(set(MAKERS) - {"embedder"})


@pytest.fixture
def again(model, path):
    """A model that was saved and loaded."""
    return skblood.load(skblood.save(model, path))


class TestEachEstimator:
    def test_answers_are_equal_to_the_bit(self, model, again, cells):
        assert_same_answers(model, again, cells[0])

    def test_parameters_are_equal(self, model, again):
        assert again.get_params() == model.get_params()
        assert {k: type(v) for k, v in vars(again).items()} == {
            k: type(v) for k, v in vars(model).items()
        }
        assert clone(again).get_params() == clone(model).get_params()

    def test_attributes_are_equal(self, model, again):
        for name in vars(model).keys() - {"net_", "network_", "history_", "_online"}:
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name), name)

    def test_a_file_of_a_loaded_model_loads(self, model, again, path, cells):
        other = skblood.load(skblood.save(again, path.with_name("other.skblood")))
        assert_same_answers(model, other, cells[0])

    def test_two_files_of_one_model_are_equal(self, model, path):
        first, second = path, path.with_name("second.skblood")
        skblood.save(model, first)
        skblood.save(model, second)
        assert skblood.load_info(first) == skblood.load_info(second)

    def test_pickle_of_a_loaded_model(self, model, again, cells):
        assert_same_answers(model, pickle.loads(pickle.dumps(again)), cells[0])

    def test_saving_leaves_the_model_as_it_was(self, model, path, cells):
        before = pickle.dumps(model)
        skblood.save(model, path)
        assert pickle.dumps(model) == before

    def test_a_second_fit_is_that_of_the_first(self, model, again, cells):
        first = clone(model).fit(*cells)
        assert_same_answers(first, again.fit(*cells), cells[0])

    def test_the_frozen_stay_frozen(self, model, again):
        def trained(each):
            network = each.net_.module_ if hasattr(each, "net_") else each.network_
            return {name: p.requires_grad for name, p in network.named_parameters()}

        assert trained(again) == trained(model)


def test_another_process_gives_the_same(fitted, cells, tmp_path):
    code = """
import sys, numpy as np, skblood
X = np.load("X.npy")
for kind in sys.argv[1:]:
    model = skblood.load(f"{kind}.skblood")
    ask = getattr(model, "predict_proba", None) or model.transform
    np.save(f"{kind}.npy", ask(X))
"""
    np.save(tmp_path / "X.npy", cells[0])
    for kind, model in fitted.items():
        skblood.save(model, tmp_path / f"{kind}.skblood")
    subprocess.run([sys.executable, "-c", code, *fitted], cwd=tmp_path, check=True, timeout=300)
    for kind, model in fitted.items():
        ask = getattr(model, "predict_proba", None) or model.transform
        np.testing.assert_allclose(np.load(tmp_path / f"{kind}.npy"), ask(cells[0]), atol=1e-5)


def test_the_crop_is_that_of_fit(fitted, cells, path):
    """A parameter that was set since says what the next fit will do."""
    model = pickle.loads(pickle.dumps(fitted["frozen"])).set_params(crop=1.25)
    again = skblood.load(skblood.save(model, path))
    assert (again.crop, again.crop_) == (1.25, 0.75)
    assert_same_answers(fitted["frozen"], again, cells[0])


@pytest.mark.parametrize("kind", CLASSIFIERS)
class TestClassifiers:
    @pytest.fixture
    def both(self, kind, fitted, path):
        return fitted[kind], skblood.load(skblood.save(fitted[kind], path))

    def test_history(self, both):
        model, again = both
        assert again.history_ is again.net_.history_
        assert len(again.history_) == len(model.history_) > 0
        for epoch, former in zip(again.history_, model.history_, strict=True):
            assert epoch == {**former, "batches": []}
        assert HistoryDisplay.from_estimator(again).axes_[0].get_ylabel() == "loss"

    def test_score(self, both, cells):
        model, again = both
        assert again.score(*cells) == model.score(*cells)

    def test_partial_fit_goes_on(self, both, cells):
        model, again = both
        if not hasattr(model, "partial_fit"):
            pytest.skip("it has none")
        again.partial_fit(*cells)
        assert again.n_iter_ == model.n_iter_ + 1
        assert len(again.history_) == again.n_iter_
        assert again.training_data_["n_images"] == 2 * model.training_data_["n_images"]

    def test_warm_start_goes_on_from_the_weights(self, both, cells):
        _, again = both
        again.set_params(warm_start=True, lr=1e-12, weight_decay=0.0).fit(*cells)
        before, after = (each.net_.module_.head[-1].weight for each in both)
        torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


def test_early_stopping_keeps_the_best_epoch(cells, path):
    options = {**QUICK, "max_epochs": 4, "early_stopping": True, "validation_fraction": 0.25}
    model = skblood.MLPCellClassifier((8,), lr=0.1, lr_schedule=None, **options)
    model.fit(*cells).best_epoch_ = 2  # whichever it was
    again = skblood.load(skblood.save(model, path))
    assert (again.best_epoch_, again.n_iter_) == (2, model.n_iter_)
    assert again.history_[:, "valid_f1_macro"] == model.history_[:, "valid_f1_macro"]
    assert again.training_data_["n_validation_images"] == 12


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a"]),
        np.array(["b", "a"], dtype=object),
        np.array(["Erythroblast ü|\n", "", "x" * 40]),
        np.array([7, -3]),
        np.array([1, 2], dtype=np.uint8),
        np.array([2**62, 5]),
        np.array([3, 4], dtype=">i4"),
        np.array([True, False]),
        np.array([1.0, 2.0]),
        np.array([1.0, 2.0], dtype=np.float32),
    ],
    ids=lambda labels: f"{labels.dtype}-{len(labels)}",
)
def test_labels_keep_their_dtype(labels, cells, path):
    y = labels[np.arange(48) % len(labels)]
    model = MAKERS["mlp"](class_weight={labels[0]: 2.0, labels[1]: 1.0}).fit(cells[0], y)
    again = skblood.load(skblood.save(model, path))
    np.testing.assert_array_equal(again.classes_, model.classes_, strict=True)
    assert again.predict(cells[0]).dtype == model.predict(cells[0]).dtype
    assert again.training_data_ == model.training_data_
    assert again.get_params()["class_weight"] == model.get_params()["class_weight"]
    again.partial_fit(cells[0], y)  # the weights of the classes are found


def test_a_table_of_numbers(path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pandas.DataFrame(rng.normal(size=(40, 3)), columns=["size", "round", "ü"])
    model = MAKERS["mlp"]().fit(X, np.arange(40) % 2)
    again = skblood.load(skblood.save(model, path))
    np.testing.assert_array_equal(again.feature_names_in_, model.feature_names_in_, strict=True)
    assert_same_answers(model, again, X)
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(X.rename(columns={"size": "area"}))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_flat_rows_are_folded_as_before(dtype, cells, path):
    X = cells[0].reshape(48, -1) if dtype == "uint8" else cells[0].reshape(48, -1) / np.float32(255)
    model = MAKERS["mlp"](image_shape=(16, 16, 3)).fit(X, cells[1])
    assert_same_answers(model, skblood.load(skblood.save(model, path)), X)


class TestBackbones:
    def test_neither_network_nor_weights_file_is_needed(self, cells, path, tmp_path, monkeypatch):
        made = MAKERS["embedder"]().fit(cells[0]).network_.backbones[0].body
        weights = tmp_path / "weights.pth"
        torch.save(made.state_dict(), weights)
        model = MAKERS["transfer"](weights=weights).fit(*cells)
        skblood.save(model, path)
        weights.unlink()
        monkeypatch.setattr(socket.socket, "connect", None)
        again = skblood.load(path)
        assert again.weights == str(weights)
        assert_same_answers(model, again, cells[0])
        with pytest.raises(FileNotFoundError, match="is no file"):
            again.fit(*cells)  # which does read them

    def test_published_weights_are_not_fetched(self, cells, path, monkeypatch):
        """Some backbones prepare images in another way when they are pretrained."""
        from skblood.networks import _sources

        model = skblood.CellEmbedder(
            "torchvision/googlenet", weights=None, image_size=64, device="cpu", random_state=0
        ).fit(cells[0])
        body = model.network_.backbones[0].body
        assert not body.transform_input
        body.transform_input = True  # as if its weights had been fetched
        model.weights = "default"
        skblood.save(model, path)
        monkeypatch.setattr(socket.socket, "connect", None)
        monkeypatch.setattr(_sources, "load_weights", None)
        again = skblood.load(path)
        assert again.network_.backbones[0].body.transform_input
        assert_same_answers(model, again, cells[0])

    def test_no_generator_is_touched(self, fitted, path):
        skblood.save(fitted["transfer"], path)
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
        skblood.load(path)
        assert torch.equal(torch.get_rng_state(), torch_state)
        np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


class TestDevice:
    def test_a_device_that_is_not_here_becomes_auto(self, forge, mlp, cells):
        def on_cuda(document):
            document["model"]["parameters"]["device"] = "cuda:97"
            document["model"]["attributes"]["device_"] = "cuda:97"

        again = skblood.load(forge(mlp, on_cuda))
        assert again.device == "auto"
        assert again.device_ == "cuda:97"
        assert again.predict(cells[0]).shape == (48,)

    def test_the_device_of_the_fit_is_kept_if_it_is_here(self, mlp, path):
        assert skblood.load(skblood.save(mlp, path)).device == "cpu"

    def test_a_named_device(self, forge, mlp):
        def auto(document):
            document["model"]["parameters"]["device"] = "auto"

        assert skblood.load(forge(mlp, auto), device="cpu").device == "cpu"

    def test_a_named_device_that_is_not_here(self, mlp, path):
        skblood.save(mlp, path)
        with pytest.raises(ValueError, match="'cuda:97' is not available") as error:
            skblood.load(path, device="cuda:97")
        assert not isinstance(error.value, skblood.ModelFileError)

    @pytest.mark.gpu
    def test_from_gpu_to_cpu(self, cells, path):
        model = MAKERS["transfer"](device="cuda", precision="float32").fit(*cells)
        skblood.save(model, path)
        assert_same_answers(model, skblood.load(path), cells[0])
        on_cpu = skblood.load(path, device="cpu")
        assert {p.device.type for p in on_cpu.net_.module_.parameters()} == {"cpu"}
        expected = model.predict_proba(cells[0])
        np.testing.assert_allclose(on_cpu.predict_proba(cells[0]), expected, atol=1e-3)
