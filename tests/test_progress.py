"""Progress: bars, lines, and when they are shown."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from skblood import MLPCellClassifier, audit, query
from skblood._writing import announce, show_progress, track
from skblood.images import map_images, read_images


@pytest.fixture
def slow(monkeypatch):
    """Show everything at once, as if it took seconds."""
    monkeypatch.setattr("skblood._writing._DELAY", 0)
    monkeypatch.setattr("skblood._writing._BETWEEN_LINES", 0)


@pytest.fixture
def files(tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path in paths:
        Image.new("RGB", (16, 16), "white").save(path)
    return paths


def test_lines_of_a_log(slow, capsys):
    with show_progress(), track(2000, "reading") as update:
        update(500)
        update(1500)
    lines = ["reading: 500 of 2,000 images, 0 s left", "reading: 2,000 of 2,000 images, 0 s left"]
    assert capsys.readouterr().err.splitlines() == lines


def test_lines_of_an_unknown_total(slow, capsys):
    with show_progress(), track(None, "predict") as update:
        update(0)
        update(1500)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "predict: 0 images, 0.0 a second"
    assert second.startswith("predict: 1,500 images, ") and second.endswith(" a second")


def test_lines_of_a_total_that_is_learned(slow, capsys):
    totals = iter([None, 2000])
    with show_progress(), track(lambda: next(totals), "predict") as update:
        update(0)
        update(500)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "predict: 0 images, 0.0 a second"
    assert second == "predict: 500 of 2,000 images, 0 s left"


def test_what_is_quick_is_not_shown(capsys):
    with show_progress(), track(3, "reading") as update:
        update(3)
    assert capsys.readouterr() == ("", "")


def test_bar_of_a_terminal(slow, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with show_progress(), track(3, "reading") as update:
        update(3)
    assert "reading:" in terminal.getvalue() and "/3 [" in terminal.getvalue()
    with show_progress(), track(lambda: 7, "reading") as update:
        update(3)
    assert "/7 [" in terminal.getvalue()


def test_nothing_unless_asked_for_and_no_parts(slow, capsys):
    with track(1, "silent") as update:
        update()
    with show_progress(0), track(1, "silent") as update:
        update()
        announce("silent")
    with show_progress(), show_progress(0), track(1, "whole") as update:
        with track(1, "part") as part:
            part()
        update()
    announce("silent")
    assert capsys.readouterr().err == "whole: 1 of 1 images, 0 s left\n"


def test_lost_standard_error(slow, monkeypatch, capsys):
    """Progress does not go to the results instead, and stops nothing."""
    full = io.StringIO()
    full.close()
    full.isatty = lambda: False
    for stream in (None, full):
        monkeypatch.setattr(sys, "stderr", stream)
        with show_progress(), track(1, "reading") as update:
            announce("reading")
            update()
    assert capsys.readouterr().out == ""


def test_reading(slow, files, capsys):
    read_images(files)
    map_images(np.shape, files)
    assert capsys.readouterr().err == ""
    read_images(files, progress=True)
    assert capsys.readouterr().err == "reading: 3 of 3 images, 0 s left\n"
    with show_progress():
        map_images(np.shape, files)
    assert capsys.readouterr().err.count("reading: ") == 3


def test_network(slow, capsys):
    """A classifier with verbose=1 shows its passes; what it gives is the same."""
    X = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)
    clf = MLPCellClassifier((4,), max_epochs=1, random_state=0).fit(X, np.arange(70) % 2)
    silent = clf.predict_proba(X)
    assert capsys.readouterr().err == ""
    shown = clf.set_params(verbose=1).predict_proba(X)
    assert capsys.readouterr().err.splitlines()[-1] == "network: 70 of 70 images, 0 s left"
    np.testing.assert_array_equal(silent, shown)


def test_verbose_functions(slow, files, capsys):
    """Also with a model that is silent."""
    X = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    clf = MLPCellClassifier((4,), max_epochs=1, random_state=0).fit(X, np.arange(24) % 2)
    for verbose in (0, 1):
        audit(files, verbose=verbose)
        query(clf, X, 2, random_state=0, verbose=verbose)
        lines = capsys.readouterr().err.splitlines()
        actions = {line.partition(":")[0] for line in lines}
        expected = {"reading", "network", "random choices to compare with"}
        assert actions == (expected if verbose else set())
