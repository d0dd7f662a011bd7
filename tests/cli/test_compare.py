"""`skblood compare`."""

import json

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def other_model(shell, cell_folder, tmp_path_factory):
    """A model that has learned little."""
    file = tmp_path_factory.mktemp("other") / "other.skblood"
    tiny = ("--estimator", "mlp", "--epochs", "1", "--set", "hidden_layer_sizes=[2]")
    shell("train", cell_folder, "--out", file, *tiny)
    return file


def test_models(shell, model_file, other_model, cell_folder, tmp_path):
    out = tmp_path / "differences.csv"
    words = ("compare", other_model, model_file, cell_folder, "--out", out)
    result = shell(*words)
    assert result.stdout.startswith("15 images, 2 models; intervals of 95% confidence")
    assert "differences, second model minus first" in result.stdout
    table = pd.read_csv(out)
    assert table["score"].tolist() == ["accuracy", "balanced_accuracy", "f1_macro"] + 3 * ["recall"]
    assert "--overwrite" in shell(*words, code=1).stderr
    document = json.loads(shell(*words[:-2], "--json", "--split", "all").stdout)
    assert document["n_images"] == 78
    assert [row["model"] for row in document["scores"]] == ["other", "cells"]


def test_tables_give_the_same_as_models(shell, model_file, other_model, cell_folder, tmp_path):
    for model in (model_file, other_model):
        shell("evaluate", model, cell_folder, "--out", tmp_path / model.stem)
    tables = [tmp_path / model.stem / "predictions.csv" for model in (model_file, other_model)]
    of_tables = json.loads(shell("compare", *tables, "--json").stdout)
    of_models = shell("compare", model_file, other_model, cell_folder, "--json").stdout
    assert [row["model"] for row in of_tables["scores"]] == [x.parent.name for x in tables]
    for one, other in zip(
        of_tables["differences"], json.loads(of_models)["differences"], strict=True
    ):
        assert one | {"a": "", "b": ""} == other | {"a": "", "b": ""}


def test_groups(shell, model_file, other_model, cell_table):
    file = cell_table(lambda frame: frame.assign(slide=[f"S{i % 6}" for i in range(len(frame))]))
    words = ("compare", model_file, other_model, file, "--group-column", "slide", "--json")
    document = json.loads(shell(*words).stdout)
    assert document["n_groups"] == len(document["by_group"]) == 6


def test_mistakes(shell, model_file, cell_folder, tmp_path):
    assert "two or more models and DATA" in shell("compare", model_file, cell_folder, code=2).stderr
    same = shell("compare", model_file, model_file, cell_folder, code=1).stderr
    assert "`names` must be 2 different names" in same
    message = shell("compare", model_file, "missing.skblood", cell_folder, code=1).stderr
    assert "There is no model file 'missing.skblood'" in message
    assert "There is no table" in shell("compare", "a.csv", "b.csv", code=1).stderr
    tables = [tmp_path / f"{name}.csv" for name in "ab"]
    tables[0].write_text("path,true,label\n1.png,ig,ig\n2.png,ig,ig\n")
    tables[1].write_text("path,true,label\n1.png,ig,ig\n3.png,ig,ig\n")
    message = shell("compare", *tables, code=1).stderr
    assert f"1 are only in that of 'a', such as '{tmp_path / '2.png'}'" in message
    assert "no parts" in shell("compare", *tables, "--split", "val", code=2).stderr


def test_the_same_classes_and_crop_for_all_models(shell, model_file, other_model, cell_folder):
    """The scores are those of `evaluate` with the same options."""
    options = ("--crop", "0.8", "--classes", "basophil,monocyte,platelet", "--prior", "equal")
    words = (cell_folder, *options, "--json")
    document = json.loads(shell("compare", model_file, other_model, *words).stdout)
    for model, row in zip((model_file, other_model), document["scores"], strict=True):
        alone = json.loads(shell("evaluate", model, *words).stdout)
        assert row["accuracy"] == alone["scores"]["accuracy"]["value"]
    message = shell("compare", "a.csv", "b.csv", "--crop", "0.8", code=2).stderr
    assert "name models and DATA" in " ".join(message.split())
