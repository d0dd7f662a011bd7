"""The harness of the benchmarks: nothing real is timed here."""

import json
from itertools import count
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as suite, real_cells
from benchmarks._command import Benchmark, Row, find_cells, parse, run
from benchmarks._measure import alternate, rates, ratio, rounds_to_fill, settle_on, summary
from benchmarks._report import (
    RESULTS,
    Bar,
    cell,
    missed_bars,
    origins,
    processor,
    provenance,
    read_rows,
    store_row,
    table,
)

pytestmark = pytest.mark.slow


class FakeTime:
    """A clock that stands still unless something takes time."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def takes(self, name, *seconds):
        durations = iter(seconds)

        def thing():
            self.calls.append(name)
            self.now += next(durations)

        return thing


class TestAlternate:
    def test_things_run_by_turns_after_a_warm_up(self):
        time = FakeTime()
        things = {"a": time.takes("a", 9, 1, 2, 3), "b": time.takes("b", 9, 4, 5, 6)}
        seconds = alternate(things, 3, clock=time)
        assert "".join(time.calls) == "ab" + "ab" * 3
        assert seconds == {"a": [1, 2, 3], "b": [4, 5, 6]}

    def test_warm_up_can_be_left_out(self):
        time = FakeTime()
        assert alternate({"a": time.takes("a", 1)}, 1, warm_up=False, clock=time) == {"a": [1]}
        assert time.calls == ["a"]

    def test_passes_of_a_turn_are_one_figure(self):
        time = FakeTime()
        things = {"a": time.takes("a", 1, 2, 3, 4), "b": time.takes("b", *[1] * 4)}
        seconds = alternate(things, 2, passes=2, warm_up=False, clock=time)
        assert "".join(time.calls) == "aabb" * 2
        assert seconds == {"a": [3, 7], "b": [2, 2]}

    def test_the_device_is_waited_for_within_the_time(self):
        time = FakeTime()
        pending = []

        def settle():
            time.now += sum(pending)
            pending.clear()

        things = {"a": lambda: pending.append(5), "b": lambda: None}
        assert alternate(things, 2, settle=settle, clock=time) == {"a": [5, 5], "b": [0, 0]}

    def test_a_cpu_is_not_waited_for(self):
        assert settle_on("cpu") is None


class TestRatios:
    def test_rates_of_equal_and_of_unequal_work(self):
        seconds = {"a": [2.0, 4.0], "b": [1.0, 1.0]}
        assert rates(seconds, 8) == {"a": [4, 2], "b": [8, 8]}
        assert rates(seconds, {"a": 8, "b": 2})["b"] == [2, 2]

    def test_a_ratio_is_taken_round_by_round(self):
        """A machine that was four times slower in a round was so for both."""
        series = {"ours": [10, 2.5, 12], "bare": [10, 2.5, 10]}
        assert ratio(series, "ours", "bare") == {"median": 1.0, "min": 1.0, "max": 1.2}

    def test_rounds_that_do_not_match_are_an_error(self):
        with pytest.raises(ValueError, match="shorter"):
            ratio({"a": [1, 2], "b": [1]}, "a", "b")

    def test_summary(self):
        assert summary([3, 1, 2]) == {"median": 2, "min": 1, "max": 3}

    @pytest.mark.parametrize("one_round, rounds", [(0.5, 16), (3.0, 3), (100.0, 2)])
    def test_rounds_to_fill(self, one_round, rounds):
        assert rounds_to_fill(8.0, one_round) == rounds

    def test_one_round_is_enough_where_it_is_asked_for(self):
        assert rounds_to_fill(8.0, 100.0, least=1) == 1


class TestBars:
    @pytest.mark.parametrize(
        "bar, figure, holds",
        [
            (Bar(">=", 0.95), 0.95, True),
            (Bar(">=", 0.95), 0.94, False),
            (Bar("<=", 1.3), 1.3, True),
            (Bar("<=", 1.3), 1.31, False),
            (Bar("<=", 0.0), 0, True),
            (Bar(">=", 0.95), float("nan"), False),
            (Bar("<=", 0.95), None, False),
            (Bar(">=", 1.0), {"median": 1.1, "min": 0.2, "max": 2.0}, True),
            (Bar(">=", 1.0), {"median": 0.9, "min": 0.2, "max": 2.0}, False),
        ],
    )
    def test_holds(self, bar, figure, holds):
        assert bar.holds(figure) is holds

    def test_missed_bars(self):
        bars = {"low": Bar(">=", 1), "high": Bar(">=", 1), "never": Bar("<=", 1)}
        bars["left out"] = Bar(">=", 1)
        assert missed_bars({"low": 0.5, "high": 2, "never": None}, bars) == ["low", "never"]


class TestCells:
    def test_figure_with_its_spread(self):
        assert cell({"median": 1.234, "min": 1, "max": 2}, ".2f") == "1.23 (1.00..2.00)"

    def test_missed_bar_is_marked(self):
        assert cell(0.5, ".2f", Bar(">=", 0.95)) == "0.50, **missed** bar >= 0.95"
        assert cell(1.0, ".2f", Bar(">=", 0.95)) == "1.00, bar >= 0.95"

    def test_figure_that_could_not_be_had(self):
        assert cell(None, ".2f") == "-"
        assert cell(None, ".2f", Bar("<=", 0.5)) == "-, **missed** bar <= 0.5"

    def test_table(self):
        assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]


class TestProvenance:
    def test_what_is_told(self):
        told = provenance()
        assert list(told) == ["date", "machine", "versions"]
        assert "CPU cores" in told["machine"] and "threads" in told["machine"]
        wanted = {"skblood", "python", "torch", "torchvision", "timm", "skorch", "scikit-learn"}
        assert wanted <= told["versions"].keys()

    def test_the_processor_has_a_name(self):
        assert processor()

    def test_rows_of_one_origin_are_told_once(self):
        here = {"date": "2026-01-01", "machine": "a CPU", "versions": {"torch": "2.6"}}
        there = here | {"machine": "a GPU"}
        assert origins({"a": here, "b": here}) == ["Measured on a CPU; torch 2.6; 2026-01-01."]
        assert origins({"a": here, "b": there, "c": here}) == [
            "- a, c: a CPU; torch 2.6; 2026-01-01.",
            "- b: a GPU; torch 2.6; 2026-01-01.",
        ]


def test_store_row_keeps_the_others(tmp_path):
    folder = tmp_path / "made" / "results"
    store_row(folder, "speed", "a", {"x": 1}, lambda rows: f"{list(rows)}")
    rows = store_row(folder, "speed", "b", {"x": 2}, lambda rows: f"{list(rows)}")
    assert rows == read_rows(folder / "speed.json") == {"a": {"x": 1}, "b": {"x": 2}}
    assert (folder / "speed.md").read_text() == "['a', 'b']"
    assert read_rows(folder / "other.json") == {}


@pytest.fixture
def no_cells(monkeypatch, tmp_path):
    monkeypatch.setenv("SKBLOOD_DATA_HOME", str(tmp_path / "nowhere"))


@pytest.fixture
def benchmark(no_cells):
    """A benchmark of which `good` meets its bar and `bad` does not."""
    values = count(1)
    return Benchmark(
        "speed",
        "Speed",
        "How fast it is.",
        {
            "good": Row("a fast one", lambda options: {"speed": 2.0}, {"speed": Bar(">=", 1.0)}),
            "bad": Row("a slow one", lambda options: {"speed": 0.5}, {"speed": Bar(">=", 1.0)}),
            "free": Row("no bar", lambda options: {"speed": float(next(values)), "notes": ["Hm."]}),
            "real": Row("on cells", lambda options: {"speed": 0.0}, {}, needs_data=True),
        },
        {"speed": ("times", ".1f"), "other": ("other", "d")},
    )


class TestRun:
    def test_all_bars_met(self, benchmark, tmp_path, capsys):
        assert run(benchmark, ["--only", "good", "free", "--out", str(tmp_path)]) == 0
        page = (tmp_path / "speed.md").read_text()
        assert page in capsys.readouterr().out
        assert page.startswith("# Speed\n\nHow fast it is.\n\n| row | what | times | other |\n")
        assert "\n| `good` | a fast one | 2.0, bar >= 1 | - |\n" in page
        assert "\n- Hm.\n" in page and "\nMeasured on " in page
        rows = json.loads((tmp_path / "speed.json").read_text())
        assert list(rows) == ["good", "free"]
        assert rows["good"]["figures"] == {"speed": 2.0}
        assert rows["good"]["bars"] == {"speed": [">=", 1.0]}
        assert rows["free"]["notes"] == ["Hm."]

    def test_missed_bar(self, benchmark, tmp_path, capsys):
        assert run(benchmark, ["--only", "good", "bad", "--out", str(tmp_path)]) == 1
        assert "Below the bar: bad (speed)" in capsys.readouterr().out
        assert "0.5, **missed** bar >= 1" in (tmp_path / "speed.md").read_text()

    def test_only_keeps_former_rows(self, benchmark, tmp_path):
        run(benchmark, ["--only", "free", "bad", "--out", str(tmp_path)])
        assert run(benchmark, ["--only", "free", "--out", str(tmp_path)]) == 0
        rows = read_rows(tmp_path / "speed.json")
        assert rows["free"]["figures"] == {"speed": 2.0}  # the second measurement
        assert rows["bad"]["figures"] == {"speed": 0.5}
        lines = (tmp_path / "speed.md").read_text().splitlines()
        rows = [line.split("`")[1] for line in lines if line.startswith("| `")]
        assert rows == ["bad", "free"]  # in the order of the benchmark

    def test_a_gpu_has_files_of_its_own(self, benchmark, tmp_path, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a GPU")
        run(benchmark, ["--only", "good", "--device", "cuda", "--out", str(tmp_path)])
        rows = read_rows(tmp_path / "speed_cuda.json")
        assert rows["good"]["machine"].startswith("a GPU, ")
        assert not (tmp_path / "speed.json").exists()

    def test_a_gpu_that_is_not_there(self, benchmark, monkeypatch, capsys):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(SystemExit):
            run(benchmark, ["--device", "cuda"])
        assert "no CUDA device" in capsys.readouterr().err

    def test_quick_form_writes_only_where_it_is_told_to(self, benchmark, tmp_path):
        assert parse(benchmark, []).out == RESULTS
        assert parse(benchmark, ["--quick"]).out is None
        run(benchmark, ["--quick", "--only", "good", "--out", str(tmp_path)])
        assert {path.name for path in tmp_path.iterdir()} == {"speed.json", "speed.md"}

    def test_quick_form_has_fewer_rounds(self, benchmark):
        assert parse(benchmark, ["--quick"]).repeats < parse(benchmark, []).repeats == 5
        assert parse(benchmark, ["--quick", "--repeats", "7"]).repeats == 7

    def test_quick_bars(self, no_cells, capsys):
        row = Row(
            "x", lambda options: {"x": 2}, {"x": Bar(">=", 3)}, quick_bars={"x": Bar(">=", 1)}
        )
        benchmark = Benchmark("b", "B", "", {"x": row}, {"x": ("x", "d")})
        assert run(benchmark, ["--quick"]) == 0
        assert "2, bar >= 1" in capsys.readouterr().out

    def test_rows_that_need_cells_are_left_out_and_named(self, benchmark, capsys):
        assert run(benchmark, ["--quick", "--only", "real"]) == 0
        assert "real: left out; it needs real cells" in capsys.readouterr().out

    def test_rows_that_need_cells_run_on_those_that_are_named(self, benchmark, tmp_path, capsys):
        run(benchmark, ["--quick", "--only", "real", "--data", str(tmp_path)])
        assert "| `real` | on cells | 0.0 | - |" in capsys.readouterr().out

    def test_unknown_row(self, benchmark):
        with pytest.raises(SystemExit):
            run(benchmark, ["--only", "nothing"])

    def test_a_row_of_several_lines(self, no_cells, capsys):
        row = Row("x", lambda options: {"1": {"x": 1}, "2": {"x": 2}}, {"x": Bar("<=", 1)})
        benchmark = Benchmark(
            "b",
            "B",
            "",
            {"n": row},
            {"x": ("x", "d")},
            lines=lambda name, figures: [(f"{name} {k}", v) for k, v in figures.items()],
        )
        run(benchmark, ["--quick"])
        out = capsys.readouterr().out
        assert "| `n 1` | x | 1, bar <= 1 |\n| `n 2` | x | 2, **missed** bar <= 1 |" in out


def test_cells_are_found_as_the_tests_find_them(monkeypatch, tmp_path):
    monkeypatch.setenv("SKBLOOD_DATA_HOME", str(tmp_path))
    assert find_cells() is None
    (tmp_path / "pbc" / "128px").mkdir(parents=True)
    assert find_cells() == tmp_path / "pbc" / "128px"


class TestSuite:
    def run(self, statuses, *argv):
        commands = []

        def start(command, cwd):
            commands.append(command)
            return statuses.get(command[2].removeprefix("benchmarks."), 0)

        return suite.main(list(argv), start), commands

    def test_each_has_its_process_and_the_options(self):
        status, commands = self.run({}, "--quick", "--threads", "1")
        assert status == 0
        assert [command[2] for command in commands] == [f"benchmarks.{n}" for n in suite.NAMES]
        assert all(command[3:] == ["--quick", "--threads", "1"] for command in commands)

    @pytest.mark.parametrize("code", [1, 2, -9])
    def test_one_that_fails_fails_all_and_stops_none(self, code, capsys):
        status, commands = self.run({"throughput": code})
        assert status == 1 and len(commands) == len(suite.NAMES)
        assert "broken off: throughput" in capsys.readouterr().out

    def test_only(self):
        assert len(self.run({}, "--only", "memory", "scaling", "--quick")[1]) == 2

    def test_names_are_those_of_the_modules(self):
        modules = {path.stem for path in RESULTS.parent.glob("[!_]*.py")}
        alone = {"real_cells", "transfer", "field", "pretrain", "pretrain_blood"}
        assert modules == {*suite.NAMES, *alone}


def test_committed_results_of_real_cells_can_be_read():
    rows = read_rows(RESULTS / "real_cells.json")
    page = real_cells.as_markdown(rows)
    assert rows and all(f"`{real_cells.ROWS[name].what}`" in page for name in rows)


class TestFiguresOfBenchmarks:
    """What some benchmarks make of their measurements."""

    def test_time_to_accuracy(self):
        from benchmarks.time_to_accuracy import figures_of, time_to

        curve = [(10.0, 0.97), (20.0, 0.99), (30.0, 0.98)]
        assert time_to(curve, 0.99) == 20.0
        assert time_to(curve, 0.995) is None

        slow = [(40.0, 0.97), (80.0, 0.98), (120.0, 0.992)]
        figures = figures_of({"ours": [curve, curve], "reference": [slow, slow[:2]]}, 0.99)
        assert figures["seconds"]["median"] == 20.0
        # A reference that never gets there counts with its whole training.
        assert figures["time_ratio"] == {"median": (1 / 6 + 1 / 4) / 2, "min": 1 / 6, "max": 1 / 4}
        assert figures["reached"] == 1.0 and figures["reference_reached"] == 0.5

    def test_never_there(self):
        from benchmarks.time_to_accuracy import BENCHMARK, figures_of

        never, there = [(10.0, 0.5)], [(10.0, 1.0)]
        figures = figures_of({"ours": [never], "reference": [there]}, 0.99)
        row = BENCHMARK.rows["cellnet_64"]
        assert missed_bars(figures, row.bars) == ["time_ratio", "reached"]

    def test_passes_of_the_stock_search(self):
        from benchmarks.search import count_stock_passes

        # 6 candidates in 5 folds of 80 of 100 images, and the refit; each image scored once each.
        assert count_stock_passes(100, 30) == (30 * (6 * 5 * 80 + 100), 6 * 100)

    def test_every_benchmark_shows_a_figure_for_each_bar(self):
        from importlib import import_module

        for name in suite.NAMES:
            benchmark = import_module(f"benchmarks.{name}").BENCHMARK
            assert benchmark.name == name
            for row in benchmark.rows.values():
                for bars in (row.bars, row.bars_of(SimpleNamespace(quick=True))):
                    assert bars.keys() <= benchmark.columns.keys()
