"""The model card: what the fitted model is, in Markdown that every reader takes."""

import copy
import re
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochTimer

import skblood
from skblood import MLPCellClassifier, model_card
from skblood._writing import printable
from skblood.adaptation import Adaptation
from skblood.datasets import make_blood_cells
from skblood.evaluation import evaluate

from .conftest import MAKERS, QUICK

ROOT = Path(__file__).resolve().parents[2]
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
def stopped():
    """A classifier of the eight classes with early stopping."""
    X, y = make_blood_cells(160, image_size=16, random_state=0)
    options = QUICK | {"max_epochs": 3, "early_stopping": True}
    return MLPCellClassifier((8,), **options).fit(X, y)


@pytest.fixture(scope="module")
def report(fitted, cells):
    return evaluate(fitted["mlp"], *cells, n_resamples=50)


@pytest.fixture(scope="module")
def started(cells):
    """Estimators that start from the pretrained model."""
    options = {"device": "cpu", "random_state": 0}
    fine_tuned = skblood.TransferCellClassifier("cellnet_s", weights="pbc", **QUICK)
    embedder = skblood.CellEmbedder("cellnet_s", weights="pbc", **options)
    return {
        "loaded": skblood.load_pretrained("pbc8"),
        "reconfigured": skblood.reconfigure(skblood.load_pretrained("pbc8"), dihedral_views=2),
        "fine-tuned": fine_tuned.fit(*cells),
        "pipeline": make_pipeline(embedder, LogisticRegression(max_iter=5000)).fit(*cells),
    }


def headings(card):
    return [line for line in card.splitlines() if line.startswith("#")]


def section(card, title):
    """Return the lines of a section."""
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0].splitlines()


def rows(lines):
    """Return the cells of all tables in lines."""
    tables = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in tables if set(row) != {" --- "}]


