"""The benchmark of what a model does not know, on drawn cells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import unknown
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Drawn cells in the folders of the real data; the laboratory is darker, and has blasts."""
    X, y = make_blood_cells(160, image_size=48, random_state=0)
    rows = []
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        if i < 80:
            file = (
                tmp_path / "pbc" / ("128px/val" if i < 60 else "originals_val") / label / f"{i}.png"
            )
        else:
            file = tmp_path / "labs" / "jhu" / label / f"{i}.png"
            image = (image * [0.5, 0.8, 0.9]).astype(np.uint8)
            rows.append({"path": f"{label}/{i}.png", "label": label, "group": i, "subtype": ""})
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    for row in rows[::8]:
        row["label"] = "blast"
    pd.DataFrame(rows).to_csv(tmp_path / "labs" / "jhu" / "cells.csv", index=False)
    for name, n in {"_KNOWN": 40, "_BATCH": 20, "_NONE": 3}.items():
        monkeypatch.setattr(unknown, name, n)
    return SimpleNamespace(data=tmp_path / "pbc" / "128px", model="pbc8")


def test_home(options):
    figures = unknown.measure("home", options)
    assert figures["no_cell"] > 0.7
    assert figures["least"] == figures["most"]  # one batch of 20
    assert "outside" not in figures


def test_a_laboratory(options):
    figures = unknown.measure("jhu", options)
    assert figures["least"] <= figures["most"]
    assert 0 <= figures["outside"] <= 1
    assert figures["notes"][0].startswith("jhu, outside, each against the classes: blast 0.")
    assert all(0 <= figures[key] <= 1 for key in ("flagged_home", "flagged_own", "found"))


def test_scores_that_tell_have_an_area_of_1():
    assert unknown._auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert unknown._auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
