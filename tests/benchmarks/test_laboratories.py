"""The simulated laboratories, and what is trained for them."""

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

import skblood
from benchmarks import pretrain, robust
from benchmarks._command import parse
from benchmarks._laboratories import SIMULATED
from skblood.augment import LaboratoryAugment
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cells():
    X, _ = make_blood_cells(16, image_size=32, random_state=0)
    return torch.from_numpy(X).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("name", SIMULATED)
class TestSimulated:
    def test_shape_range_and_input_kept(self, name, cells):
        before = cells.clone()
        changed = SIMULATED[name](cells, torch.Generator().manual_seed(0))
        assert changed.shape == cells.shape
        assert 0 <= changed.min() <= changed.max() <= 1
        assert torch.equal(cells, before)

    def test_is_another_laboratory(self, name, cells):
        changed = SIMULATED[name](cells, torch.Generator().manual_seed(0))
        assert (changed - cells).abs().mean() > 0.02

    def test_all_images_are_changed_alike(self, name, cells):
        twice = cells[:1].repeat(2, 1, 1, 1)
        changed = SIMULATED[name](twice, torch.Generator().manual_seed(0))
        assert (changed[0] - changed[1]).abs().mean() < 0.05

    def test_empty_images(self, name):
        for value in (0.0, 1.0):
            changed = SIMULATED[name](torch.full((2, 3, 16, 16), value), torch.Generator())
            assert torch.isfinite(changed).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder like PBC's: train, val and test, of one folder a class."""
    root = tmp_path_factory.mktemp("pbc")
    X, y = make_blood_cells(48, image_size=64, random_state=0)
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        place = root / ("train", "val", "test")[i % 3] / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")
    return root


@pytest.mark.filterwarnings("ignore:`y` holds .* labels that are not among the classes")
def test_pretrain_writes_a_model_and_its_figures(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pretrain, "REFINEMENT_EPOCHS", 1)
    out = tmp_path / "models"
    pretrain.main(["--data", str(folder), "--seeds", "3", "--epochs", "1", "--out", str(out)])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["seed"] == 3
    assert 0 <= figures["test"] <= 1
    model = skblood.load(out / "pbc8-3.safetensors")
    assert (model.standardize, model.image_size) == ("image", 96)
    assert model.spec_.dihedral_views == 8
    assert model.n_iter_ == 1
    assert model.training_data_["n_images"] == 16
    assert not list((out / "checkpoints").glob("*"))


def test_refine_goes_half_of_the_way(monkeypatch):
    monkeypatch.setattr(pretrain, "REFINEMENT_EPOCHS", 1)
    X, y = make_blood_cells(48, image_size=16, random_state=0)
    model = pretrain.make(image_size=16, max_epochs=1, random_state=0).fit(X, y)
    given = model.get_params()
    augment = LaboratoryAugment(share=pretrain.SHARE)
    whole = copy.deepcopy(model).set_params(augment=augment, lr=1e-3, warm_start=True).fit(X, y)
    before = copy.deepcopy(model.net_.module_.state_dict())
    after = whole.net_.module_.state_dict()
    refined = pretrain.refine(model, X, y)
    for name, value in refined.net_.module_.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, (before[name] + after[name]) / 2, atol=1e-6), name
    assert refined.get_params() == given


def test_pretrain_needs_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrain, "find_cells", lambda: None)
    with pytest.raises(SystemExit):
        pretrain.main(["--out", str(tmp_path)])
    assert "--data" in capsys.readouterr().err


def test_robust_measures_home_and_away():
    options = parse(robust.BENCHMARK, ["--quick"])
    figures = robust.BENCHMARK.rows["laboratory"].measure(options)
    away = [figures[name] for name in SIMULATED]
    assert figures["away"] == pytest.approx(sum(away) / len(away))
    assert figures["worst"] == min(away)
    assert 0 <= figures["home"] <= 1


def test_some_of_each_class():
    y = np.array(["a"] * 5 + ["b"] * 2)
    chosen = robust.some_of_each(y, 3)
    assert sorted(y[i] for i in chosen) == ["a"] * 3 + ["b"] * 2
