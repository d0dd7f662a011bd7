"""Types of cells that class labels name, in the order in which laboratories report them.

The table ``cell_types.csv`` has for each type: kind (white, or red, platelet and other, which are
counted apart), LOINC code of its number per 100 white cells by any method, the share above which a
slide is looked at, and other names.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class CellType:
    """What is known of the cells of a class; a class of an unknown name counts as white cells."""

    name: str
    kind: str = "white"
    loinc: str = ""
    limit: float | None = None
    place: int = 1000  # in the clinical order; unknown ones come last

    @property
    def is_known(self):
        """Whether the name is one of the table."""
        return self.place < CellType.place


@cache
def cell_types():
    """Return the known types by each of their names, in clinical order."""
    found = {}
    text = Path(__file__).with_name("cell_types.csv").read_text("utf-8")
    for place, row in enumerate(csv.DictReader(text.splitlines())):
        limit = float(row["limit"]) if row["limit"] else None
        known = CellType(row["type"], row["kind"], row["loinc"], limit, place)
        found |= dict.fromkeys([known.name, *filter(None, row["aliases"].split("|"))], known)
    return found


def find_type(label):
    """Return the type that a label names: in lower case, with spaces, in the singular.

    The last word names blasts, and cells that are not white, whatever the words before it say.

    Examples
    --------
    >>> find_type("Band_Neutrophils").loinc, find_type("hairy cell").loinc
    ('26508-2', '')
    >>> find_type("basophilic erythroblast").name, find_type("Thrombozyten").kind
    ('erythroblast', 'platelet')
    """
    name = " ".join(re.split(r"[\W_]+", str(label).casefold())).strip()
    *_, last = words = [word.removesuffix("s") for word in name.split()] or [""]
    names = [name, " ".join(words)]
    names += [names[1].removesuffix(end) for end in ("en", "n", "er", "e")]  # German ones
    tails = [last, last.removesuffix("en")]
    known = cell_types()
    found = [known[each] for each in names if each in known]
    found += [x for x in map(known.get, tails) if x and (x.kind != "white" or x.limit == 0)]
    return found[0] if found else CellType(name or str(label))


def order_classes(classes, is_white):
    """Return the positions of the classes of white cells, or of the others, in clinical order."""
    types = [find_type(label) for label in classes]
    places = [i for i, each in enumerate(types) if (each.kind == "white") == is_white]
    return sorted(places, key=lambda i: types[i].place)
