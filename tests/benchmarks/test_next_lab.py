"""The benchmark of the next laboratory: its cells, its figures, its page, and the command."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin

import skblood
from benchmarks import _labs, leave_one_out, query
from benchmarks._labs import Laboratory, divide, read_laboratory, simulate
from benchmarks.next_lab import __main__ as command, _page, _readings
from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells

CLASSES = ["erythroblast", "ig", "monocyte", "neutrophil", "platelet"]


def write_cells(folder, counts, seed=0):
    """Write noise: a folder for each class."""
    rng = np.random.default_rng(seed)
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
    return folder


class TestFolders:
    def read(self, folder, counts, classes=CLASSES, most=100):
        return read_laboratory(f"there={write_cells(folder, counts)}", folder, classes, most)

    def test_names_of_other_laboratories_become_those_of_the_model(self, tmp_path):
        counts = {"Monocytes": 2, "Band_Neutrophil": 1, "SNE": 3, "metamyelocyte": 1, "NRBC": 1}
        lab = self.read(tmp_path, counts)
        found = dict(zip(*np.unique(lab.y, return_counts=True), strict=True))
        assert found == {"monocyte": 2, "neutrophil": 4, "ig": 1, "erythroblast": 1}
        assert lab.name == "there" and lab.notes == () and lab.groups is None
        assert all(
            ("Monocytes" in path) == (y == "monocyte") for path, y in zip(lab.X, lab.y, strict=True)
        )

    def test_unknown_labels_are_left_out_and_named(self, tmp_path):
        lab = self.read(
            tmp_path, {"platelet": 2, "artefact": 3, "band neutrophil": 1}, ["platelet"]
        )
        assert lab.y.tolist() == ["platelet"] * 2
        assert lab.notes == ("there: no class of the model, left out: artefact, band neutrophil.",)

    def test_a_folder_of_unknown_classes_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match=r"there.*\['cat', 'dog'\].*'monocyte'.*Rename them"):
            self.read(tmp_path, {"cat": 1, "dog": 1})

    def test_of_a_common_class_some_cells_are_drawn(self, tmp_path):
        lab = self.read(tmp_path, {"monocyte": 9, "platelet": 3}, most=4)
        assert lab.y.tolist() == ["monocyte"] * 4 + ["platelet"] * 3
        assert lab.notes == ("there: at most 4 cells of a class, drawn from 12 cells.",)
        again = read_laboratory(f"there={tmp_path}", tmp_path, CLASSES, most=4)
        assert lab.X.tolist() == again.X.tolist()

    def test_by_name_with_the_groups_of_the_table(self, tmp_path):
        folder = write_cells(tmp_path / "labs" / "bangkok", {"a": 2, "b": 1})
        rows = ["a/0.png,monocyte,s1,", "a/1.png,blast,s1,", "b/0.png,platelet,s2,"]
        (folder / "cells.csv").write_text("\n".join(["path,label,group,subtype", *rows]))
        lab = read_laboratory("bangkok", tmp_path, CLASSES, most=100)
        assert lab.y.tolist() == ["monocyte", "platelet"]
        assert lab.groups.tolist() == ["s1", "s2"]
        assert lab.notes == ("bangkok: no class of the model, left out: blast.",)

    def test_an_unknown_name_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match=r"--labs rome: no folder .*labs.rome.*NAME=FOLDER"):
            read_laboratory("rome", tmp_path, CLASSES, most=100)

    @pytest.mark.real
    @pytest.mark.parametrize(
        ("name", "n_cells", "n_groups"),
        [("home", 3077, None), ("chula", 508, 30), ("jhu", 463, 48), ("wbc_tecom", 300, None)],
    )
    def test_real_ones(self, real_data, name, n_cells, n_groups):
        classes = skblood.load_pretrained("pbc8").classes_
        lab = read_laboratory(name, real_data, classes, 250 if name != "home" else 9999)
        assert len(lab.X) == len(lab.y) == n_cells
        assert (None if lab.groups is None else len(np.unique(lab.groups))) == n_groups


class TestSimulated:
    def test_cells_are_changed_and_labels_are_not(self, monkeypatch):
        X, y = make_blood_cells(70, image_size=16, random_state=0)
        before = X.copy()
        monkeypatch.setitem(_labs.SIMULATED, "dark", lambda batch, generator: batch / 2)
        lab = simulate("dark", Laboratory("home", X, y))
        assert lab.name == "dark" and lab.y is y
        assert lab.X.dtype == np.uint8
        np.testing.assert_allclose(lab.X, before / 2, atol=0.51)
        np.testing.assert_array_equal(X, before)

    @pytest.mark.parametrize("name", _labs.SIMULATED)
    def test_each_gives_the_same_cells_again(self, name):
        X, y = make_blood_cells(6, image_size=32, random_state=0)
        lab, again = (simulate(name, Laboratory("home", X, y)) for _ in range(2))
        np.testing.assert_array_equal(lab.X, again.X)
        assert lab.X.shape == X.shape
        assert not np.array_equal(lab.X, X)


class TestDivide:
    def test_no_group_is_on_both_sides_and_classes_are_halved(self):
        rng = np.random.default_rng(0)
        y = rng.choice(list("abc"), 300)
        groups = rng.integers(0, 40, 300)  # with cells of several classes
        rows, rest = divide(y, groups, rng)
        assert sorted([*rows, *rest]) == list(range(300))
        assert set(groups[rows]) & set(groups[rest]) == set()
        for label in "abc":
            assert (y[rows] == label).mean() == pytest.approx((y[rest] == label).mean(), abs=0.1)
            assert 0.3 < (y[rows] == label).sum() / (y == label).sum() < 0.7

    def test_each_draw_is_another(self):
        y = np.repeat(["a", "b"], 50)
        one, other = (divide(y, None, np.random.default_rng(seed))[0] for seed in (0, 1))
        assert one.tolist() != other.tolist()


class Painter(ClassifierMixin, BaseEstimator):
    """A model that reads a cell's class off a pixel: the right one after adaptation."""

    classes_ = np.array(["a", "b", "c", "d"])
    adaptation_ = SimpleNamespace(steps=("output", "network"))
    training_data_ = {"cell_size": 0.5}
    spec_ = SimpleNamespace(class_factors=None)

    def __init__(self, pixel=1):
        self.pixel = pixel

    def fit(self, X, y):
        raise AssertionError

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return 0.1 + 0.6 * np.eye(4)[X[:, 0, self.pixel, 0]]


