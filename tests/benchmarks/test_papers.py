"""The recipes of the papers: complete, true to what they say, and split as they say."""

import dataclasses
import re

import numpy as np
import pytest
import requests

import skblood
from benchmarks.papers import __main__ as command, _weights
from benchmarks.papers._catalogue import OF_PAPERS, RECIPES, REFERENCES
from benchmarks.papers._data import Cells, cut_down, divide, find_home, load
from benchmarks.papers._fit import make_estimator
from benchmarks.papers._published import read_published
from benchmarks.papers._recipe import AS_PUBLISHED, SCALES, Quick, Split
from benchmarks.papers._weights import choose_weights
from skblood.datasets import make_blood_cells
from skblood.networks import backbone_config

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
# One row for each system and variant that the literature's table has.
N_ROWS = {
    "Pineda & Muñoz 2025": 2,
    "Asghar et al. 2023": 9,
    "Pramodha et al. 2022": 4,
    "Batista & Silva 2025": 5,
    "Battu et al. 2024": 23,
    "Halder et al. 2024": 1,
    "Veloz 2025": 1,
}


def networks(parameters):
    return parameters.get("backbones") or [
        name for name in [parameters.get("backbone")] if name is not None
    ]


class TestRecipes:
    def test_every_row_is_there(self):
        papers = [recipe.paper for recipe in OF_PAPERS.values()]
        assert {paper: papers.count(paper) for paper in papers} == N_ROWS
        assert all(recipe.name == name for name, recipe in RECIPES.items())
        assert len(REFERENCES) == 6

    def test_names_are_unique(self):
        from benchmarks.papers._catalogue import _PAPERS, comparisons

        listed = [recipe.name for module in (*_PAPERS, comparisons) for recipe in module.RECIPES]
        assert len(listed) == len(set(listed)) == len(RECIPES)

    @EVERY
    def test_is_complete(self, recipe):
        assert recipe.place and recipe.system
        assert all(0.5 < number < 1 for number in recipe.published.values())
        # Only where the paper gives no number may there be none.
        if not recipe.published:
            assert any(word in recipe.place for word in ("no score", "our own"))

    @EVERY
    def test_estimator_takes_its_parameters(self, recipe):
        for scale in SCALES:
            scaled, _ = recipe.scaled(scale)
            estimator = make_estimator(scaled, scaled.parameters, seed=0)
            classifier = estimator[-1] if recipe.resampling else estimator
            classifier._validate_params()
            for name in networks(scaled.parameters):
                backbone_config(name)

    @pytest.mark.parametrize("recipe", OF_PAPERS.values(), ids=list(OF_PAPERS))
    def test_states_what_our_defaults_do_otherwise(self, recipe):
        assert recipe.parameters.keys() >= AS_PUBLISHED.keys() | {
            *("image_size", "optimizer", "lr", "batch_size", "max_epochs"),
            *("hidden_layer_sizes", "dropout"),
        }
        assert recipe.difference

    def test_pairs_differ_in_one_thing(self):
        pairs = [(name.removesuffix("-unshuffled"), name) for name in RECIPES]
        pairs = [(RECIPES[a], RECIPES[b]) for a, b in pairs if a != b]
        pairs.append((RECIPES["batista-cnn-weighted"], RECIPES["batista-cnn-unweighted"]))
        assert len(pairs) == 12
        for first, second in pairs:
            a, b = first.parameters, second.parameters
            changed = {key for key in a if a[key] != b[key]}
            # With shuffling, the contrastive system was trained twice as long.
            longer = {"pretrain_epochs"} if first.name == "battu-contrastive" else set()
            assert changed - longer in ({"callbacks"}, {"class_weight"})
            assert dataclasses.replace(second, parameters=a).to_dict() == first.to_dict()

    def test_only_the_number_of_all_images_is_scored_on_all(self):
        assert [recipe.name for recipe in RECIPES.values() if recipe.on_all] == ["asghar-cnn"]

    def test_comparisons_are_on_one_protocol(self):
        ours = [recipe for name, recipe in RECIPES.items() if name not in OF_PAPERS]
        assert {(str(r.split), r.parameters["image_size"]) for r in ours} == {
            ("the data set's own split", 64)
        }
        as_battu = [recipe for recipe in ours if recipe.name.endswith("-as-battu")]
        ours = [recipe for recipe in ours if recipe not in as_battu]
        published = RECIPES["battu-hybrid"].parameters
        kept = ("hidden_layer_sizes", "dropout", "optimizer", "lr", "batch_size", "augment")
        for recipe in as_battu:
            given = recipe.parameters
            assert {key: given[key] for key in kept} == {key: published[key] for key in kept}
            assert given["max_epochs"] + given.get("refine_epochs", 0) == 15
        # An encoder trains equally long, whatever it is trained by; one, to be fair, longer.
        epochs = {
            r.name: r.parameters.get("pretrain_epochs", r.parameters["max_epochs"]) for r in ours
        }
        assert epochs.pop("cellnet-64-longer") > epochs["cellnet-64"]
        assert len(set(epochs.values())) == 1
        assert not any(r.parameters.get("early_stopping") for r in ours)


