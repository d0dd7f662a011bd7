"""The benchmark of the next laboratory: its cells, what models read of them, and the command."""

import json
import tempfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from PIL import Image

from benchmarks.next_lab import __main__ as command
from benchmarks.next_lab import _labs, _models, _readings
from benchmarks.next_lab._labs import Laboratory, draw_each, read_folder, read_home, simulate
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow

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
    def test_names_of_other_laboratories_become_those_of_home(self, tmp_path):
        counts = {"Monocytes": 2, "Band_Neutrophil": 1, "SNE": 3, "metamyelocyte": 1, "NRBC": 1}
        lab = read_folder("there", write_cells(tmp_path, counts), CLASSES, most=100)
        found = dict(zip(*np.unique(lab.y, return_counts=True), strict=True))
        assert found == {"monocyte": 2, "neutrophil": 4, "ig": 1, "erythroblast": 1}
        assert lab.notes == ()
        assert all(
            ("Monocytes" in path) == (y == "monocyte") for path, y in zip(lab.X, lab.y, strict=True)
        )

    def test_a_class_that_home_does_not_have_is_not_named_after_another(self, tmp_path):
        folder = write_cells(tmp_path, {"band neutrophil": 1, "monocyte": 1})
        lab = read_folder("there", folder, ["monocyte", "platelet"], most=100)
        assert lab.y.tolist() == ["monocyte"]

    def test_unknown_folders_are_left_out_and_named(self, tmp_path):
        folder = write_cells(tmp_path, {"platelet": 2, "artefact": 3, "blast": 1})
        lab = read_folder("there", folder, CLASSES, most=100)
        assert lab.y.tolist() == ["platelet"] * 2
        assert lab.notes == ("there: no class of home, left out: artefact, blast.",)

    def test_a_folder_of_unknown_classes_is_an_error(self, tmp_path):
        folder = write_cells(tmp_path, {"cat": 1, "dog": 1})
        with pytest.raises(ValueError, match=r"there.*\['cat', 'dog'\].*'monocyte'.*Rename them"):
            read_folder("there", folder, CLASSES, most=100)

    def test_of_a_common_class_some_cells_are_drawn(self, tmp_path):
        folder = write_cells(tmp_path, {"monocyte": 9, "platelet": 3})
        lab = read_folder("there", folder, CLASSES, most=4)
        assert lab.y.tolist() == ["monocyte"] * 4 + ["platelet"] * 3
        assert lab.notes == ("there: at most 4 cells of a class, drawn from 12 cells.",)
        again = read_folder("there", folder, CLASSES, most=4)
        assert lab.X.tolist() == again.X.tolist()

    def test_home_keeps_apart_what_calibrates_and_what_is_simulated(self, tmp_path):
        for split in ("train", "val", "test"):
            write_cells(tmp_path / split, {"monocyte": 8, "platelet": 3})
        home = read_home(tmp_path, most=3)
        assert sorted(home.simulation.y.tolist()) == ["monocyte"] * 3 + ["platelet"]
        val = set(home.simulation.X) | set(home.calibration.X)
        assert len(home.simulation.X) + len(home.calibration.X) == len(val) == 11
        assert all("val" in path for path in val) and all("test" in path for path in home.test.X)

    @pytest.mark.real
    def test_originals_are_a_laboratory_as_any_other(self, real_data):
        home = read_home(real_data / "pbc" / "128px", most=40)
        classes = np.unique(home.train.y).tolist()
        lab = read_folder("originals", real_data / "pbc" / "originals_val", classes, most=250)
        assert np.unique(lab.y, return_counts=True)[1].tolist() == [25] * 8
        assert lab.notes == ()
        assert len(home.simulation.y) == 320 and len(home.calibration.y) == 1539 - 320


def test_fewer_are_among_more():
    codes = np.repeat([0, 1, 2], [30, 20, 5])
    some = draw_each(codes, [5, 3, 0], np.random.default_rng(1))
    more = draw_each(codes, [10, 3, 2], np.random.default_rng(1))
    assert np.bincount(codes[some], minlength=3).tolist() == [5, 3, 0]
    assert np.bincount(codes[more]).tolist() == [10, 3, 2]
    assert set(some) < set(more) and (np.diff(more) > 0).all()


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


class Painter:
    """A model that reads a cell's class off its first pixel; as it is, off the one beside it."""

    classes_ = np.array(["a", "b", "c"])
    adaptation_ = SimpleNamespace(steps=("output", "network"))

    def __init__(self, pixel=1):
        self.pixel = pixel

    def predict_proba(self, X):
        return 0.1 + 0.7 * np.eye(3)[X[:, 0, self.pixel, 0]]


