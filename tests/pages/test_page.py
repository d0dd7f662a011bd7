"""Pages escape what they show, and hold their pictures."""

import base64
import html
import io
import re

import numpy as np
import pytest
from PIL import Image

from skblood.pages import _page, figure_image, render, thumbnail, write

# Ends an element, an attribute and a script, turns text around, and is no UTF-8.
NASTY = "</td><script>alert(1)</script>\"'&{{ 1 }}\u202egnp.\udce9"


def from_string(text, **context):
    """Render a template that imports the macros."""
    head = '{% from "macros.html" import table, number, figure, cells, matrix, warnings %}'
    return _page._ENVIRONMENT.from_string(head + text).render(**context)


@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnail_is_a_picture_of_at_most_its_side(channels):
    source = thumbnail(np.full((200, 100, channels), 120, np.uint8), side=50)
    kind, data = source.split(",")
    assert kind == "data:image/webp;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (25, 50)
    assert abs(np.asarray(picture).mean() - 120) < 3


def test_equal_figures_are_equal_text():
    figure = pytest.importorskip("matplotlib.figure").Figure
    sources = []
    for _ in range(2):
        ax = (each := figure()).subplots()
        ax.fill_between([0, 1], [0, 1], hatch="//", clip_path=ax.patch)
        sources.append(figure_image(each))
    assert sources[0].startswith("data:image/svg+xml;base64,")
    assert sources[0] == sources[1]


def test_base_page_is_complete_and_asks_for_nothing():
    page = render("base.html")
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page
    assert not re.findall(r"https?:|url\(|@import|<link", page)


@pytest.mark.parametrize(
    "template",
    [
        "{{ x }}",
        "{{ x|name }}",
        "{{ table([x], [[x, x]], x) }}",
        "{{ table([x], [[x, x]], x, text=true) }}",
        "{{ figure('data:', x, x) }}",
        "{{ matrix([x], [[1]]) }}",
        "{{ warnings([x]) }}",
        "{% call(c) cells([{'source': 'data:', 'alt': x}]) %}{{ c.alt }}{% endcall %}",
    ],
)
def test_names_are_text_wherever_they_stand(template):
    page = from_string(template, x=NASTY)
    page.encode()  # surrogates are written out
    assert "<script" not in page and "\u202e" not in page and "{{" in page
    assert "\\u202egnp.\\udce9" in page
    assert NASTY[:40] in html.unescape(page)
    # No quote ends an attribute: those of the page come in pairs.
    assert all(tag.count('"') % 2 == 0 for tag in re.findall(r"<[^>]*>", page))


def test_names_are_isolated_from_the_text_around_them():
    arabic = "\u062e\u0644\u064a\u0629"
    assert from_string("{{ x|name }} 12", x=arabic) == f"<bdi>{arabic}</bdi> 12"
    assert f"<bdi>{arabic}</bdi>" in from_string("{{ matrix([x], [[1]]) }}", x=arabic)


def test_missing_values_of_a_template_are_errors():
    with pytest.raises(_page.jinja2.UndefinedError):
        from_string("{{ missing }}")


def luminance(rgb):
    rgb = np.asarray(rgb) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    """Contrast ratio of WCAG 2.2."""
    high, low = sorted([luminance(a), luminance(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_each_shade_of_a_matrix_leaves_its_counts_readable():
    (ink,) = re.findall(r"--ink: #(\w\w)(\w\w)(\w\w)", render("style.css"))
    ink = [int(each, 16) for each in ink]
    counts = [[n, 100 - n] for n in range(101)]
    page = from_string(
        "{{ matrix(classes, counts) }}", classes=list(map(str, range(101))), counts=counts
    )
    shades = re.findall(r"rgb\((\d+) (\d+) (\d+) / ([\d.]+)\)", page)
    assert len(shades) == 200 and len({each[:3] for each in shades}) == 2
    for *rgb, alpha in shades:
        alpha = float(alpha)
        shade = alpha * np.array(rgb, float) + (1 - alpha) * 255
        assert contrast(ink, shade) > 7


def test_matrix_shows_counts_shares_and_totals():
    page = from_string("{{ matrix(['a', 'b'], [[3, 1], [0, 0]]) }}")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["", "", "3<small>75.0%</small>", "1<small>25.0%</small>", "4", "", "", "0"]


def test_write_returns_the_page_or_its_path(tmp_path):
    assert write("<p>é") == "<p>é"
    path = write("<p>é", tmp_path / "a.html")
    assert path == tmp_path / "a.html" and path.read_bytes() == "<p>é".encode()
    with pytest.raises(FileNotFoundError, match="no folder"):
        write("", tmp_path / "missing" / "a.html")