class TestOfAClassifier:
    def test_form(self, mlp, report, monkeypatch):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
        card = model_card(mlp, evaluation={"a": report, "b": report})
        assert card.startswith("---\nlibrary_name: skblood\npipeline_tag: image-classif")
        titles = headings(card)
        assert titles[:4] == ["# Model card: MLPCellClassifier", *SECTIONS[:3]]
        assert titles[4:] == ["## Evaluation", "### a", "### b", *SECTIONS[4:]]
        assert "\n\n\n" not in card
        assert "Written on 1970-01-02 (UTC) with" in card
        assert dict(rows(section(card, "Versions")))["skblood"] == skblood.__version__
        assert model_card(mlp, evaluation={"a": report, "b": report}) == card

    def test_model_and_parameters(self, mlp):
        card = model_card(mlp)
        assert "into 3 classes: lymphocyte, neutrophil, platelet. For" in card
        lines = section(card, "Model")
        n = sum(each.numel() for each in mlp.predictor_.network.parameters())
        found = rows(lines)
        assert ["parameters of the network", f"{n:,}"] in found
        expected = {name: repr(value) for name, value in QUICK.items()}
        expected = {f"parameter {name}": value for name, value in expected.items()}
        assert dict(found[3:]) == expected | {"parameter hidden_layer_sizes": "(8,)"}
        fresh = copy.copy(mlp)
        fresh.fit_settings_ = {"lr": "'auto'"}
        assert len(rows(section(model_card(fresh), "Model"))) == 3

    def test_size_of_the_cells(self, mlp):
        size = mlp.training_data_["cell_size"]
        lines = section(model_card(mlp), "Preprocessing")
        assert any(f"Expects cells that fill {size:.2f} of the side" in line for line in lines)
        unknown = copy.copy(mlp)
        unknown.training_data_ = mlp.training_data_ | {"cell_size": None}
        assert not any("Expects" in x for x in section(model_card(unknown), "Preprocessing"))

    def test_training(self, stopped):
        card, data = model_card(stopped), stopped.training_data_
        lines = section(card, "Training data")
        assert data["n_validation_images"] > 0
        assert lines[1].startswith(f"{data['n_images']} training images and 16 validation images")
        assert data["fingerprint"] in lines[-1]
        assert {label: int(n) for label, n in rows(lines)[1:]} == data["class_counts"]
        for best, kept in (
            (1, "epoch 1, the best on the validation images"),
            (3, "the last epoch"),
        ):
            stopped.best_epoch_, stopped.n_iter_ = best, 3
            (text,) = filter(None, section(model_card(stopped), "Training"))
            assert text.startswith(f"Epochs: 3, on cpu; the weights are those of {kept}. On ")
            assert f"f1_macro {stopped.history_[best - 1]['valid_f1_macro']:.3f}" in text

    def test_adaptation(self, mlp, path):
        counts = {"lymphocyte": 3, "neutrophil": 1000, "platelet": 0}
        adapted = skblood.load(skblood.save(mlp, path))
        adapted.adaptation_ = Adaptation(("statistics", "output"), "best of 3", {}, counts, 7)
        lines = section(model_card(adapted), "Training")
        assert "**Adapted** after the training:" in lines
        assert "    Adaptation: statistics + output" in lines
        assert any("labeled cells: lymphocyte 3, neutrophil 1000; unlabeled: 7" in x for x in lines)
        assert "Adapted" not in model_card(mlp)

    def test_a_model_that_no_fit_has_trained(self, mlp, tmp_path):
        """A note stands in place of parameters: it is none of them, and there are no epochs."""
        other, note = skblood.load(skblood.save(mlp, tmp_path / "m.skblood")), "55 steps of 32: x"
        weights = {"class_weight": "{'ig': 1.46224458100387}"}
        other.fit_settings_ |= {"max_epochs": note, "augment": note, **weights}
        other.training_data_ |= {"n_validation_images": 0}
        card = model_card(other)
        assert card.count(note) == 1 and note in "".join(section(card, "Training"))
        assert "Epochs" not in card and "0 validation" not in card
        assert "1.462}" in card.replace("\\", "") and "1.46224" not in card

    def test_evaluation(self, mlp, report):
        lines = section(model_card(mlp, evaluation=report), "Evaluation")
        assert [line[4:] for line in lines if line.startswith("    ")] == [
            line for line in str(report).splitlines() if line
        ]
        text = "".join(section(model_card(mlp, evaluation={}), "Evaluation"))
        assert text == "**Not evaluated** on images that had no part in the training."
        for wrong in (0.97, {"accuracy": 0.97}):
            with pytest.raises(TypeError, match="must be an EvaluationReport"):
                model_card(mlp, evaluation=wrong)

    def test_limits(self, mlp, stopped):
        card = model_card(mlp)
        assert "not a medical device" in card
        assert "one of its 3 classes to every image" in card
        counts = mlp.training_data_["class_counts"]
        assert (
            f"lymphocyte ({counts['lymphocyte']})" in section(card, "Intended use and limits")[-1]
        )
        assert "BloodMNIST" not in card
        assert "BloodMNIST is made of the images of PBC" in model_card(stopped)


class TestBackbones:
    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("transfer", ["from random weights (trained from scratch)"]),
            ("frozen", ["from random weights, none of it trained"]),
            (
                "hybrid",
                [
                    "from random weights, none of it trained",
                    "from random weights, its last 1 stages trained",
                ],
            ),
        ],
    )
    def test_what_the_fit_trained(self, kind, said, fitted, path):
        model = skblood.load(skblood.save(fitted[kind], path)).set_params(trainable="all")
        lines = rows(section(model_card(model), "Model"))
        found = [value for what, value in lines if what == "backbone"]
        assert found[: len(said)] == [f"cellnet_t, {each}" for each in said]

    def test_weights(self, forge, fitted):
        def change(document):
            document["model"]["spec"]["backbones"][0]["weights"] = "file:mine.pth"

        model = skblood.load(forge(fitted["frozen"], change))
        assert "cellnet_t, from the weights of mine.pth, none" in model_card(model)
        assert "cellnet_s, from the weights of pbc, all" in model_card(
            skblood.load_pretrained("pbc8")
        )


