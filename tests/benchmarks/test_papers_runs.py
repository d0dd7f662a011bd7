"""The recipes of the papers as they run: results, what is not run again, and the tables."""

import dataclasses
import json
import tempfile

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.papers import __main__ as command, _run, _table, comparisons
from benchmarks.papers._catalogue import RECIPES
from benchmarks.papers._recipe import Quick
from benchmarks.papers._run import Setting, read_results, run
from skblood.datasets import make_blood_cells
from skblood.training import TrainingCheckpoint

pytestmark = pytest.mark.slow

_KEYS = ("true", "predicted")
TINY = Quick(image_size=16, n_images=120, max_epochs=2)


def tiny(name, **quick):
    return dataclasses.replace(RECIPES[name], quick=dataclasses.replace(TINY, **quick))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of 160 images of four classes, which are not equally common."""
    X, _ = make_blood_cells(160, image_size=16, random_state=0)
    y = np.tile([0, 1, 2, 3, 0, 1, 2, 0], 20)
    named = {}
    for part, rows in (("train", slice(100)), ("val", slice(100, 120)), ("test", slice(120, 160))):
        named |= {f"{part}_images": X[rows], f"{part}_labels": y[rows]}
    file = tmp_path_factory.mktemp("data") / "cells.npz"
    np.savez(file, **named)
    return file


@pytest.fixture
def setting(data, tmp_path, monkeypatch):
    """Where runs find the images and leave their results; no network, and a temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "work"))
    return Setting(data, weights="none", out=tmp_path / "papers")


@pytest.fixture
def fits(monkeypatch):
    """The folds that are fitted, in a list that grows."""
    fitted = []

    def fit_fold(estimator, cells, fold, predict_all, fit=_run.fit_fold):
        fitted.append(fold)
        return fit(estimator, cells, fold, predict_all)

    monkeypatch.setattr(_run, "fit_fold", fit_fold)
    return fitted


def predictions(result):
    return [np.array(result["predictions"][key].split(), dtype=int) for key in _KEYS]


def same(first, second):
    """Say whether two runs predicted the same, with the same losses."""
    losses = [
        [[epoch["train_loss"] for epoch in fold] for fold in result["history"]]
        for result in (first, second)
    ]
    return first["predictions"] == second["predictions"] and losses[0] == losses[1]