def paint(counts, n_groups=None):
    """Return a laboratory whose cells have their class, a wrong one and their number as pixels."""
    codes = np.repeat(np.arange(len(counts)), counts)
    X = np.zeros((len(codes), 2, 2, 3), np.uint8)
    X[:, 0, 0, 0] = codes
    X[:, 0, 1, 0] = (codes + 1) % 4
    X[:, 1, 1, 0] = np.arange(len(codes))
    groups = None if n_groups is None else np.arange(len(codes)) % n_groups
    return Laboratory("painted", X, Painter.classes_[codes], groups)


@pytest.fixture
def calls(monkeypatch):
    """What models are adapted to, in a list that grows; with labels they are right."""
    calls = []

    def adapt(model, X, y=None, *, random_state=None):
        calls.append((X[:, 1, 1, 0], y))
        return Painter(0 if y is not None else 1)

    monkeypatch.setattr(_readings, "adapt", adapt)
    monkeypatch.setattr(_readings, "measured_crop", lambda model, X: 0.5)
    monkeypatch.setattr(_readings, "reconfigure", lambda model, crop: model)
    return calls


class TestFigures:
    def test_scores_by_hand(self, monkeypatch):
        # Blood in which c is frequent: cells of a with c as their second choice become c.
        monkeypatch.setattr(_readings, "class_factors", lambda model, *_: [1.0, 1.0, 9.0, 0.0])
        lab, proba = paint([6, 3, 10]), np.full((19, 4), 0.1)
        proba[:6, 0] = 0.7  # all of a
        proba[0, 2] = 0.2
        proba[6:, 3] = 0.7  # none of b and c
        proba[6:9, 1] = 0.2
        found = _readings.figures_of(Painter(), lab, proba, interval=True)
        assert found["accuracy"] == pytest.approx(6 / 19)
        assert found["balanced_accuracy"] == pytest.approx(1 / 3)
        assert found["f1_macro"] == pytest.approx(1 / 4)  # d is predicted
        assert found["told"]["accuracy"] == pytest.approx(9 / 19)
        assert found["told"]["balanced_accuracy"] == pytest.approx(2 / 3)
        assert found["blood"]["accuracy"] == pytest.approx(10 / 19)  # c, and none of a and b
        assert found["recall"] == {"a": 1.0, "b": 0.0, "c": 0.0}
        assert found["common"] == 0.0  # of c alone
        assert 0 <= found["interval"][0] < 1 / 3 < found["interval"][1] <= 1

    def test_classes_are_told_that_the_scored_half_lacks(self):
        lab, proba = paint([6, 3, 1]), np.full((6, 4), 0.1)
        proba[:, 2] = 0.7
        found = _readings.figures_of(Painter(), lab, proba, np.arange(6))
        assert found["told"]["accuracy"] == 0.0 and found["n_cells"] == 6
        assert "blood" not in found  # of which nobody knows the share of c

    def test_average(self):
        some = [
            {"a": {"b": 1.0, "c": None}, "n": [1, 4], "s": "x"},
            {"a": {"b": 2.0, "c": 5.0}, "n": [2, 4], "s": "y", "d": 7},
        ]
        means = {"a": {"b": 1.5, "c": 5.0}, "n": [1.5, 4.0], "s": "x / y", "d": 7.0}
        assert _readings.average(some) == means
        assert _readings.average([{"a": None}, {"a": None}]) == {"a": None}

    def test_states(self, calls):
        figures = _readings.measure(Painter(), paint([45, 20, 4]), seeds=(0, 1), log=id)
        assert list(figures["unlabeled"]) == ["as they come", "frame", "adapt"]
        assert len(calls) == 1 + 2 * 3 and calls[0][1] is None
        values = {k: each["common"] for k, each in figures["labeled"].items()}
        assert values == {"0": 0.0, "5": 1.0, "10": 1.0, "20": 1.0}
        assert figures["draws"] == {k: [v, v] for k, v in values.items()}
        assert figures["gain"] == 1.0 and figures["crop"] == 0.5
        assert figures["steps"] == "output + network"

    def test_labelled_cells_of_a_group_are_not_scored(self, calls, monkeypatch):
        lab, scored = paint([45, 20, 4], n_groups=9), []
        monkeypatch.setattr(
            Painter,
            "predict_proba",
            lambda model, X: scored.append(X) or np.full((len(X), 4), 0.25),
        )
        _readings.measure(Painter(), lab, seeds=[0], log=id)
        rest = scored[-1][:, 1, 1, 0]
        before = set()
        for (cells, y), k in zip(calls[1:], (5, 10, 20), strict=True):
            counts = [(y == label).sum() for label in "abc"]
            assert counts[:2] == [k, min(k, counts[1])] and counts[2] <= 4
            assert y.tolist() == lab.y[cells].tolist()
            assert set(lab.groups[cells]) & set(lab.groups[rest]) == set()
            assert before < set(cells.tolist())
            before = set(cells.tolist())

    def test_the_other_cells_of_the_labelled_half(self, calls):
        lab = paint([45, 20, 4], n_groups=9)
        _readings.measure(Painter(), lab, seeds=[0], labeled=(5, 10), unlabeled=True, log=id)
        for (cells, y), k in zip(calls[1:], (5, 10), strict=True):
            known = np.array([label is not None for label in y])
            assert 20 < len(cells) < 49 and (~known).any()
            assert y[known].tolist() == lab.y[cells[known]].tolist()
            assert (y == "a").sum() == k

    def test_sets_are_calibrated_with_cells_that_were_not_adapted_to(self, calls, monkeypatch):
        fitted = []

        class Sets:
            def __init__(self, model, confidence_level):
                self.model = model

            def fit(self, X, y):
                fitted.append(X[:, 1, 1, 0])
                return self

            def coverage(self, X, y):
                return SimpleNamespace(marginal=0.9, mean_size=1.5)

        monkeypatch.setattr(_readings, "PredictionSets", Sets)
        figures = _readings.measure(Painter(), paint([45, 25, 20]), seeds=[0], log=id)
        assert figures["sets"] == {"coverage": 0.9, "size": 1.5, "least": 0.9, "most": 0.9}
        (calibrated,), five, ten = fitted, *(set(calls[i][0].tolist()) for i in (1, 2))
        assert set(calibrated.tolist()) == ten - five and len(ten - five) == 15


