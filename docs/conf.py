"""Sphinx configuration."""

import re

import skblood

project = "skblood"
author = "The skblood developers"
copyright = "2026, The skblood developers"
version = release = skblood.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

autosummary_generate = True
autodoc_typehints = "none"
# Methods are listed by the template of the class pages.
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"skblood {version}"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_sidebars = {"results": [], "quickstart": []}  # single pages
html_show_sourcelink = False

_SKLEARN_MACHINERY = re.compile(r"set_\w+_request|get_metadata_routing|set_output")


def skip_machinery(app, what, name, obj, skip, options):
    """Leave out what scikit-learn gives to every estimator: it links to pages of its own."""
    return True if _SKLEARN_MACHINERY.fullmatch(name) else None


def setup(app):
    """Connect the filter."""
    app.connect("autodoc-skip-member", skip_machinery)