class TestRun:
    def test_the_file_says_all(self, setting):
        result, is_new = run(tiny("batista-mlp", max_epochs=3), setting, seed=1)
        assert is_new
        (file,) = setting.out.iterdir()
        stored = json.loads(file.read_text("utf-8"))["batista-mlp-quick-seed1"]
        assert stored == {key: result[key] for key in stored} | {"scores": stored["scores"]}
        assert stored["scores"]["scores"] == result["scores"]["scores"]
        assert result["recipe"]["parameters"]["max_epochs"] == 3
        assert result["recipe"]["estimator"] == "MLPCellClassifier"
        assert result["weights"] == "random"
        assert "3 instead of 15" in result["cuts"]
        data = result["data"]
        assert data["source"].endswith("/cells.npz")
        assert (data["n_images"], data["image_shape"], data["n_splits"]) == (120, [16, 16, 3], 1)
        n_tested = sum(data["counts_of_first_split"]["test"].values())
        assert 28 <= n_tested <= 32  # the file has a quarter of its images there
        assert len(data["fingerprint"]) == 64
        scores = result["scores"]
        assert np.sum(scores["confusion_matrix"]) == scores["n_images"] == n_tested
        assert set(scores["class_scores"]) == {"precision", "recall", "f1"}
        for name in ("accuracy", "f1_macro", "f1_weighted"):
            assert {"value", "low", "high"} <= scores["scores"][name].keys()
        true, predicted = predictions(result)
        assert (true == predicted).mean() == pytest.approx(scores["scores"]["accuracy"]["value"])
        (history,) = result["history"]
        assert [epoch["epoch"] for epoch in history] == [1, 2, 3]
        assert {"train_loss", "valid_loss", "dur"} <= history[0].keys()
        assert result["fit_seconds"] > 0
        assert {"versions", "machine", "date", "device"} <= result.keys()

    def test_what_is_there_is_not_run_again(self, setting, fits):
        recipe = tiny("veloz-mlp")
        first, _ = run(recipe, setting, seed=0)
        again, is_new = run(recipe, setting, seed=0)
        assert not is_new
        assert again["recipe"] == first["recipe"]
        assert again["scores"]["scores"] == first["scores"]["scores"]
        assert len(fits) == 1

    @pytest.mark.parametrize("changed", ["recipe", "data", "again"])
    def test_another_recipe_or_data_is_run(self, setting, fits, changed, tmp_path):
        recipe = tiny("veloz-mlp")
        run(recipe, setting, seed=0)
        if changed == "recipe":
            recipe = dataclasses.replace(recipe, parameters={**recipe.parameters, "lr": 1e-2})
        elif changed == "data":
            arrays = dict(np.load(setting.data))
            arrays["train_images"] = 255 - arrays["train_images"]
            np.savez(tmp_path / "cells.npz", **arrays)
            setting = dataclasses.replace(setting, data=tmp_path / "cells.npz")
        else:
            setting = dataclasses.replace(setting, again=True)
        _, is_new = run(recipe, setting, seed=0)
        assert is_new
        assert len(fits) == 2

    def test_folds_with_smote(self, setting, fits):
        recipe = dataclasses.replace(
            tiny("battu-cnn-smote", max_epochs=1),
            parameters={**RECIPES["battu-cnn-smote"].parameters, "hidden_layer_sizes": (8,)},
        )
        result, _ = run(recipe, setting, seed=0)
        assert len(fits) == len(result["history"]) == 5
        # Every image was tested once; the sampler added none to them.
        assert result["scores"]["n_images"] == 120

    def test_broken_off_between_folds(self, setting, fits, monkeypatch):
        recipe = dataclasses.replace(tiny("veloz-mlp"), split=RECIPES["battu-cnn-smote"].split)
        whole, _ = run(recipe, setting, seed=0)
        one_by_one = _run.fit_fold

        def break_off(*args):
            if len(fits) == 8:
                raise KeyboardInterrupt
            return one_by_one(*args)

        monkeypatch.setattr(_run, "fit_fold", break_off)
        again = dataclasses.replace(setting, again=True)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, again, seed=0)
        monkeypatch.setattr(_run, "fit_fold", one_by_one)
        result, _ = run(recipe, again, seed=0)
        assert len(fits) == 10  # five, three, and the two that were left
        assert same(result, whole)

    def test_broken_off_within_a_fit(self, setting, monkeypatch, tmp_path):
        recipe = tiny("veloz-mlp", max_epochs=4)
        whole, _ = run(recipe, setting, seed=0)
        epochs = []

        def count(self, net, *args, write=TrainingCheckpoint.on_epoch_end, **kwargs):
            write(self, net, *args, **kwargs)
            epochs.append(len(net.history_))
            if len(epochs) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(TrainingCheckpoint, "on_epoch_end", count)
        again = dataclasses.replace(setting, again=True)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, again, seed=0)
        result, _ = run(recipe, again, seed=0)
        assert epochs == [1, 2, 3, 4]
        assert same(result, whole)
        # Nothing is left of the work.
        assert not list((tmp_path / "work" / "skblood-papers").iterdir())

    def test_scored_on_all_images_as_well(self, setting):
        recipe = dataclasses.replace(tiny("veloz-mlp", max_epochs=8), on_all=True)
        result, _ = run(recipe, setting, seed=0)
        assert result["scores"]["n_images"] == 24
        assert result["scores_on_all"]["n_images"] == 120


