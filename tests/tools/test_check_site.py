"""The crawl of the built documentation finds what it is for."""

import importlib.util
import json
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "check_site", Path(__file__).parents[2] / "tools" / "check_site.py"
)
check_site = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_site)


@pytest.fixture
def site(tmp_path):
    (tmp_path / "auto_examples").mkdir()
    (tmp_path / "generated").mkdir()
    pages = {
        "index.html": '<a href="api.html#here">API</a><img src="a.png" alt="cells">',
        "api.html": '<p id="here"></p><a href="generated/skblood.f.html#skblood.f">f</a>',
        "generated/skblood.f.html": '<p id="skblood.f"></p>',
        "auto_examples/plot_it.html": '<img src="../sphx_glr_plot_it_001.png" alt="curves">',
    }
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    for name in ("a.png", "sphx_glr_plot_it_001.png"):
        (tmp_path / name).touch()
    return tmp_path


def faults_of(root):
    pages = check_site.read_site(root)
    return [
        *check_site.find_broken(root, pages),
        *check_site.find_unseen(pages),
        *check_site.find_unreached(root, pages, ["skblood.f"]),
    ]


def test_whole_site(site):
    assert faults_of(site) == []


@pytest.mark.parametrize(
    ("page", "text", "fault"),
    [
        ("index.html", '<a href="gone.html">', "gone.html is not there"),
        ("index.html", '<a href="api.html#gone">', "names no anchor"),
        ("index.html", '<img src="gone.png" alt="">', "gone.png is not there"),
        ("index.html", '<img src="a.png">', "no alternative text"),
        ("auto_examples/plot_it.html", "no picture", "no picture"),
        ("api.html", '<p id="here"></p>', "no link to skblood.f"),
    ],
)
def test_faults(site, page, text, fault):
    (site / page).write_text(text)
    assert any(fault in each for each in faults_of(site))


def test_page_of_a_name_is_missing(site):
    (site / "generated" / "skblood.f.html").unlink()
    assert any("generated/skblood.f.html is not there" in each for each in faults_of(site))


def test_search(tmp_path):
    index = {"terms": {"smote": 1, "class": [0, 1], "weight": 1, "matrix": 0}, "titleterms": {}}
    (tmp_path / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})")
    terms = ["smote", "class weights", "smote matrix", "gpu"]
    found = list(check_site.find_unsearchable(tmp_path, terms))
    assert found == [
        "the search does not find 'smote matrix'",
        "the search does not find 'gpu'",
    ]
