"""A fitted classifier, cells as files, and review pages of them."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood import TransferCellClassifier, review
from skblood.datasets import make_blood_cells
from tests.reviewing.answering import open_browser, open_page

# As long as the keys of the classes suffice; the first is written from right to left.
N_CELLS = 24


@pytest.fixture(scope="session")
def training():
    """Labeled cells of 28 px."""
    return make_blood_cells(120, image_size=28, random_state=0)


@pytest.fixture(scope="session")
def fitted(training):
    return TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0).fit(*training)


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """(paths, labels, slides) of cells as files. Do not write into the folder."""
    folder = tmp_path_factory.mktemp("cells")
    X, y = make_blood_cells(N_CELLS, image_size=28, random_state=1)
    paths = [str(folder / f"{i:02}.png") for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    return paths, y, pd.Series(np.resize(["A", "B", "C"], len(y)), name="slide")


def read_data(page):
    """Return what a page holds, from its text or file."""
    text = page.read_text("utf-8") if isinstance(page, Path) else page
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


@pytest.fixture(scope="session")
def page_file(fitted, cells, training, tmp_path_factory):
    """A page without given labels, with slides and similar cells."""
    paths, _, slides = cells
    out = tmp_path_factory.mktemp("page") / "review.html"
    return review(fitted, paths, groups=slides, reference=training, out=out)


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def context(browser):
    """A browser that knows nothing yet, 1280 pixels wide."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context, page_file):
    """The page, in a browser in which nothing must go wrong."""
    page, faults = open_page(context, page_file)
    yield page
    assert faults == []
