"""The page of an evaluation: what it says, escaped, and that it prints and scrolls well."""

import html
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from skblood import MLPCellClassifier, audit, load_pretrained, model_card, reconfigure
from skblood.datasets import make_blood_cells
from skblood.evaluation import EvaluationReport, evaluate
from skblood.images import CellImages

NASTY = "<script>alert(1)</script>\"'"
ARABIC = "\u062e\u0644\u064a\u0629"
CLASSES = ["ig", "platelet", NASTY, ARABIC]


def draw(n=120, seed=0):
    """Return labels and probabilities that are mostly right; of the last class there are none."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, n)
    y_proba = rng.dirichlet(np.full(4, 0.4), n) * 0.6 + 0.4 * np.eye(4)[codes]
    return np.array(CLASSES, object)[codes], y_proba


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    paths = [folder / f"{i} <&'{ARABIC}\u202e.png" for i in range(120)]
    for i, path in enumerate(paths):
        Image.fromarray(np.full((20, 20, 3), i, np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def report(files):
    y_true, y_proba = draw()
    return EvaluationReport.from_predictions(
        y_true,
        np.array(CLASSES, object)[y_proba.argmax(axis=1)],
        y_proba,
        classes=CLASSES,
        groups=[f"slide {i % 12} <i>" for i in range(120)],
        images=files,
        n_resamples=20,
        note="A prior <b>is</b> on.",
    )


def text_of(page):
    """Return what is read on a page."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", page.split("</head>")[-1])).split())


def titles(page):
    return re.findall("<h[123][^>]*>(.*?)</h[123]>", page)


def test_errors_are_listed_surest_first_with_picture_probability_and_file(report, files):
    wrong = report.cells[report.cells["true"] != report.cells["label"]]
    wrong = wrong.sort_values("probability", ascending=False)
    assert len(wrong) > 5
    page = report.to_html(n_errors=5)
    assert f"{len(wrong)} wrong predictions" in titles(page)
    assert f"5 of {len(wrong)}, surest first" in page
    items = re.findall("<li><img (.*?)</li>", page, re.DOTALL)
    assert len(items) == 5
    for item, (position, cell) in zip(items, wrong.iterrows(), strict=False):
        assert 'src="data:image/webp;base64,' in item
        name = files[position].name.replace("\u202e", "\\u202e")
        shown = text_of(item)
        assert name in shown and f"{cell['label']} {cell['probability']:.3f}" in shown
        assert f"true: {cell['true']} {cell['p_' + cell['true']]:.3f}" in shown
        assert f"group: {cell['group']}" in shown


def test_scores_classes_and_matrix_are_those_of_the_report(report):
    shown = text_of(report.to_html())
    for name in ("accuracy", "balanced_accuracy", "log_loss"):
        assert str(report.scores[name]) in shown
    recall = report.class_scores["recall"][0]
    assert str(recall) in shown
    counts = report.confusion_matrix
    row = [f"{n} {n / counts[0].sum():.1%}" for n in counts[0] if n]
    assert f"ig {' '.join(row)} {counts[0].sum()}" in shown
    accepted = np.sort(report.cells["probability"])[::-1][:108]  # 90 % of 120
    assert f"90.0% {accepted[-1]:.3f}" in shown


def test_groups_are_listed(report):
    shown = text_of(report.to_html())
    cells = report.cells.assign(wrong=report.cells["true"] != report.cells["label"])
    for group, n_wrong in cells.groupby("group")["wrong"].sum().items():
        assert f"{group} 10 {n_wrong} {1 - n_wrong / 10:.3f} [" in shown


def test_everything_is_escaped(report):
    for page in (report.to_html(title=NASTY), report._repr_html_()):
        assert "<script" not in page and "<i>" not in page and "<b>is" not in page
        assert "\u202e" not in page and f"<bdi>{ARABIC}</bdi>" in page
        assert NASTY in text_of(page)


def test_dated_and_with_one_way_to_write_percents(report):
    page = report.to_html()
    assert re.search(r"Made on \d{4}-\d\d-\d\d by skblood \d", page)
    assert "95 % confidence" in page and "95% confidence" not in page


def test_equal_reports_are_equal_pages(report):
    assert report.to_html() == report.to_html()


def test_file_and_notebook(report, tmp_path):
    path = report.to_html(tmp_path / "report.html", title="Café")
    assert path.read_text("utf-8") == report.to_html(title="Café")
    part = report._repr_html_()
    assert part.startswith('<div class="skblood"') and "<body" not in part
    assert titles(part) == ["Scores", "Classes", "Confusion matrix"]


