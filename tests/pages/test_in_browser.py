"""Pages of evaluations and validations in headless Chromium: on screens, by keyboard, on paper."""

import re

import numpy as np
import pytest
from PIL import Image

from skblood import audit
from skblood.datasets import make_blood_cells
from skblood.evaluation import DifferentialCount, EvaluationReport, validate_differentials

from ..reviewing.answering import open_browser, open_page

pytestmark = pytest.mark.slow

# Of each element with text: its contrast by WCAG 2.2, on what is behind it.
CONTRASTS = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
  const behind = (element) => element === null ? [255, 255, 255]
    : over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const texts = [...element.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
    if (!texts.length || ["STYLE", "SCRIPT"].includes(element.tagName)) continue;
    const a = luminance(parse(getComputedStyle(element).color)), b = luminance(behind(element));
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), texts[0].data.trim()]);
  }
  return found;
}"""
# Marks the first and the last words of each part that must not be cut; returns their number.
MARK = """() => {
  const parts = [...document.querySelectorAll("table, figure, .cells > li")];
  const word = (i, end) => {
    const mark = document.createElement("i");
    mark.style.cssText = "font: 8px sans-serif; writing-mode: horizontal-tb";
    mark.textContent = ` Q${i}${end} `;
    return mark;
  };
  parts.forEach((part, i) => {
    const cells = part.querySelectorAll("th, td");
    (cells[0] ?? part).prepend(word(i, "a"));
    ([...cells].at(-1) ?? part).append(word(i, "b"));
  });
  return parts.length;
}"""


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module", params=[4, 16], ids="{} classes".format)
def file(request, tmp_path_factory):
    """A page with all parts: of few classes, and of many with long names."""
    folder, n_classes = tmp_path_factory.mktemp("page"), request.param
    X, _ = make_blood_cells(60, image_size=48, random_state=0)
    X[59] = X[0]
    files = [folder / f"a rather long name of an image file {i}.png" for i in range(60)]
    for path, image in zip(files, X, strict=True):
        Image.fromarray(image).save(path)
    rng = np.random.default_rng(0)
    odd = ["<\u062e\u0644>", "a_name_that_is_very_long_and_unbroken_in_every_line"]
    names = np.array([f"promyelocyte {i}" for i in range(n_classes - 2)] + odd)
    true = np.arange(60) % n_classes
    y_proba = rng.dirichlet(np.full(n_classes, 0.3), 60) * 0.7 + 0.3 * np.eye(n_classes)[true]
    report = EvaluationReport.from_predictions(
        names[true],
        names[y_proba.argmax(axis=1)],
        y_proba,
        classes=names,
        groups=[f"slide {i % 20}" for i in range(60)],
        images=files,
        n_resamples=20,
    )
    audited = audit(files, names[true], split=["train"] * 50 + ["test"] * 10)
    card = (
        "## Model\n\n| what | value |\n| --- | --- |\n| a | "
        + "long " * 80
        + "|\n\n"
        + "    x" * 99
    )
    title = "/path/of/a/folder" * 9
    return report.to_html(folder / "report.html", audit=audited, card=card, title=title)


@pytest.fixture(scope="module")
def validation_file(tmp_path_factory):
    rng = np.random.default_rng(0)
    true, names = rng.dirichlet(np.full(9, 2), 12), [f"promyelocyte {i}" for i in range(9)]
    counts = [DifferentialCount.from_counts(rng.multinomial(200, true), classes=names)] * 3
    page = tmp_path_factory.mktemp("validation") / "validation.html"
    return validate_differentials(*counts).to_html(page)


@pytest.mark.parametrize("width", [1280, 390])
def test_on_a_screen(browser, file, width):
    check_screen(browser, file, width)


@pytest.mark.parametrize("width", [1280, 390])
def test_validation_on_a_screen(browser, validation_file, width):
    check_screen(browser, validation_file, width)


def check_screen(browser, file, width):
    """Nothing is wider than the screen, asked for from elsewhere, or hard to read."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page, faults = open_page(context, file)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert [each for each in contrasts if each[0] < 4.5] == []
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1 and max(np.diff(levels)) == 1
    assert faults == []
    context.close()


def test_wide_tables_scroll_by_keyboard(browser, file):
    context = browser.new_context(viewport={"width": 390, "height": 900})
    page, _ = open_page(context, file)
    moved = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        page.keyboard.press("End")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(150)
        moved |= set(
            page.evaluate(
                "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollLeft)"
                ".map((e) => e.ariaLabel)"
            )
        )
    assert {"Scores of the classes", "true by predicted labels"} <= moved
    context.close()


def test_on_paper(browser, file, tmp_path):
    """No table, figure or cell is cut by the end of a page, or leaves it to the right."""
    pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2")
    context = browser.new_context()
    page, _ = open_page(context, file)
    n_parts = page.evaluate(MARK)
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True, print_background=True)
    context.close()
    document = pdfium.PdfDocument(tmp_path / "report.pdf")
    places = {}
    for number, sheet in enumerate(document):
        text = sheet.get_textpage()
        width, _ = sheet.get_size()
        for match in re.finditer(r"Q(\d+)([ab])", text.get_text_range()):
            places[match[0]] = number
            left, _, right, _ = text.get_charbox(match.start())
            assert 0 < left < right < width, match[0]
    cut = [i for i in range(n_parts) if places[f"Q{i}a"] != places[f"Q{i}b"]]
    assert n_parts > 10 and len(document) > 3 and cut == []
    sizes = {sheet.get_size() for sheet in document}
    assert all(sorted(map(round, size)) == [595, 842] for size in sizes)  # A4
    document.close()
