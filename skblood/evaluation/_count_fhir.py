"""Reports of differential counts as FHIR, from a template."""

import json
from importlib.metadata import version

from skblood._writing import printable, replace_file
from skblood.evaluation._cell_types import find_type
from skblood.evaluation._count_lines import list_slides, number
from skblood.pages import render


def write_fhir(count, path, signed_by, effective=None):
    """Return the Bundle of a count, or write it to a file."""
    text = render(
        "count.fhir.json",
        count=count,
        slides=list_slides(count),
        signed_by=printable(signed_by or "", keep="").strip(),
        effective_of=effective.get if isinstance(effective, dict) else lambda group: effective,
        method=f"Image classification. {printable(count.note, keep='')}".strip(),
        model=printable(count.model, keep="") or "classifier of an unknown name",
        version=version("skblood"),
        codes_of=_own_codes,
        conclude=_conclude,
    )
    bundle = _without_null(json.loads(text))
    if path is None:
        return bundle
    return replace_file(path, json.dumps(bundle, indent=2, allow_nan=False).encode())


def _without_null(value):
    if isinstance(value, dict):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [*map(_without_null, value)] if isinstance(value, list) else value


def _own_codes(slide):
    """Return the codes that stand for one line: each is of all cells of its type."""
    codes = [line.type.loinc for line in slide.white + slide.apart]
    own = {code for code in codes if codes.count(code) == 1}
    # "Neutrophils" of LOINC are all of them, not those beside the bands.
    if any(line.type.name.endswith(" neutrophil") for line in slide.white):
        own.discard(find_type("neutrophil").loinc)
    return own


def _conclude(slide):
    text = f"{number(slide.n_white, 'white cell')} counted, {number(slide.n_rejected, 'cell')} "
    text += f"rejected. {number(slide.n_reviewed, 'label')} decided by a reader."
    return text + (f" Needs a manual look: {'; '.join(slide.reasons)}." if slide.reasons else "")
