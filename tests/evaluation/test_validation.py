"""Validations: plans hold what was stated, studies are judged by their whole intervals."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, recall_score

from skblood.evaluation import (
    DifferentialCount,
    ValidationPlan,
    _plan_validation,
    plan_validation,
    validate_differentials,
)
from skblood.evaluation._acceptance import combine, decide
from skblood.evaluation._estimates import Estimate

# Of studies that are small, to be quick.
pytestmark = pytest.mark.filterwarnings("ignore:.*have a power of")

SHARES = {"lymphocyte": 0.3, "monocyte": 0.1, "neutrophil": 0.6}
CLASSES = np.array(list(SHARES))
LIMITS = {"bias": 0.03, "positive_agreement": 0.8, "overall": {"kappa": 0.8, "agreement": 0.85}}


@pytest.fixture(scope="module")
def plan():
    return plan_validation(SHARES, LIMITS, n_slides=20, n_cells=100, n_simulations=20)


@pytest.fixture(scope="module")
def count_plan():
    return plan_validation(SHARES, {"bias": 0.1}, n_slides=20, same_cells=False, n_simulations=20)


def make_labels(*errors, n_slides=20, n_cells=100, seed=0):
    """Return the slides of cells, and labels with shares of errors that have no bias."""
    rng, shares = np.random.default_rng(seed), [*SHARES.values()]
    true = [rng.choice(3, n_cells, p=rng.dirichlet(40 * np.array(shares))) for _ in range(n_slides)]
    true = np.concatenate(true)
    wrong = [rng.random(len(true)) < each for each in errors]
    drawn = [np.where(each, rng.choice(3, len(true), p=shares), true) for each in wrong]
    return np.repeat(np.arange(n_slides), n_cells), [CLASSES[each] for each in drawn]


def make_counts(*sizes, n_slides=20, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(40 * np.array([*SHARES.values()]), n_slides)
    return [DifferentialCount.from_counts(rng.multinomial(n, true), classes=CLASSES) for n in sizes]


class TestPlan:
    def test_margin_is_that_of_counts_without_errors(self):
        """Readers count 2 x 200 cells, the model 200: t times the standard error of the bias."""
        plan = plan_validation(
            SHARES,
            {"bias": 0.5},
            n_slides=20,
            same_cells=False,
            reader_errors=0,
            model_errors=0,
            spread=1e6,
        )
        p = np.array(plan.shares)
        expected = 2.09 * np.sqrt(p * (1 - p) * (1 / 400 + 1 / 200) / 20)
        np.testing.assert_allclose(plan.chosen["margin"], expected, rtol=0.04)
        assert plan.power == 1

    def test_fewest_slides_with_the_power(self):
        limits = {"margin": 0.012}
        plan = plan_validation(
            SHARES, limits, same_cells=False, n_cells=[100, 200], n_simulations=40
        )
        table = plan.to_frame()
        assert table.columns[:3].tolist() == ["n_slides", "n_cells", "power"]
        enough = table[table["power"] >= 0.9]
        assert len(enough) == 2 and (table.groupby("n_cells")["power"].last() >= 0.9).all()
        assert plan.n_slides * plan.n_cells == (enough["n_slides"] * enough["n_cells"]).min()
        assert "95% of 400 cells" in str(plan) and plan.fingerprint in str(plan)

    def test_a_biased_model_cannot_pass(self):
        confusion = [[70, 30, 0], [0, 100, 0], [0, 0, 100]]
        with pytest.warns(UserWarning, match=r"power of 0\.00.*bias of lymphocyte \(0%\)"):
            plan_validation(
                SHARES, {"bias": 0.03}, n_slides=20, model_errors=confusion, n_simulations=10
            )

    @pytest.mark.parametrize(
        ("criterion", "limit"), [("bias", 0.045), ("positive_agreement", 0.85)]
    )
    def test_a_model_at_its_limit_hardly_passes(self, criterion, limit):
        """15 % of the lymphocytes, with a share of .3, are called neutrophils: a bias of 4.5 %."""
        shares, confusion = {"lymphocyte": 0.3, "neutrophil": 0.7}, [[85, 15], [0, 100]]
        options = {"reader_errors": 0, "model_errors": confusion, "n_slides": 30}
        limits = {"classes": {"lymphocyte": {criterion: limit}}}
        plan = plan_validation(shares, limits, **options, n_simulations=400)
        assert plan.power < 0.06

    def test_progress(self, capsys):
        plan_validation(SHARES, {"bias": 0.5}, n_simulations=1, verbose=2)
        assert capsys.readouterr().err == "10 slides of 200 cells: power 1.00\n"

    def test_a_hopeless_size_is_left_early(self, monkeypatch):
        """With a power of 90 % of 100 studies, 11 failures are enough."""
        runs, measure = [], _plan_validation.measure
        monkeypatch.setattr(_plan_validation, "measure", lambda *x: runs.append(0) or measure(*x))
        plan_validation(SHARES, {"margin": 1e-6}, n_cells=10, n_simulations=100)
        assert len(runs) == 10 * 11

    def test_rare_classes_need_more_slides(self):
        """0.5 % of 100 cells on 20 slides are 10 cells: below min_cells nothing is decided."""
        shares = {"basophil": 0.005, "others": 0.995}
        options = {"n_slides": 20, "n_cells": 100, "n_simulations": 10}
        with pytest.warns(UserWarning, match="bias of basophil"):
            assert plan_validation(shares, {"bias": 0.1}, **options).power == 0
        assert plan_validation(shares, {"bias": 0.1, "min_cells": 0}, **options).power == 1

    def test_file(self, plan, tmp_path):
        path = plan.save(tmp_path / "plan.json")
        assert ValidationPlan.load(path).to_dict() == plan.to_dict()
        path.write_text(path.read_text().replace('"bias": 0.03', '"bias": 0.05'))
        with pytest.raises(ValueError, match="was changed after it was written"):
            ValidationPlan.load(path)
        path.write_text("[]")
        with pytest.raises(ValueError, match="is no plan"):
            ValidationPlan.load(path)

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            ({}, "must hold a limit"),
            ({"bais": 0.1}, "'bais'; possible are bias"),
            ({"bias": 3}, "share above 0, at most 1"),
            ({"classes": {"blast": {"bias": 0.1}}}, r"classes \['blast'\]"),
            ({"overall": {"bias": 0.1}}, "'bias'; possible are kappa"),
            ({"kappa": 0.8}, "labels of the same cells"),
            ({"bias": 0.1, "overall": 0.8}, "must be dicts"),
            ({"bias": 0.1, "min_cells": "many"}, "`min_cells` of `limits` must be a number"),
            ({"bias": 0.1, "min_cells": np.nan}, "`min_cells` of `limits` must be a number"),
            ({"bias": 0.1, "min_cells": -5}, "0 or more, not -5"),
            ({"bias": 0.1, "min_cells": True}, "0 or more, not True"),
            ({"bias": True}, "share above 0, at most 1"),
            ({"classes": {"monocyte": 0.1}}, r"hold a dict for each class.*'monocyte'"),
            ({"classes": {"monocyte": None}}, r"hold a dict for each class.*'monocyte'"),
        ],
    )
    def test_impossible_limits(self, limits, message):
        with pytest.raises(ValueError, match=message):
            plan_validation(SHARES, limits, same_cells=False)

    def test_impossible_numbers(self):
        with pytest.raises(ValueError, match="`n_slides` and `n_cells` must be 3"):
            plan_validation(SHARES, {"bias": 0.1}, n_slides=2)
        with pytest.raises(ValueError, match="`power` must be between 0 and 1"):
            plan_validation(SHARES, {"bias": 0.1}, power=90)
        with pytest.raises(ValueError, match="share above 0"):
            plan_validation({"x": 1.0, "y": 0.0}, {"bias": 0.1})
        with pytest.raises(ValueError, match="`reader_errors` must be at least 0"):
            plan_validation(SHARES, {"bias": 0.1}, reader_errors=1.5)
        for spread in (0, -1, np.nan, np.inf):
            with pytest.raises(ValueError, match="`spread` must be above 0 and finite"):
                plan_validation(SHARES, {"bias": 0.1}, spread=spread)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("criterion", "low", "high", "expected"),
        [
            ("bias", -0.02, 0.01, "pass"),
            ("bias", -0.04, 0.01, "undecided"),
            ("bias", -0.05, 0.05, "undecided"),
            ("bias", 0.031, 0.05, "fail"),
            ("bias", -0.05, -0.031, "fail"),
            ("kappa", 0.04, 0.9, "pass"),
            ("kappa", 0.02, 0.9, "undecided"),
            ("kappa", 0.0, 0.02, "fail"),
            ("kappa", np.nan, np.nan, "undecided"),
        ],
    )
    def test_the_interval_decides(self, criterion, low, high, expected):
        assert decide(criterion, 0.03, Estimate((low + high) / 2, low, high)) == expected

    def test_all_must_pass(self):
        assert combine(["pass", "undecided", "fail"]) == "fail"
        assert combine(["pass", "undecided"]) == "undecided"
        assert combine(["pass", "pass"]) == "pass"


class TestLabels:
    def test_agreement_is_that_of_model_with_each_reader(self, plan):
        slides, (a, b, model) = make_labels(0.03, 0.05, 0.1)
        report = validate_differentials(a, b, model, plan=plan, groups=slides)
        assert report.classes == list(CLASSES) and report.same_cells
        for i, label in enumerate(CLASSES):
            both, twice = np.concatenate([a, b]) == label, np.tile(model, 2) == label
            assert report.measures["positive_agreement"][i].value == recall_score(both, twice)
            assert report.measures["negative_agreement"][i].value == recall_score(~both, ~twice)
            kappa = report.measures["kappa"][i]
            assert kappa.value == pytest.approx(cohen_kappa_score(both, twice))
            assert kappa.low < kappa.value < kappa.high
            kappa = report.reader_measures["kappa"][i].value
            assert kappa == pytest.approx(cohen_kappa_score(a == label, b == label), abs=1e-3)
            shares = [np.mean(y == label) for y in (a, b, model)]
            bias = report.measures["bias"][i].value
            assert bias == pytest.approx(shares[2] - (shares[0] + shares[1]) / 2)
        assert report.measures["agreement"][0].value == np.mean([model == a, model == b])
        assert report.verdict == "pass" and report.class_verdicts == ["pass"] * 3
        assert (report.criteria["verdict"] == "pass").all() and len(report.criteria) == 8

    def test_a_model_that_mixes_up_classes_fails(self, plan):
        slides, (a, b, model) = make_labels(0.03, 0.03, 0.03)
        model = np.where(model == "monocyte", "lymphocyte", model)
        report = validate_differentials(a, b, model, plan=plan, groups=slides)
        verdicts = dict(zip(report.classes, report.class_verdicts, strict=True))
        assert verdicts == {"lymphocyte": "fail", "monocyte": "fail", "neutrophil": "pass"}
        assert report.verdict == "fail" and str(report).startswith("Validation: fail; plan of")

    def test_limits_of_one_readers_cells(self, plan):
        """At 50 of 100 the limits are 40 to 60 %; for two labels of each cell it would be 43."""
        a = np.tile(np.repeat(CLASSES[:2], 50), 4)
        model = np.tile(np.repeat(CLASSES[:2], [42, 58]), 4)
        report = validate_differentials(a, a, model, groups=np.repeat(range(4), 100))
        assert report.measures["within_limits"][0].value == 1
        assert report.comparison.within_limits.tolist() == [1, 1]

    def test_too_few_cells_decide_nothing(self):
        plan = plan_validation(
            SHARES, {"bias": 0.5, "min_cells": 300}, n_slides=20, n_simulations=1
        )
        slides, labels = make_labels(0, 0, 0)
        report = validate_differentials(*labels, plan=plan, groups=slides)
        verdicts = dict(zip(report.classes, report.class_verdicts, strict=True))
        assert verdicts == {"lymphocyte": "pass", "monocyte": "undecided", "neutrophil": "pass"}

    def test_departures_are_told(self, plan):
        slides, labels = make_labels(0, 0, 0, n_slides=10, n_cells=90)
        notes = validate_differentials(*labels, plan=plan, groups=slides).notes
        assert notes == [
            "The plan has 20 slides, the study 10.",
            "10 slides have fewer than the 100 planned cells.",
        ]

    def test_errors(self, plan):
        slides, labels = make_labels(0, 0, 0)
        with pytest.raises(ValueError, match="`groups` must name the slide"):
            validate_differentials(*labels)
        with pytest.raises(TypeError, match="three DifferentialCount"):
            validate_differentials(*labels[:2], make_counts(100)[0], groups=slides)
        with pytest.raises(ValueError, match="three different names"):
            validate_differentials(*labels, groups=slides, names=("a", "a", "b"))


class TestCounts:
    def test_no_verdict_without_a_plan(self):
        report = validate_differentials(*make_counts(200, 200, 200))
        assert report.verdict is None and "verdict" not in report.to_frame()
        assert "no acceptance limits were stated beforehand" in str(report)
        page = report.to_html()
        assert "No verdict" in page and "✓" not in page

    def test_limits_that_are_younger_than_the_data_are_refused(self, count_plan):
        made, counts = datetime.fromisoformat(count_plan.created), make_counts(200, 200, 200)
        before, after = (made + timedelta(hours=x) for x in (-1, 1))
        with pytest.raises(ValueError, match="not stated beforehand"):
            validate_differentials(*counts, plan=count_plan, recorded=before)
        report = validate_differentials(*counts, plan=count_plan, recorded=after)
        assert report.verdict == "pass"

    def test_slides_and_classes_are_matched(self, count_plan):
        first, second, model = make_counts(200, 200, 200)
        expected = validate_differentials(first, second, model, plan=count_plan)
        turned = DifferentialCount.from_counts(
            model.counts[::-1, ::-1], classes=CLASSES[::-1], groups=model.groups[::-1]
        )
        found = validate_differentials(first, second, turned, plan=count_plan)
        assert found.measures == expected.measures

    def test_within_limits_by_chance(self):
        """The expectation is what methods reach that differ by chance only."""
        report = validate_differentials(*make_counts(200, 200, 200, n_slides=500))
        found = [each.value for each in report.measures["within_limits"]]
        np.testing.assert_allclose(found, report.within_by_chance, atol=0.06)
        assert (report.within_by_chance < 0.85).all()

    def test_classes_that_the_plan_lacks(self, plan, count_plan):
        """They are described, without limits; the verdict on the planned ones stands."""
        known = validate_differentials(*make_counts(200, 200, 200), plan=count_plan)
        counts = [np.pad(each.counts, [(0, 0), (0, 1)]) for each in make_counts(200, 200, 200)]
        counts[0][3, -1] = counts[2][3, -1] = 2
        counts = [DifferentialCount.from_counts(x, classes=[*CLASSES, "blast"]) for x in counts]
        found = validate_differentials(*counts, plan=count_plan)
        assert [*found.classes] == [*CLASSES, "blast"]
        assert found.criteria["class"].tolist() == known.criteria["class"].tolist()
        assert (found.verdict, found.class_verdicts[-1]) == (known.verdict, "")
        assert "not in the plan, with cells by both readers: blast (2)" in found.notes[0]
        assert found.notes[0] in found.to_html()
        slides, labels = make_labels(0, 0, 0)
        labels = [np.where(np.arange(len(each)) < 49, "eosinophil", each) for each in labels]
        found = validate_differentials(*labels, groups=slides, plan=plan)
        assert found.classes[-1] == "eosinophil" and "eosinophil (98)" in found.notes[0]
        assert set(found.criteria["class"]) == {*CLASSES, "all cells"}

    def test_names_in_errors(self):
        with pytest.raises(ValueError, match="`reader_1` 1"):
            validate_differentials(["a"], ["a", "b"], ["a"], groups=[1])

    def test_a_planned_class_that_was_not_counted(self):
        shares = SHARES | {"blast": 0.001}
        options = {"n_slides": 20, "same_cells": False, "n_simulations": 5}
        plan = plan_validation(shares, {"bias": 0.1}, **options)
        report = validate_differentials(*make_counts(200, 200, 200), plan=plan)
        verdicts = report.criteria.set_index("class")["verdict"]
        assert verdicts["blast"] == report.verdict == "undecided"
        assert verdicts.drop("blast").eq("pass").all() and "blast" in report.to_html()

    def test_limits_of_cells_need_cells(self, plan):
        with pytest.raises(ValueError, match="labels of the same cells"):
            validate_differentials(*make_counts(200, 200, 200), plan=plan)


@pytest.fixture(scope="module")
def report():
    """Class names that a page must escape."""
    classes = ["<script>alert(1)</script>", 'a"b', "\u05d0\u05d1"]
    plan = plan_validation(
        dict(zip(classes, (0.5, 0.4, 0.1), strict=True)), LIMITS, n_slides=10, n_simulations=1
    )
    slides, labels = make_labels(0.03, 0.03, 0.1, n_slides=10)
    names = dict(zip(CLASSES, classes, strict=True))
    labels = [[names[label] for label in each] for each in labels]
    return validate_differentials(*labels, plan=plan, groups=slides, names=("A", "B", "<b>m"))


class TestOutput:
    def test_page_says_what_was_studied_and_when(self, report):
        page = replace(report, names=("Lee", "Kim", "model")).to_html()
        assert (
            "Model: <b><bdi>not stated</bdi></b>" in page
            and 'Study of <b class="number">an unknown date' in page
        )
        named = replace(report, names=("Lee", "Kim", "blood8-2"), recorded=datetime(2026, 11, 2, 9))
        page = named.to_html()
        assert (
            "Model: <b><bdi>blood8-2</bdi></b>" in page
            and 'Study of <b class="number">2026-11-02 09:00' in page
        )
        assert f'analyzed on <b class="number">{named.created}</b> by skblood' in page
        for field in ("laboratory", "name", "signature", "date"):
            assert f"<span>{field}</span>" in page
        assert named.to_dict()["recorded"] == "2026-11-02T09:00:00"

    def test_page(self, report, tmp_path):
        page = report.to_html()
        assert "alert(1)" in page and "<script>alert" not in page and "<b>m" not in page
        assert "<bdi>\u05d0\u05d1</bdi>" in page
        assert f"fingerprint <code>{report.plan.fingerprint}" in page
        assert re.search("https?://", page) is None
        assert report.to_html(tmp_path / "page.html").read_text("utf-8") == page

    def test_a_line_that_does_not_apply(self):
        rng = np.random.default_rng(0)
        counts = [
            DifferentialCount.from_counts(rng.multinomial(100, [0.5, 0.5], 10), classes=["x", "y"])
            for _ in range(3)
        ]
        page = validate_differentials(*counts).to_html()
        assert page.count("does not apply: the shares do not rise together") == 2

    def test_table_and_json(self, report):
        frame, document = report.to_frame(), report.to_dict()
        assert frame.index.tolist() == report.classes and "readers_kappa_low" in frame
        assert document["overall"]["kappa"] == report.measures["kappa"][-1].to_dict()
        assert document["plan"]["fingerprint"] == report.plan.fingerprint
        text = json.dumps(document, default=lambda x: x.tolist())
        assert [row["verdict"] for row in json.loads(text)["classes"]] == report.class_verdicts
