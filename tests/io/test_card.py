"""The model card: it says what the model knows of itself, in Markdown that every reader takes."""

import re
from itertools import pairwise

import numpy as np
import pytest
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochTimer

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
    __version__,
    model_card,
)
from skblood.datasets import make_blood_cells
from skblood.evaluation import EvaluationReport, evaluate
from skblood.networks import create_backbone

QUICK = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
CLASS_HEADS = ["precision", "95% interval", "recall", "95% interval", "f1", "95% interval"]
SECTIONS = [
    "## Model",
    "## Training data",
    "## Training",
    "## Evaluation",
    "## Preprocessing",
    "## Intended use and limits",
    "## Versions",
]


@pytest.fixture(scope="module")
def transfer(cells):
    return TransferCellClassifier("cellnet_t", early_stopping=True, **QUICK).fit(*cells)


@pytest.fixture(scope="module")
def report(transfer, cells):
    X, y = cells
    return evaluate(transfer, X[:100], y[:100], n_resamples=50)


@pytest.fixture(scope="module")
def small_mlp():
    """Two classes, no validation."""
    X, _ = make_blood_cells(40, image_size=16, random_state=0)
    return MLPCellClassifier((8,), **QUICK).fit(X, np.arange(40) % 2)


def headings(card):
    return [line for line in card.splitlines() if line.startswith("#")]


def section(card, title):
    """Return the lines of a section."""
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0].splitlines()


def rows(lines):
    """Return the cells of all tables in lines, and check that each table is whole."""
    tables = re.findall(r"(?:^\|.*\|$\n?)+", "\n".join(lines), flags=re.MULTILINE)
    found = []
    for table in tables:
        cut = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert len({len(row) for row in cut}) == 1, table
        assert all(re.fullmatch(r" ---:? ", cell) for cell in cut[1])
        found += [[cell.strip() for cell in row] for row in cut[:1] + cut[2:]]
    return found


