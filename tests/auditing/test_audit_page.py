"""The page of an audit: findings with pictures, escaped names, one file."""

import re

import numpy as np
import pytest
from PIL import Image

from skblood import audit
from skblood.datasets import make_blood_cells

NASTY = "<script>alert('\u202e')</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Six files: a copy with another label in another part, a blank and an unreadable file."""
    folder = tmp_path_factory.mktemp('"><script>x')
    X, _ = make_blood_cells(3, image_size=48, random_state=0)
    files = [folder / f"{i}.png" for i in range(6)]
    for file, image in zip(files[:5], [*X, X[0], np.full_like(X[0], 250)], strict=True):
        Image.fromarray(image).save(file)
    files[5].write_bytes(b"no image")
    y = [NASTY, "a", "a", "b", "b", "b"]
    return audit(files, y, split=["train"] * 3 + ["test"] * 3)


def titles(page):
    return re.findall(r"<h[23]>(.*?)</h[23]>", page)


def test_page_has_each_kind_of_finding_with_its_pictures(report):
    page = report.to_html(title="Cells <of> May")
    assert "<h1><bdi>Cells &lt;of&gt; May</bdi></h1>" in page
    assert titles(page) == [line for line in str(report).splitlines()[1:] if line[0] != " "]
    # The pair of copies is shown once, though it is of three kinds; the blank image has one.
    assert page.count('src="data:image/webp') == 3
    assert page.count("shown above") == 2
    assert "not an image that Pillow can read" in page
    assert "standard deviation 0.0 of 255" in page


def test_names_are_escaped(report):
    page = report.to_html()
    assert "<script" not in page and "\u202e" not in page
    assert "&lt;script&gt;alert(" in page and "&lt;script&gt;x" in page


def test_file_and_notebook(report, tmp_path):
    path = report.to_html(tmp_path / "audit.html")
    assert path.read_text("utf-8") == report.to_html()
    part = report._repr_html_()
    assert titles(part) == titles(report.to_html())
    assert part.startswith('<div class="skblood"') and "<body" not in part


def test_few_examples(report):
    page = report.to_html(n_examples=0)
    assert titles(page) == titles(report.to_html())
    assert "src=" not in page and "and 1 more" in page
    with pytest.raises(ValueError, match="n_examples == -1, must be >= 0"):
        report.to_html(n_examples=-1)


def test_nothing_found():
    X, _ = make_blood_cells(12, image_size=48, random_state=0)
    page = audit(X, ["a"] * 6 + ["b"] * 6).to_html()
    assert "No copies, no bad images, no doubtful labels found." in page and not titles(page)
