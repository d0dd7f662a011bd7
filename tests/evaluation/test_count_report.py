"""Reports of differential counts: order, percents, rules, csv, page and FHIR."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from skblood.evaluation import DifferentialCount, compare_differentials, differential_count
from skblood.evaluation._cell_types import cell_types, find_type
from skblood.evaluation._count_lines import list_slides, whole_percents
from tests.reviewing.answering import open_browser, open_page

BLOOD = ["basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil"]
BLOOD += ["platelet"]
COUNTS = [[1, 4, 6, 3, 60, 12, 120, 20], [0, 2, 0, 0, 55, 9, 134, 0]]
NASTY = "</td><script>alert(1)</script>\"'&{{ 1 }}\u202egnp"


def make(counts=COUNTS, classes=BLOOD, groups=("S1", "S2"), **options):
    return DifferentialCount.from_counts(counts, classes=classes, groups=groups, **options)


def lines_of(count, slide=0):
    return {line.label: line for line in list_slides(count)[slide].white}


class TestOrder:
    def test_white_cells_in_clinical_order(self):
        order = ["neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "ig"]
        assert make().white.classes == order
        assert re.findall(r"^  (\w+) +\d", str(make()), re.M) == 2 * order

    def test_names_of_many_laboratories(self):
        names = ["hairy cell", "Myelocytes", "NRBC", "IG", "Band_Neutrophil", "LY", "SNE", "PLT"]
        count = make([[2, 1, 5, 2, 10, 80, 100, 7]], names, ["S"])
        slide = list_slides(count)[0]
        assert [line.label for line in slide.white] == [
            *["SNE", "Band_Neutrophil", "LY", "IG", "Myelocytes", "hairy cell"]
        ]
        assert [line.label for line in slide.apart] == ["NRBC", "PLT"]
        assert slide.n_white == 195

    @pytest.mark.parametrize(
        ("kind", "names"),
        [
            ("red", "EBO|basophilic erythroblast|Orthochromatische Erythroblasten|PEB|NRBCs"),
            ("platelet", "Thrombozyt|Thrombozyten|platelets clump|Giant_Platelets|thrombocytes"),
            ("other", "KSC|background|not a cell|Reticulocytes|Kernschatten|Stain artefact"),
        ],
    )
    def test_names_of_cells_that_are_not_white(self, kind, names):
        assert {name: find_type(name).kind for name in names.split("|")} == dict.fromkeys(
            names.split("|"), kind
        )

    @pytest.mark.parametrize("name", ["BLA", "Blasten", "myeloid blast", "MYO", "B-lymphoblasts"])
    def test_names_of_blasts_have_their_rule(self, name):
        assert name in make([[1, 200]], [name, "neutrophil"], ["S"]).manual_look[0][0]

    def test_names_in_german(self):
        names = ["Segmentkernige", "Stabkerniger", "Neutrophile", "Lymphozyten", "Monozyt"]
        names += ["Eosinophiler", "Basophile", "Unreife Granulozyten", "Plasmazellen"]
        assert make([[30] * 9], names, ["S"]).white.classes == names
        assert all(find_type(name).is_known for name in names)

    def test_names_of_types_are_unambiguous(self):
        assert {find_type(name).name for name in cell_types()} == {
            each.name for each in cell_types().values()
        }
        codes = [each.loinc for each in set(cell_types().values()) if each.loinc]
        assert len(set(codes)) == len(codes)

    @pytest.mark.parametrize("code", [each.loinc for each in cell_types().values() if each.loinc])
    def test_codes_have_their_check_digit(self, code):
        """LOINC's is that of Luhn (mod 10)."""
        digits, check = code.split("-")
        doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits))]
        assert (-sum(d - 9 * (d > 9) for d in doubled)) % 10 == int(check)