class TestCommand:
    def arguments(self, setting, *more):
        return ["--data", str(setting.data), "--out", str(setting.out), *more]

    def test_a_row_that_fails_keeps_none_from_running(self, setting, monkeypatch, capsys):
        broken = {**RECIPES["veloz-mlp"].parameters, "lr": -1.0}
        broken = dataclasses.replace(tiny("veloz-mlp"), parameters=broken)
        monkeypatch.setitem(RECIPES, "veloz-mlp", broken)
        monkeypatch.setitem(RECIPES, "pineda-mlp", tiny("pineda-mlp"))
        names = ["--run", "veloz-mlp", "pineda-mlp"]
        assert command.main(self.arguments(setting, *names, "--seeds", "2")) == 1
        printed = capsys.readouterr()
        assert "Failed: veloz-mlp, quick, seed 0; veloz-mlp, quick, seed 1" in printed.out
        assert "'lr' parameter" in printed.err
        assert len(read_results(setting.out)) == 2

    def test_run_then_table(self, setting, monkeypatch, capsys, tmp_path):
        page = tmp_path / "page.md"
        page.write_text(f"Before.\n{_table._BEGIN}\nstale rows\n{_table._END}\nAfter.\n")
        monkeypatch.setattr(command, "PAGE", page)
        monkeypatch.setattr(command, "RESULTS", setting.out)
        monkeypatch.setitem(RECIPES, "veloz-mlp", tiny("veloz-mlp"))
        assert command.main(self.arguments(setting, "--run", "veloz-mlp", "--table")) == 0
        assert "veloz-mlp, quick, seed 0: accuracy 0." in capsys.readouterr().out
        text = (setting.out / "papers.md").read_text("utf-8")
        assert "| perceptron, 128 units, at 32 px | - | accuracy" in text
        after = page.read_text("utf-8")
        assert after.startswith("Before.\n") and after.endswith("After.\n")
        assert "stale rows" not in after
        assert "- `veloz-mlp`: perceptron, 128 units, at 32 px" in after
        # Results from elsewhere do not get into the documentation.
        page.unlink()
        assert command.main(["--table", "--out", str(tmp_path / "elsewhere")]) == 0


def made_up(name, seed=0, scale="full", right=0.9, **more):
    """Return results as a run leaves them, of which a share is right."""
    rng = np.random.default_rng(seed)
    true = np.arange(200) % 4
    predicted = np.where(rng.random(200) < right, true, (true + 1) % 4)
    accuracy = float((true == predicted).mean())
    score = {"value": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.04}
    return {
        "name": name,
        "scale": scale,
        "seed": seed,
        "weights": "random",
        "cuts": "" if scale == "full" else "fewer",
        "data": {"source": "cells", "image_shape": [16, 16, 3], "fingerprint": "abc"},
        "scores": {"scores": {"accuracy": score, "f1_macro": score}},
        "scores_on_all": None,
        "predictions": {
            "true": " ".join(map(str, true)),
            "predicted": " ".join(map(str, predicted)),
        },
        "fit_seconds": 90.0,
        "machine": "a machine",
        "versions": {"skblood": "0"},
        "date": "2026-01-01",
        **more,
    }


