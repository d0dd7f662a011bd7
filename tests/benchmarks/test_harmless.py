"""Harmless changes: what they do to an image, and the figures made of them."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score

from benchmarks._harmless import CHANGES, SIZE, frame, robustness, worst
from benchmarks.real_cells import _robustness_lines
from skblood.datasets import make_blood_cells


@pytest.fixture(scope="module")
def originals():
    X, _ = make_blood_cells(4, image_size=363, random_state=0)
    return [Image.fromarray(x) for x in X]


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_small(name, originals):
    for image in (originals[0], frame(originals[0])):
        changed, plain = CHANGES[name](image), frame(image)
        assert changed.mode == "RGB" and changed.size in [(SIZE, SIZE), (100, 100)]
        changed = changed.resize(plain.size, Image.Resampling.BICUBIC)
        difference = np.abs(np.float32(changed) - np.float32(plain)).mean()
        assert 0 < difference < (30 if "crop" in name else 15)


def test_frame_keeps_the_center():
    pixels = np.zeros((360, 363, 3), np.uint8)
    pixels[130:230, 132:232] = 255  # 100 px around the center
    for side, expected in ((200, 64), (400, 32)):
        assert (np.asarray(frame(Image.fromarray(pixels), side=side))[64, :, 0] > 127).sum() == (
            pytest.approx(expected, abs=1)
        )
    cut = Image.fromarray(pixels[80:280, 82:282]).resize((SIZE, SIZE))
    assert (np.asarray(frame(cut, side=216))[64, :, 0] > 127).sum() == pytest.approx(59, abs=1)


class Bright:
    """Takes the brightest image of all for "b", and the others for "a"."""

    def predict(self, X):
        self.shape = X.shape
        means = X.mean((1, 2, 3))
        return np.where(means == means.max(), "b", "a")


def test_robustness(originals):
    model, y = Bright(), np.array(["a", "b", "a", "a"])
    figures = robustness(model, originals, y, 28)
    assert model.shape == (4, 28, 28, 3)
    assert list(figures) == ["clean", *CHANGES]
    plain = np.stack([np.asarray(frame(image)) for image in originals])
    assert figures["clean"] == accuracy_score(y, Bright().predict(plain))
    name, lowest = worst({**dict.fromkeys(CHANGES, 0.9), "clean": 0.1, "bilinear": 0.8})
    assert (name, lowest) == ("bilinear", 0.8)


def test_table_of_changes():
    accuracy = {**dict.fromkeys(["clean", *CHANGES], 0.99), "JPEG q60": 0.98}
    rows = {"cellnet_64": {"robustness": {"originals": accuracy, "test": accuracy}}, "mlp_28": {}}
    page = "\n".join(_robustness_lines(rows))
    assert "| `cellnet_64` | 0.9900 | 0.9800 (JPEG q60) | 0.9900 | 0.9800 (JPEG q60) |" in page
    assert "mlp_28" not in page and _robustness_lines({"mlp_28": {}}) == []
