"""Benchmark of the tools: images without cells, and figures that need no real data."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks import _no_cells, uncertainty as benchmark
from benchmarks._command import parse

pytestmark = pytest.mark.slow


@pytest.fixture
def options(network, some_cells, monkeypatch):
    """Options of a run with the small network and its cells."""
    X, y = some_cells
    prepared = network, (X[160:320], y[160:320]), (X[320:], y[320:])
    monkeypatch.setattr(benchmark, "prepare", lambda *settings: prepared)
    yield SimpleNamespace(data="none", model=None, quick=True, epochs=None, device="cpu")
    benchmark.fit_detector.cache_clear()
    benchmark.scores_of_cells.cache_clear()


@pytest.mark.parametrize("kind", _no_cells.KINDS)
def test_images_differ_and_are_repeatable(kind):
    images, again = (_no_cells.KINDS[kind](6, 40, np.random.default_rng(0)) for _ in range(2))
    assert images.shape == (6, 40, 40, 3) and images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 6
    np.testing.assert_array_equal(images, again)


@pytest.mark.parametrize("enlarge", [False, True])
def test_background_is_taken_from_the_corners(enlarge, tmp_path):
    """The cell in the middle is black, each corner has its own color."""
    original = np.zeros((360, 363, 3), np.uint8)
    original[:90, :90], original[:90, -90:] = 50, 100
    original[-90:, :90], original[-90:, -90:] = 150, 200
    (tmp_path / "monocyte").mkdir()
    Image.fromarray(original).save(tmp_path / "monocyte" / "1.png")
    rng = np.random.default_rng(0)
    images = _no_cells.background(4, 32, rng, tmp_path, enlarge=enlarge)
    colors = {50, 100, 150, 200}
    assert {image.min() for image in images} == colors == {image.max() for image in images}


def test_figures(options):
    figures = benchmark.calibration(options)
    assert figures["ece_after"] < figures["ece_before"]
    assert figures["accuracy"] <= figures["accuracy_95"] <= 1
    assert figures["notes"]  # 160 cells are too few to guarantee 0.99
    for class_conditional in (False, True):
        figures = benchmark.prediction_sets(class_conditional, options)
        assert figures["gap"] == pytest.approx(abs(figures["coverage"] - 0.9))
        assert figures["lowest"] <= figures["coverage"] <= figures["highest"]
        assert "monocyte" in figures["notes"][0]
    figures = benchmark.outliers("noise", options)
    assert figures["auroc"] > 0.98 and figures["flagged"] > 0.9
    assert benchmark.cells(options)["flagged"] < 0.2
    other = benchmark.laboratory("yellow", options)
    assert other["pvalue"] == 0.001
    assert other["distance"] > benchmark.laboratory(None, options)["distance"]


def test_simulated_cells_keep_their_brightness(some_cells):
    images = some_cells[0][:4].copy()
    changed = benchmark.simulate("hue_plus", images)
    assert changed.shape == images.shape and changed.dtype == np.uint8
    assert not np.array_equal(changed, images)
    gray, other_gray = (each.mean(axis=3).ravel() for each in (images, changed))
    assert np.corrcoef(gray, other_gray)[0, 1] > 0.9


def test_the_command_line_takes_a_model(tmp_path):
    options = parse(benchmark.BENCHMARK, ["--model", str(tmp_path / "m.safetensors"), "--quick"])
    assert options.model == tmp_path / "m.safetensors"
    assert {"sets", "noise", "background"} < set(options.only)