class TestTables:
    def row(self, text, name):
        recipe = RECIPES[name]
        of_paper = text.partition(f"### {recipe.paper}\n")[2].partition("\n### ")[0]
        first = f"`{name}`" if recipe.paper == comparisons.GROUP else recipe.system
        (line,) = [line for line in of_paper.splitlines() if line.startswith(f"| {first} |")]
        return [cell.strip() for cell in line.strip("|").split("|")]

    def test_every_row_has_its_line(self):
        text = _table.render([])
        for name, recipe in RECIPES.items():
            if recipe.paper != comparisons.GROUP:
                assert self.row(text, name)[2:] == ["not run", "", recipe.short]
                assert f"- `{name}`: {recipe.system}" in text
                assert f"Published score: {recipe.place}." in text
                assert recipe.contradiction in text
        assert self.row(text, "batista-cnn-weighted")[1] == "macro-F1 93.8"
        assert "Doerrich" in text
        assert comparisons.GROUP not in text

    def test_one_run_has_an_interval_and_several_a_spread(self):
        score = {"value": 0.9, "low": 0.85, "high": 0.94}
        scores = {"scores": {"accuracy": score, "f1_macro": score}}
        other = {"value": 0.8, "low": 0.7, "high": 0.9}
        others = {"scores": {"accuracy": other, "f1_macro": other}}
        quick = made_up("asghar-vgg16", scale="quick", scores=scores)
        assert self.row(_table.render([quick]), "asghar-vgg16")[2:] == [
            "accuracy 90.0 [85.0, 94.0], macro-F1 90.0 [85.0, 94.0]",
            "quick",
            "",
        ]
        weights = "ImageNet SqueezeNet 1.0 in place of vgg16"
        medium = [
            made_up("asghar-vgg16", seed, "medium", scores=each, weights=weights)
            for seed, each in enumerate((scores, others))
        ]
        text = _table.render([quick, *medium])
        # The largest scale stands in the table, the others are folded away.
        assert self.row(text, "asghar-vgg16")[2:] == [
            "accuracy 85.0 (80.0..90.0), macro-F1 85.0 (80.0..90.0)",
            "medium, 2 seeds",
            "SqueezeNet 1.0 for vgg16",
        ]
        folded = text.partition("<details>")[2]
        assert "Cut down: fewer." in folded
        assert "quick: accuracy 90.0 [85.0, 94.0], macro-F1 90.0 [85.0, 94.0]." in folded

    def test_the_score_on_all_images_stands_beside(self):
        on_all = {"scores": {"accuracy": {"value": 0.9991}}}
        text = _table.render([made_up("asghar-cnn", scores_on_all=on_all)])
        assert self.row(text, "asghar-cnn")[2].endswith("accuracy on all images 99.91")

    def test_comparisons(self):
        text = _table.render(
            [
                made_up(name, seed, right=right)
                for name, right in (("smote-64", 0.8), ("cellnet-64", 0.95))
                for seed in (0, 1)
            ]
        )
        assert f"### {comparisons.GROUP}" in text
        assert self.row(text, "cellnet-64")[3:] == ["2", "random", "1.5"]
        (line,) = [line for line in text.splitlines() if "`smote-64` - `cellnet-64`" in line]
        assert line.count("2 seeds") == 2

    def test_a_page_without_marks(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("No marks.")
        with pytest.raises(ValueError, match=r"page.md must hold <!-- table: begin -->"):
            _table.write_tables([], tmp_path / "papers", page)

    def test_the_page_of_the_documentation_has_its_marks(self):
        text = _table.PAGE.read_text("utf-8")
        assert text.index(_table._BEGIN) < text.index(_table._END)


class TestDifferences:
    def test_of_a_system_and_itself(self):
        runs = {seed: made_up("a", seed) for seed in range(2)}
        found = comparisons.differences(runs, runs, n_resamples=20)
        assert {
            key: found["accuracy"][key] for key in ("mean", "low", "high", "least", "most")
        } == {**dict.fromkeys(("mean", "low", "high", "least", "most"), 0.0)}

    def test_of_a_better_one(self):
        good = {seed: made_up("a", seed, right=0.98) for seed in range(3)}
        bad = {seed: made_up("b", seed + 10, right=0.7) for seed in range(3)}
        found = comparisons.differences(good, bad, n_resamples=200)
        each = [
            [f1_score(*predictions(runs[seed]), average="macro") for runs in (good, bad)]
            for seed in range(3)
        ]
        assert found["f1_macro"]["mean"] == pytest.approx(np.mean([a - b for a, b in each]))
        for score in found.values():
            assert score["n_seeds"] == 3
            assert 0.15 < score["low"] < score["mean"] < score["high"] < 0.4
            assert score["least"] <= score["mean"] <= score["most"]

    def test_of_other_images_or_other_seeds_there_is_none(self):
        first, second = made_up("a"), made_up("b")
        assert comparisons.differences({0: first}, {1: second}) == {}
        second["data"] = {**second["data"], "fingerprint": "def"}
        assert comparisons.differences({0: first}, {0: second}) == {}
