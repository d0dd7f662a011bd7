"""Choice of the output layer by cross-validation, and the account of it."""

import pytest
import torch

from skblood.adaptation import Adaptation, _output_choice
from skblood.adaptation._output_choice import (
    assign_folds,
    assign_group_folds,
    choose_layer,
    mean_and_error,
)

EQUAL = torch.full((4,), 0.25, dtype=torch.double)
CODES = torch.arange(32) % 4
LAYER = torch.zeros(4, 6, dtype=torch.double)
LAYER[:, :4] = torch.eye(4)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class TestFolds:
    def test_each_cell_is_held_out_once_and_no_class_is_missed(self):
        codes = torch.tensor([0] * 10 + [1] * 7 + [4] * 2 + [6])
        folds = assign_folds(codes)
        assert folds[-1] == -1  # the only one of its class
        assert set(folds[:-1].tolist()) == set(range(4))
        for fold in range(4):
            assert set(codes[folds != fold].tolist()) == {0, 1, 4, 6}

    def test_even_spread_and_few_cells(self):
        folds = assign_folds(torch.arange(32) % 8)
        codes = torch.arange(32) % 8
        assert all(sorted(folds[codes == code].tolist()) == [0, 1, 2, 3] for code in range(8))
        assert assign_folds(torch.tensor([0, 0, 1, 1])).max() == 1
        assert (assign_folds(torch.tensor([0, 3, 5])) == -1).all()


def test_mean_and_error():
    values = torch.tensor([1.0, 0.0, 1.0, 0.0]).double()
    mean, error = mean_and_error(values, torch.full((4,), 0.25).double(), torch.arange(4))
    assert (mean, error) == (0.5, 0.25)


def seen(codes=CODES, noise=0.1, colors=0.0):
    """Features of cells that the layer knows, unless the other laboratory's colors move them."""
    plain = 3 * torch.eye(5, dtype=torch.double)[codes] + colors * torch.eye(5)[(codes + 1) % 4]
    return (plain + noise * torch.randn(len(codes), 5))[:, None].double()


def choose(features, codes=CODES, right=None, **options):
    right = (features[:, 0, :4].argmax(1) == codes).double() if right is None else right
    settings = {"shares": EQUAL, "unlabeled": None, **options}
    return choose_layer(LAYER, features, codes, right=right, **settings)


def test_other_colors_are_learned():
    chosen = choose(seen(colors=5.0))
    assert chosen.step == "output"
    assert chosen.scores["output"] > 0.9 > 0.6 > chosen.scores["bias"]
    assert (
        chosen.reason.startswith("bias ") and "output taken: balanced accuracy +" in chosen.reason
    )
    assert not torch.equal(chosen.layer, LAYER)


def test_steps_that_lose_are_refused():
    # Labels that have nothing to do with the cells, of which the model is right about all.
    codes = CODES[torch.randperm(32)]
    chosen = choose(seen(), codes, right=torch.ones(32).double())
    assert chosen.step == "" and torch.equal(chosen.layer, LAYER)
    assert max(chosen.scores.values()) < 0.8
    assert "bias refused: " in chosen.reason and "output refused: " in chosen.reason


def test_one_cell_a_class_cannot_be_validated():
    chosen = choose(seen(torch.arange(4), colors=5.0), torch.arange(4))
    assert (chosen.step, chosen.scores) == ("output", {})
    assert "one cell a class" in chosen.reason


@pytest.fixture
def fitted(monkeypatch):
    """Last feature of the cells of each fit."""
    found, fit = [], _output_choice.fit_layer

    def note(layer, features, codes, **options):
        found.append(features[:, 0, 4])
        return fit(layer, features, codes, **options)

    monkeypatch.setattr(_output_choice, "fit_layer", note)
    return found


def test_held_out_cells_are_not_fitted(fitted):
    features = seen()
    features[:, 0, 4] = torch.arange(32)  # tells the cells apart
    choose(features)
    assert len(fitted) == 2 * (2 * 4) + 1  # two repeats of four folds a step; the chosen one
    for some in (fitted[:4], fitted[4:8], fitted[8:12]):
        held_out = [set(range(32)) - set(map(int, each)) for each in some]
        assert set.union(*held_out) == set(range(32)) and sum(map(len, held_out)) == 32
    assert len(fitted[-1]) == 32