def stored(model, laboratory, value, trained_on=(), labeled=True):
    """Return a result as it is stored; all of its scores are the same."""
    scores = dict.fromkeys(("balanced_accuracy", "accuracy", "f1_macro"), value)
    state = {**scores, "told": scores, "blood": scores, "common": value}
    result = {
        **{"model": model, "laboratory": laboratory, "trained_on": list(trained_on), "notes": []},
        "unlabeled": dict.fromkeys(("as they come", "frame", "adapt"), state),
        **{"date": "2026-01-01", "machine": "m", "versions": {"skblood": "1"}},
    }
    if labeled:
        result["labeled"] = dict.fromkeys(("0", "5", "10", "20"), state)
        result |= {"gain": 0.02, "sets": {"coverage": 0.9, "least": 0.88, "most": 0.94}}
    return {f"{model}, {laboratory}": result}


class TestPage:
    results = {
        **stored("old", "home", 0.989, labeled=False),
        **stored("old", "chula", 0.71),
        **stored("old", "wbc_tecom", 0.93),
        **stored("old", "eosin", 0.4, labeled=False),
        **stored("new", "chula", 0.99, ["chula"]),
    }

    def test_tables_of_at_most_eight_columns(self):
        page = _page.as_markdown(self.results)
        rows = [line for line in page.splitlines() if line.startswith("|")]
        assert len(rows) > 20 and all(len(row.split(" | ")) <= 8 for row in rows)
        assert max(len(found) for found in re.findall(r"\d\.\d+", page)) == 5

    def test_a_laboratory_of_the_training_is_marked_and_in_no_mean(self):
        page = _page.as_markdown(self.results)
        assert "| chula* | `new` | 0.990 |" in page
        assert "| **mean, not trained on** | `old` | 0.820 |" in page
        assert "**mean, not trained on** | `new`" not in page
        assert "| eosin | `old` | 0.400 |" in page

    def test_labels_and_sets(self):
        line = "| chula | `old` | 0.710 | 0.710 | 0.710 | 0.710 | +0.020 | 0.900 (0.880..0.940) |"
        assert line in _page.as_markdown(self.results)

    def test_what_was_not_measured_is_a_dash(self):
        results = stored("old", "chula", 0.71)
        (result,) = results.values()
        del result["labeled"]["20"], result["sets"]
        line = "| chula | `old` | 0.710 | 0.710 | 0.710 | - | +0.020 | - |"
        assert line in _page.as_markdown(results)

    def test_bars(self):
        found = {
            what: bar.holds(figure) for what, figure, bar in _page.bars_of(self.results, "old")
        }
        missed = [what for what, held in found.items() if not held]
        assert missed == [f"{k} labeled cells a class, mean" for k in ("5", "10", "20")]
        assert len(found) == 9
        assert "0.989, bar >= 0.988" in _page.as_markdown(self.results)


