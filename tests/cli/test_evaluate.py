"""`skblood evaluate`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import skblood
from skblood.cli import _evaluate, _output
from skblood.datasets import load_image_folder
from skblood.evaluation import evaluate

from .conftest import CLASSES, TINY, draw


@pytest.fixture(scope="module")
def expected(model_file, test_cells):
    """The report of the library."""
    return evaluate(skblood.load(model_file), test_cells.data, test_cells.target)


def test_test_part(shell, model_file, cell_folder, expected):
    assert shell("evaluate", model_file, cell_folder).stdout == f"{expected}\n"
    result = shell("evaluate", model_file, cell_folder, "--json")
    assert json.loads(result.stdout) == json.loads(json.dumps(expected.to_dict()))


def test_a_pretrained_model_by_name(shell, cell_folder):
    result = shell("evaluate", "pbc8", cell_folder)
    assert result.stderr.startswith("model: pbc8 (pretrained)\n")
    assert result.stdout.startswith("15 images, 8 classes")


def test_another_part(shell, model_file, cell_folder):
    def first_words(data, *more):
        return shell("evaluate", model_file, data, *more).stdout[:9]

    assert first_words(cell_folder, "--split", "val") == "15 images"
    assert first_words(cell_folder, "--split", "all") == "78 images"
    assert first_words(cell_folder / "val") == "15 images"


@pytest.mark.parametrize(
    ("part", "split", "message"),
    [("val", "val", "has no parts"), (".", "tset", "has the parts train, val, test, not 'tset'")],
)
def test_no_such_part(shell, model_file, cell_folder, part, split, message):
    words = ("evaluate", model_file, cell_folder / part, "--split", split)
    assert message in shell(*words, code=1).stderr


@pytest.mark.parametrize("words", [["{model}"], ["{cells}", "{model}"]])
def test_a_model_where_the_images_go(shell, model_file, cell_folder, words):
    names = {"model": model_file, "cells": cell_folder}
    message = shell("evaluate", *(word.format(**names) for word in words), code=2).stderr
    images = cell_folder if len(words) > 1 else "cells/"
    assert "is a model file; name images after it" in message
    assert f"skblood evaluate {model_file} {images}" in " ".join(message.split())
    assert "is a model file; DATA" in shell("audit", model_file, code=2).stderr


def test_class_with_the_name_of_a_column(shell, cell_folder, tmp_path):
    """Its column of numbers is not taken for paths."""
    for part, label in (("train", "basophil"), ("test", "basophil"), ("train", "platelet")):
        (tmp_path / part).mkdir(exist_ok=True)
        name = {"basophil": "path"}.get(label, label)
        (tmp_path / part / name).symlink_to(cell_folder / part / label)
    (tmp_path / "test" / "platelet").symlink_to(cell_folder / "test" / "platelet")
    shell("train", tmp_path, "--out", tmp_path / "a.skblood", *TINY)
    shell("evaluate", tmp_path / "a.skblood", tmp_path, "--out", tmp_path / "e")
    table = pd.read_csv(tmp_path / "e" / "confusion_matrix.csv")
    assert table["path"].sum() + table["platelet"].sum() == 10


def test_files(shell, model_file, cell_folder, expected, tmp_path):
    out = tmp_path / "new" / "evaluation"
    shell("evaluate", model_file, cell_folder, "--out", out)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["scores"]["f1_macro"]["value"] == expected.scores["f1_macro"].value
    confusions = pd.read_csv(out / "confusion_matrix.csv", index_col=0)
    assert confusions.index.tolist() == list(confusions) == list(CLASSES)
    assert np.array_equal(confusions, expected.confusion_matrix)
    assert pd.read_csv(out / "classes.csv")["support"].tolist() == [5, 5, 5]
    predictions = pd.read_csv(out / "predictions.csv")
    assert list(predictions)[:4] == ["path", "true", "label", "probability"]
    right = (predictions["true"] == predictions["label"]).mean()
    assert right == pytest.approx(expected.scores["accuracy"].value)
    for name in ("confusion_matrix", "wrong_cells"):
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 100


def test_picture_of_wrong_cells(shell, model_file, test_cells, tmp_path, monkeypatch):
    """Surest first, with probability and file, and how many there are."""
    drawn = []
    write = _output.Output.write_picture
    monkeypatch.setattr(_output.Output, "write_picture", lambda *a: drawn.append(a[2]) or write(*a))
    monkeypatch.setattr(_evaluate, "_MOST_SHOWN", 2)
    test_cells.frame.assign(label="basophil").to_csv(tmp_path / "cells.csv", index=False)
    shell("evaluate", model_file, tmp_path / "cells.csv", "--out", tmp_path / "e")
    table = pd.read_csv(tmp_path / "e" / "predictions.csv").query("true != label")
    first = table.sort_values("probability", ascending=False).iloc[0]
    figure = drawn[-1]
    assert figure.get_suptitle() == f"2 of {len(table)} wrong predictions, surest first"
    assert figure.axes[0].get_xlabel() == f"{first.probability:.2f}, {Path(first.path).name}"


def test_existing_files(shell, model_file, test_cells, tmp_path):
    """Without errors there is no picture of them, not even an old one."""
    right = skblood.load(model_file).predict(test_cells.data) == test_cells.target
    test_cells.frame[right].to_csv(tmp_path / "right.csv", index=False)
    out = tmp_path / "evaluation"
    out.mkdir()
    (out / "wrong_cells.png").write_text("old")
    words = ("evaluate", model_file, tmp_path / "right.csv", "--out", out)
    assert "wrong_cells.png" in shell(*words, code=1).stderr
    assert [path.name for path in out.iterdir()] == ["wrong_cells.png"]
    assert shell(*words, "--overwrite", "--json").stdout.count('"value": 1.0') > 3
    assert len(list(out.iterdir())) == 5
    assert not (out / "wrong_cells.png").exists()


def test_other_classes(shell, model_file, cell_folder, tmp_path):
    cells = shutil.copytree(cell_folder / "test", tmp_path / "cells")
    (cells / "platelet").rename(cells / "thrombocyte")
    assert "'thrombocyte'" in shell("evaluate", model_file, cells, code=1).stderr
    shutil.rmtree(cells / "thrombocyte")
    result = shell("evaluate", model_file, cells, "--json")
    metrics = json.loads(result.stdout)
    assert metrics["support"] == [5, 5, 0]
    assert metrics["absent_classes"] == ["platelet"]
    assert metrics["class_scores"]["recall"][2] == {"value": None, "low": None, "high": None}
    assert (
        "1 of the model's 3 classes has no image here: platelet."
        in shell("evaluate", model_file, cells, "--out", tmp_path / "out").stdout
    )
    table = pd.read_csv(tmp_path / "out" / "classes.csv", keep_default_na=False)
    assert table.loc[2, "recall"] == ""


def test_integers_of_a_table_for_classes_that_are_text(shell, tmp_path):
    X, names = draw(48, 7)
    codes = np.unique(names, return_inverse=True)[1]
    clf = skblood.MLPCellClassifier((8,), max_epochs=2, random_state=0).fit(X, codes.astype(str))
    skblood.save(clf, tmp_path / "cells.skblood")
    np.savez(tmp_path / "cells.npz", test_images=X, test_labels=codes)
    words = ("evaluate", tmp_path / "cells.skblood", tmp_path / "cells.npz")
    scores = json.loads(shell(*words, "--json", "--out", tmp_path / "out").stdout)["scores"]
    assert scores["accuracy"]["value"] == pytest.approx(clf.score(X, codes.astype(str)))
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert (predictions["true"] == predictions["label"]).mean() == scores["accuracy"]["value"]


@pytest.mark.filterwarnings("always:The folders in")
def test_folders_of_a_split_with_another_name(shell, model_file, cell_folder, tmp_path):
    shutil.copytree(cell_folder / "train", tmp_path / "cells" / "training")
    shutil.copytree(cell_folder / "test", tmp_path / "cells" / "testing")
    result = shell("evaluate", model_file, tmp_path / "cells", code=1)
    assert "warning: The folders in" in result.stderr
    shell("evaluate", model_file, tmp_path / "cells" / "testing")  # the advice taken


def test_groups(shell, model_file, cell_table):
    file = cell_table(lambda frame: frame.assign(slide=np.arange(len(frame)) % 5))
    result = shell("evaluate", model_file, file, "--group-column", "slide", "--json")
    assert json.loads(result.stdout)["n_groups"] == 5


def test_columns_are_carried_through(shell, model_file, cell_table, tmp_path):
    """Also a name that the table of predictions has."""
    file = cell_table(lambda frame: frame.assign(slide="01", true=range(len(frame))))
    shell("evaluate", model_file, file, "--out", tmp_path / "e")
    frame = pd.read_csv(tmp_path / "e" / "predictions.csv", dtype=str)
    assert list(frame)[7:] == ["model", "split", "slide", "given_true"]
    assert set(frame["slide"]) == {"01"} and set(frame["split"]) == {"test"}
    assert frame["given_true"].tolist() == [str(i) for i in range(63, 78)]


def test_each_image_is_read_once(shell, model_file, cell_folder, count_decodes, tmp_path):
    """But for those that are drawn, which are read again."""
    shell("evaluate", model_file, cell_folder)
    assert count_decodes() == {1}
    shell("evaluate", model_file, cell_folder, "--out", tmp_path / "evaluation")
    assert (tmp_path / "evaluation" / "wrong_cells.png").exists()
    assert count_decodes() == {1, 2}


def test_classes_that_are_left_out(shell, model_file, cell_folder, test_cells, tmp_path):
    cells = shutil.copytree(cell_folder / "test", tmp_path / "cells")
    for name in ("blast", "smudge"):
        shutil.copytree(cells / "platelet", cells / name)
    refused = shell("evaluate", model_file, cells, code=1).stderr
    assert "'blast', 'smudge'" in refused and "leave their images out: --leave-out" in refused
    for command in ("evaluate", "compare"):
        models = [model_file] * (1 + (command == "compare"))
        models[1:] = [shutil.copy(each, tmp_path / "b.skblood") for each in models[1:]]
        result = shell(command, *models, cells, "--leave-out", "blast, smudge,none", "--json")
        assert json.loads(result.stdout)["n_images"] == 15
        sentence = "10 of 25 images are left out: blast 5, smudge 5, none 0."
        assert result.stderr.count(sentence) == 1
    model = skblood.load(model_file)
    bunch = load_image_folder(cells)
    groups = np.arange(25) % 7
    report = evaluate(
        model, bunch.data, bunch.target, groups=groups, leave_out=["blast", "smudge", "none"]
    )
    assert report.note == sentence
    assert report.scores["accuracy"].value == model.score(test_cells.data, test_cells.target)
    assert report.n_groups == len(set(groups[np.isin(bunch.target, model.classes_)]))
    pixels = evaluate(
        model, model.read_images(bunch.data), bunch.target, leave_out="blast smudge".split()
    )
    assert np.array_equal(pixels.confusion_matrix, report.confusion_matrix)
    one = evaluate(model, test_cells.data, test_cells.target, leave_out="platelet")
    assert one.note == "5 of 15 images are left out: platelet 5." and one.n_images == 10
    with pytest.raises(ValueError, match="leaves no image"):
        evaluate(model, test_cells.data, test_cells.target, leave_out=model.classes_)
    with pytest.raises(ValueError, match="'smudge'"):
        evaluate(model, bunch.data, bunch.target, leave_out="blast")


def test_left_out_numbers_of_a_table(shell, model_file, cell_table, tmp_path):
    """A table may write 7 for a class; other columns keep their cells."""

    def change(frame):
        frame.loc[frame.index % 3 == 0, "label"] = "7"
        return frame.assign(slide=range(len(frame)))

    words = ("evaluate", model_file, cell_table(change), "--leave-out", "7", "--split", "all")
    shell(*words, "--group-column", "slide", "--out", tmp_path / "e")
    table = pd.read_csv(tmp_path / "e" / "predictions.csv")
    assert table["slide"].tolist() == [i for i in range(78) if i % 3]