FLAGS = ("pretrained", "merged", "on_all", "resampling")
# What the text of what we chose would say of a parameter.
CHOSEN = {"batch_size": "batch 32(?! \\(as)", "max_epochs": r"\d+ epochs(?! of)", "split": "split"}
CHOSEN |= {"optimizer": "Adam", "lr": "lr ", "image_size": r"\d px", "dropout": "dropout"}


class TestPublished:
    """What `published.toml` says the papers say; the recipes do as they say."""

    def test_every_row_is_there(self):
        assert read_published().keys() == OF_PAPERS.keys()

    @pytest.mark.parametrize("recipe", OF_PAPERS.values(), ids=list(OF_PAPERS))
    def test_recipes_do_what_the_papers_say(self, recipe):
        says = dict(read_published()[recipe.name]["says"])
        found = {**recipe.parameters, **{key: getattr(recipe, key, None) for key in FLAGS}}
        found |= {"split": recipe.split.kind if "given" in says.values() else str(recipe.split)}
        if recipe.split.kind == "folds":
            found["split"] = f"{recipe.split.n_folds}-fold"
        found["split"] = found["split"].removesuffix(", stratified")
        found = {key: getattr(value, "__name__", value) for key, value in found.items()}
        done = {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}
        done["class_weight"] = done["class_weight"] or "none"
        assert {key: done[key] for key in says} == says

    @pytest.mark.parametrize("recipe", OF_PAPERS.values(), ids=list(OF_PAPERS))
    def test_nothing_that_the_paper_says_is_called_our_choice(self, recipe):
        said = read_published()[recipe.name]["says"].keys() & CHOSEN.keys()
        assert [key for key in said if re.search(CHOSEN[key], recipe.assumed)] == []
        texts = (recipe.place, recipe.difference, recipe.assumed, recipe.contradiction)
        assert not any(word in text for text in texts for word in ("not known", "unknown"))

    @pytest.mark.parametrize(
        "name, scores",
        [
            ("pineda-mlp", {"accuracy": 0.8012}),
            ("asghar-resnet152", {"accuracy": 0.913}),
            ("batista-mlp-sgd", {"f1_macro": 0.72}),
            ("battu-cnn", {"accuracy": 0.9108}),
            ("battu-unet-unshuffled", {"accuracy": 0.9404}),
            ("battu-contrastive", {"accuracy": 0.9635}),
            ("battu-hybrid-unshuffled", {"accuracy": 0.9857}),
            ("veloz-mlp", {}),
        ],
    )
    def test_scores(self, name, scores):
        assert RECIPES[name].published == scores


