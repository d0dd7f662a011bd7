"""The files that `larger_than_memory` makes, and what it counts."""

import hashlib
import json
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks import larger_than_memory as benchmark
from benchmarks._fit_of_files import count_calls, main
from benchmarks._report import missed_bars
from skblood.datasets import load_image_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A folder of 20 files, made of eight drawn cells."""
    monkeypatch.setattr(benchmark, "N_DRAWN", 8)
    benchmark.make_files(tmp_path / "cells", 20)
    return tmp_path / "cells"


def test_files_are_distinct_photographs(cells):
    paths, y = load_image_folder(cells, return_X_y=True)
    assert len(paths) == 20
    assert len(set(y)) > 1
    contents = set()
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", (360, 363))
            contents.add(hashlib.sha256(np.asarray(image)).digest())
    assert len(contents) == 20


def test_only_what_is_missing_is_made(cells):
    paths = sorted(cells.rglob("*.jpg"))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}
    paths[7].unlink()
    benchmark.make_files(cells, 20)
    # The same file, made anew; the others were left alone.
    assert paths[7].read_bytes() == before.pop(paths[7])[1]
    assert all(path.stat().st_mtime_ns == time for path, (time, _) in before.items())


def test_calls_are_counted():
    module = SimpleNamespace(double=lambda x: 2 * x)
    calls = count_calls(module, "double")
    assert [module.double(x) for x in range(5)] == [0, 2, 4, 6, 8]
    assert next(calls) == 5


def test_two_fits(cells, tmp_path, capsys, monkeypatch):
    from skblood.images import _decode

    monkeypatch.setattr(_decode, "_read_file", _decode._read_file)  # to be put back
    figures = []
    for _ in range(2):
        main(str(cells), str(tmp_path / "memory"), "0")
        figures.append(json.loads(capsys.readouterr().out))
    assert [each["decoded"] for each in figures] == [20, 0]
    assert all(each["peak_gb"] > 0.1 and each["training_s"] > 0 for each in figures)


def test_measure_puts_both_together(tmp_path, monkeypatch):
    found = iter([{"peak_gb": 1.0, "decoded": 9}, {"peak_gb": 2.6, "decoded": 1}])
    made = []
    monkeypatch.setattr(benchmark, "make_files", lambda folder, n: made.append((folder.name, n)))
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda *args, **options: SimpleNamespace(stdout=f"noise\n{json.dumps(next(found))}\n"),
    )
    (tmp_path / "memory").mkdir()
    options = SimpleNamespace(quick=True, folder=tmp_path, threads=None)
    figures = benchmark.measure(options)
    assert made == [("cells_4000", 4000)]
    assert not (tmp_path / "memory").exists()  # else the first fit would find it all done
    assert figures["n_files"] == 4000
    assert (figures["first_decoded"], figures["second_peak_gb"]) == (9, 2.6)
    bars = benchmark.BENCHMARK.rows["cellnet_64"].bars
    assert missed_bars(figures, bars) == ["second_peak_gb", "second_decoded"]
    assert bars.keys() <= benchmark.COLUMNS.keys()
