"""`skblood review`."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest


def cells_of(file):
    """Return the cells of a page by path."""
    found = re.search(r'id="data">(.*?)</script>', file.read_text("utf-8"), re.DOTALL)
    return {cell["path"]: cell for cell in json.loads(found[1])["cells"]}


def test_folders_are_labels_if_all_are_classes(shell, model_file, cell_folder, tmp_path):
    out = tmp_path / "pages" / "review.html"
    result = shell("review", cell_folder / "test", "--model", model_file, "--out", out, "--json")
    assert json.loads(result.stdout) == {"path": str(out), "n_images": 15, "unreadable": {}}
    assert "open it in a browser" in result.stderr
    assert all(f"/{cell['given']}/" in path for path, cell in cells_of(out).items())
    assert "--overwrite" in shell("review", cell_folder, "--out", out, code=1).stderr

    other = tmp_path / "monday"
    shutil.copytree(cell_folder / "test" / "platelet", other)
    shell("review", other, "--model", model_file, "--out", out, "--overwrite")
    assert {cell["given"] for cell in cells_of(out).values()} == {""}


def test_folders_of_which_some_are_classes(shell, model_file, cell_folder, tmp_path):
    """No label is taken, and the reader is told why; names that all are no classes are usual."""
    folder = shutil.copytree(cell_folder / "test", tmp_path / "cells")
    (folder / "platelet").rename(folder / "Platelet")
    words = ("--model", model_file, "--out", tmp_path / "review.html", "--overwrite")
    assert "the model has no class 'Platelet'." in shell("review", folder, *words).stderr
    assert {cell["given"] for cell in cells_of(tmp_path / "review.html").values()} == {""}
    assert "warning" not in shell("review", folder / "Platelet", *words).stderr


def test_table(shell, model_file, cell_folder, cell_table, tmp_path):
    def change(frame):
        return frame.assign(slide="A", label=frame["label"].mask(frame.index == 0, ""))

    file = cell_table(change)
    out = tmp_path / "review.html"
    options = ("--model", model_file, "--out", out, "--group-column", "slide")
    shell("review", file, *options, "--max-cells", "78", "--reference", cell_folder / "train")
    cells = cells_of(out)
    assert len(cells) == 78
    assert {cell["group"] for cell in cells.values()} == {"A"}
    assert sum(cell["given"] == "" for cell in cells.values()) == 1
    assert all(len(cell["alike"]) == 3 for cell in cells.values())


@pytest.mark.parametrize("order", ["neighbors", "query"])
def test_order(shell, model_file, cell_folder, tmp_path, order):
    out = tmp_path / "review.html"
    words = ("--model", model_file, "--out", out, "--order", order, "--max-cells", "4")
    shell("review", cell_folder / "test", *words)
    assert len(cells_of(out)) == 4


def test_a_table_of_query(shell, net_file, cell_table, tmp_path):
    """It keeps its order and its columns, without those of the model."""
    file = cell_table(lambda frame: frame.assign(patient="P", note="old").drop(columns="split"))
    chosen, out = tmp_path / "chosen.csv", tmp_path / "review.html"
    shell("query", net_file, file, "-k", "9", "--no-labels", "--out", chosen)
    shell("review", net_file, chosen, "--out", out)
    order = [(tmp_path / path).resolve() for path in pd.read_csv(chosen)["path"]]
    assert [Path(path).resolve() for path in cells_of(out)] == order
    assert all(cell["others"][:2] == ["P", "old"] for cell in cells_of(out).values())
    assert '"others": ["patient", "given_note"' in out.read_text("utf-8")
    for words in (["--order", "doubt"], ["--blind"]):
        shell("review", chosen, "--model", net_file, "--out", out, "--overwrite", *words)
        assert [Path(path).resolve() for path in cells_of(out)] != order


def test_root(shell, model_file, cell_folder, tmp_path):
    out = tmp_path / "review.html"
    shell(
        "review", cell_folder / "test", "--model", model_file, "--out", out, "--root", cell_folder
    )
    assert all(path.startswith("test/") for path in cells_of(out))


def test_errors(shell, model_file, cell_folder, cell_table, npz_file, tmp_path):
    out = tmp_path / "review.html"
    assert "'no'" in shell("review", "no", "--out", out, code=1).stderr
    assert ".html" in shell("review", cell_folder, "--out", tmp_path / "a.csv", code=2).stderr
    words = ("--model", model_file, "--out", out)
    wrong = shell("review", cell_folder, *words, "--group-column", "slide", code=1)
    assert "no column ['slide']" in wrong.stderr
    wrong = shell("review", cell_table(lambda x: x), *words, "--group-column", "split", code=1)
    assert "named 'split', which is another column" in wrong.stderr
    (tmp_path / "bad.png").write_bytes(b"no image")
    wrong = shell("review", tmp_path / "bad.png", *words, "--on-error", "skip", code=1)
    assert "bad.png: not an image" in wrong.stderr and "No image is left" in wrong.stderr
    assert "paths of image files" in shell("review", npz_file, *words, code=1).stderr
    assert not out.exists()


def test_corrections_are_data(shell, model_file, cell_folder, tmp_path):
    """The columns of corrections.csv suit the other commands."""
    paths = sorted((cell_folder / "test").rglob("*.png"))
    labels = [path.parent.name for path in paths]
    columns = {
        "path": paths,
        "label": labels,
        "slide": ["A", "B", "C"] * 5,
        "given_label": "",
        "predicted": "platelet",
    }
    readers = dict.fromkeys(["first_reader", "second_reader", "consensus", "note"], "")
    table = tmp_path / "corrections.csv"
    pd.DataFrame(columns | readers).to_csv(table, index=False)
    shell("evaluate", model_file, table, "--group-column", "slide")
    shell("audit", table, "--group-column", "slide")
    shell("count", table, "--group-column", "slide")
    adapted = tmp_path / "ours.skblood"
    shell("adapt", model_file, table, "--group-column", "slide", "--out", adapted)
    shell("predict", model_file, table, "--out", tmp_path / "predictions.csv")
    shell("review", table, "--model", model_file, "--out", tmp_path / "again.html")
    given = {path: cell["given"] for path, cell in cells_of(tmp_path / "again.html").items()}
    assert given == dict(zip(map(str, paths), labels, strict=True))


def test_cells_of_no_class_are_left_out(shell, net_file, cell_folder, tmp_path):
    """Those that a reader has labeled 'none of these'; a count has them as rejected."""
    paths = sorted((cell_folder / "test").rglob("*.png"))
    frame = pd.DataFrame({"path": paths, "label": [path.parent.name for path in paths]})
    frame = frame.assign(predicted="platelet", given_label="")
    frame.loc[[0, 7], "label"] = "none of these"
    table, adapted = tmp_path / "corrections.csv", tmp_path / "ours.skblood"
    frame.to_csv(table, index=False)
    evaluated = shell("evaluate", net_file, table, "--out", tmp_path / "out")
    assert "2 cells with the label 'none of these' are left out" in evaluated.stderr
    assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 13
    assert json.loads(shell("audit", table, "--json").stdout)["n_images"] == 13
    result = shell("adapt", net_file, table, "--out", adapted, "--json")
    assert "none of these" not in result.stdout
    account = json.loads(result.stdout)
    assert (sum(account["n_labelled"].values()), account["n_unlabelled"]) == (13, 0)
    predictions = tmp_path / "predictions.csv"
    shell("predict", net_file, cell_folder / "test", "--out", predictions)
    for words in ([table], [predictions, "--corrections", table]):
        rows = json.loads(shell("count", *words, "--json").stdout)["count"]
        assert "none of these" not in str(rows)
        assert {row["n_rejected"] for row in rows} == {2}
    out = tmp_path / "again.html"
    shell("review", table, "--model", net_file, "--out", out)
    given = [cell["given"] for cell in cells_of(out).values()]
    assert given.count("none of these") == 2
    frame.assign(label="none of these").to_csv(table, index=False)
    assert "only labels 'none of these'" in shell("audit", table, code=1).stderr


def test_no_labels_and_unreadable_files(shell, model_file, cell_folder, tmp_path):
    folder = shutil.copytree(cell_folder / "test", tmp_path / "cells")
    (folder / "platelet" / "bad.png").write_bytes(b"no image")
    words = ("--model", model_file, "--out", tmp_path / "review.html", "--no-labels")
    assert "bad.png" in shell("review", folder, *words, code=1).stderr
    result = shell("review", folder, *words, "--on-error", "skip", "--json")
    assert list(json.loads(result.stdout)["unreadable"]) == [str(folder / "platelet" / "bad.png")]
    cells = cells_of(tmp_path / "review.html")
    assert len(cells) == 15 and {cell["given"] for cell in cells.values()} == {""}
