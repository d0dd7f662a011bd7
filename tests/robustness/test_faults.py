"""Faults while a model is saved, and damage to its file: the old model or the new, or an error.

A small sample; ``python -m benchmarks.reliability`` does the whole.
"""

import tempfile

import numpy as np
import pytest

from benchmarks import reliability
from benchmarks._command import parse
from tests.robustness._faults import FAULTS, SAVED, damaged_models, run_faults
from tests.robustness._outcome import ANSWER, REFUSED, SILENCE, Outcome

pytestmark = pytest.mark.slow

fcntl = pytest.importorskip("fcntl", reason="faults are made as POSIX systems make them")


@pytest.mark.parametrize("name", ["transfer", "mlp", "pipeline"])
def test_damaged_files(name, tmp_path):
    flips, cuts = damaged_models(name, 40, 10, tmp_path, np.random.default_rng(0))
    outcomes = flips + cuts
    assert not [outcome.detail for outcome in outcomes if not outcome.is_allowed]
    assert len(outcomes) == 50
    assert sum(outcome.kind == REFUSED for outcome in cuts) == 10


def test_damage_is_seen(tmp_path, monkeypatch):
    """Loading what is on the disk though a byte is wrong would be told."""
    monkeypatch.setattr("skblood.load", lambda path: SAVED["mlp"]())
    flips, _ = damaged_models("transfer", 2, 1, tmp_path, np.random.default_rng(0))
    assert {outcome.kind for outcome in flips} == {"wrong answers"}


@pytest.mark.parametrize(("name", "n", "kinds"), [("kill", 3, {ANSWER}), ("disk", 2, {REFUSED})])
def test_faults(name, n, kinds, tmp_path):
    outcomes, notes = run_faults(name, tmp_path, n, 0)
    assert not [outcome.detail for outcome in outcomes if not outcome.is_allowed]
    assert {outcome.kind for outcome in outcomes} == kinds
    assert len(outcomes) >= n
    assert notes


def test_read_only_folder():
    # Not in pytest's own folder: root becomes nobody, who could not get there.
    with tempfile.TemporaryDirectory() as folder:
        outcomes, _ = run_faults("folder", folder, 1, 0)
    assert [outcome.kind for outcome in outcomes] == [REFUSED], outcomes[0].detail
    assert "The file was not written" in outcomes[0].detail


class TestReport:
    def options(self, *argv):
        return parse(reliability.BENCHMARK, argv)

    def test_figures(self, capsys):
        options = self.options("--seed", "3")
        outcomes = [Outcome(ANSWER), Outcome(REFUSED), Outcome(SILENCE, "what")]
        figures = reliability._figures(reliability._tally_of(outcomes), options, ["A note."])
        assert figures == {
            "calls": 3,
            "answered": 1,
            "refused": 1,
            "defects": 1,
            SILENCE: 1,
            "notes": ["Seed 3.", "A note."],
        }
        assert "wrongly accepted: what" in capsys.readouterr().out

    def test_a_defect_misses_the_bar(self):
        for row in reliability.ROWS.values():
            bar = row.bars["defects"]
            assert bar.holds(0)
            assert not bar.holds(1)

    def test_seed_is_drawn_once_and_printed(self, capsys):
        options = self.options()
        assert reliability._seed(options) == reliability._seed(options)
        assert capsys.readouterr().out == f"--seed {options.seed}\n"

    def test_rows_name_what_there_is(self):
        faults = {row.measure.args[0] for name, row in reliability.ROWS.items() if "save" in name}
        assert faults == set(FAULTS)
        assert {f"load, {name}" for name in SAVED} <= reliability.ROWS.keys()
