"""When a file is written and when none is, and what the export leaves as it was."""

import copy
import logging
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skblood import CellEmbedder, FeatureStore, MLPCellClassifier, TransferCellClassifier
from skblood import export_onnx as export_model
from skblood.io import _onnx, _proto
from skblood.io._onnx_graph import Graph

OLD = b"what was there before"


@pytest.fixture
def path(tmp_path):
    """Return the path of a file that is there already."""
    path = tmp_path / "cells.onnx"
    path.write_bytes(OLD)
    return path


def nothing_written(path):
    return path.read_bytes() == OLD and [p.name for p in path.parent.iterdir()] == [path.name]


class TestNothingIsWritten:
    @pytest.mark.parametrize("difference", [1.1e-4, np.nan, np.inf])
    def test_when_the_answers_differ(self, mlp, path, monkeypatch, difference):
        monkeypatch.setattr(_onnx, "largest_difference", lambda *_: difference)
        with pytest.raises(ValueError, match=r"answers of ONNX Runtime differ.*0\.0001 is allowed"):
            export_model(mlp, path)
        assert nothing_written(path)

    def test_when_the_preprocessing_is_another(self, mlp, path, monkeypatch):
        monkeypatch.setattr(Graph, "_scaled", lambda self, images: images.float() / 256)
        with pytest.raises(ValueError, match=r"differ from those of MLPCellClassifier by 0\.0"):
            export_model(mlp, path)
        assert nothing_written(path)

    def test_when_the_resizing_is_another(self, export, path, monkeypatch):
        def corners(images, size, interpolation):
            return torch.nn.functional.interpolate(images.float(), size)

        monkeypatch.setattr("skblood.io._onnx_graph.resize", corners)
        with pytest.raises(ValueError, match="answers of ONNX Runtime differ"):
            export_model(export("embedder").model, path)
        assert nothing_written(path)

    def test_when_a_weight_is_no_number(self, mlp, path):
        broken = copy.deepcopy(mlp)
        with torch.no_grad():
            broken.net_.module_.head[-1].bias[0] = np.nan
        with pytest.raises(ValueError, match="gives no finite number"):
            export_model(broken, path)
        assert nothing_written(path)

    def test_when_the_network_cannot_be_written(self, mlp, path):
        class Moody(torch.nn.Module):
            def forward(self, x):
                return x if x.sum() > 0 else -x

        odd = copy.deepcopy(mlp)
        odd.net_.module_.scale = Moody()
        with pytest.raises(ValueError, match=r"cannot be written as ONNX.*another backbone"):
            export_model(odd, path)
        assert nothing_written(path)

    def test_when_onnx_runtime_cannot_run_it(self, export, path, monkeypatch):
        def of_doubles(images, size, interpolation):
            return torch.nn.functional.interpolate(images.double(), size)

        monkeypatch.setattr("skblood.io._onnx_graph.resize", of_doubles)
        with pytest.raises(ValueError, match=r"cannot be run by ONNX Runtime \(NotImplemented:"):
            export_model(export("embedder").model, path)
        assert nothing_written(path)

    def test_when_it_is_too_large_for_a_file(self, mlp, path, monkeypatch):
        monkeypatch.setattr(_proto, "_MAX_BYTES", 1000)
        with pytest.raises(ValueError, match=r"holds 2 GiB at most.*smaller backbone"):
            export_model(mlp, path)
        assert nothing_written(path)

    @pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
    def test_when_the_extra_is_not_installed(self, mlp, path, monkeypatch, package):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf'{package} cannot.*pip install "skblood\[onnx\]"'):
            export_model(mlp, path)
        assert nothing_written(path)

    def test_when_the_folder_is_not_there(self, mlp, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            export_model(mlp, tmp_path / "no" / "cells.onnx")


class TestWhatIsNoModel:
    @pytest.mark.parametrize("model", [MLPCellClassifier(), CellEmbedder()])
    def test_not_fitted(self, model, path):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            export_model(model, path)
        assert nothing_written(path)

    def test_a_pipeline_names_its_step(self, path):
        pipeline = make_pipeline(CellEmbedder("cellnet_t"), LogisticRegression())
        with pytest.raises(
            TypeError, match=r"not Pipeline\. Export.*named_steps\['cellembedder'\]"
        ):
            export_model(pipeline, path)

    def test_a_search_names_its_estimator(self, mlp, path):
        search = GridSearchCV(MLPCellClassifier(), {})
        search.best_estimator_ = mlp
        with pytest.raises(TypeError, match=r"not GridSearchCV\. Export its best_estimator_"):
            export_model(search, path)

    @pytest.mark.parametrize("model", [None, LogisticRegression(), MLPCellClassifier])
    def test_anything_else(self, model, path):
        with pytest.raises(TypeError, match=r"of skblood, not \w+\. Give one of them"):
            export_model(model, path)
        assert nothing_written(path)


def test_an_existing_file_is_replaced(mlp, path):
    export_model(mlp, str(path))
    onnx.checker.check_model(onnx.load(path))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


class TestNothingIsChanged:
    def state(self, clf):
        network = clf.net_.module_
        return (
            {name: tensor.clone() for name, tensor in network.state_dict().items()},
            [(name, module.training) for name, module in network.named_modules()],
            {id(module) for module in network.modules()},
            [parameter.requires_grad for parameter in network.parameters()],
            [parameter.stride() for parameter in network.parameters()],
            {name: id(value) for name, value in vars(clf).items()},
        )

    @pytest.mark.parametrize("name", ["mlp", "resized", "own_size"])
    def test_the_estimator(self, name, export, path):
        exported = export(name)
        clf = exported.model
        X, _ = exported.case.data(20)
        p, (weights, *before) = clf.predict_proba(X), self.state(clf)
        export_model(clf, path)
        again, *after = self.state(clf)
        assert before == after
        for key, tensor in weights.items():
            assert_array_equal(tensor, again[key])
        assert_array_equal(clf.predict_proba(X), p)

    def test_training_goes_on_as_without(self, small, path):
        def fit(then):
            clf = MLPCellClassifier((8,), max_epochs=1, random_state=0, device="cpu")
            clf.partial_fit(*small, classes=np.unique(small[1]))
            then(clf)
            return clf.partial_fit(*small).predict_proba(small[0])

        assert_array_equal(fit(lambda clf: export_model(clf, path)), fit(lambda clf: None))

    def test_generators_and_modes(self, mlp, path):
        def world():
            levels = {name: logging.getLogger(name).level for name in ("torch", "onnx_ir")}
            generators = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()
            threads = torch.get_num_threads(), torch.is_grad_enabled()
            return levels, generators, threads, sys.stdout, sys.stderr, list(warnings.filters)

        before = world()
        export_model(mlp, path)
        assert world() == before

    def test_levels_of_logging_come_back_after_a_failure(self, mlp, path):
        odd = copy.deepcopy(mlp)
        odd.net_.module_.scale = torch.nn.Linear(3, 5)
        logger = logging.getLogger("onnxscript")
        before = logger.level
        logger.setLevel(7)
        try:
            with pytest.raises(ValueError, match="cannot be written"):
                export_model(odd, path)
            assert logger.level == 7
        finally:
            logger.setLevel(before)

    def test_no_feature_is_stored(self, export, path):
        clf = export("own_size").model
        assert clf.net_.module_.frozen
        FeatureStore().clear()
        export_model(clf, path)
        assert FeatureStore().n_computed == 0

    def test_a_compiled_network(self, export, path):
        clf = copy.deepcopy(export("resized").model)
        network = clf.net_.module_
        network.compile(backend="eager")
        assert export_model(clf, path) <= 1e-4
        assert clf.net_.module_ is network
        assert network._compiled_call_impl is not None

    def test_nothing_is_said(self, mlp, path, capfd, caplog, recwarn):
        caplog.set_level(logging.INFO)
        export_model(mlp, path)
        out, err = capfd.readouterr()
        assert (out, err) == ("", "")
        assert not caplog.records
        assert not recwarn.list


def test_precision_of_the_model_does_not_matter(small, tmp_path):
    clf = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0, device="cpu")
    clf.set_params(precision="bfloat16").fit(*small)
    assert export_model(clf, tmp_path / "m.onnx") < 1e-6
    assert clf.precision == "bfloat16"


@pytest.mark.gpu
def test_a_model_on_the_gpu(small, tmp_path):
    clf = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0, device="cuda")
    clf.fit(*small)
    assert export_model(clf, tmp_path / "m.onnx") <= 1e-4
    assert next(clf.net_.module_.parameters()).is_cuda