def test_prior(fitted):
    """The card says what the predictions are restricted to."""
    assert "restricted" not in model_card(fitted["mlp"])
    lines = section(model_card(fitted["hybrid"]), "Model")
    assert (
        "**Predictions are restricted to 2 of 3 classes: lymphocyte, neutrophil. "
        "Prior (class shares that are assumed): lymphocyte 0.25, neutrophil 0.75.**"
    ) in lines
    text = " ".join(model_card(fitted["hybrid"]).split())
    assert "blood cells into 2 of its 3 classes: lymphocyte, neutrophil. For research" in text
    assert "It assigns one of the 2 classes named above to every image" in text
    assert "3 classes to" not in text


class TestPreprocessing:
    def lines(self, model):
        return [line[2:] for line in section(model_card(model), "Preprocessing") if line]

    def test_images(self, fitted):
        lines = self.lines(fitted["mlp"])
        assert lines[:3] == [
            "Pixels in 0..255 (uint8), or in 0..1 (float); RGB.",
            "Size: 16 x 16 px (height x width), not resized.",
            "Divided by 255.",
        ]
        mean = fitted["mlp"].predictor_.network.backbones[0].standardize.mean[0]
        assert f"per channel: mean [{mean:.4f}".rstrip("0") in lines[3]
        assert self.lines(fitted["frozen"])[1:3] == [
            "Cropped to 0.75 times each side, around the center.",
            "Size: 24 x 24 px (height x width), resized (bilinear).",
        ]
        assert self.lines(fitted["transfer"])[-1] == (
            "Logits are averaged over 4 dihedral views of each image, at 1, 0.75 of its side."
        )
        assert "darkest and brightest spot" in self.lines(fitted["contrastive"])[-2]
        assert len(self.lines(fitted["hybrid"])) == 5  # both backbones standardize alike

    def test_gray_images_extended(self, cells):
        model = MAKERS["embedder"](crop=1.25).fit(cells[0][..., 0])
        lines = self.lines(model)
        assert lines[0].endswith("; gray.")
        assert "Extended by reflection to 1.25 times each side, around the center." in lines

    def test_rows_of_numbers(self):
        X = np.random.default_rng(0).normal(size=(40, 7))
        card = model_card(MAKERS["mlp"]().fit(X, np.arange(40) % 2))
        assert "pipeline_tag: tabular-classification" in card
        assert "It classifies rows of numbers into 2 classes: 0, 1." in card
        assert "- Rows of 7 numbers." in card
        assert card.count("...") == 2