def test_scores_are_those_with_the_prior():
    rare = torch.tensor([1e-6, 1, 1, 1]).double()
    scores = choose(seen(), shares=rare / rare.sum()).scores
    assert scores["output"] == pytest.approx(0.75, abs=0.05)
    assert choose(seen()).scores["output"] > 0.95


def test_repr():
    scores, n_labelled = {"unchanged": 0.5, "crop + output": 0.75}, {"ig": 10, "platelet": 0}
    adaptation = Adaptation(("crop", "output"), "a gain; no loss", scores, n_labelled, 7)
    assert repr(adaptation).splitlines() == [
        "Adaptation: crop + output",
        "  reason: a gain;",
        "          no loss",
        "  labeled cells: ig 10; unlabeled: 7",
        "  balanced accuracy on the labeled cells:",
        "    0.500  unchanged",
        "    0.750  crop + output",
    ]
    text = repr(Adaptation((), "nothing to do", {}, {"ig": 0}, 3))
    assert text.startswith("Adaptation: unchanged\n") and "labeled cells: none" in text
    assert "balanced accuracy" not in text


class TestGroups:
    GROUPS = torch.arange(32) // 4  # of four cells, one of each class

    def test_a_group_is_in_one_fold_and_classes_are_spread(self):
        codes = torch.randint(5, (200,))
        groups = torch.randint(30, (200,))
        folds = assign_group_folds(codes, groups)
        assert set(folds.tolist()) == set(range(4))
        assert all(len(folds[groups == group].unique()) == 1 for group in groups.unique())
        counts = torch.stack([torch.bincount(codes[folds == fold]) for fold in range(4)])
        assert counts.min() >= 3

    def test_a_group_is_never_fitted_and_scored(self, fitted):
        features = seen()
        features[:, 0, 4] = torch.arange(32)
        chosen = choose(features, groups=self.GROUPS)
        assert len(fitted) == 2 * 2 * 4 + bool(chosen.step)
        for cells in fitted[:-1]:
            assert len(cells) == 24 and (torch.bincount(cells.long() // 4) % 4 == 0).all()
        assert "in cross-validation of whole groups" in chosen.reason

    def test_a_class_of_one_group_is_held_out_with_it_but_not_scored(self):
        codes = torch.tensor([0, 0, 1, 1] * 4 + [2, 2])
        groups = torch.tensor([0] * 4 + [1] * 4 + [2] * 4 + [3] * 6)
        splits = _output_choice._split(codes, groups)
        assert len(splits) == 8
        for train, scored in splits:
            assert not scored[-2:].any() and not (train & scored).any()
            assert train[-1] == train[12]
            assert set(codes[scored].tolist()) == {0, 1}

    def test_one_group_cannot_be_validated(self):
        for groups in (torch.zeros(32).long(), CODES):  # of all cells; of each class
            chosen = choose(seen(colors=5.0), groups=groups)
            assert (chosen.step, chosen.scores) == ("output", {})
            assert "one group a class" in chosen.reason

    def test_copies_are_no_evidence(self):
        """Labels by chance: what is learned of a group's cells says nothing of other groups."""
        groups = torch.arange(64) // 4
        codes = torch.arange(4).repeat(4)[torch.randperm(16)][groups]
        features = 3 * torch.randn(16, 1, 40).double()[groups]
        layer, right = torch.zeros(4, 41).double(), torch.zeros(64).double()
        options = {"shares": EQUAL, "unlabeled": None, "right": right}
        alone, together = (
            choose_layer(layer, features, codes, groups=g, **options) for g in (None, groups)
        )
        assert alone.scores["output"] > 0.95 > 0.5 > together.scores["output"]

    def test_groups_are_the_units_of_the_error(self):
        values = torch.tensor([1.0, 1.0, 0.0, 0.0]).double()
        weights, pairs = torch.full((4,), 0.25).double(), torch.tensor([0, 0, 1, 1])
        assert mean_and_error(values, weights, pairs) == (0.5, pytest.approx(0.5**1.5))
