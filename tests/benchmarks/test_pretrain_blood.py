"""The training of the ready model: views of the cells, weights of the draws, and a short run."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import skblood
from benchmarks import _cell_views, pretrain_blood
from skblood.datasets import make_blood_cells


@pytest.fixture(scope="module")
def batch():
    """(images, neighbors): six cells of 64 px, and gray images around them."""
    X, _ = make_blood_cells(6, image_size=64, random_state=0)
    images = torch.from_numpy(X).permute(0, 3, 1, 2).contiguous()
    return images, torch.full((4, 3, 64, 64), 128, dtype=torch.uint8)


class TestViews:
    def test_frames(self, batch):
        torch.manual_seed(0)
        for neighbors in (batch[1], None):
            frames = _cell_views.random_frame(batch[0], 48, neighbors)
            assert frames.shape == (6, 3, 48, 48)
            assert frames.min() >= 0 and frames.max() < 1.001

    def test_a_small_cell_is_surrounded_by_neighbors(self, batch, monkeypatch):
        monkeypatch.setattr(_cell_views, "SCALES", (0.5, 0.5))
        monkeypatch.setattr(_cell_views, "OWN_SHARE", 0)
        black = torch.zeros_like(batch[0])
        frames = _cell_views.random_frame(black, 64, batch[1])
        assert (frames[:, :, 28:36, 28:36] == 0).all()
        assert torch.allclose(frames[:, :, :3, :3], torch.tensor(128 / 255), atol=0.01)

    def test_a_cell_that_keeps_its_scale_stays_as_large(self, batch, monkeypatch):
        monkeypatch.setattr(_cell_views, "OWN_SHARE", 1)
        monkeypatch.setattr(_cell_views, "OWN_SCALES", (1.0, 1.0))
        frames = _cell_views.random_frame(batch[0], 64, batch[1])
        whole = batch[0].float().mean((1, 2, 3)) / 255
        assert torch.allclose(frames.mean((1, 2, 3)), whole, atol=0.08)

    def test_colors_change_and_a_share_of_0_changes_nothing(self, batch):
        torch.manual_seed(0)
        images = batch[0] / 255
        assert torch.equal(_cell_views.random_colors(images, share=0), images)
        changed = _cell_views.random_colors(images, share=1)
        assert changed.shape == images.shape and torch.isfinite(changed).all()
        assert (changed - images).abs().mean() > 0.02

    def test_recoloring_keeps_which_tones_are_darker(self, batch):
        torch.manual_seed(0)
        images = batch[0] / 255
        changed = _cell_views.recolor(images).mean(1).flatten(1)
        for before, after in zip(images.mean(1).flatten(1), changed, strict=True):
            assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.7
        assert torch.allclose(_cell_views.recolor(images, amount=0), images, atol=1e-5)

    def test_resolution(self, batch):
        torch.manual_seed(0)
        images = torch.rand(8, 3, 64, 64)
        low = _cell_views.random_resolution(images.clone(), share=1.0)
        assert low.std() < 0.9 * images.std()


def test_rate_rises_stays_and_falls():
    rates = [pretrain_blood.rate(step, 4000) for step in (0, 299, 2000, 3000, 3500, 3999)]
    assert rates[0] < 0.01 and rates[1:4] == [1, 1, 1]
    assert rates[4] == pytest.approx(0.5) and rates[5] < 1e-3


def test_attributes_that_are_not_known_cost_nothing():
    logits = torch.randn(3, 5)
    codes = torch.tensor([[-1, -1], [-1, 2], [-1, -1]])
    expected = -logits[1, 2:].log_softmax(0)[2] / 2
    assert pretrain_blood.attribute_loss(logits, codes, [2, 3]) == pytest.approx(float(expected))


def test_class_weights_give_the_shares_of_the_draws():
    """Classes are drawn 27 of 32 times from the first, and else from the second laboratory."""
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    cells = pretrain_blood.Cells(images, np.array([0, 0, 0, 1]), np.ones(4))
    others = pretrain_blood.Cells(images, np.array([0, 1, 1, 1]), np.ones(4))
    weights = pretrain_blood.class_weights(np.array(["a", "b"]), cells, others)
    share = 27 / 32 * 3 / 4 + 5 / 32 / 4
    assert weights == pytest.approx({"a": 2 * share, "b": 2 * (1 - share)})


@pytest.mark.slow
def test_a_short_training(tmp_path, monkeypatch):
    """In the folders of the real data, it writes a model that loads; a second run resumes."""
    X, y = make_blood_cells(48, image_size=32, random_state=0)
    train, others = tmp_path / "pbc" / "128px" / "train", tmp_path / "labs" / "chula"
    rows = []
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        folder = (train if i % 3 else others) / label
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"c{i}.png")
        if not i % 3:
            rows.append({"path": f"{label}/c{i}.png", "label": label, "group": i % 2})
    pd.DataFrame(rows).to_csv(others / "cells.csv", index=False)
    known = {name: ["a", "b"] * 12 for name in pretrain_blood.ATTRIBUTES}
    table = pd.DataFrame({"file": [f"c{i}" for i in range(24)], **known})
    table.to_csv(tmp_path / "pbc" / "wbcatt.csv", index=False)
    weights = tmp_path / "lite0.safetensors"
    save_file(timm.create_model("tf_efficientnet_lite0").state_dict(), weights)
    monkeypatch.setattr(pretrain_blood, "SIDE", 64)
    monkeypatch.setattr(pretrain_blood, "CHECKPOINT_STEPS", 2)
    monkeypatch.setattr(pretrain_blood, "SNAPSHOTS", (1, 2))
    words = ["--data", tmp_path, "--weights", weights, "--steps", 3]
    words += ["--out", tmp_path / "blood8-2.safetensors"]
    with pytest.warns(UserWarning, match="does not have"):
        pretrain_blood.main([str(word) for word in words])
    monkeypatch.setattr("skblood.io._pretrained._FOLDER", tmp_path)
    model = skblood.load_pretrained("blood8-2", device="cpu")
    assert (model.spec_.dihedral_views, model.spec_.view_crops) == (2, (0.9, 0.8, 0.72))
    assert model.training_data_["n_images"] == 48
    assert model.predict_proba(X[:4]).shape == (4, 8)
    assert torch.load(tmp_path / "blood8-2.checkpoint", weights_only=True)["step"] == 2
    assert (tmp_path / "blood8-2.1").exists() and (tmp_path / "blood8-2.2").exists()
