"""Rendering of HTML templates, and pictures that are part of the page."""

import base64
import io
import re

import jinja2
from markupsafe import Markup, escape
from PIL import Image

from skblood._writing import printable, replace_file

# Characters that Markdown or HTML would interpret, and those by which text becomes a link; an
# underscore inside a word is not one.
_MARKS = re.compile(r"[\\|<>*`\[\]&~$@]|:(?=//)|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])", re.I)


def _name(value):
    """Return a name, whatever it holds and wherever it is read from, as a part of the page."""
    return Markup("<bdi>{}</bdi>").format(escape(printable(value, keep="")))


def _markdown(value):
    """Return a value as one line of text with Markdown's special characters escaped."""
    return _MARKS.sub(r"\\\g<0>", " ".join(str(value).split()))


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("skblood.pages", "templates"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    # Control characters and those that turn text around are shown, not obeyed.
    finalize=lambda value: printable(value) if type(value) is str else value,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"name": _name, "markdown": _markdown}
_ENVIRONMENT.globals["zip"] = zip


def render(template, **context):
    """Return the text of a page; everything in it that is not `Markup` is escaped.

    Parameters
    ----------
    template : str
        Name of a file in the folder ``templates``.
    **context : object
        What the template shows. The filter ``name`` is for names of classes, files and groups,
        which may be written from right to left.
    """
    return _ENVIRONMENT.get_template(template).render(**context)


class TextInNotebooks:
    """What `print` shows of an object is also what a notebook shows."""

    def _repr_html_(self) -> str:
        return render("fragment.html", content="_text.html", text=str(self))


def write(page, path=None):
    """Write a page to a file in one step.

    Parameters
    ----------
    page : str
    path : str or path-like, default=None
        None writes nothing.

    Returns
    -------
    page or path : str or pathlib.Path
        The page if `path` is None, else the path.

    Raises
    ------
    OSError
        If there is no such folder, or the file cannot be written.
    """
    return page if path is None else replace_file(path, page.encode())


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
    """Return a matplotlib figure as the value of ``src``: an SVG, sharp at any size.

    Equal figures give equal text.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "skblood"}):  # else identifiers are drawn at random
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    return _encode(file.getvalue(), "image/svg+xml")


def _as_source(picture, file_format, media_type, **options):
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return _encode(file.getvalue(), media_type)


def _encode(data, media_type):
    return Markup(f"data:{media_type};base64,{base64.b64encode(data).decode()}")
