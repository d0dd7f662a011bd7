"""The experiment on leaks: what is moved where, and what is counted."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks import leak as benchmark
from benchmarks.leak import LEAKS, draw_leaked, figures_of, leak, turned

pytestmark = pytest.mark.slow


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestLeak:
    X = np.zeros((12, 2, 2, 3), np.uint8)
    y = np.array(["a"] * 8 + ["b"] * 4)
    images = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones((2, 2, 3), np.uint8)
    labels = np.array(["b", "a", "b"])

    def test_each_image_replaces_one_of_its_class(self, rng):
        leaky = leak(self.X, self.y, self.images, self.labels, rng)[:, 0, 0, 0]
        assert sorted(leaky[:8]) == [0] * 7 + [2]
        assert sorted(leaky[8:]) == [0, 0, 1, 3]
        assert not self.X.any()  # a copy

    def test_a_tenth_of_each_class_leaks(self, rng):
        y_test = np.repeat(["a", "b"], [200, 100])
        leaked = draw_leaked(y_test, 0.1, rng)
        assert leaked[:200].sum() == 20 and leaked[200:].sum() == 10
        assert draw_leaked(y_test, 1.0, rng).all()

    def test_no_image_is_left_as_it_was_and_none_is_another(self, rng):
        images = rng.integers(0, 256, size=(200, 4, 4, 3), dtype=np.uint8)
        changed = turned(images, rng)
        assert changed.shape == images.shape
        assert not (changed == images).all(axis=(1, 2, 3)).any()
        np.testing.assert_array_equal(
            np.sort(changed.reshape(200, -1), axis=1), np.sort(images.reshape(200, -1), axis=1)
        )

    def test_seven_ways_to_turn(self, rng):
        images = np.repeat(np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3), 200, axis=0)
        assert len({image.tobytes() for image in turned(images, rng)}) == 7


class TestFigures:
    leaked = np.array([True, False, False, False])

    def test_each_part_is_counted(self):
        run = {
            "leaked": self.leaked,
            "clean": np.array([False, True, True, False]),
            "leaky": np.array([True, True, False, False]),
        }
        better = run | {"leaky": np.array([True, True, True, True])}
        figures = figures_of([run, better])
        assert figures["n_leaked"] == 1
        assert figures["all_clean"] == {"median": 0.5, "min": 0.5, "max": 0.5}
        assert figures["all_leaky"] == {"median": 0.75, "min": 0.5, "max": 1.0}
        assert (figures["leaked_clean"]["max"], figures["leaked_leaky"]["min"]) == (0.0, 1.0)
        assert figures["rest_clean"]["median"] == pytest.approx(2 / 3)
        assert figures["optimism"] == {"median": 25.0, "min": 0.0, "max": 50.0}

    def test_where_all_leak_there_are_no_others(self):
        right = np.array([True, False])
        figures = figures_of([{"leaked": np.array([True, True]), "clean": right, "leaky": right}])
        assert not any(name.startswith("rest") for name in figures)
        assert figures["optimism"]["median"] == 0.0


def test_the_nearest_neighbor_of_a_copy_is_the_copy(tmp_path, monkeypatch):
    """On noise, where nothing but a leak can help."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 60), ("test", 60)):
        for i in range(n):
            path = tmp_path / split / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, size=(28, 28, 3), dtype=np.uint8)).save(path)
    load = benchmark.load
    monkeypatch.setattr(benchmark, "load", lambda folder, split, step: load(folder, split, 1))
    options = SimpleNamespace(data=tmp_path, quick=True, repeats=2, epochs=None, device="cpu")
    figures = benchmark.measure(benchmark.neighbor, options)
    assert list(figures) == list(LEAKS)
    assert figures["a tenth"]["leaked_leaky"]["min"] == 1.0
    assert figures["a tenth"]["n_leaked"] == 6 and figures["all"]["n_leaked"] == 60
    assert figures["all"]["all_leaky"]["min"] == 1.0
    assert figures["all"]["all_clean"]["max"] < 0.8
    assert figures["a tenth"]["all_clean"] == figures["all"]["all_clean"]
