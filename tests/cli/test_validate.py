"""`skblood validate`: a plan, then a study of labels or counts."""

import json
import os

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*have a power of")
SHARES = "lymphocyte=.4,neutrophil=.6"


@pytest.fixture(scope="module")
def make_plan(shell, tmp_path_factory):
    def make(limits, *options):
        folder = tmp_path_factory.mktemp("plan")
        (folder / "limits.json").write_text(json.dumps(limits))
        words = ["--slides", 10, "--cells", "60", "--simulations", 5, *options]
        path = folder / "plan.json"
        shell("validate", "plan", folder / "limits.json", "--shares", SHARES, "--out", path, *words)
        return path

    return make


@pytest.fixture(scope="module")
def plan(make_plan):
    return make_plan({"bias": 0.05, "kappa": 0.5})


@pytest.fixture
def cells():
    """10 slides of 60 cells, with two labels each that differ in one of 20."""
    rng = np.random.default_rng(0)
    true = rng.random(600) < np.repeat(rng.uniform(0.2, 0.6, 10), 60)
    labels = [np.where(true ^ (rng.random(600) < 0.03), "lymphocyte", "neutrophil") for _ in "abc"]
    table = {"slide": np.repeat([f"S{i}" for i in range(10)], 60), "cell": np.tile(range(60), 10)}
    return pd.DataFrame(table | dict(zip(("Lee", "Kim", "model"), labels, strict=True)))


def long_form(cells):
    return cells.melt(["slide", "cell"], var_name="reader", value_name="label")


def test_study_of_cells(shell, plan, cells, tmp_path):
    file, out = tmp_path / "cells.csv", tmp_path / "out"
    cells.to_csv(file, index=False, sep=";")
    words = ["validate", "analyze", file, "--plan", plan, "--names", "Lee,Kim,model"]
    result = shell(*words, "--out", out)
    assert "Validation: pass; plan of" in result.stdout
    document = json.loads((out / "validation.json").read_text())
    assert document["verdict"] == "pass" and document["names"] == ["Lee", "Kim", "model"]
    assert "Validation of <bdi>model</bdi>" in (out / "validation.html").read_text("utf-8")
    assert (
        len(pd.read_csv(out / "criteria.csv")) == 4 and len(pd.read_csv(out / "classes.csv")) == 2
    )
    long_form(cells).to_csv(file, index=False)
    assert json.loads(shell(*words, "--json").stdout)["classes"] == document["classes"]


def test_counts_and_no_plan(shell, cells, tmp_path):
    file, rows = tmp_path / "counts.csv", long_form(cells).drop(columns="cell")
    rows.to_csv(file, index=False)
    words = ["validate", "analyze", file, "--names", "Lee,Kim,model", "--json"]
    one_by_one = json.loads(shell(*words).stdout)
    assert one_by_one["verdict"] is None and one_by_one["same_cells"] is False
    assert one_by_one["n_cells"] == [600] * 3
    rows.value_counts(sort=False).rename("count").reset_index().to_csv(file, index=False)
    summed = {row["class"]: row for row in json.loads(shell(*words).stdout)["classes"]}
    for row in one_by_one["classes"]:
        assert summed[row["class"]] == {k: pytest.approx(v, nan_ok=True) for k, v in row.items()}


def test_other_readers_of_a_table_do_not_count(shell, cells, tmp_path):
    file, rows = tmp_path / "counts.csv", long_form(cells).drop(columns="cell")
    trainee = pd.DataFrame([["S99", "trainee", "blast"]], columns=rows.columns)
    pd.concat([rows, trainee]).to_csv(file, index=False)
    words = ["validate", "analyze", file, "--names", "Lee,Kim,model", "--json"]
    found = json.loads(shell(*words).stdout)
    assert found["n_slides"] == 10 and len(found["classes"]) == 2
    words[4] = "Lee,Kim,blood8"
    assert "no rows of ['blood8']" in shell(*words, code=1).stderr


def test_confusion_matrix_as_errors(shell, make_plan, tmp_path):
    names = ["lymphocyte", "neutrophil"]
    matrix = pd.DataFrame([[50, 50], [0, 100]], names, names)
    matrix.to_csv(tmp_path / "matrix.csv", index_label="true \\ predicted")
    path = make_plan({"bias": 0.05}, "--separate", "--model-errors", tmp_path / "matrix.csv")
    plan = json.loads(path.read_text())
    assert plan["power"] == 0 and plan["same_cells"] is False
    assert plan["assumptions"]["model_rates"] == [[0.5, 0.5], [0, 1]]


