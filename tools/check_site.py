"""Crawl the built documentation: links, pictures, the gallery and the API index.

    python tools/check_site.py docs/_build/html

It prints each fault and fails if there is one: a link to a page or anchor that is not there, a
missing picture, a picture without an alternative text, a page of the gallery without a picture, a
public name that the API page does not reach, a term that the search does not find.
"""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What readers search for, lower case: words of one term stand on one page together.
SEARCHED = ["smote", "confusion matrix", "gpu", "class weights"]
_LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


class Page(HTMLParser):
    """The links, pictures and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Keep what refers to something, or can be referred to."""
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if attrs.get(_LINKS.get(tag)):
            self.links.append(attrs[_LINKS[tag]])
        if tag == "img":
            self.images.append(attrs)


def read_site(root):
    """Return the pages of a site by their paths from its root."""
    files = [f for f in sorted(root.rglob("*.html")) if f.relative_to(root).parts[0] != "_static"]
    return {f.relative_to(root).as_posix(): Page(f.read_text("utf-8")) for f in files}


def find_broken(root, pages):
    """Yield a message for each link and picture that leads nowhere."""
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (root / path).parent / unquote(parts.path) if parts.path else root / path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{path}: {link} is not there"
                continue
            inside = target.resolve().relative_to(root.resolve()).as_posix()
            # The links back from viewcode's pages name where a function is defined.
            if parts.fragment and inside in pages and not path.startswith("_modules/"):
                if unquote(parts.fragment) not in pages[inside].anchors:
                    yield f"{path}: {link} names no anchor of the page"


def find_unseen(pages):
    """Yield a message for each gallery page without a picture, and each picture without a text."""
    for path, page in pages.items():
        names = [image.get("src", "").rpartition("/")[2] for image in page.images]
        if re.search(r"auto_examples/.*plot_\w+\.html$", path):
            if not any(name.startswith("sphx_glr_plot_") for name in names):
                yield f"{path}: no picture"
        for name, image in zip(names, page.images, strict=True):
            if image.get("alt") is None:
                yield f"{path}: {name} has no alternative text"


def find_unreached(root, pages, names):
    """Yield a message for each public name to which no link of the API page leads."""
    linked = {urlsplit(link).fragment for link in pages["api.html"].links}
    linked |= {Path(urlsplit(link).path).stem for link in pages["api.html"].links}
    for name in names:
        if name not in linked:
            yield f"api.html: no link to {name}"
        elif not (root / f"generated/{name}.html").is_file():
            yield f"generated/{name}.html is not there"


def find_unsearchable(root, terms=SEARCHED):
    """Yield a message for each term that no page holds, by the index of the search."""
    from snowballstemmer import stemmer

    text = (root / "searchindex.js").read_text("utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    for term in terms:
        stems = stemmer("english").stemWords(term.split())  # as Sphinx's search does
        if not set.intersection(*(_documents(index, stem) for stem in stems)):
            yield f"the search does not find {term!r}"


def _documents(index, stem):
    """Return the numbers of the documents with a word."""
    found = [index[kind].get(stem, []) for kind in ("terms", "titleterms")]
    return {n for where in found for n in ([where] if isinstance(where, int) else where)}


def public_names():
    """Return the full names of all public classes and functions."""
    import inspect
    from importlib import import_module

    import skblood

    modules = ["skblood"] + [
        f"skblood.{name}"
        for name in skblood.__all__
        # `streaming` also offers names to other rooms of the package
        if name != "streaming" and inspect.ismodule(getattr(skblood, name))
    ]
    return [
        f"{module}.{name}"
        for module in modules
        for name in import_module(module).__all__
        if not inspect.ismodule(getattr(import_module(module), name))
    ]


def main(root):
    """Print the faults of a site; return 1 if there are any."""
    root = Path(root)
    pages = read_site(root)
    faults = [*find_broken(root, pages), *find_unseen(pages), *find_unsearchable(root)]
    faults += find_unreached(root, pages, public_names())
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(pages)} pages, {sum(len(p.links) for p in pages.values()):,} links and pictures,")
    print(f"{len(faults)} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