class TestScale:
    def test_full_is_the_paper(self):
        recipe = RECIPES["battu-hybrid"]
        assert recipe.scaled("full") == (recipe, "")

    def test_quick_shrinks_and_says_so(self):
        recipe = dataclasses.replace(RECIPES["battu-hybrid"], quick=Quick(80, 500, 2))
        scaled, cuts = recipe.scaled("quick")
        # Both phases shrink, and the shorter one stays.
        changed = {"image_size": 80, "max_epochs": 2, "refine_epochs": 1}
        assert scaled.parameters == {**recipe.parameters, **changed}
        assert cuts == (
            "image_size 80 instead of 224; max_epochs 2 instead of 10; "
            "refine_epochs 1 instead of 5; 500 images at most"
        )

    def test_medium_keeps_all_images_and_the_epochs_of_frozen_networks(self):
        for name, changed in (
            ("asghar-mobilenetv2", {"image_size": 128}),
            ("pramodha-mobilenetv2", {"image_size": 128, "max_epochs": 10}),
            ("battu-hybrid", {"image_size": 128}),
            ("batista-mlp", {"max_epochs": 10}),
        ):
            recipe = RECIPES[name]
            scaled, cuts = recipe.scaled("medium")
            assert scaled.parameters == {**recipe.parameters, **changed}
            assert "images at most" not in cuts
        assert RECIPES["battu-hybrid"].limits("medium").n_images is None

    def test_quick_never_adds(self):
        recipe = dataclasses.replace(RECIPES["veloz-mlp"], quick=Quick(640, 500, 1_000))
        scaled, cuts = recipe.scaled("quick")
        assert scaled == recipe
        assert cuts == "500 images at most"