@pytest.fixture
def adapted(monkeypatch):
    """What models are adapted to, in a list that grows; adapted models are right."""
    calls = []

    def adapt(model, X, y=None, *, random_state=None):
        calls.append((X[:, 1, 1, 0], y))
        return Painter(pixel=0)

    monkeypatch.setattr(_readings, "adapt", adapt)
    return calls


def paint(counts, of_home=False):
    """Return a laboratory whose cells have their class, a wrong one and their number as pixels."""
    codes = np.repeat([0, 1, 2], counts)
    X = np.zeros((len(codes), 2, 2, 3), np.uint8)
    X[:, 0, 0, 0] = codes
    X[:, 0, 1, 0] = codes if of_home else (codes + 1) % 3
    X[:, 1, 1, 0] = np.arange(len(codes))
    return Laboratory("painted", X, Painter.classes_[codes]), codes


class TestReadings:
    home, _ = paint([10, 10, 10], of_home=True)

    def read(self, counts, draws=2):
        laboratory, codes = paint(counts)
        return _readings.read_elsewhere(Painter(), laboratory, self.home, draws), codes

    def test_states(self, adapted):
        states, codes = self.read([45, 20, 4])
        assert list(states) == [
            *("zero-shot", "unlabelled", "unlabelled, others"),
            *(f"{k} labelled" for k in (1, 5, 10, 20)),
            *(f"{k} labelled, rest unlabelled" for k in (1, 5, 10, 20)),
        ]
        right = {
            state: [(each.proba.argmax(axis=1) == codes[each.rows]).mean() for each in readings]
            for state, readings in states.items()
        }
        assert right.pop("zero-shot") == [0.0]
        assert right.pop("unlabelled") == right.pop("unlabelled, others") == [1.0]
        assert set(map(tuple, right.values())) == {(1.0, 1.0)}
        steps = {state: readings[0].steps for state, readings in states.items()}
        assert steps.pop("zero-shot") == "" and set(steps.values()) == {"output + network"}

    def test_each_half_is_read_by_a_model_that_saw_the_other(self, adapted):
        states, _ = self.read([45, 20, 4])
        (some, no_labels), (others, _), (everything, _) = adapted[:3]
        assert no_labels is None
        assert sorted([*some, *others]) == sorted(everything) == list(range(69))
        (reading,) = states["unlabelled, others"]
        assert reading.rows[: len(others)].tolist() == others.tolist()
        assert sorted(reading.rows) == list(range(69))

    def test_labelled_cells_are_not_read(self, adapted):
        states, codes = self.read([45, 20, 4])
        labelled = {k: adapted[3 + i : 11 : 4] for i, k in enumerate((1, 5, 10, 20))}
        # Class 2 has too few cells; of class 1 half are labelled at most.
        expected = {1: [1, 1, 0], 5: [5, 5, 0], 10: [10, 10, 0], 20: [20, 10, 0]}
        for k, draws in labelled.items():
            for (cells, y), reading in zip(draws, states[f"{k} labelled"], strict=True):
                assert np.bincount(codes[cells], minlength=3).tolist() == expected[k]
                assert y.tolist() == Painter.classes_[codes[cells]].tolist()
                assert sorted([*cells, *reading.rows]) == list(range(69))
                assert reading.labelled == sum(expected[k])
        first, second = (set(cells) for cells, _ in labelled[10])
        assert first != second

    def test_sets_are_calibrated_with_labelled_cells_that_were_not_adapted_to(
        self, adapted, monkeypatch
    ):
        calibrated = []

        def sets_of(calibration, codes, proba):
            calibrated.append(len(codes))
            return proba > 0.5

        monkeypatch.setattr(_readings, "prediction_sets", sets_of)
        states, _ = self.read([45, 20, 4], draws=1)
        # With home's 30 cells until there are labels; then with 20 - 10 and 30 - 20.
        assert sorted(calibrated) == [10, 10, 10, 10, 30, 30, 30, 30]
        assert states["1 labelled"][0].sets is None
        assert states["5 labelled"][0].sets is None  # 10 - 2 are too few
        assert states["10 labelled"][0].sets.shape == (49, 3)

    def test_the_rest_is_seen_without_labels(self, adapted):
        states, _ = self.read([45, 20, 4], draws=1)
        for (alone, known), (cells, y), k in zip(
            adapted[3:7], adapted[7:11], (1, 5, 10, 20), strict=True
        ):
            (reading,) = states[f"{k} labelled, rest unlabelled"]
            assert cells[: len(alone)].tolist() == alone.tolist()
            assert y[: len(alone)].tolist() == known.tolist()
            assert cells[len(alone) :].tolist() == reading.rows.tolist()
            assert set(y[len(alone) :]) == {None}
            assert reading.labelled == len(alone)

    def test_no_more_labels_than_half_a_class(self, adapted):
        states, _ = self.read([25, 25, 25], draws=1)
        assert list(states)[-1] == "10 labelled, rest unlabelled"

    def test_without_draws_no_cell_is_labelled(self, adapted):
        states, _ = self.read([45, 20, 4], draws=0)
        assert list(states) == ["zero-shot", "unlabelled", "unlabelled, others"]

    def test_draws_do_not_depend_on_how_many_run_at_a_time(self, adapted):
        laboratory, _ = paint([20, 20, 20])
        with parallel_config("threading"):
            alone, together = (
                _readings.read_elsewhere(Painter(), laboratory, self.home, 3, n_jobs)
                for n_jobs in (1, 3)
            )
        rows = [
            [each.rows.tolist() for each in states["5 labelled"]] for states in (alone, together)
        ]
        assert rows[0] == rows[1] and rows[0][0] != rows[0][1]

    def test_rare_cells_are_not_labelled(self, adapted):
        states, _ = self.read([15, 5, 1])
        assert list(states) == ["zero-shot", "unlabelled", "unlabelled, others"]

    def test_at_home(self):
        (reading,) = _readings.read_at_home(Painter(), self.home, self.home)["home"]
        assert reading.rows.tolist() == list(range(30))
        assert reading.sets[np.arange(30), np.repeat([0, 1, 2], 10)].all()

    def test_prediction_sets_hold_nine_of_ten(self):
        rng = np.random.default_rng(0)
        proba, codes = rng.dirichlet(np.ones(3), 2000), np.arange(2000) % 3
        sets = _readings.prediction_sets(proba[:1000], codes[:1000], proba[1000:])
        assert sets[np.arange(1000), codes[1000:]].mean() == pytest.approx(0.9, abs=0.03)


