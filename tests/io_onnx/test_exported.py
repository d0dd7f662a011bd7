"""Each kind of model, exported once: what its file says, and that it answers as the model does."""

import json

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose

import skblood
from skblood import CellEmbedder, MLPCellClassifier, TransferCellClassifier, export_onnx
from skblood.datasets import load_image_folder
from skblood.images import read_images
from skblood.io._onnx_check import _draw

SIZES = [(16, 16), (7, 5), (1, 1), (40, 9), (61, 83), (20, 14), (32, 32)]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_any_number_of_images(exported, n):
    X, _ = exported.case.data(max(n, 3))
    X = X[:n]
    out = exported.run(X)
    assert out.dtype == np.float32
    assert_allclose(out, exported.expected(X), atol=1e-5, rtol=1e-5)


def test_any_size_where_the_model_has_one(exported):
    if exported.model.image_size_ is None:
        pytest.skip("works at the images' own size")
    for size in SIZES:
        X, _ = exported.case.data(3, size)
        assert_allclose(exported.run(X), exported.expected(X), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "own_size", "cropped_mlp_of_own_size"])
def test_only_the_fitted_size_where_it_has_none(export, name):
    exported = export(name)
    assert exported.model.image_size_ is None
    X, _ = exported.case.data(3, (17, 16))
    with pytest.raises(ValueError):
        exported.expected(X)
    with pytest.raises(Exception, match="invalid dimensions"):
        exported.run(X)


def test_probabilities_sum_to_one(exported):
    if not hasattr(exported.model, "classes_"):
        pytest.skip("no classifier")
    X, _ = exported.case.data(9)
    assert_allclose(exported.run(X).sum(1), 1, atol=1e-6)


def test_labels_are_those_of_predict(exported):
    if not hasattr(exported.model, "classes_"):
        pytest.skip("no classifier")
    X, _ = exported.case.data(9)
    classes = json.loads(exported.meta.custom_metadata_map["classes"])
    labels = [classes[code] for code in exported.run(X).argmax(1)]
    assert labels == exported.model.set_params(precision="float32").predict(X).tolist()


def test_company_in_a_batch_changes_nothing(export):
    exported = export("resized")
    X, _ = exported.case.data(9)
    one_by_one = np.concatenate([exported.run(X[i : i + 1]) for i in range(9)])
    assert_allclose(exported.run(X), one_by_one, atol=1e-6)


def test_a_trained_model(tmp_path, cells, export):
    """One that is sure of its answers, unlike those that have seen an epoch of 48 images."""
    X, y = cells
    clf = MLPCellClassifier((32,), image_size=28, label_smoothing=0.0, random_state=0)
    clf.set_params(device="cpu", precision="float32").fit(X, y)
    path = tmp_path / "m.onnx"
    export_onnx(clf, path)
    twin = type(export("resized"))(None, clf, path, None)
    assert clf.predict_proba(X).max(1).mean() > 0.5
    assert_allclose(twin.run(X), clf.predict_proba(X), atol=1e-5)


