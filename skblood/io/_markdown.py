"""Markdown from plain text."""

import re

# Characters that Markdown would interpret; an underscore inside a word is not one.
_MARKS = re.compile(r"[\\|<>*`\[\]]|(?<![^\W_])_|_(?![^\W_])")


def as_text(value):
    """Return a value as one line of text with Markdown's special characters escaped."""
    return _MARKS.sub(r"\\\g<0>", " ".join(str(value).split()))


def table(head, rows):
    """Return a table of plain text; columns of numbers are aligned to the right."""
    rows = [list(row) for row in rows]
    aligned = [_rule([row[place] for row in rows]) for place in range(len(head))]
    lines = [map(as_text, head), aligned, *(map(as_text, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(items):
    """Return a list of items, which are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def _rule(column):
    numbers = all(re.match(r"[-\d]|$", str(value)) for value in column)
    return "---:" if column and numbers else "---"
