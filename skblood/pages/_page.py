"""Rendering of HTML templates, and pictures that are part of the page."""

import base64
import io

import jinja2
from markupsafe import Markup
from PIL import Image

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("skblood.pages", "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template, **context):
    """Return the text of a page; everything in it that is not `Markup` is escaped.

    Parameters
    ----------
    template : str
        Name of a file in the folder ``templates``.
    **context : object
        What the template shows.
    """
    return _ENVIRONMENT.get_template(template).render(**context)


def thumbnail(image, side=96):
    """Return an image as the value of ``src``, at most `side` pixels high and wide.

    Parameters
    ----------
    image : ndarray of shape (h, w, c), dtype uint8
        Gray or RGB.
    side : int, default=96
    """
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    return _as_source(picture, "WEBP", "image/webp", quality=80)


def figure_image(figure):
    """Return a matplotlib figure as the value of ``src``: an SVG, sharp at any size."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    return _encode(file.getvalue(), "image/svg+xml")


def _as_source(picture, file_format, media_type, **options):
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return _encode(file.getvalue(), media_type)


def _encode(data, media_type):
    return Markup(f"data:{media_type};base64,{base64.b64encode(data).decode()}")