class TestOfAClassifier:
    def test_sections(self, transfer, report):
        card = model_card(transfer, evaluation=report)
        assert headings(card) == ["# Model card: TransferCellClassifier", *SECTIONS]
        assert card.startswith(
            "---\nlibrary_name: skblood\npipeline_tag: image-classification\n---"
        )
        assert card.endswith("|\n") and "\n\n\n" not in card

    def test_every_table_is_whole_and_stands_alone(self, transfer, report):
        card = model_card(transfer, evaluation={"a": report, "b": report})
        assert len(rows(card.splitlines())) > 40
        lines = ["", *card.splitlines(), ""]
        for before, line in pairwise(lines):
            if before.startswith("|") != line.startswith("|"):
                assert "" in (before, line)

    def test_model(self, transfer):
        lines = section(model_card(transfer), "Model")
        found = rows(lines)
        assert ["backbone", "cellnet_t, from random weights, all of it trained"] in found
        n = sum(each.numel() for each in transfer.net_.module_.parameters())
        assert ["parameters of the network", f"{n:,}"] in found
        assert f"Its classes are {', '.join(transfer.classes_)}." in lines

    def test_settings_are_those_that_differ(self, transfer):
        found = dict(rows(section(model_card(transfer), "Model"))[5:])
        assert found == {
            "backbone": "'cellnet_t'",
            "device": "'cpu'",
            "early_stopping": "True",
            "max_epochs": "2",
            "random_state": "0",
        }

    def test_defaults(self, small_mlp):
        model = MLPCellClassifier()
        vars(model).update({k: v for k, v in vars(small_mlp).items() if k.endswith("_")})
        model._is_pixels, model._online = True, False
        model._fold_shape = small_mlp._fold_shape
        assert "All settings are the defaults of this version." in model_card(model)

    def test_training_data(self, transfer, cells):
        lines = section(model_card(transfer), "Training data")
        data = transfer.training_data_
        assert data["n_validation_images"] > 0
        assert any(line.startswith(f"{data['n_images']} images to train on, ") for line in lines)
        assert any(data["fingerprint"] in line for line in lines)
        counts = {label: int(n) for label, n in rows(lines)[1:]}
        assert counts == data["class_counts"]

    def test_training(self, transfer):
        (text,) = filter(None, section(model_card(transfer), "Training"))
        kept = f"epoch {transfer.best_epoch_}, the best on the validation images"
        assert text == f"2 epochs on cpu, in batches of 64; the weights are those of {kept}."

    def test_preprocessing(self, transfer):
        lines = section(model_card(transfer), "Preprocessing")
        assert "- Pixels in 0..255 (uint8), or in 0..1 (float); RGB." in lines
        assert "- Size: 32 x 32 px (height x width), as they come." in lines
        mean = transfer.net_.module_.backbones[0].standardize.mean.tolist()
        assert any(", ".join(f"{value:.4g}" for value in mean) in line for line in lines)

    @pytest.mark.parametrize(
        ("crop", "line"),
        [
            (0.5, "- Cropped to 0.5 of each side, around the centre."),
            (1.25, "- Continued by its mirror images to 1.25 times each side, around the centre."),
        ],
    )
    def test_crop(self, crop, line):
        X, _ = make_blood_cells(40, image_size=16, random_state=0)
        lines = {}
        for size in (None, 12):
            clf = MLPCellClassifier((8,), crop=crop, image_size=size, **{**QUICK, "max_epochs": 1})
            lines[size] = section(model_card(clf.fit(X, np.arange(40) % 2)), "Preprocessing")
        given = lines[None].index("- Size: 16 x 16 px (height x width), as they come.")
        assert lines[None][given + 1] == line
        resized = "- Resized to 12 x 12 px (height x width), bilinear with antialiasing."
        assert lines[12][lines[12].index(line) + 1] == resized

    def test_no_crop(self, transfer):
        assert "each side" not in model_card(transfer)

    def test_limits(self, transfer):
        card = model_card(transfer)
        assert "For research use" in card and "not a medical device" in card
        assert "It knows 8 classes" in card
        limits = " ".join(section(card, "Intended use and limits"))
        few = {label: n for label, n in transfer.training_data_["class_counts"].items() if n < 50}
        assert few
        for label, n in few.items():
            assert f"{label} ({n})" in limits

    def test_the_leak_between_pbc_and_bloodmnist_is_told_of_their_classes_only(
        self, transfer, small_mlp
    ):
        assert "BloodMNIST is made of the images of PBC" in model_card(transfer)
        assert "BloodMNIST" not in model_card(small_mlp)

    def test_versions_and_date(self, transfer, monkeypatch):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
        lines = section(model_card(transfer), "Versions")
        assert "Written on 1970-01-02 (UTC) with" in lines
        found = dict(rows(lines))
        assert found["skblood"] == __version__
        assert found["numpy"] == np.__version__

    def test_date_of_today(self, transfer, monkeypatch):
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
        monkeypatch.setattr("time.time", lambda: 86400.0 * 366)
        assert "Written on 1971-01-02 (UTC)" in model_card(transfer)

    def test_is_the_same_each_time(self, transfer, report, monkeypatch):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
        cards = {model_card(transfer, evaluation=report) for _ in range(2)}
        assert len(cards) == 1