class TestCommand:
    @pytest.fixture
    def data(self, tmp_path, monkeypatch):
        """Home, and another laboratory with two of its classes and one that is not known."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "work"))
        (tmp_path / "work").mkdir()
        X, y = make_blood_cells(640, image_size=28, random_state=0)
        for i, (image, label) in enumerate(zip(X, y, strict=True)):
            split = ("train", "val", "test")[i % 3]
            if label in ("ig", "platelet") and i % 8 < 4:
                split = "there"
            elif i % 100 == 0:
                split, label = "there", "unknown"
            file = tmp_path / split / label / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
        return tmp_path

    def test_the_short_form(self, data, monkeypatch, capsys):
        monkeypatch.setattr(_readings, "LABELLED", (1,))  # more take longer
        out = data / "out"
        argv = f"--train {data} --labs there={data / 'there'} --draws 1 --quick --out {out}"
        assert command.main(argv.split()) == 1  # a tiny network misses the bar at home
        results = json.loads((out / "next_lab.json").read_text())
        assert list(results) == ["home", "there"]
        assert results["there"]["notes"] == ["there: no class of home, left out: unknown."]
        states = results["there"]["figures"]
        assert list(states) == ["model", "plain"]
        assert list(states["model"])[3:] == ["1 labelled", "1 labelled, rest unlabelled"]
        # Of one cell of each of two classes more is learned than by a network of 23 cells.
        assert states["model"]["1 labelled"]["balanced_accuracy"]["value"] > 0.6
        assert 0 <= states["plain"]["unlabelled"]["balanced_accuracy"]["value"] <= 1
        assert (out / "next_lab.png").is_file()
        assert (out / "next_lab.md").read_text() in capsys.readouterr().out

    def test_what_is_trained_is_kept(self, data, capsys):
        home = read_home(data, most=2)
        models = [_models.get_models("plain", [], home, quick=True)[0] for _ in range(2)]
        assert capsys.readouterr().out.count("is trained") == 1
        (file,) = (data / "work").rglob("*.skblood")
        models += _models.get_models("model", [file], home, quick=True)
        first, *others = (model.predict_proba(home.test.X) for model in models)
        assert all((each == first).all() for each in others)

    def test_a_model_of_other_classes_is_an_error(self, data):
        home = read_home(data, most=2)
        _models.get_models("plain", [], home, quick=True)
        (file,) = (data / "work").rglob("*.skblood")
        fewer = replace(home, train=home.train.take(home.train.y != "ig"))
        with pytest.raises(ValueError, match=r"knows the classes .*'ig'.*another model"):
            _models.get_models("model", [file], fewer, quick=True)

    def test_without_real_cells_nothing_is_measured(self, monkeypatch, capsys):
        monkeypatch.setattr(command, "find_cells", lambda: None)
        assert command.main([]) == 0
        assert "needs real cells" in capsys.readouterr().out

    def test_a_laboratory_needs_a_name(self, capsys):
        with pytest.raises(SystemExit):
            command.main(["--labs", "simulated", "somewhere"])
        assert "--labs somewhere: write NAME=FOLDER" in capsys.readouterr().err
