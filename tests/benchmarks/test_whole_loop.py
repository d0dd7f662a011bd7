"""The benchmark of the loop of a new laboratory, on drawn cells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import whole_loop
from skblood import TransferCellClassifier, save
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow


def test_balanced_accuracies_and_unseen_groups(tmp_path, monkeypatch):
    X, y = make_blood_cells(400, image_size=28, random_state=0)
    clf = TransferCellClassifier("cellnet_t", max_epochs=16, random_state=0).fit(X[:240], y[:240])
    save(clf, tmp_path / "model.skblood")
    folder, rows = tmp_path / "labs" / "new", []
    folder.mkdir(parents=True)
    for i, (image, label) in enumerate(zip(X[240:, ..., ::-1], y[240:], strict=True)):
        Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{i}.png")
        rows.append({"path": f"{i}.png", "label": label, "group": i // 8})
    pd.DataFrame(rows).to_csv(folder / "cells.csv", index=False)
    monkeypatch.setitem(whole_loop.LABS, "new", (str(tmp_path / "model.skblood"), "drawn"))
    options = SimpleNamespace(data=tmp_path / "pbc" / "128px", repeats=1)
    figures = {name: each["median"] for name, each in whole_loop.measure("new", options).items()}
    assert 40 <= figures["n_unseen"] <= 120 and figures["n_unseen"] % 8 == 0
    assert figures["gain"] == figures["after"] - figures["framed"]
    assert figures["with_rest"] > figures["before"]
    assert 0 < figures["corrected"] <= 40
