"""Reports of differential counts as FHIR R4 (hl7.org/fhir/R4) with LOINC codes."""

import json
from importlib.metadata import version

from skblood._writing import printable, replace_file
from skblood.evaluation._cell_types import find_type
from skblood.evaluation._count_lines import list_slides, number

_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem"
# Differential panel, method unspecified - Blood. Those of an automated and of a manual differential
# are discouraged by LOINC.
_PANEL = "69738-3"


def write_fhir(count, path, signed_by, effective=None):
    """Return the Bundle of a count, or write it to a file."""
    signed_by = printable(signed_by or "", keep="").strip()
    method = f"Image classification. {printable(count.note, keep='')}".strip()
    level = f"{100 * count.confidence_level:.4g} % interval"
    reports = []
    for slide in list_slides(count):
        common = {"issued": count.created}
        if when := effective.get(slide.group) if isinstance(effective, dict) else effective:
            common["effectiveDateTime"] = when
        if not count.are_patients:
            common["specimen"] = {"identifier": {"value": slide.group}, "display": slide.group}
        if slide.patient is not None:
            common["subject"] = {"identifier": {"value": slide.patient}, "display": slide.patient}
        reports.append(_make_report(slide, common, method, level, signed_by))
        reports[-1]["contained"].append(_describe_device(count))
    entries = [{"resource": report} for report in reports]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    if path is None:
        return bundle
    return replace_file(path, json.dumps(bundle, indent=2, allow_nan=False).encode())


def _describe_device(count):
    name = printable(count.model, keep="") or "classifier of an unknown name"
    found = {"resourceType": "Device", "id": "classifier"}
    found["deviceName"] = [{"name": name, "type": "model-name"}]
    return found | {"version": [{"value": f"skblood {version('skblood')}"}]}


def _make_report(slide, common, method, level, signed_by):
    # A code is that of all cells of its type, not of one class among several.
    codes = [line.type.loinc for line in slide.white + slide.apart]
    split = {code for code in codes if codes.count(code) > 1}
    # "Neutrophils" of LOINC are all of them, not those beside the bands.
    if any(line.type.name.endswith(" neutrophil") for line in slide.white):
        split.add(find_type("neutrophil").loinc)
    status = "final" if signed_by else "preliminary"
    observations = [
        {"resourceType": "Observation", "id": f"line-{number}", "status": status}
        | {"category": [_concept("laboratory", f"{_CATEGORIES}/observation-category")]}
        | {"code": _concept(line.type.loinc * (line.type.loinc not in split), text=line.label)}
        | common
        | _state_value(line)
        | {"method": {"text": method}, "device": {"reference": "#classifier"}}
        | {"component": _list_components(line, level)}
        for number, line in enumerate(slide.white + slide.apart, start=1)
    ]
    report = {"resourceType": "DiagnosticReport", "contained": observations}
    # "preliminary" is of verified results in a report.
    report |= {"status": "final" if signed_by else "partial", **common}
    report |= {"identifier": [{"value": slide.group}], "conclusion": _conclude(slide)}
    report |= {"category": [_concept("HM", f"{_CATEGORIES}/v2-0074")]}
    report |= {"code": _concept(_PANEL, text="Differential count")}
    report |= {"result": [{"reference": f"#{each['id']}"} for each in observations]}
    report |= {"specimen": [report["specimen"]]} if "specimen" in report else {}
    return report | ({"resultsInterpreter": [{"display": signed_by}]} if signed_by else {})


def _concept(code, system=_LOINC, text=None):
    coding = {"coding": [{"system": system, "code": code}]} if code else {}
    return coding | ({"text": text} if text else {})


def _state_value(line):
    """Return the value of an Observation, or why it has none."""
    if line.type.kind in ("platelet", "other"):
        return {"valueInteger": line.n}
    if line.share != line.share:
        reason = _concept("not-performed", f"{_CATEGORIES}/data-absent-reason")
        return {"dataAbsentReason": reason | {"text": "no white cells"}}
    if line.type.kind == "red":
        value = round(100 * line.share, 1)
        return {"valueQuantity": _quantity(value, "/100 WBC", "/100{WBCs}")}
    if line.shown_percent == "<1":
        return {"valueQuantity": _quantity(1, "%", "%") | {"comparator": "<"}}
    return {"valueQuantity": _quantity(line.percent, "%", "%")}


def _quantity(value, unit, code):
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}


def _list_components(line, level):
    found = [{"code": {"text": "cells counted"}, "valueInteger": line.n}]
    if line.n_reviewed:
        code = {"text": "of these decided by a reader"}
        found.append({"code": code, "valueInteger": line.n_reviewed})
    unit = {"white": ("%", "%"), "red": ("/100 WBC", "/100{WBCs}")}.get(line.type.kind)
    if unit and line.low == line.low:
        ends = {"low": line.low, "high": line.high}
        limits = {name: _quantity(round(100 * end, 2), *unit) for name, end in ends.items()}
        found.append({"code": {"text": level}, "valueRange": limits})
    return found


def _conclude(slide):
    text = f"{number(slide.n_white, 'white cell')} counted, {number(slide.n_rejected, 'cell')} "
    text += f"rejected. {number(slide.n_reviewed, 'label')} decided by a reader."
    return text + (f" Needs a manual look: {'; '.join(slide.reasons)}." if slide.reasons else "")