class TestShares:
    def test_platelets_and_red_cells_are_not_in_the_denominator(self):
        count = make()
        slide = list_slides(count)[0]
        assert slide.n_white == 200
        assert {line.label: line.percent for line in slide.white}["neutrophil"] == 60
        red, platelets = slide.apart
        assert red.share == 0.03
        assert np.isnan(platelets.share) and platelets.n == 20
        assert list_slides(count)[1].red[0].share == 0
        np.testing.assert_allclose(count.white.shares.sum(axis=1), 1)
        np.testing.assert_allclose(count.shares.sum(axis=1), 1)  # of all cells, as they are given

    def test_interval_of_red_cells_is_that_of_odds(self):
        """Of many cells it is that of a Poisson distribution; also above one per white cell."""
        red = list_slides(make([[0] * 2 + [40] + [0] * 3 + [100_000, 0]], groups=["S"]))[0].red[0]
        assert (1e5 * red.low, 1e5 * red.high) == pytest.approx((29.4, 54.5), abs=0.1)
        red = list_slides(make([[0] * 2 + [300] + [0] * 3 + [100, 0]], groups=["S"]))[0].red[0]
        assert red.low < red.share == 3 < red.high

    def test_corrected_shares_are_scaled_to_white_cells(self):
        confusion = 50 * np.eye(8, dtype=int)
        confusion[6, [3, 6]] = 10, 40
        count = make(confusion=confusion)
        assert count.preferred == "corrected"
        np.testing.assert_allclose(count.white.shares.sum(axis=1), 1)
        part = count.shares[0, [0, 1, 3, 4, 5, 6]]
        assert lines_of(count)["neutrophil"].share == pytest.approx(part[-1] / part.sum())
        assert lines_of(count)["neutrophil"].percent > 60
        assert (count.white.low <= count.white.shares).all()
        assert (count.white.shares <= count.white.high).all()

    def test_counted_shares_are_reported_if_they_are_preferred(self):
        confusion = 10 * np.eye(8, dtype=int)
        confusion[5, 4:6] = 1, 9
        count = make(confusion=confusion)
        assert count.preferred == "counted"
        assert lines_of(count)["monocyte"].share == 12 / 200 != count.white.shares[0, 2]

    def test_a_slide_without_white_cells(self):
        count = make([[0] * 7 + [5]], groups=["S"])
        assert "<1" not in count.to_html()
        for each in (count, make([[3]], ["platelet"], ["S"]), make([[0]], ["ig"], ["S"])):
            assert "0 white cells, fewer than 100" in str(each)
            assert len(each.to_csv().splitlines()) == 1 + len(each.classes)
            each.to_html()
            each.to_fhir()

    @given(st.lists(st.integers(0, 400), min_size=1, max_size=9).filter(any))
    def test_whole_percents_sum_to_100(self, counts):
        percents = whole_percents(counts)
        assert percents.sum() == 100
        assert (np.abs(percents - 100 * np.array(counts) / sum(counts)) < 1).all()

    def test_a_class_that_is_there_is_not_0_percent(self):
        count = make([[1, 2, 0, 0, 60, 12, 325, 0]], groups=["S"])
        assert lines_of(count)["basophil"].shown_percent == "<1"
        assert lines_of(count)["ig"].shown_percent == "0"
        value = observations(count)["basophil"]["valueQuantity"]
        assert (value["comparator"], value["value"]) == ("<", 1)


