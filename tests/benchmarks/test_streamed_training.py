"""Scores and times that `streamed_training` measures, on a few drawn cells."""

from types import SimpleNamespace

import pytest
from PIL import Image

from benchmarks import streamed_training as benchmark
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow


@pytest.fixture
def options(tmp_path):
    """Options of a short run, with a folder of cells of two classes."""
    weights = {"platelet": 1, "neutrophil": 1}
    for part, n in {"train": 80, "val": 40}.items():
        X, y = make_blood_cells(n, image_size=28, class_weights=weights, random_state=n)
        for i, (image, label) in enumerate(zip(X, y, strict=True)):
            file = tmp_path / part / label / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return SimpleNamespace(data=tmp_path, quick=True, repeats=2)


def test_quality(options, monkeypatch):
    monkeypatch.setattr(benchmark, "SHARD", 10)
    for how in ({}, {"order": "sorted", "share": 0.5}, {"order": "shuffled", "share": 0.1}):
        figures = benchmark.measure_quality(options, **how)
        assert figures["accuracy"] > 0.4
        assert set(figures) == set(list(benchmark.COLUMNS)[:4])


def test_time(options):
    assert benchmark.measure_time(options)["ratio"] > 0