class TestEvaluation:
    def test_all_figures(self, transfer, report):
        found = rows(section(model_card(transfer, evaluation=report), "Evaluation"))
        scores = {name: (value, interval) for name, value, interval in found[1:9]}
        assert scores.keys() == report.scores.keys()
        accuracy = report.scores["accuracy"]
        assert scores["accuracy"] == (
            f"{accuracy.value:.3f}",
            f"{accuracy.low:.3f} to {accuracy.high:.3f}",
        )
        assert scores["expected_calibration_error"][1] == ""
        assert found[9] == ["class", "images", *CLASS_HEADS]
        for row, label, n in zip(found[10:], report.classes, report.support, strict=True):
            assert row[:2] == [label, str(n)]
        recall = report.class_scores["recall"][0]
        assert found[10][4] == f"{recall.value:.3f}"

    def test_several(self, transfer, report):
        card = model_card(transfer, evaluation={"my test": report, "another laboratory": report})
        assert headings(card)[5:7] == ["### my test", "### another laboratory"]
        assert card.count("100 images.") == 2
        assert "Not evaluated" not in card

    def test_confusions(self, transfer, report):
        lines = section(model_card(transfer, evaluation=report), "Evaluation")
        first = report.confusions[0]
        start = f"- {first.count} {first.true} ({first.share:.1%}) taken for {first.predicted}"
        assert start in lines

    def test_groups(self, transfer):
        report = EvaluationReport.from_predictions(list("abab"), list("abaa"), groups=[1, 1, 2, 2])
        assert "4 images of 2 groups." in model_card(transfer, evaluation=report)

    @pytest.mark.parametrize("evaluation", [None, {}])
    def test_none_with_early_stopping(self, transfer, evaluation):
        text = "\n".join(section(model_card(transfer, evaluation=evaluation), "Evaluation"))
        assert "**Not evaluated** on images that had no part in the training." in text
        row = transfer.history_[transfer.best_epoch_ - 1]
        assert f"f1_macro {row['valid_f1_macro']:.3f}" in text
        assert f"On the {transfer.training_data_['n_validation_images']} validation" in text
        assert "other images can be expected to score lower" in text

    def test_none_with_validation_that_chose_nothing(self, cells):
        X, y = cells
        clf = MLPCellClassifier((8,), **QUICK).fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
        text = "\n".join(section(model_card(clf), "Evaluation"))
        assert "On the 80 validation images, in epoch 2" in text
        assert "score lower" not in text
        assert "those of the last epoch" in model_card(clf)

    def test_none_at_all(self, small_mlp):
        text = "".join(section(model_card(small_mlp), "Evaluation"))
        assert text == "**Not evaluated** on images that had no part in the training."

    @pytest.mark.parametrize("evaluation", [0.97, {"accuracy": 0.97}])
    def test_what_is_none(self, transfer, evaluation):
        with pytest.raises(TypeError, match=r"must be an EvaluationReport.*; got float"):
            model_card(transfer, evaluation=evaluation)


class TestModels:
    def test_hybrid(self, cells):
        clf = HybridFeatureClassifier(
            ("cellnet_t", "cellnet_t"), trainable=["all", "head"], refine_epochs=1, **QUICK
        )
        card = model_card(clf.fit(*cells))
        assert card.count("| backbone | cellnet_t, from random weights") == 2
        assert "all of it trained" in card and ", none of it trained |" in card
        assert card.count("Standardised per channel") == 1  # both by the same
        assert "3 epochs on cpu" in card

    def test_last_stages(self, cells):
        card = model_card(TransferCellClassifier("cellnet_t", trainable=2, **QUICK).fit(*cells))
        assert "from random weights, its last 2 stages trained" in card

    def test_what_was_trained_before_it_was_frozen(self, cells):
        clf = ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1, **QUICK).fit(*cells)
        assert clf.net_.module_.frozen
        assert "from random weights, all of it trained" in model_card(clf)

    def test_resized_gray_images(self):
        X, y = make_blood_cells(60, image_size=24, random_state=0)
        clf = TransferCellClassifier("cellnet_t", image_size=(16, 20), **QUICK)
        card = model_card(clf.fit(X[..., 0], y))
        assert "- Resized to 16 x 20 px (height x width), bilinear with antialiasing." in card
        assert "(float); gray." in card

    def test_rows_of_numbers(self):
        X = np.random.default_rng(0).normal(size=(40, 7))
        card = model_card(MLPCellClassifier((8,), **QUICK).fit(X, np.arange(40) % 2))
        assert "pipeline_tag: tabular-classification" in card
        assert "It sorts rows of numbers into 2 classes." in card
        assert "- Rows of 7 numbers." in card
        assert "- Each of the 7 standardised" in card

    def test_embedder(self, cells):
        X, _ = cells
        card = model_card(CellEmbedder("cellnet_t", random_state=0).fit(X))
        expected = [title for title in SECTIONS if "Training" not in title]
        expected.remove("## Evaluation")
        assert headings(card) == ["# Model card: CellEmbedder", *expected]
        assert "It turns images of single blood cells into features." in card
        assert "from random weights, none of it trained" in card

    def test_pipeline_with_a_classifier_of_scikit_learn(self, cells):
        X, y = cells
        model = make_pipeline(
            CellEmbedder("cellnet_t", random_state=0), StandardScaler(), LogisticRegression()
        )
        model.fit(X, y)
        card = model_card(model, evaluation=evaluate(model, X, y, n_resamples=20))
        assert "A Pipeline of CellEmbedder, StandardScaler, LogisticRegression." in card
        assert "It sorts images of single blood cells into 8 classes." in card
        assert "## Training data" not in card and "### " not in card
        assert "| accuracy |" in card
        assert "**Not evaluated**" in model_card(model)

    def test_pipeline_with_two_of_ours(self, cells):
        X, y = cells
        inner = make_pipeline(CellEmbedder("cellnet_t", random_state=0), "passthrough")
        model = make_pipeline(inner, MLPCellClassifier((8,), **QUICK)).fit(X, y)
        card = model_card(model)
        assert "A Pipeline of CellEmbedder, passthrough, MLPCellClassifier." in card
        assert headings(card).count("### CellEmbedder") == 2  # the model, and its preprocessing
        assert headings(card).count("### MLPCellClassifier") == 2
        assert "- Rows of 48 numbers." in card
        assert "240 images to train on" in card

    def test_pipeline_with_none_of_ours(self):
        model = make_pipeline(StandardScaler(), LogisticRegression())
        card = model_card(model.fit([[0], [1], [2]], [0, 1, 1]))
        assert "A Pipeline of StandardScaler, LogisticRegression." in card
        assert "## Preprocessing" not in card

    @pytest.mark.parametrize(
        "model", [LogisticRegression(), GridSearchCV(MLPCellClassifier(), {}), "model"]
    )
    def test_what_is_no_model_of_ours(self, model):
        with pytest.raises(TypeError, match=f"or a Pipeline, not {type(model).__name__}"):
            model_card(model)

    @pytest.mark.parametrize("model", [MLPCellClassifier(), make_pipeline(MLPCellClassifier())])
    def test_not_fitted(self, model):
        with pytest.raises(NotFittedError):
            model_card(model)