class TestData:
    @pytest.fixture
    def archive(self, tmp_path):
        """A file of 80 images, 10 a class, in mixed order; a quarter each to val and test."""
        X, _ = make_blood_cells(80, image_size=16, random_state=0)
        y = np.arange(80) % 8
        named = {}
        for part, rows in (("train", slice(40)), ("val", slice(40, 60)), ("test", slice(60, 80))):
            named |= {f"{part}_images": X[rows], f"{part}_labels": y[rows]}
        np.savez(tmp_path / "cells.npz", **named)
        return tmp_path / "cells.npz"

    def test_given_split_class_by_class(self, archive):
        cells = load(archive, RECIPES["batista-mlp"])
        assert cells.source == f"{archive.parent.name}/cells.npz"
        assert (np.diff(cells.y) >= 0).all()
        (fold,) = divide(cells, Split("given"), seed=0)
        assert [len(part) for part in fold] == [40, 20, 20]
        # Without shuffling, batches are of one class: the order of the training images says so.
        assert (np.diff(cells.y[fold[0]]) >= 0).all()

    @pytest.mark.filterwarnings("ignore:The folders in .* are read as classes")
    def test_a_home_with_both_forms(self, archive):
        home = archive.parent
        archive.rename(home / "pbc_28.npz")
        folder = home / "128px" / "train" / "monocyte"
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"")
        assert load(home, RECIPES["batista-mlp"]).source.endswith("/pbc_28.npz")
        assert load(home, RECIPES["veloz-mlp"]).source.endswith("/128px")

    def test_no_data_is_said(self):
        cells = load(None, RECIPES["batista-mlp"])
        assert cells.source == "synthetic cells"
        assert cells.X.shape[1:] == (28, 28, 3)
        (fold,) = divide(cells, Split("given"), seed=0)  # a random one in its place
        assert [round(len(part) / len(cells.y), 2) for part in fold] == [0.7, 0.1, 0.2]

    def test_shares(self):
        cells = Cells(np.arange(200), np.arange(200) % 4, None, "")
        split = Split("shares", val=0.14, test=0.3)
        assert str(split) == "56/14/30, stratified"
        (parts,) = divide(cells, split, seed=0)
        assert [len(part) for part in parts] == [112, 28, 60]
        assert sorted(np.concatenate(parts)) == list(range(200))
        assert all((np.bincount(cells.y[part]) == len(part) // 4).all() for part in parts)
        assert all((np.diff(part) > 0).all() for part in parts)
        assert not np.array_equal(divide(cells, split, seed=1)[0][2], parts[2])

    def test_every_image_is_tested_in_one_fold(self):
        cells = Cells(np.arange(50), np.arange(50) % 5, None, "")
        folds = divide(cells, Split("folds", n_folds=5), seed=0)
        assert sorted(np.concatenate([test for *_, test in folds])) == list(range(50))
        for train, val, test in folds:
            assert len(val) == 0
            assert not set(train) & set(test)

    def test_cut_down_keeps_parts_and_classes(self):
        parts = np.repeat(["train", "test"], [160, 40])
        cells = Cells(np.arange(200), np.arange(200) % 4, parts, "")
        cut = cut_down(cells, 100, seed=0)
        assert (np.diff(cut.X) > 0).all()
        assert (cut.parts == "train").sum() == 80
        assert np.bincount(cut.y).tolist() == [25] * 4
        assert cut_down(cells, 500, seed=0) is cells

    def test_the_fingerprint_knows_images_labels_and_split(self):
        cells = Cells(np.arange(80, dtype=np.uint8).reshape(20, 2, 2), np.arange(20) % 2, None, "a")
        split = Split("shares", val=0.2, test=0.2)

        def fingerprint(cells, seed=0):
            return cells.describe(divide(cells, split, seed))["fingerprint"]

        other = dataclasses.replace(cells, X=cells.X + 1), dataclasses.replace(cells, y=1 - cells.y)
        found = {fingerprint(cells), fingerprint(cells, seed=1), *map(fingerprint, other)}
        assert len(found) == 4
        assert fingerprint(cells) in found

    def test_raabin_is_merged_where_the_paper_did(self, archive, monkeypatch):
        X, _ = make_blood_cells(20, image_size=24, random_state=1)
        theirs = X, np.array(["basophil", "neutrophil"] * 10)
        monkeypatch.setattr("benchmarks.papers._data.load_raabin_wbc", lambda path: theirs)
        merged = load(archive, RECIPES["pineda-mlp"], raabin="folder")
        assert merged.source.endswith("/cells.npz and Raabin-WBC")
        assert merged.X.shape == (100, 28, 28, 3)
        # The numbers of BloodMNIST's classes have become its names.
        assert (merged.y == "basophil").sum() == 20
        assert (merged.y == "ig").sum() == 10
        assert "Raabin" not in load(archive, RECIPES["batista-mlp"], raabin="folder").source

    @pytest.mark.real
    def test_pbc(self, real_data, monkeypatch):
        monkeypatch.setenv("SKBLOOD_DATA_HOME", str(real_data))
        home = find_home()
        small, large = (load(home, RECIPES[name]) for name in ("batista-mlp", "battu-vgg16"))
        assert (small.source, large.source) == ("pbc/pbc_28.npz", "pbc/128px")
        for cells in (small, large):
            assert np.unique(cells.parts, return_counts=True)[1].tolist() == [3077, 10766, 1539]


class TestWeights:
    @pytest.fixture
    def offline(self, monkeypatch):
        monkeypatch.setattr(_weights, "can_be_fetched", lambda name: False)

    @pytest.fixture
    def folder(self, tmp_path):
        """A folder of stand-ins; a test may remove one."""
        for file, _ in _weights.STAND_INS.values():
            (tmp_path / file).touch()
        return tmp_path

    def test_published_ones_come_first(self, monkeypatch, folder):
        asked = []
        monkeypatch.setattr(_weights, "can_be_fetched", lambda name: asked.append(name) or True)
        recipe = RECIPES["hybrid-64"]
        parameters, text = choose_weights(recipe, "auto", folder)
        assert asked == ["torchvision/squeezenet1_0"]  # our own has none to be fetched
        assert parameters == {**recipe.parameters, "weights": "default"}
        assert text == "published"

    @pytest.mark.parametrize(
        "name, backbone, text",
        [
            ("asghar-vgg16", _weights.SQUEEZENET, "SqueezeNet 1.0 in place of vgg16"),
            (
                "asghar-mobilenetv2",
                _weights.LITE0,
                "EfficientNet-Lite0 in place of mobilenetv2_100",
            ),
        ],
    )
    def test_stand_in(self, offline, folder, name, backbone, text):
        parameters, said = choose_weights(RECIPES[name], "auto", folder)
        assert parameters["backbone"] == backbone
        assert parameters["weights"] == str(folder / _weights.STAND_INS[backbone][0])
        assert parameters["trainable"] == "head"
        assert said == f"ImageNet {text}"

    def test_one_stand_in_is_better_than_none(self, offline, folder):
        (folder / _weights.STAND_INS[_weights.LITE0][0]).unlink()
        backbone = choose_weights(RECIPES["pineda-efficientnet"], "auto", folder)[0]["backbone"]
        assert backbone == _weights.SQUEEZENET

    def test_stand_in_of_a_hybrid_is_a_hybrid(self, offline, folder):
        parameters, text = choose_weights(RECIPES["battu-hybrid"], "auto", folder)
        assert parameters["backbones"] == (_weights.SQUEEZENET, _weights.LITE0)
        assert text.endswith("in place of inception_v3 and legacy_xception")
        # The comparison's own networks are not in place of others.
        assert "in place" not in choose_weights(RECIPES["hybrid-64"], "auto", folder)[1]
        (folder / _weights.STAND_INS[_weights.LITE0][0]).unlink()
        parameters, text = choose_weights(RECIPES["battu-hybrid"], "auto", folder)
        assert parameters["backbones"] == (_weights.SQUEEZENET, "cellnet_s")
        assert "a random cellnet_s in place of" in text

    def test_random_ones_are_the_last(self, offline):
        parameters, text = choose_weights(RECIPES["asghar-vgg16"], "auto", None)
        assert (parameters["backbone"], parameters["weights"]) == ("vgg16", None)
        assert text == "random"
        assert choose_weights(RECIPES["hybrid-64"], "none", None)[0]["weights"] == (None, "default")

    def test_what_is_not_pretrained_is_left_alone(self, folder):
        recipe = RECIPES["battu-unet"]
        assert choose_weights(recipe, "stand-in", folder) == (recipe.parameters, "random")

    def test_a_stand_in_that_is_not_there(self, offline, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"--stand-in .*missing holds no stand-in. Give"
        ):
            choose_weights(RECIPES["asghar-vgg16"], "stand-in", tmp_path / "missing")

    def test_without_a_network_nothing_is_tried_for_long(self, monkeypatch):
        from huggingface_hub import constants

        def fail(*args, **kwargs):
            raise requests.ConnectionError

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(requests, "head", fail)
        _weights._spare_retries.cache_clear()
        _weights._spare_retries()
        _weights._spare_retries.cache_clear()
        assert constants.HF_HUB_OFFLINE

    @pytest.mark.parametrize("reached", [True, False])
    def test_whether_weights_can_be_had(self, monkeypatch, reached):
        def create(name, weights):
            if not reached:
                raise ConnectionError

        monkeypatch.setattr(_weights, "_spare_retries", lambda: None)
        monkeypatch.setattr(_weights, "create_backbone", create)
        assert _weights.can_be_fetched.__wrapped__("vgg16") is reached


class TestCommandLine:
    def test_list(self, capsys):
        assert command.main(["--list"]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in printed] == list(RECIPES)

    def test_all_is_what_was_published(self, tmp_path):
        assert command._parse(["--all", "--data", str(tmp_path)]).run == list(OF_PAPERS)

    @pytest.mark.parametrize(
        "argv, message",
        [
            ([], "say what to do"),
            (["--run", "battu"], "invalid choice: 'battu'"),
            (["--all", "--data", "no/such/place"], "there is no no/such/place"),
        ],
    )
    def test_usage(self, argv, message, capsys):
        with pytest.raises(SystemExit, match="2"):
            command.main(argv)
        assert message in capsys.readouterr().err


def test_estimators_are_public():
    assert {recipe.estimator for recipe in RECIPES.values()} <= set(skblood.__all__)
