"""`skblood count`."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

CLASSES = ["basophil", "ig", "neutrophil", "platelet"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with predictions of two slides: 150 cells of S1, 120 of 007."""
    monkeypatch.chdir(tmp_path)
    labels = ["neutrophil"] * 140 + ["ig"] * 10 + ["neutrophil"] * 110 + ["platelet"] * 10
    frame = pd.DataFrame({"path": [f"cells/{i}.png" for i in range(270)], "label": labels})
    frame["probability"] = 0.9
    frame.loc[[0, 149, 150], "probability"] = 0.4
    for name in CLASSES:
        frame[f"p_{name}"] = (frame["label"] == name).astype(float)
    frame["slide"] = ["S1"] * 150 + ["007"] * 120
    frame["patient"] = "P"
    frame["p_note"] = "x"
    frame.to_csv("predictions.csv", index=False)
    return tmp_path


def by_class(document, slide, name="count"):
    return {row["class"]: row for row in document[name] if row["slide"] == slide}


class TestPredictions:
    def test_by_slide(self, shell, folder):
        result = shell("count", "predictions.csv", "--group-column", "slide")
        assert result.stdout.startswith("2 slides, 4 classes")
        assert "007: 110 white cells" in result.stdout
        document = json.loads(
            shell("count", "predictions.csv", "--group-column", "slide", "--json").stdout
        )
        assert list(by_class(document, "S1")) == ["neutrophil", "basophil", "ig", "platelet"]
        assert [row["percent"] for row in by_class(document, "S1").values()] == [93, 0, 7, None]
        assert by_class(document, "007")["platelet"]["count"] == 10

    def test_reports_of_slides_and_patients(self, shell, folder):
        words = ("count", "predictions.csv", "--group-column", "slide")
        words += ("--patient-column", "patient", "--out", "count")
        shell(*words)
        names = ["count.csv", "count.fhir.json", "count.html"]
        names += [name.replace("count", "patients") for name in names]
        assert sorted(path.name for path in Path("count").glob("[!.]*")) == sorted(names)
        table = pd.read_csv("count/count.csv", dtype=str)
        assert set(table["slide"]) == {"S1", "007"} and set(table["patient"]) == {"P"}
        assert pd.read_csv("count/patients.csv").n_white.tolist() == [260] * 4
        assert "Cells: predictions.csv." in Path("count/count.html").read_text()
        assert len(json.loads(Path("count/count.fhir.json").read_text())["entry"]) == 2
        assert "exists already" in shell(*words, code=1).stderr
        shell(*words, "--overwrite")

    def test_one_slide_of_each_patient(self, shell, folder):
        frame = pd.read_csv("predictions.csv")
        frame.assign(patient=frame["slide"]).to_csv("predictions.csv", index=False)
        words = ("--group-column", "slide", "--patient-column", "patient", "--out", "count")
        shell("count", "predictions.csv", *words)
        assert [*Path("count").glob("patients*")] == []

    def test_patients_alone(self, shell, folder):
        shell("count", "predictions.csv", "--patient-column", "slide", "--out", "count")
        page = Path("count/count.html").read_text()
        assert "Patient <bdi>007</bdi></h2>" in page
        assert "Slide" not in page and "2 patients" in page
        assert not Path("count/patients.html").exists()

    def test_rejected_below_a_probability(self, shell, folder):
        words = ("count", "predictions.csv", "--group-column", "slide", "--json")
        document = json.loads(shell(*words, "--min-probability", "0.5").stdout)
        row = by_class(document, "S1")["neutrophil"]
        assert (row["count"], row["n_rejected"]) == (139, 2)

    def test_unreadable_cells_are_rejected(self, shell, folder):
        frame = pd.read_csv("predictions.csv")
        frame.loc[3, ["label", "probability"]] = None
        frame.to_csv("predictions.csv", index=False)
        assert "all: 259 white cells, and 1 rejected" in shell("count", "predictions.csv").stdout

    def test_without_a_probability(self, shell, folder):
        """Such a cell is not known to be above the limit."""
        frame = pd.read_csv("predictions.csv")
        frame.loc[3, "probability"] = None
        frame.to_csv("predictions.csv", index=False)
        words = ("count", "predictions.csv", "--min-probability")
        assert "and 1 rejected" in shell(*words, "0.3").stdout
        assert "and 4 rejected" in shell(*words, "0.5").stdout
        assert "rejected" not in shell("count", "predictions.csv").stdout

    def test_decimal_commas(self, shell, folder):
        pd.read_csv("predictions.csv").to_csv("comma.csv", index=False, sep=";", decimal=",")
        words = ("--min-probability", "0.5", "--json")
        expected = shell("count", "predictions.csv", *words).stdout
        assert shell("count", "comma.csv", *words).stdout == expected

    @pytest.mark.parametrize("value", ["46.7", "-0.1", "1.234,5", "high"])
    def test_other_numbers_are_no_probabilities(self, shell, folder, value):
        frame = pd.read_csv("predictions.csv").astype({"probability": object})
        frame.loc[3, "probability"] = value
        frame.to_csv("predictions.csv", index=False)
        words = ("count", "predictions.csv", "--min-probability", "0.5")
        message = f"1 probabilities are not numbers from 0 to 1, such as {value!r}"
        assert message in shell(*words, code=1).stderr

    @pytest.mark.parametrize("path", ["cells/7.png", "./cells/7.png", "absolute"])
    def test_a_cell_twice(self, shell, folder, path):
        frame = pd.read_csv("predictions.csv")
        path = f"{folder}/cells/7.png" if path == "absolute" else path
        pd.concat([frame, frame.iloc[7:8].assign(path=path)]).to_csv("twice.csv", index=False)
        message = shell("count", "twice.csv", code=1).stderr
        assert "twice.csv names 1 cells twice" in message and "cells/7.png" in message

    def test_rules(self, shell, folder):
        words = ("count", "predictions.csv", "--group-column", "slide")
        assert "manual look: ig 6.67 % (10), more than 2 %" in shell(*words).stdout
        text = shell(*words, "--rules", "ig=0.1,min_cells=120").stdout
        assert "ig 6.67" not in text and "110 white cells, fewer than 120" in text


