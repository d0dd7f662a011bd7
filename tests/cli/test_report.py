"""`skblood report`: the evaluation and the audit on one page."""

import json
import re
import shutil

import pytest


@pytest.fixture(scope="module")
def page(shell, model_file, cell_folder, tmp_path_factory):
    """The page, of the test part; one training image is in it, too."""
    folder = tmp_path_factory.mktemp("report")
    cells = folder / "<i>cells"
    shutil.copytree(cell_folder, cells)
    source = sorted((cells / "train" / "monocyte").iterdir())[0]
    shutil.copy(source, cells / "test" / "monocyte" / "copy & <b>.png")
    out = folder / "new" / "report.html"
    result = shell("report", model_file, cells, "--out", out, "--errors", 2)
    assert result.stdout.startswith("16 images, 3 classes")
    return out.read_text("utf-8")


def test_page_has_evaluation_audit_and_card(page):
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles[:4] == ["Scores", "Classes", "Confusion matrix", "Probabilities"]
    assert re.fullmatch(r"\d+ wrong predictions?", titles[4])
    assert titles[5:] == ["Audit of the images", "The model"]
    assert "1 pair of copies crosses the split" in page
    assert "Copies or groups cross the split (1): the scores are too high." in page
    assert "MLPCellClassifier" in page and "Intended use and limits" in page
    assert "<i>" not in page and "<b>.png" not in page and "copy &amp; &lt;b&gt;.png" in page


def test_evaluation_stands_once(page, shell, model_file):
    """Scores are above; the card repeats neither them nor its own title."""
    assert "Not evaluated" not in page and page.count("balanced accuracy") == 1
    assert "Model card:" not in page and "library_name" not in page


def test_without_audit_as_json(shell, model_file, cell_folder, tmp_path):
    out = tmp_path / "a.html"
    words = ("report", model_file, cell_folder, "--split", "val", "--out", out, "--no-audit")
    document = json.loads(shell(*words, "--json", "--title", "May <1>").stdout)
    assert document["path"] == str(out) and document["n_images"] == 15
    page = out.read_text("utf-8")
    assert "<h1><bdi>May &lt;1&gt;</bdi></h1>" in page and "Audit of the images" not in page
    assert "exists already" in shell(*words, code=1).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--out", "a.txt"], "must end in .html"), (["--out", "a.html", "--errors", "-1"], "least 0")],
)
def test_wrong_options(shell, model_file, cell_folder, options, message):
    result = shell("report", model_file, cell_folder, *options, code=2)
    assert message in " ".join(result.stderr.split())


def test_model_file_after_the_images(shell, model_file, cell_folder):
    result = shell("report", cell_folder, model_file, "--out", "a.html", code=2)
    assert "skblood report" in result.stderr


def test_unreadable_images_are_left_out_and_listed(shell, model_file, cell_folder, tmp_path):
    cells = tmp_path / "cells"
    shutil.copytree(cell_folder / "test", cells)
    (cells / "platelet" / "broken.png").write_bytes(b"no image")
    out = tmp_path / "a.html"
    words = ("report", model_file, cells, "--out", out)
    assert "broken.png" in shell(*words, code=1).stderr and not out.exists()
    assert shell(*words, "--on-error", "skip").stdout.startswith("15 images")
    assert "1 image cannot be read" in out.read_text("utf-8")


def test_label_errors_are_suspected_by_a_good_model_that_predicted_all_images(
    shell, page, model_file, cell_folder, tmp_path, monkeypatch
):
    assert "suspected label error" not in page  # of three parts, one was predicted
    cells = shutil.copytree(cell_folder / "train", tmp_path / "cells")
    for image in sorted((cells / "platelet").iterdir())[:2]:
        image.rename(cells / "monocyte" / f"wrong_{image.name}")
    words = ("report", model_file, cells, "--out", tmp_path / "a.html", "--overwrite")
    parts = []
    for accuracy in (0.5, 0.999):
        monkeypatch.setattr("skblood.cli._report._TRUSTED", accuracy)
        shell(*words)
        parts.append((tmp_path / "a.html").read_text("utf-8").partition("suspected label error"))
    assert "wrong_" in parts[0][2] and "more probably platelet" in parts[0][2]
    assert parts[1][1:] == ("", "")
