"""What the papers say of each row, read from `published.toml`."""

import tomllib
from functools import cache
from pathlib import Path


@cache
def read_published():
    """Return what is published of each row, by its name."""
    with open(Path(__file__).with_name("published.toml"), "rb") as file:
        return tomllib.load(file)


def facts(name):
    """Return the fields of a recipe that come from the paper: scores, place, contradiction."""
    entry = read_published()[name]
    optional = {key: entry.get(key, "") for key in ("contradiction", "display")}
    return {"published": entry["published"], "place": entry["place"], **optional}
