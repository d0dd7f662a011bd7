"""Sphinx configuration."""

import logging
import os
import re

import skblood

project = "skblood"
author = "The skblood developers"
copyright = "2026, The skblood developers"
version = release = skblood.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxext.opengraph",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "auto_examples/**/*.py"]
templates_path = ["_templates"]

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
# Methods are listed by the template of the class pages.
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# timm publishes no inventory.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "imblearn": ("https://imbalanced-learn.org/stable", None),
    "matplotlib": ("https://matplotlib.org/stable", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "pandas": ("https://pandas.pydata.org/docs", None),
    "PIL": ("https://pillow.readthedocs.io/en/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "skorch": ("https://skorch.readthedocs.io/en/stable", None),
    "torch": ("https://docs.pytorch.org/docs/stable", None),
    "torchvision": ("https://docs.pytorch.org/vision/stable", None),
}
intersphinx_timeout = 5

# Prompts and output are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"[\\/]plot_",
    "subsection_order": [
        f"../examples/{group}"
        for group in ("start", "data", "models", "evaluation", "laboratory", "tools")
    ],
    "within_subsection_order": "FileNameSortKey",
    "ignore_pattern": r"quickstart\.py",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skblood",),
    "remove_config_comments": True,
    "show_signature": False,
    "capture_repr": ("_repr_html_",),  # no addresses of objects
}

_on_read_the_docs = "READTHEDOCS" in os.environ
_site = "https://skblood.readthedocs.io/en"
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", f"{_site}/stable/")
ogp_site_url = html_baseurl
ogp_image = "_static/predictions.png"
ogp_image_alt = "Synthetic blood cells with their predicted classes"
ogp_social_cards = {"enable": False}

html_theme = "pydata_sphinx_theme"
html_title = f"skblood {version}"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 6,
    "navbar_end": ["version-switcher", "theme-switcher"],
    "switcher": {
        # The newest list, also for readers of an old version.
        "json_url": f"{_site}/latest/_static/switcher.json"
        if _on_read_the_docs
        else "_static/switcher.json",
        "version_match": "dev" if "dev" in version else version,
    },
    "check_switcher": False,
}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_sidebars = {page: [] for page in ("index", "install", "404")}  # they have no pages below
html_show_sourcelink = False
html_context = {"html_base": html_baseurl if _on_read_the_docs else ""}

_SKLEARN_MACHINERY = re.compile(r"set_\w+_request|get_metadata_routing|set_output")


def skip_machinery(app, what, name, obj, skip, options):
    """Leave out what scikit-learn gives to every estimator: it links to pages of its own."""
    return True if _SKLEARN_MACHINERY.fullmatch(name) else None


def without_network(record):
    """Turn the warning about inventories that cannot be fetched into a note.

    Without a network the pages are built all the same, with no links to other projects.
    """
    if str(record.msg).startswith("failed to reach any of the inventories"):
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def setup(app):
    """Connect the filters."""
    app.connect("autodoc-skip-member", skip_machinery)
    logger = logging.getLogger("sphinx.sphinx.ext.intersphinx")
    logger.addFilter(without_network)
