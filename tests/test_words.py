"""Words that the documentation, docstrings, comments and messages do without."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What a reader does not need, or has to look up; and phrases that were our own.
WORDS = (
    "simply|just|obviously|easily|of course|merely|really|very|basically|actually|please|"
    "utilize|leverage|thus|hence|whence|thereof|therein|herein|whereby|hitherto|lest|upon|whilst|"
    "amongst|aforementioned|trivial|straightforward|seamless\\w*|powerful|cutting-edge|"
    "at home|broken off|in company|as it stands|of then|that it pays|"
    # American spelling.
    "(?:un)?labelled|haemat\\w*|leukaem\\w*|behaviour\\w*|neighbours?"
)
AVOID = re.compile(rf"(?<![\w-])({WORDS})(?![\w-])", re.IGNORECASE)
FOLDERS = ["docs", "examples", "skblood"]
KINDS = {".css", ".html", ".js", ".md", ".py", ".rst", ".txt"}
BUILT = {"_build", "auto_examples", "generated"}


def texts():
    """Return the files that readers see."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    return [path for path in found if not BUILT & set(path.parts) and "LICENSE" not in path.name]


def words_in(text):
    """Return the line numbers and words to avoid; those of a quoted title are in CamelCase."""
    lines = enumerate(text.splitlines(), 1)
    return [(i, match[0]) for i, line in lines for match in AVOID.finditer(line)]


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words(path):
    assert words_in(path.read_text("utf-8")) == []


def test_a_word_is_found():
    assert words_in("It is simple.\nJust call fit: adjust nothing.") == [(2, "Just")]
    assert words_in("Labelled cells; n_labelled, labeled") == [(1, "Labelled")]