class TestCorrections:
    def correct(self, folder, rows, path="{}"):
        table = pd.DataFrame(rows, columns=["path", "label"])
        table["path"] = [path.format(each) for each in table["path"]]
        file = folder / "elsewhere" / "corrections.csv"
        file.parent.mkdir(exist_ok=True)
        table.assign(note="").to_csv(file, index=False)
        return file

    @pytest.mark.parametrize("path", ["{}", "./{}", "../{}", "absolute"])
    def test_labels_of_the_reader_replace_those_of_the_model(self, shell, folder, path):
        """A cell that the reader has decided is not rejected, and may be of a new class."""
        path = f"{folder}/{{}}" if path == "absolute" else path
        rows = [("cells/0.png", "neutrophil"), ("cells/148.png", "blast"), ("cells/1.png", "ig")]
        file = self.correct(folder, rows, path)
        words = ("count", "predictions.csv", "--corrections", file, "--min-probability", "0.5")
        document = json.loads(shell(*words, "--group-column", "slide", "--json").stdout)
        rows = by_class(document, "S1")
        found = {name: (row["count"], row["reviewed"]) for name, row in rows.items()}
        assert found == {
            **{"neutrophil": (139, 1), "basophil": (0, 0), "ig": (9, 1), "blast": (1, 1)},
            "platelet": (0, 0),
        }
        assert rows["blast"]["n_rejected"] == 1 and rows["blast"]["n_reviewed"] == 3
        assert "blast 0.671 % (1)" in rows["blast"]["manual_look"]

    def test_of_other_cells(self, shell, folder):
        file = self.correct(folder, [("cells/0.png", "ig"), ("cells/x.png", "ig")])
        result = shell("count", "predictions.csv", "--corrections", file, code=1)
        assert "1 of 2 corrections that match no cell of predictions.csv" in result.stderr
        assert "cells/x.png" in result.stderr

    def test_of_another_folder_with_the_same_names(self, shell, folder, monkeypatch):
        """A table names the files of its own folder, if they are there."""
        for name in ("A", "B"):
            (folder / name / "cells").mkdir(parents=True)
            (folder / name / "cells" / "0.png").touch()
            shutil.copy("predictions.csv", folder / name)
            pd.DataFrame({"path": ["cells/0.png"], "label": "ig"}).to_csv(
                folder / name / "corrections.csv", index=False
            )
        monkeypatch.chdir(folder / "A")
        result = shell("count", "predictions.csv", "--corrections", "../B/corrections.csv", code=1)
        assert "1 of 1 corrections that match no cell of predictions.csv" in result.stderr
        result = shell("count", "../B/predictions.csv", "--corrections", "corrections.csv", code=1)
        assert "1 of 1 corrections that match no cell" in result.stderr
        for words in (["predictions.csv", "corrections.csv"], ["../B/predictions.csv"] * 2):
            words[1] = words[1].replace("predictions", "corrections")
            result = shell("count", words[0], "--corrections", words[1])
            assert "1 decided by a reader" in result.stdout

    def test_two_labels_of_a_cell(self, shell, folder):
        rows = [("cells/0.png", "ig"), ("cells/1.png", "ig"), ("./cells/0.png", "ig")]
        words = ("count", "predictions.csv", "--corrections")
        assert "2 decided by a reader" in shell(*words, self.correct(folder, rows)).stdout
        file = self.correct(folder, [*rows, ("cells/0.png", "neutrophil")])
        message = shell(*words, file, code=1).stderr
        assert "several labels of 1 cells" in message and "cells/0.png" in message

    def test_cells_labelled_in_the_table_of_a_query(self, shell, folder):
        """Its probability is that of the predicted class, not of the label."""
        frame = pd.read_csv("predictions.csv")[["path", "label", "probability"]][:4]
        frame.insert(1, "predicted", "ig")
        frame.assign(doubt=0.1).to_csv("query.csv", index=False)
        result = shell("count", "query.csv", "--min-probability", "0.95")
        assert "all: 4 cells, 4 decided by a reader" in result.stdout
        frame.assign(label="").to_csv("query.csv", index=False)
        message = shell("count", "query.csv", code=1).stderr
        assert "query.csv: none of the 4 cells has a label" in message

    def test_predictions_of_a_table_with_the_column_predicted(self, shell, folder):
        pd.read_csv("predictions.csv").assign(predicted="ig").to_csv("p.csv", index=False)
        assert "reader" not in shell("count", "p.csv").stdout

    def test_alone(self, shell, folder):
        """The table of a review says itself that its labels are those of a reader."""
        file = self.correct(folder, [("cells/0.png", "neutrophil"), ("cells/1.png", "ig")])
        pd.read_csv(file).assign(predicted="ig").to_csv(file, index=False)
        assert "all: 2 cells, 2 decided by a reader" in shell("count", file).stdout