class TestText:
    def test_odd_names_of_classes(self):
        names = ["a|b", "*c* <b>", "_d_ `e`", "f\ng"]
        X, _ = make_blood_cells(40, image_size=16, random_state=0)
        y = np.array(names, dtype=object)[np.arange(40) % 4]
        clf = MLPCellClassifier((8,), **QUICK).fit(X, y)
        card = model_card(clf, evaluation=evaluate(clf, X, y, n_resamples=5))
        found = [row[0] for row in rows(section(card, "Training data"))[1:]]
        expected = ["\\*c\\* \\<b\\>", "\\_d\\_ \\`e\\`", "a\\|b", "f g"]
        assert found == expected
        for name in expected:
            assert f"| {name} |" in "\n".join(section(card, "Evaluation"))

    def test_no_folder_of_the_user(self, cells, tmp_path):
        clf = TransferCellClassifier(
            "cellnet_t", memory=tmp_path / "store", trainable="head", **QUICK
        ).fit(*cells)
        assert str(tmp_path) not in model_card(clf)

    def test_weights_by_the_name_of_their_file(self, cells, tmp_path):
        path = tmp_path / "my_weights.safetensors"
        save_file(create_backbone("cellnet_t").body.state_dict(), path)
        for weights in (path, str(path)):
            clf = TransferCellClassifier("cellnet_t", weights=weights, **QUICK).fit(*cells)
            card = model_card(clf)
            assert "cellnet_t, from the weights of my_weights.safetensors, all of it" in card
            assert str(tmp_path) not in card

    def test_no_address_of_an_object(self, cells):
        clf = MLPCellClassifier(
            (8,), augment=lambda batch: batch, callbacks=[EpochTimer()], **QUICK
        )
        found = dict(rows(section(model_card(clf.fit(*cells)), "Model")))
        assert "lambda" in found["augment"] and "EpochTimer object" in found["callbacks"]
        assert "0x" not in found["augment"] + found["callbacks"]

    def test_nothing_is_changed(self, transfer, report):
        before = report.to_dict(), transfer.get_params(), dict(transfer.training_data_)
        model_card(transfer, evaluation={"test": report})
        assert before == (report.to_dict(), transfer.get_params(), transfer.training_data_)