class TestWarnings:
    def warnings(self, *args, audit=None, **options):
        report = EvaluationReport.from_predictions(*args, n_resamples=5, **options)
        found = re.search('<ul class="warnings"(.*?)</ul>', report.to_html(audit=audit), re.DOTALL)
        return text_of(found[1]) if found else ""

    def test_prior_and_absent_classes(self, report):
        shown = text_of(report.to_html())
        assert "A prior <b>is</b> on." in shown
        assert f"1 of the model's 4 classes has no image here: {ARABIC}." in shown

    def test_few_images_and_groups(self):
        y = ["a"] * 40 + ["b"] * 4
        shown = self.warnings(y, y)
        assert "Few images: b (4)." in shown and "No slides or patients were given." in shown
        shown = self.warnings(y, y, groups=[i % 5 for i in range(44)])
        assert "Only 5 groups" in shown and "No slides" not in shown
        y = ["a", "b"] * 20
        assert self.warnings(y, y, groups=[i % 10 for i in range(40)]) == ""

    @pytest.mark.parametrize(("probability", "warned"), [(0.95, True), (0.6, False)])
    def test_too_high_probabilities(self, probability, warned):
        y_true, y_pred = ["a", "b"] * 50, ["a"] * 100
        y_proba = np.tile([probability, 1 - probability], (100, 1))
        shown = self.warnings(y_true, y_pred, y_proba)
        assert ("The probabilities are too high: 0.95 on average" in shown) == warned

    def test_findings_of_the_audit(self):
        X, _ = make_blood_cells(6, image_size=48, random_state=0)
        X[5] = X[0]
        y = ["a", "b"] * 3
        audited = audit(X, split=["train"] * 5 + ["test"])
        assert "cross the split (1)" in self.warnings(y, y, audit=audited)
        found = {"crossing_split": [], "crossing_groups": [], "training_overlap": [1, 2]}
        size = SimpleNamespace(detail="cells fill .2 of the side")
        fake = SimpleNamespace(**found, cell_size=[size], _repr_html_=lambda: "")
        shown = self.warnings(y, y, audit=fake)
        assert "(2): scores of these models are too high" in shown
        assert "Another frame: cells fill .2 of the side." in shown


class TestWhatIsKnown:
    def test_of_a_fitted_classifier(self):
        X, y = make_blood_cells(60, image_size=16, random_state=0)
        clf = MLPCellClassifier((8,), max_epochs=1, random_state=0).fit(X[:40], y[:40])
        clf = reconfigure(clf, prior="equal")
        report = evaluate(clf, X[40:], y[40:], n_resamples=5)
        page = report.to_html(card=model_card(clf, evaluation=report))
        shown = text_of(page)
        assert "classifier MLPCellClassifier" in shown and "trained on 40 images:" in shown
        assert shown.count(report.note) >= 1 and "## " not in shown
        assert "X[" in shown and page.count("data:image/webp") == min(
            24, int((report.cells["true"] != report.cells["label"]).sum())
        )

    def test_labels_only(self):
        page = EvaluationReport.from_predictions(["a", "b"], ["a", "a"]).to_html()
        assert "Probabilities" not in titles(page) and "Slides and patients" not in titles(page)
        assert "no picture" in page and "1 wrong prediction" in titles(page)
        assert "no picture" not in EvaluationReport.from_predictions(["a"], ["a"]).to_html()

    def test_classes_that_are_numbers(self):
        y_proba = [[0.25, 0.75], [0.125, 0.875], [1, 0], [0, 1]]
        report = EvaluationReport.from_predictions(
            [0, 0, 0, 1], [1, 1, 0, 1], y_proba, classes=[0, 1], groups=[7, 8, 9, 10]
        )
        shown = text_of(report.to_html())
        assert "1 0.875 true: 0 0.125 group: 8 X[1]" in shown
        assert "7 1 1 0.000 [" in shown

    @pytest.mark.parametrize("form", ["gray", "float", "rows", "PIL", "list", "CellImages"])
    def test_images_in_any_form(self, form):
        X, _ = make_blood_cells(2, image_size=16, random_state=0)
        forms = {
            "gray": lambda: X[..., 0],
            "float": lambda: X / 255,
            "rows": lambda: X.reshape(2, -1),
            "PIL": lambda: [Image.fromarray(x) for x in X],
            "list": lambda: [X[0], X[1, :12]],
            "CellImages": lambda: CellImages(X),
        }
        report = EvaluationReport.from_predictions(["a", "b"], ["b", "a"], images=forms[form]())
        assert report.to_html().count("data:image/webp") == 2

    def test_report_without_single_predictions(self):
        report = EvaluationReport.from_predictions(["a", "b"], ["a", "a"])
        report.cells = None
        assert "Scores" in titles(report._repr_html_())
        with pytest.raises(ValueError, match="has no single predictions"):
            report.to_html()

    def test_images_that_cannot_be_shown(self, files, tmp_path):
        features = np.ones((2, 5))
        for images in (features, [tmp_path / "gone.png"] * 2, [NASTY, NASTY]):
            page = EvaluationReport.from_predictions(
                ["a", "b"], ["a", "a"], images=images
            ).to_html()
            assert "no picture" in page and "webp" not in page

    def test_html_in_a_card_is_text(self):
        card = "---\ntags: x\n---\n\n# Model card: a\n\n## Model\n\n"
        card += "<script>1</script> [a](javascript:1)"
        page = EvaluationReport.from_predictions(["a"], ["a"]).to_html(card=card)
        assert "&lt;script&gt;1" in page and "<script>1" not in page and 'href="java' not in page
        assert "tags: x" not in page and "<h3>Model</h3>" in page

    def test_needs_matplotlib_only_for_curves(self, report, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        assert "<h3>" in report._repr_html_()
        with pytest.raises(ImportError, match=r"EvaluationReport.to_html needs matplotlib"):
            report.to_html()

    def test_wrong_number_of_errors(self, report):
        with pytest.raises(ValueError, match="n_errors == -1, must be >= 0"):
            report.to_html(n_errors=-1)

    def test_another_laboratory(self):
        """The pretrained model knows how it does at home."""
        X, y = make_blood_cells(60, image_size=64, random_state=0)
        model = load_pretrained("pbc8", device="cpu")
        assert "The images are unlike" not in evaluate(model, X, y, n_resamples=5).note
        report = evaluate(model, 255 - X, y, n_resamples=5)
        assert "The images are unlike those that the model was trained on" in str(report)
        assert "another laboratory, stain or frame?" in text_of(report.to_html())