class TestCells:
    def test_equals_predict_and_count(self, shell, model_file, cell_folder, tmp_path):
        shutil.copytree(cell_folder / "test", tmp_path / "test")
        paths = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("test/*/*.png"))
        table = pd.DataFrame({"path": paths, "slide": ["A", "B", "B"] * 5, "label": "monocyte"})
        table.to_csv(tmp_path / "cells.csv", index=False)
        words = (model_file, tmp_path / "cells.csv", "--group-column", "slide")
        direct = json.loads(shell("count", *words, "--json").stdout)
        shell("predict", model_file, tmp_path / "cells.csv", "--out", tmp_path / "p.csv")
        words = (tmp_path / "p.csv", "--group-column", "slide")
        assert json.loads(shell("count", *words, "--json").stdout) == direct
        shell("count", *words, "--out", tmp_path / "c")
        assert f"Model: <b><bdi>{model_file.name}" in (tmp_path / "c" / "count.html").read_text()
        shell("count", tmp_path / "test", "--model", model_file, "--out", tmp_path / "count")
        many = shell("count", model_file, tmp_path / "test", tmp_path / "cells.csv", code=2)
        assert "one model and one folder or table, not 3 words" in many.stderr
        page = (tmp_path / "count" / "count.html").read_text()
        assert f"Model: <b><bdi>{model_file.name}</bdi>" in page and str(tmp_path) not in page


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--group-column", "slid"], 1, "has no column ['slid']"),
        (["--group-column", "empty"], 1, "270 cells without a 'empty'"),
        (["--rules", "leucocyte=0.1"], 1, "unknown name 'leucocyte'"),
        (["--rules", "blood"], 2, "must be name=limit"),
        (["--min-probability", "50"], 2, "must be from 0 to 1"),
        (["--corrections", "correction.csv"], 1, "There is no table of corrections"),
    ],
)
def test_errors(shell, folder, options, code, message):
    pd.read_csv("predictions.csv").assign(empty="").to_csv("predictions.csv", index=False)
    assert message in shell("count", "predictions.csv", *options, code=code).stderr


def test_no_such_source(shell, folder):
    result = shell("count", "prediction.csv", code=1)
    assert "but there is" in result.stderr and "predictions.csv" in result.stderr