def test_data_that_are_older_than_the_plan(shell, plan, cells, tmp_path):
    file = tmp_path / "cells.csv"
    cells.to_csv(file, index=False)
    os.utime(file, (0, 0))
    words = ["validate", "analyze", file, "--plan", plan, "--names", "Lee,Kim,model"]
    assert "not stated beforehand" in shell(*words, code=1).stderr


def test_rows_with_an_empty_cell_are_left_out(shell, cells, tmp_path):
    file = tmp_path / "cells.csv"
    cells.loc[3, "Kim"] = ""
    cells.to_csv(file, index=False)
    result = shell("validate", "analyze", file, "--names", "Lee,Kim,model", "--json")
    assert "1 rows with an empty cell" in result.stderr
    assert json.loads(result.stdout)["n_cells"] == [599] * 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_limits_of_other_encodings(make_plan, shell, tmp_path, encoding):
    (tmp_path / "limits.json").write_text('{"bias": 0.1}', encoding)
    words = ["--shares", SHARES, "--slides", 5, "--simulations", 1, "--out", tmp_path / "p.json"]
    shell("validate", "plan", tmp_path / "limits.json", *words)
    (tmp_path / "limits.json").write_text('{"bias": 0.1, "bias": 0.9}', encoding)
    words[-1] = tmp_path / "other.json"
    assert "twice" in shell("validate", "plan", tmp_path / "limits.json", *words, code=1).stderr


def test_several_labels_of_a_cell(shell, cells, tmp_path):
    file, rows = tmp_path / "cells.csv", long_form(cells)
    words = ["validate", "analyze", file, "--names", "Lee,Kim,model"]
    pd.concat([rows, rows.iloc[[7]]]).to_csv(file, index=False)
    assert "such as ['S0', '7', 'Lee']" in shell(*words, code=1).stderr


@pytest.mark.parametrize("count", ["x", "12,5", "1.5", "-1", "inf"])
def test_counts_that_are_no_numbers_of_cells(shell, cells, tmp_path, count):
    file, rows = tmp_path / "counts.csv", long_form(cells).drop(columns="cell")
    rows.assign(count=["2"] * 9 + [count] + ["3"] * (len(rows) - 10)).to_csv(file, index=False)
    result = shell("validate", "analyze", file, "--names", "Lee,Kim,model", code=1)
    assert f"has a count of {count!r}" in result.stderr


def test_a_slide_that_a_reader_did_not_count(shell, cells, tmp_path):
    file, rows = tmp_path / "counts.csv", long_form(cells).drop(columns="cell")
    rows[(rows["reader"] != "Kim") | (rows["slide"] != "S4")].to_csv(file, index=False)
    result = shell("validate", "analyze", file, "--names", "Lee,Kim,model", code=1)
    assert "has no cells of 'Kim' on slide 'S4'" in result.stderr


def test_errors_of_other_classes(shell, tmp_path):
    names = ["blast", "neutrophil"]
    pd.DataFrame([[50, 50], [0, 100]], names, names).to_csv(tmp_path / "matrix.csv")
    (tmp_path / "limits.json").write_text('{"bias": 0.1}')
    words = ["--shares", SHARES, "--model-errors", tmp_path / "matrix.csv"]
    words += ["--out", tmp_path / "p.json"]
    result = shell("validate", "plan", tmp_path / "limits.json", *words, code=1)
    assert "`model_errors` must have classes as rows" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["analyze", "{file}"], 1, "no column ['reader_1', 'reader_2'"),
        (["analyze", "{file}", "--names", "a,b"], 2, "must be three names"),
        (["analyze", "{file}", "--plan", "none.json"], 1, "There is no plan"),
        (
            ["plan", "{file}", "--shares", SHARES, "--out", "p.json"],
            1,
            "not a JSON object of limits",
        ),
        (
            ["plan", "{limits}", "--shares", "blood", "--out", "p.json"],
            2,
            "class=share,class=share",
        ),
        (
            ["plan", "{limits}", "--shares", SHARES, "--out", "p.json", "--cells", "x"],
            2,
            "must be numbers",
        ),
    ],
)
def test_errors(shell, cells, tmp_path, words, code, message):
    file = tmp_path / "cells.csv"
    cells.to_csv(file, index=False)
    limits = tmp_path / "limits.json"
    limits.write_text('{"bias": 0.1}')
    words = [word.format(file=file, limits=limits) for word in words]
    result = shell("validate", *words, code=code)
    assert message in result.stderr