class TestReviewed:
    y = np.repeat(["ig", "neutrophil", "platelet"], [4, 120, 6])

    def test_counted_with_the_others_and_named_apart(self):
        mask = np.isin(np.arange(len(self.y)), [0, 1, 10, 129])
        slides = np.where(np.arange(len(self.y)) < 11, "A", "B")
        count = differential_count(self.y, groups=slides, reviewed=mask)
        assert count.counts.tolist() == [[4, 7, 0], [0, 113, 6]]
        assert count.reviewed.tolist() == [[2, 1, 0], [0, 0, 1]]
        assert [slide.n_reviewed for slide in list_slides(count)] == [3, 1]
        assert "B: 113 white cells, 1 decided by a reader" in str(count)
        assert pd.read_csv(io.StringIO(count.to_csv())).reviewed.sum() == 4

    def test_rejected_cells_have_no_reader(self):
        mask = np.arange(len(self.y)) < 3
        assert differential_count(self.y, reviewed=mask, rejected=mask).reviewed.sum() == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"reviewed": [True]}, "`reviewed` 1"),
            (
                {"reviewed": np.ones(130, bool), "confusion": np.eye(3, dtype=int) * 9},
                "of a reader",
            ),
            ({"patients": [1] * 3}, "patients"),
            ({"patients": np.arange(130)}, "'all' has several"),
            ({"rules": {"leukocyte": 1}}, "unknown name 'leukocyte'"),
            *(
                ({"rules": {"ig": limit}}, "limits of 0 or more")
                for limit in (-0.1, "0.5", None, np.nan, True, [0.1])
            ),
            ({"rules": {"ig": 0.1, "IG": 0.2}}, "two limits of 'immature granulocyte'"),
            ({"rejected": np.ones(130, bool)}, "All 130 cells are rejected. Give `classes`"),
            ({"groups": np.repeat(["", "S"], 65)}, "`groups` has an empty name"),
            ({"groups": np.repeat(["\x00", "S"], 65)}, "`groups` has an empty name"),
            ({"patients": np.repeat([" "], 130)}, "`patients` has an empty name"),
            ({"classes": ["", *set(y)]}, "`classes` has an empty name"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            differential_count(self.y, **options)

    def test_more_reviewed_cells_than_cells(self):
        with pytest.raises(ValueError, match="among the cells"):
            make([[1, 2]], ["a", "b"], ["S"], reviewed=[[2, 0]])

    def test_order_of_slides_is_kept_in_a_comparison(self):
        counts = [[10, 90], [30, 70], [50, 50]]
        a = make(counts, ["a", "b"], ["S1", "S2", "S3"])
        reviewed = [[1, 2], [3, 4], [5, 6]]
        patients = ["P3", "P2", "P1"]
        b = make(counts[::-1], ["a", "b"], ["S3", "S2", "S1"], reviewed=reviewed, patients=patients)
        found = compare_differentials(a, b, method="deming").b
        assert found.reviewed.tolist() == reviewed[::-1]
        assert found.patients == patients[::-1]


class TestPatients:
    def test_slides_are_added_up(self):
        counts = [*COUNTS, COUNTS[0]]
        count = make(
            counts, groups=["S1", "S2", "S3"], patients=["P", "Q", "P"], n_rejected=[1, 2, 4]
        )
        total = count.by_patient
        assert total.groups == ["P", "Q"]
        assert total.counts.tolist() == [[2 * n for n in COUNTS[0]], COUNTS[1]]
        assert total.n_rejected.tolist() == [5, 2]
        assert "By patient" in count.to_html()
        page = total.to_html()
        assert page.count("By patient") == 1 and "lide " not in page.partition("<main>")[2]

    def test_of_a_corrected_count(self):
        confusion = 50 * np.eye(8, dtype=int)
        confusion[6, [3, 6]] = 10, 40
        total = make(confusion=confusion, patients=["P", "P"]).by_patient
        assert total.corrected
        expected = make([np.sum(COUNTS, axis=0)], groups=["P"], confusion=confusion)
        np.testing.assert_allclose(total.shares, expected.shares)

    def test_none(self):
        with pytest.raises(ValueError, match="no patients"):
            make().by_patient  # noqa: B018


class TestRules:
    def reasons(self, counts, n_rejected=0, **options):
        classes = [*BLOOD, "blast", "hairy cell"]
        return make([counts], classes, ["S"], n_rejected=[n_rejected], **options).manual_look[0]

    @pytest.mark.parametrize(
        ("counts", "n_rejected", "reason"),
        [
            ([0, 0, 0, 0, 30, 0, 69, 50, 0, 0], 0, "99 white cells, fewer than 100"),
            ([0, 0, 0, 0, 30, 0, 70, 0, 0, 0], 12, "10.7 % of the cells rejected, more than 10 %"),
            ([0, 0, 0, 3, 30, 0, 70, 0, 0, 0], 0, "ig 2.91 % (3), more than 2 %"),
            ([0, 0, 2, 0, 30, 0, 70, 0, 0, 0], 0, "erythroblast 2 per 100 white cells (2), more"),
            ([0, 0, 0, 0, 30, 0, 970, 0, 1, 0], 0, "blast 0.0999 % (1), looked at if there is any"),
        ],
    )
    def test_usual_rules(self, counts, n_rejected, reason):
        (found,) = self.reasons(counts, n_rejected)
        assert found.startswith(reason)

    def test_at_the_limit_there_is_none(self):
        assert self.reasons([0, 0, 1, 2, 28, 0, 70, 9, 0, 0], 12) == []
        assert self.reasons([9, 40, 0, 0, 1, 40, 10, 0, 0, 0]) == []

    def test_unknown_names_are_looked_at(self):
        (reason,) = self.reasons([9, 40, 0, 0, 1, 40, 10, 0, 0, 5])
        assert reason == "hairy cell 4.76 % (5), counted as white: unknown name"
        assert self.reasons([9, 40, 0, 0, 1, 40, 10, 0, 0, 5], rules={"hairy cell": 1}) == []

    def test_classes_of_a_type_are_added_up(self):
        names = ["ig", "IG", "immature granulocyte", "neutrophil", "EBO", "NRBC"]
        (ig, red) = make([[2, 0, 1, 97, 1, 1]], names, ["S"]).manual_look[0]
        assert ig == "ig + immature granulocyte 3 % (3), more than 2 %"
        assert red.startswith("EBO + NRBC 2 per 100 white cells (2), more")

    def test_cells_that_are_counted_apart(self):
        counts, names = [[200, 30, 50]], ["neutrophil", "smudge cell", "platelet"]
        count = make(counts, names, ["S"], rules={"smudge cell": 0.1, "platelet": 0.3})
        (reason,) = count.manual_look[0]
        assert reason == "smudge cell 15 per 100 white cells (30), more than 10 per 100 white cells"

    def test_changed_rules(self):
        counts = [0, 0, 2, 3, 30, 0, 61, 0, 2, 3]
        rules = {"ig": 0.05, "blast": 1, "NRBC": 0.1, "min_cells": 50, "hairy_cell": 0.01}
        assert self.reasons(counts, rules=rules) == ["hairy cell 3.03 % (3), more than 1 %"]
        count = make([counts], [*BLOOD, "blast", "hairy cell"], ["S"], rules=rules)
        for each in (count.white, count.as_counted, count.white.as_counted):
            assert each.rules == count.rules

    def test_any_cell_of_a_corrected_count(self):
        """A corrected share is never quite 0, nor is one without cells a reason."""
        confusion = 100 * np.eye(3, dtype=int) + 2
        options = {"classes": ["blast", "neutrophil", "ig"], "groups": ["S"]}
        for n in (0, 1):
            count = make([[n, 199, 1]], confusion=confusion, rules={"ig": 1}, **options)
            assert count.corrected and len(count.manual_look[0]) == n


class TestOrigin:
    def test_page_and_fhir_name_model_date_and_version(self):
        """On paper each slide has a page, and its own line."""
        count = make(model="blood8-2", patients=["P", "P"])
        page, total = count.to_html(), count.by_patient
        day = count.created[:10]
        assert page.count("Model: <b><bdi>blood8-2</bdi></b>") == page.count(f"<b>{day} ") == 3
        assert page.count("by skblood ") == 3
        assert (total.model, total.created) == (count.model, count.created)
        assert "not stated" in make().to_html()
        report = count.to_fhir(effective={"S1": "2026-11-28"})["entry"][0]["resource"]
        assert (report["issued"], report["effectiveDateTime"]) == (count.created, "2026-11-28")
        *found, device = report["contained"]
        assert device["deviceName"][0]["name"] == "blood8-2"
        assert device["version"][0]["value"].startswith("skblood ")
        assert {each["issued"] for each in found} == {count.created}
        assert (
            "effectiveDateTime" not in count.to_fhir(effective={"S1": "x"})["entry"][1]["resource"]
        )

    def test_of_patients(self):
        """A patient is the subject, and no specimen."""
        total = make(patients=["P", "P"]).by_patient
        report = total.to_fhir()["entry"][0]["resource"]
        assert report["subject"]["display"] == "P" and "specimen" not in report
        assert all("specimen" not in each for each in report["contained"])
        table = total.to_table()
        assert "slide" not in table and set(table["patient"]) == {"P"}

    def test_in_a_notebook(self):
        assert "<pre>2 slides" in make()._repr_html_()
        assert "<script" not in make(groups=[NASTY, 2])._repr_html_()


class TestWords:
    def test_adjusted_percents_are_marked(self):
        page = make([[4, 1, 1]], ["neutrophil", "monocyte", "ig"], ["S"]).to_html()
        assert re.findall(r'class="percent">([^<]*)', page) == ["67", "17", "16*"]
        assert "*: not the nearest" in page and page.count("* not the nearest whole") == 1
        assert "* not the nearest" not in make([[1, 1]], ["monocyte", "ig"], ["S"]).to_html()

    def test_one(self):
        count = make([[1, 0]], ["neutrophil", "erythroblast"], ["S"], n_rejected=[1])
        text = count.to_fhir()["entry"][0]["resource"]["conclusion"]
        assert text.startswith("1 white cell counted, 1 cell rejected. 0 labels")
        assert "1 white cell of 1 slide" in " ".join(count.to_html().split())

    def test_few_white_cells_have_no_interval_per_100(self):
        count = make([[1, 1]], ["neutrophil", "erythroblast"], ["S"])
        assert "100.0 per 100 white cells<" in count.to_html()
        (component,) = observations(count)["erythroblast"]["component"]
        assert component["valueInteger"] == 1


class TestCsv:
    def test_table(self, tmp_path):
        file = make(patients=["P", "=1+1"], n_rejected=[3, 0]).to_csv(tmp_path / "count.csv")
        table = pd.read_csv(file)
        assert table.columns.tolist() == [
            *["slide", "patient", "class", "count", "reviewed", "percent", "share", "low", "high"],
            *["n_white", "n_rejected", "n_reviewed", "manual_look"],
        ]
        first = table[table.slide == "S1"].set_index("class")
        assert first.index.tolist()[:2] == ["neutrophil", "lymphocyte"]
        assert first.percent.sum() == 100
        assert first.percent.isna().tolist() == [False] * 6 + [True] * 2
        assert first.share["erythroblast"] == 0.03 and np.isnan(first.share["platelet"])
        assert first.manual_look.iloc[0].startswith("erythroblast 3 per 100 white cells")
        assert set(table.patient) == {"P", "'=1+1"}


class TestPage:
    def test_what_it_says(self, tmp_path):
        file = make(n_rejected=[3, 0], note="Model x.").to_html(tmp_path / "count.html")
        page = file.read_text("utf-8")
        assert "1 of 2 need a manual look" in page
        assert "3.0 per 100 white cells" in page
        assert "Model x. Percentages" in " ".join(page.split())
        assert "no class for blast, band neutrophil, variant lymphocyte, plasma cell:" in page
        assert "Unknown names" not in page
        assert "signature" in page
        assert not re.findall(r"https?:|url\(|@import|<link|<script", page)

    @pytest.mark.parametrize("reviewed", [[0, 2, 0], [5, 1, 0], [0, 0, 99], [5, 2, 99]])
    def test_types_that_only_the_reader_names(self, reviewed):
        """A model that knows no blasts has counted those that were not reviewed as others."""
        classes = ["ig", "blast", "erythroblast"]
        page = make([[5, 2, 99]], classes, ["S"], reviewed=[reviewed]).to_html()
        text = "Only the reader has named blast: among the 104 cells that were not reviewed"
        assert (text in page) == (reviewed == [0, 2, 0])
        assert page.count("Only the reader") == (reviewed == [0, 2, 0])

    def test_names_are_escaped(self):
        names, counts = [NASTY, "neutrophil"], [[5, 3]]
        page = make(counts, names, [NASTY], patients=[NASTY + "2"], note=NASTY).to_html()
        assert "<script" not in page and "\u202e" not in page
        assert "Unknown names, counted as white cells: &lt;/td&gt;" in page

    def test_rules_of_these_classes_are_listed(self):
        page = " ".join(make(rules={"ig": 0.031}).to_html().split())
        rules = page.partition("Rules for a manual look")[2]
        assert "3.1 % <bdi>immature granulocyte</bdi>" in rules and "plasma" not in rules


def observations(count, report=0, **options):
    found = count.to_fhir(**options)["entry"][report]["resource"]["contained"]
    return {each["code"]["text"]: each for each in found if "code" in each}


class TestFhir:
    @pytest.mark.parametrize("signed_by", [None, "Dr. A. Reader"])
    def test_models_of_r4_accept_it(self, tmp_path, signed_by):
        resources = pytest.importorskip("fhir.resources.R4B.bundle")
        counts = [*COUNTS, [0] * 8]
        reviewed = np.zeros((3, 8), int)
        reviewed[0, 3] = 2
        count = make(
            counts, groups=["S1", 2, NASTY], patients=["P", "P", "Q"], reviewed=reviewed, note="x"
        )
        file = count.to_fhir(tmp_path / "count.json", signed_by=signed_by)
        bundle = resources.Bundle.model_validate_json(file.read_text())
        reports = [entry.resource for entry in bundle.entry]
        assert [each.get_resource_type() for each in reports] == ["DiagnosticReport"] * 3
        assert {each.status for each in reports} == {"final" if signed_by else "partial"}
        for report in reports:
            *found, device = report.contained
            assert {f"#{each.id}" for each in found} == {each.reference for each in report.result}
            assert {each.device.reference for each in found} == {f"#{device.id}"}
            statuses = {each.status for each in found}
            assert statuses == {"final" if signed_by else "preliminary"}
        assert json.loads(file.read_text()) == count.to_fhir(signed_by=signed_by)

    def test_codes_and_values(self):
        found = observations(make())
        neutrophils, red = found["neutrophil"], found["erythroblast"]
        assert neutrophils["code"]["coding"] == [{"system": "http://loinc.org", "code": "26511-6"}]
        assert neutrophils["valueQuantity"]["value"] == 60
        assert red["code"]["coding"][0]["code"] == "19048-8"
        assert (red["valueQuantity"]["value"], red["valueQuantity"]["code"]) == (3, "/100{WBCs}")
        assert "coding" not in found["platelet"]["code"]
        assert found["platelet"]["valueInteger"] == 20
        cells, interval = neutrophils["component"]
        assert cells["valueInteger"] == 120
        low, high = (interval["valueRange"][end]["value"] for end in ("low", "high"))
        assert (low, high) == pytest.approx((53.1, 66.5), abs=0.1)

    def test_a_code_is_that_of_all_cells_of_a_type(self):
        found = observations(make([[60, 5, 40]], ["neutrophil", "NEU", "LY"], ["S"]))
        assert ["coding" in found[name]["code"] for name in found] == [False, False, True]

    def test_nobody_signs_a_blank(self):
        assert make().to_fhir(signed_by=" ") == make().to_fhir()

    def test_total_of_neutrophils_is_not_that_beside_bands(self):
        found = observations(make([[60, 5, 40]], ["neutrophil", "BNE", "LY"], ["S"]))
        assert "coding" not in found["neutrophil"]["code"]
        assert found["BNE"]["code"]["coding"][0]["code"] == "26508-2"

    def test_slides_without_white_cells_say_so(self):
        found = observations(make([[0] * 2 + [3] + [0] * 5], groups=["S"]))
        assert found["neutrophil"]["dataAbsentReason"]["text"] == "no white cells"
        assert "valueQuantity" not in found["erythroblast"]

    def test_conclusion_names_the_reasons(self):
        report = make(n_rejected=[3, 0]).to_fhir()["entry"][0]["resource"]
        assert report["conclusion"].startswith("200 white cells counted, 3 cells rejected.")
        assert "Needs a manual look: erythroblast 3 per 100" in report["conclusion"]
        assert "subject" not in report


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_page_in_a_browser(tmp_path, width):
    """No error, no request, nothing wider than the screen; the table of a slide needs no scroll."""
    reviewed = np.minimum(COUNTS, 2)
    counts = {"patients": ["P", "P"], "reviewed": reviewed, "n_rejected": [3, 0]}
    file = make(groups=["S1", "slides/2026-11-30 " + NASTY], **counts).to_html(tmp_path / "c.html")
    with open_browser() as browser:
        page, faults = open_page(
            browser.new_context(viewport={"width": width, "height": 800}), file
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        hidden = "e => e.parentElement.scrollWidth - e.parentElement.clientWidth"
        assert [table.evaluate(hidden) for table in page.locator(".count").all()] == [0, 0]
        overviews = page.locator(".overview").all()
        if width == 1280:
            assert [table.evaluate(hidden) for table in overviews] == [0, 0]
        for table in overviews:  # what goes on to the right fades there
            mask = table.evaluate("e => getComputedStyle(e.parentElement).maskImage")
            assert (mask != "none") == (table.evaluate(hidden) > 0)
        page.get_by_role("link", name="S1").click()
        assert page.evaluate("location.hash") == "#slide-1"
        assert faults == []
