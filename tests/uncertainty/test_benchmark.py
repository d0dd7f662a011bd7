"""The benchmark: images without cells, and the figures on cells that need no real data."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks import _no_cells
from benchmarks import uncertainty as benchmark
from benchmarks._command import parse


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def options(network, some_cells, monkeypatch):
    """Options of a run whose network and cells are the small ones."""
    X, y = some_cells
    prepared = network, (X[160:320], y[160:320]), (X[320:], y[320:])
    monkeypatch.setattr(benchmark, "prepare", lambda *settings: prepared)
    yield SimpleNamespace(data="none", model=None, quick=True, epochs=None, device="cpu")
    benchmark.fit_detector.cache_clear()
    benchmark.scores_of_cells.cache_clear()


class TestImages:
    @pytest.mark.parametrize("kind", _no_cells.KINDS)
    def test_all_differ_and_are_drawn_anew_from_a_seed(self, kind, rng):
        images = _no_cells.KINDS[kind](6, 40, rng)
        assert images.shape == (6, 40, 40, 3) and images.dtype == np.uint8
        assert len({image.tobytes() for image in images}) == 6
        again = _no_cells.KINDS[kind](6, 40, np.random.default_rng(0))
        np.testing.assert_array_equal(images, again)

    @pytest.mark.parametrize("enlarge", [False, True])
    def test_background_is_what_the_corners_show(self, enlarge, rng, tmp_path):
        """The cell, black, is in the middle; each corner has a colour of its own."""
        original = np.zeros((360, 363, 3), np.uint8)
        colours = {50, 100, 150, 200}
        for rows, columns, colour in (
            (slice(90), slice(90), 50),
            (slice(90), slice(-90, None), 100),
            (slice(-90, None), slice(90), 150),
            (slice(-90, None), slice(-90, None), 200),
        ):
            original[rows, columns] = colour
        (tmp_path / "monocyte").mkdir()
        Image.fromarray(original).save(tmp_path / "monocyte" / "1.png")
        images = _no_cells.background(4, 32, rng, tmp_path, enlarge=enlarge)
        assert {image.min() for image in images} == colours == {image.max() for image in images}


class TestFigures:
    def test_probabilities(self, options):
        figures = benchmark.calibration(options)
        assert figures["ece_after"] < figures["ece_before"]
        assert figures["accuracy"] <= figures["accuracy_95"] <= 1
        assert figures["notes"]  # 160 cells are too few for a promise of 0.99

    @pytest.mark.parametrize("class_conditional", [False, True])
    def test_sets(self, options, class_conditional):
        figures = benchmark.prediction_sets(class_conditional, options)
        assert figures["gap"] == pytest.approx(abs(figures["coverage"] - 0.9))
        assert figures["lowest"] <= figures["coverage"] <= figures["highest"]
        assert "monocyte" in figures["notes"][0]

    def test_outliers(self, options):
        figures = benchmark.outliers("noise", options)
        assert figures["auroc"] > 0.98 and figures["flagged"] > 0.9
        assert benchmark.cells(options)["flagged"] < 0.2

    def test_laboratories(self, options):
        other = benchmark.laboratory("yellow", options)
        assert other["pvalue"] == 0.001
        assert other["distance"] > benchmark.laboratory(None, options)["distance"]

    def test_simulated_cells_are_the_same_ones_in_other_colours(self, some_cells):
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
