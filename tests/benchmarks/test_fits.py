"""Fits that benchmarks score once and keep."""

import json
from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

from benchmarks import field, transfer
from benchmarks._fits import draw, fit_and_score, spread
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Options of a benchmark, with a folder of 16 cells of each part."""
    folder = tmp_path_factory.mktemp("cells")
    for seed, part in enumerate(("train", "test")):
        X, y = make_blood_cells(16, image_size=64, random_state=seed)
        for i, (image, name) in enumerate(zip(X, y, strict=True)):
            file = folder / part / str(name) / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return Namespace(data=folder, out=None, seeds=1, device="cpu", weights=None, cells=["80"])


class Constant:
    """Predicts the first class that it has seen."""

    def __init__(self, X, y):
        self.first, self.n = sorted(y)[0], len(X)

    def predict(self, X):
        return np.full(len(X), self.first)


class TestDraw:
    def test_as_many_of_each_class(self):
        y = np.repeat(["a", "b", "c"], [5, 9, 7])
        rows = draw(y, 4, seed=0)
        assert sorted(y[rows]) == sorted("aaaabbbbcccc")
        assert len(set(rows)) == 12
        assert not np.array_equal(draw(y, 4, seed=1), rows)

    def test_all(self):
        assert draw(np.arange(3), None, seed=0).tolist() == [0, 1, 2]


class TestFitAndScore:
    def test_scores(self, options):
        fits = fit_and_score(None, "row", {"all-0": (Constant, None, 0)}, options)
        assert fits["all-0"]["accuracy"] == pytest.approx(1 / 8)
        assert fits["all-0"].keys() == {"accuracy", "f1_macro", "minutes"}

    def test_what_has_scores_is_not_fitted_again(self, options, tmp_path):
        file = tmp_path / "name.json"
        known = {"accuracy": 0.5, "f1_macro": 0.5, "minutes": 1.0}
        file.write_text(json.dumps({"row": {"figures": {"fits": {"all-0": known}}}}))
        wanted = {f"all-{seed}": (Constant, None, seed) for seed in (0, 1)}
        fits = fit_and_score(file, "row", wanted, options)
        assert fits["all-0"] == known
        assert fits["all-1"]["accuracy"] != 0.5
        found = spread(fits, "all-", "all")
        assert found["accuracy_all"] == {"median": pytest.approx(0.3125), "min": 0.125, "max": 0.5}
        assert spread(fits, "400-", "400") == {}


class TestRows:
    def test_every_network_of_the_field_can_be_made(self):
        from skblood.networks import backbone_config

        for name in field.NETWORKS:
            backbone_config(name)

    def test_field(self, options, monkeypatch):
        monkeypatch.setattr(field, "EPOCHS", 1)
        figures = field.measure("cellnet_s", options)
        assert figures["fits"].keys() == {"seed0"}
        assert 0 <= figures["accuracy_test"]["median"] <= 1

    def test_transfer(self, options):
        def fit(X, y, n, seed, folder):
            assert (n, seed, folder) == ("80", 0, None)
            return Constant(X, y)

        figures = transfer.measure("row", fit, options)
        assert figures["accuracy_80"]["median"] == pytest.approx(1 / 8)

    def test_recipes_of_transfer_fit(self, options, monkeypatch, tmp_path):
        """With random weights in place of the files, and one epoch."""
        made = transfer.TransferCellClassifier

        def tiny(backbone=None, weights=None, **given):
            return made("cellnet_t", **given | {"max_epochs": 1, "image_size": 32})

        monkeypatch.setattr(transfer, "TransferCellClassifier", tiny)
        X = np.array(sorted(map(str, options.data.glob("train/*/*.png"))))
        y = np.array([path.split("/")[-2] for path in X])
        for name, (_, fit, _) in transfer.ROWS.items():
            model = fit(X, y, "80", 0, tmp_path)
            assert len(model.predict(X)) == 16, name