class TestMetadata:
    def test_every_entry(self, exported):
        facts = exported.meta.custom_metadata_map
        assert facts["estimator"] == type(exported.model).__name__
        assert facts["skblood_version"] == skblood.__version__
        assert facts["intended_use"] == "research use; not a medical device"
        assert float(facts["largest_difference"]) == pytest.approx(exported.difference, rel=0.01)
        assert 0 <= exported.difference <= 1e-4
        assert exported.meta.producer_name == "skblood"
        assert onnx.load(exported.path).producer_version == skblood.__version__

    def test_classes_are_in_their_order_and_of_their_type(self, exported):
        facts = exported.meta.custom_metadata_map
        if isinstance(exported.model, CellEmbedder):
            assert "classes" not in facts
        else:
            classes = json.loads(facts["classes"])
            assert classes == exported.model.classes_.tolist() == sorted(exported.case.classes)

    def test_input_is_as_the_metadata_say(self, exported):
        given = json.loads(exported.meta.custom_metadata_map["input"])
        (entry,) = exported.session.get_inputs()
        assert entry.name == given["name"]
        assert entry.type == {"uint8": "tensor(uint8)", "float32": "tensor(float)"}[given["dtype"]]
        pairs = zip(given["axes"], given["shape"], strict=True)
        assert entry.shape == [axis if length is None else length for axis, length in pairs]

    def test_names_and_shapes(self, export):
        def signature(name):
            session = export(name).session
            both = [*session.get_inputs(), *session.get_outputs()]
            return [(entry.name, entry.shape) for entry in both]

        probabilities = ("probabilities", ["n", 3])
        assert signature("mlp") == [("images", ["n", 16, 16, 3]), probabilities]
        assert signature("mlp_on_rows") == [("rows", ["n", 12]), probabilities]
        assert signature("resized") == [("images", ["n", "height", "width", 3]), probabilities]
        assert signature("frozen_gray")[0] == ("images", ["n", "height", "width", 1])
        assert signature("embedder") == [
            ("images", ["n", "height", "width", 3]),
            ("features", ["n", 48]),
        ]

    def test_the_file_is_a_valid_one(self, exported):
        onnx.checker.check_model(onnx.load(exported.path), full_check=True)

    def test_nothing_tells_where_it_was_made(self, exported):
        content = exported.path.read_bytes()
        assert b".py" not in content
        assert b"site-packages" not in content

    def test_weights_are_float32(self, export):
        weights = [w for w in onnx.load(export("resized").path).graph.initializer if len(w.dims)]
        floats = [w for w in weights if w.data_type == onnx.TensorProto.FLOAT]
        network = export("resized").model.net_.module_
        n_parameters = sum(p.numel() for p in network.parameters())
        # Batch normalisation may be folded into the convolutions, and nothing else go.
        assert sum(np.prod(w.dims) for w in floats) > 0.9 * n_parameters


class TestDrawnImages:
    """What every export is checked with."""

    def test_two_sizes_and_two_lengths(self, export):
        model = export("resized").model
        shapes = [X.shape for X in _draw(model, model.net_.module_)]
        assert shapes == [(1, 20, 14, 3), (3, 31, 7, 3)]

    def test_the_own_size_where_no_other_is_taken(self, export):
        model = export("own_size").model
        shapes = [X.shape for X in _draw(model, model.net_.module_)]
        assert shapes == [(1, 16, 16, 3), (3, 16, 16, 3)]

    def test_as_they_are_before_they_are_cropped(self, export):
        model = export("cropped_mlp_of_own_size").model
        assert model.image_shape_ == (8, 8, 3)
        assert [X.shape[1:] for X in _draw(model, model.net_.module_)] == [(16, 16, 3)] * 2

    def test_rows_are_like_those_of_fit(self, export):
        exported = export("mlp_on_rows")
        rows = _draw(exported.model, exported.model.net_.module_)[1]
        assert rows.dtype == np.float32
        X, _ = exported.case.data(48)
        assert np.abs(rows.mean() - X.mean()) < X.std()

    def test_the_same_each_time_and_unlike_one_another(self, export):
        model = export("resized").model
        first, again = (_draw(model, model.net_.module_)[1] for _ in range(2))
        assert (first == again).all()
        assert np.abs(first[0].astype(int) - first[1]).mean() > 20
        assert first.std() > 40


@pytest.mark.real
def test_real_cells_on_imagenet_features(real_data, tmp_path, export):
    weights = real_data.parent / "weights" / "squeezenet1_0_imagenet.safetensors"
    if not weights.is_file():
        pytest.skip(f"no ImageNet weights of SqueezeNet in {weights.parent.name}/{weights.name}")
    paths, y = load_image_folder(real_data / "pbc" / "128px", split="val", return_X_y=True)
    paths, y = paths[::25], y[::25]
    clf = TransferCellClassifier(
        "torchvision/squeezenet1_0",
        weights=weights,
        trainable="head",
        image_size=64,
        max_epochs=3,
        random_state=0,
        device="cpu",
        precision="float32",
    ).fit(paths, y)
    difference = export_onnx(clf, tmp_path / "m.onnx")
    twin = type(export("resized"))(None, clf, tmp_path / "m.onnx", difference)
    assert difference < 1e-4
    expected = clf.predict_proba(paths)
    assert expected.max(1).mean() > 0.3
    assert np.abs(twin.run(read_images(paths)) - expected).max() < 1e-4
