"""`skblood explain`."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

import skblood
from skblood.explain import ExplanationDisplay, grad_cam


@pytest.fixture
def drawn(monkeypatch):
    """Return the displays that are drawn."""
    displays, plot = [], ExplanationDisplay.plot

    def record(self, **options):
        displays.append(self)
        return plot(self, **options)

    monkeypatch.setattr(ExplanationDisplay, "plot", record)
    return displays


def test_one_picture(shell, net_file, test_cells, tmp_path, drawn):
    X, out = test_cells.data[[0, 7]].tolist(), tmp_path / "why.png"
    shell("explain", net_file, *X, "--out", out)
    with Image.open(out) as picture:
        assert min(picture.size) > 200
    (display,) = drawn
    model = skblood.load(net_file)
    assert display.axes_.shape == (2, 2)
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == [Path(x).name for x in X]
    canvas, boxes = display.figure_.bbox, display.figure_.findobj(Text)
    boxes = [text.get_window_extent() for text in boxes if text.get_text()]
    assert all(box.x0 >= canvas.x0 and box.x1 <= canvas.x1 for box in boxes)
    assert list(display.y_pred) == model.predict(X).tolist()
    np.testing.assert_allclose(display.maps, grad_cam(model, X), atol=1e-6)
    assert "exists already" in shell("explain", net_file, *X, "--out", out, code=1).stderr


def test_folder_and_reference(shell, net_file, cell_folder, tmp_path, drawn):
    """Each image has a picture; similar cells are those of the train part."""
    out, bad = tmp_path / "why", tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    words = ("explain", net_file, bad, cell_folder / "test" / "platelet", "--out", out)
    words += ("--reference", cell_folder, "--neighbors", 3)
    assert "1 of 6 image files cannot be read" in shell(*words, code=1).stderr
    document = json.loads(shell(*words, "--on-error", "skip", "--json").stdout)
    names = [Path(path).name for path in document["pictures"]]
    stems = sorted(path.stem for path in (cell_folder / "test" / "platelet").iterdir())
    assert names == [f"{i:04}-{stem}.png" for i, stem in enumerate(stems, start=1)]
    assert sorted(path.name for path in out.iterdir()) == names
    assert document["n_unreadable"] == 1
    assert {display.axes_.shape for display in drawn} == {(1, 5)}
    assert {len(display.neighbor_labels[0]) for display in drawn} == {3}
    words += ("--on-error", "skip")
    for number in (0, 500):
        other = (*words[:-3], number, "--on-error", "skip", "--overwrite")
        assert f"--neighbors: {number} must be from 1 to" in shell(*other, code=2).stderr
    assert "--overwrite" in shell(*words, code=1).stderr
    shell(*words, "--overwrite")


def test_errors(shell, net_file, model_file, cell_folder, tmp_path):
    words = (cell_folder, "--out", tmp_path / "a.png")
    assert "name a folder by --out" in shell("explain", net_file, *words, code=2).stderr
    few = (cell_folder / "test" / "platelet", *words[1:])
    assert "has no feature maps" in shell("explain", model_file, *few, code=1).stderr
    result = shell("explain", net_file, *few, "--reference", tmp_path / "no", code=1)
    assert "is not a folder, file or name of a data set" in result.stderr
    assert not (tmp_path / "a.png").exists()
