"""Pages escape what they show, and hold their pictures."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from skblood.pages import figure_image, render, thumbnail


@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnail_is_a_picture_of_at_most_its_side(channels):
    source = thumbnail(np.full((200, 100, channels), 120, np.uint8), side=50)
    kind, data = source.split(",")
    assert kind == "data:image/webp;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (25, 50)
    assert abs(np.asarray(picture).mean() - 120) < 3


def test_figure_is_the_same_at_each_call():
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure()
    assert figure_image(figure).startswith("data:image/svg+xml;base64,")
    plt.close(figure)


def test_base_page_is_complete():
    assert render("base.html").startswith("<!doctype html>")