def fit_tiny(tmp_path):
    """Save a small model, and return a folder with cells of three classes and the model's file."""
    X, y = make_blood_cells(320, image_size=28, random_state=0)
    model = TransferCellClassifier("cellnet_t", image_size=28, max_epochs=6, random_state=0)
    model = model.fit(X[:160], y[:160])
    skblood.save(model, tmp_path / "tiny.skblood")
    for i, (image, label) in enumerate(zip(X[160:], y[160:], strict=True)):
        if label in ("ig", "platelet", "lymphocyte"):
            file = tmp_path / "there" / label / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return tmp_path / "there", tmp_path / "tiny.skblood"


@pytest.mark.slow
def test_the_short_form(tmp_path, capsys):
    (folder, file), out = fit_tiny(tmp_path), tmp_path / "out"
    argv = f"--data {tmp_path} --labs there={folder} --quick --out {out} --model {file}"
    status = command.main(argv.split())
    results = json.loads((out / "next_lab.json").read_text())
    assert list(results) == ["tiny, there"]
    result = results["tiny, there"]
    assert set(result["labeled"]) == {"0", "10"}
    assert result["labeled"]["10"]["common"] > 0.5
    assert set(result["labeled"]["10"]["recall"]) == {"ig", "platelet", "lymphocyte"}
    page = (out / "next_lab.md").read_text()
    assert page in capsys.readouterr().out
    assert status == ("missed" in page)