class TestAttribution:
    """Weights made from images under CC BY 4.0 name their authors wherever they go."""

    @pytest.mark.parametrize("kind", ["loaded", "reconfigured", "fine-tuned", "pipeline"])
    def test_in_card_and_file(self, kind, started, path):
        again = skblood.load(skblood.save(started[kind], path))
        for card in (model_card(again), skblood.load_info(path)["card"]):
            (text,) = filter(None, section(card, "Attribution"))
            assert "Acevedo" in text
            assert "https://creativecommons.org/licenses/by/4.0/" in text
        with safetensors.safe_open(path, "pt") as file:
            assert text in file.metadata()["card"]

    def test_in_onnx(self, started, tmp_path):
        onnx = pytest.importorskip("onnx")
        skblood.export_onnx(started["fine-tuned"], tmp_path / "cells.onnx")
        stored = onnx.load(tmp_path / "cells.onnx").metadata_props
        assert "Acevedo" in {each.key: each.value for each in stored}["attribution"]

    def test_of_other_models_there_is_none(self, mlp):
        assert "Attribution" not in model_card(mlp)

    def test_of_the_package(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        assert project["license"] == "BSD-3-Clause AND CC-BY-4.0 AND Apache-2.0"
        files = [file for name in project["license-files"] for file in ROOT.glob(name)]
        first_words = [file.read_text("utf-8").split()[:2] for file in sorted(files)]
        assert first_words == [["BSD", "3-Clause"], ["Apache", "License"], ["Attribution", "4.0"]]


class TestOtherModels:
    def test_embedder(self, fitted):
        card = model_card(fitted["embedder"])
        assert headings(card)[1:] == [SECTIONS[0], *SECTIONS[4:]]
        assert "It turns images of single blood cells into features." in card

    def test_pipelines(self, cells):
        inner = make_pipeline(MAKERS["embedder"](), "passthrough")
        card = model_card(make_pipeline(inner, MAKERS["mlp"]()).fit(*cells))
        assert "A Pipeline of Pipeline, MLPCellClassifier. It classifies images" in card
        assert headings(card).count("### CellEmbedder") == 2  # the model, and its preprocessing
        assert headings(card).count("### MLPCellClassifier") == 2
        assert "48 training images" in card
        card = model_card(make_pipeline(inner, LogisticRegression(max_iter=5000)).fit(*cells))
        assert "It classifies images of single blood cells into 3 classes: lymphocyte, " in card
        assert "## Training data" not in card
        assert "### " not in card
        card = model_card(make_pipeline(StandardScaler()).fit([[0], [1]]))
        assert "## Preprocessing" not in card

    def test_what_is_no_fitted_model(self, mlp):
        for model in (LogisticRegression(), GridSearchCV(mlp, {}), "model"):
            with pytest.raises(TypeError, match=f"or a Pipeline, not {type(model).__name__}"):
                model_card(model)
        with pytest.raises(NotFittedError):
            model_card(make_pipeline(MLPCellClassifier()))


class TestText:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[2J\x07", r"\x1b[2J\x07"),
            ("a\u202eb\r\x9b", r"a\u202eb\r\x9b"),
            ("\udc80", r"\udc80"),
            ("Größe 白血球\t1\n", "Größe 白血球\t1\n"),
        ],
    )
    def test_printable(self, text, shown):
        assert printable(text) == shown

    def test_odd_names_of_classes(self, cells):
        names = np.array(["a|b", "*c* <b>", "_d_ `e`", "f\ng"], dtype=object)
        card = model_card(MAKERS["mlp"]().fit(cells[0], names[np.arange(48) % 4]))
        found = [row[0] for row in rows(section(card, "Training data"))[1:]]
        assert found == ["\\*c\\* \\<b\\>", "\\_d\\_ \\`e\\`", "a\\|b", "f g"]

    def test_odd_text_of_a_file(self, mlp, path):
        model = skblood.load(skblood.save(mlp, path))
        html = "<img src=x> [a](b) &lt; https://a.b www.c.d ~x~ $y$ @z \x1b[2J\u202e"
        shown = r"\<img src=x\> \[a\](b) \&lt; https\://a.b www\.c.d \~x\~ \$y\$ \@z \x1b\[2J\u202e"
        model.device_ = model.training_data_["fingerprint"] = html
        model.fit_settings_ = {"lr": html}
        model.adaptation_ = Adaptation((html,), html, {}, {html: 1}, 7)
        card = model_card(model)
        # The account of the adaptation has escaped control characters of the class itself.
        assert card.count(shown) == 3  # and as it is in the block of code of the adaptation
        assert card.count(r"\<img src=x\>") == 3 and card.count("<img src=x>") == 3
        assert not set("\x1b\u202e") & set(card)

    def test_no_folder_of_the_user_and_no_address_of_an_object(self, cells, tmp_path):
        options = {"callbacks": [EpochTimer()], "augment": lambda batch: batch}
        options["optimizer"] = partial(torch.optim.SGD, momentum=0.5)
        model = MAKERS["frozen"](memory=tmp_path, **options).fit(*cells)
        model.set_params(augment=None, callbacks=None, weights=tmp_path / "w.pth")
        card = model_card(model)
        assert str(tmp_path) not in card
        found = dict(rows(section(card, "Model")))
        augment, optimizer = found["parameter augment"], found["parameter optimizer"]
        assert "lambda" in augment
        assert found["parameter callbacks"] == r"\[EpochTimer\]"
        assert "SGD" in optimizer
        assert "momentum=0.5" in optimizer
        assert "0x" not in augment + found["parameter callbacks"]