@pytest.mark.slow
def test_query(tmp_path, monkeypatch):
    folder, file = fit_tiny(tmp_path)
    (tmp_path / "128px").mkdir()
    monkeypatch.setattr(query, "LABELS", (5, 10))
    monkeypatch.setattr(query, "_CURVE", (3, 5, 10, 20))
    options = SimpleNamespace(data=tmp_path / "pbc" / "128px", model=str(file), repeats=2)
    figures = query.measure(f"there={folder}", options)
    assert list(figures["lines"]) == ["5 labels", "10 labels", "mean"]
    line = figures["lines"]["10 labels"]
    assert 0.5 < line["random"] < 1 and 0.5 < line["query"] <= 1
    assert line["gain"]["min"] <= line["query"] - line["random"] <= line["gain"]["max"]
    assert 3 <= line["as_good_as"] <= 20 and line["expected"] > 10
    mean = figures["lines"]["mean"]
    assert figures["mean_gain"]["median"] == pytest.approx(mean["query"] - mean["random"])


class TestLeaveOneOut:
    def test_each_class_of_each_source_counts_alike(self):
        def source(n_a, n_b, value_of_a):
            y = np.repeat(["a", "b"], [n_a, n_b])
            return np.where(y == "a", value_of_a, 1 - value_of_a)[:, None], None, y

        head, _ = leave_one_out.fit_head([source(400, 40, 1.0), source(5, 50, 0.0)])
        np.testing.assert_allclose(head.coef_, 0, atol=1e-3)  # they say the opposite
        head, _ = leave_one_out.fit_head([source(400, 40, 1.0), source(5, 50, 1.0)])
        assert head.coef_[0, 0] < -0.5

    def test_recipes(self, monkeypatch):
        classes, y = np.array(["a", "b", "c"]), np.repeat(["a", "b"], 20)
        inputs = np.eye(2)[(y == "b").astype(int)]
        proba = np.tile([0.3, 0.2, 0.5], (40, 1))  # c, which is ruled out, or else a
        labs = {"PBC": inputs, "left": inputs, "other": 1 - inputs}
        monkeypatch.setattr(leave_one_out, "LABS", ("left", "other"))
        monkeypatch.setattr(
            leave_one_out, "read", lambda name, model, data: (labs[name], proba, y, classes)
        )
        figures = leave_one_out.measure("left", SimpleNamespace(model="m", data=Path("pbc/128px")))
        assert figures.keys() == leave_one_out.BENCHMARK.columns.keys()
        assert (figures["model"], figures["home"], figures["others"]) == (0.5, 1.0, 0.0)


def test_it_is_left_out_without_real_cells(monkeypatch, capsys):
    monkeypatch.setattr(command, "find_cells", lambda: None)
    assert command.main(["--quick"]) == 0
    assert "left out" in capsys.readouterr().out
