"""The choice among the candidates, with labels and without."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from skblood.adaptation import Adaptation, _choose, _tune, _unlabelled
from skblood.adaptation._cells import Cells, balance
from skblood.adaptation._choose import LabelledChoice, deal_folds, is_better
from skblood.adaptation._tune import tune_network
from skblood.adaptation._unlabelled import State, adapt_unlabelled
from skblood.augment import CellAugment

from .conftest import n_per_class, same

SHARES = torch.full((8,), 1 / 8)


def as_cells(skilled, X, y=None):
    codes = torch.full((len(X),), -1)
    if y is not None:
        codes = torch.from_numpy(np.searchsorted(skilled.classes_, y))
    return Cells(torch.from_numpy(X), codes, CellAugment(), torch.device("cpu"))


class TestFolds:
    def test_each_cell_is_held_out_once_and_no_class_is_missed(self):
        codes = torch.tensor([0] * 10 + [1] * 7 + [4] * 2 + [6])
        folds = deal_folds(codes)
        assert folds[-1] == -1  # the only one of its class
        assert set(folds[:-1].tolist()) == set(range(4))
        for fold in range(4):
            assert set(codes[folds != fold].tolist()) == {0, 1, 4, 6}

    def test_classes_are_dealt_evenly(self):
        codes = torch.arange(32) % 8
        folds = deal_folds(codes)
        for code in range(8):
            assert sorted(folds[codes == code].tolist()) == [0, 1, 2, 3]

    def test_two_cells_a_class_make_two_folds(self):
        assert deal_folds(torch.tensor([0, 0, 1, 1])).max() == 1

    def test_one_cell_a_class_makes_none(self):
        assert (deal_folds(torch.tensor([0, 3, 5])) == -1).all()


class TestIsBetter:
    weights = torch.full((20,), 1 / 20)

    def test_equal_is_not_better(self):
        assert not is_better(torch.ones(20), torch.ones(20), self.weights)

    def test_one_cell_of_twenty_is_noise(self):
        old = torch.ones(20)
        old[3] = 0
        assert not is_better(torch.ones(20), old, self.weights)

    def test_two_cells_are_not(self):
        old = torch.ones(20)
        old[3:5] = 0
        assert is_better(torch.ones(20), old, self.weights)

    def test_ten_cells_are_not(self):
        old = torch.ones(20)
        old[:10] = 0
        assert is_better(torch.ones(20), old, self.weights)
        assert not is_better(old, torch.ones(20), self.weights)


class TestWithLabels:
    def scored(self, monkeypatch, **scores):
        """Replace the validation by hits that are given for each candidate."""

        def validate(self, steps):
            share = scores.get("_".join(steps).replace("-", "_") or "unchanged", 0.0)
            hits = torch.zeros(len(self.tested))
            hits[: round(share * len(hits))] = 1
            return hits

        monkeypatch.setattr(LabelledChoice, "_validate", validate)

    @pytest.fixture
    def choice(self, skilled, abroad):
        known = n_per_class(abroad[1], 3)
        cells = as_cells(skilled, abroad[0][known], abroad[1][known])
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return LabelledChoice(skilled.net_.module_, cells, SHARES)

    def test_the_best_is_taken(self, choice, monkeypatch):
        self.scored(monkeypatch, unchanged=0.2, statistics=0.4, output=0.9, statistics_output=0.6)
        _, steps, reason, scores = choice.choose()
        assert steps == ("output",)
        assert "a clear gain in cross-validation" in reason
        assert list(scores) == ["unchanged", "output", "statistics", "statistics + output"]

    def test_the_best_of_what_is_clearly_better(self, choice, monkeypatch):
        hits = {steps: torch.zeros(24) for steps in choice._candidates()}
        hits[()][:12] = 1
        hits["statistics",][:16] = 1  # four more, and none less
        hits["output",][7:] = 1  # twelve more, and seven less
        monkeypatch.setattr(LabelledChoice, "_validate", lambda self, steps: hits[steps])
        _, steps, _, scores = choice.choose()
        assert scores["output"] > scores["statistics"] > scores["unchanged"]
        assert steps == ("statistics",)

    def test_among_equals_the_simplest(self, choice, monkeypatch):
        self.scored(monkeypatch, unchanged=0.2, statistics=0.9, output=0.9, statistics_output=0.9)
        assert choice.choose()[1] == ("output",)

    def test_ties_go_to_the_old_model(self, choice, skilled, monkeypatch):
        self.scored(monkeypatch, unchanged=0.8, statistics=0.8, output=0.8, statistics_output=0.8)
        network, steps, reason, _ = choice.choose()
        assert steps == ()
        assert "no candidate clearly beats" in reason
        assert same(network.state_dict(), skilled.net_.module_.state_dict())

    def test_noise_goes_to_the_old_model(self, choice, monkeypatch):
        self.scored(monkeypatch, unchanged=23 / 24, output=1.0)
        assert choice.choose()[1] == ()

    def test_a_model_without_a_mistake_is_left(self, choice, monkeypatch):
        self.scored(monkeypatch, unchanged=1.0, output=1.0)
        assert "classifies all labelled cells right" in choice.choose()[2]

    @pytest.mark.parametrize(
        ("score", "taken"), [(1.0, True), (0.9, True), (0.875, True), (0.8, False), (0.1, False)]
    )
    def test_the_network_is_taken_if_not_clearly_worse(self, choice, monkeypatch, score, taken):
        self.scored(monkeypatch, unchanged=0.2, output=0.9, output_network=score)
        monkeypatch.setattr(_choose, "_ENOUGH_TO_TUNE", 3)
        tuned = []
        monkeypatch.setattr(_choose, "tune_network", lambda *given: tuned.append(given))
        _, steps, _, scores = choice.choose()
        assert scores["output + network"] == pytest.approx(score, abs=0.03)
        assert (steps == ("output", "network")) is taken
        assert bool(tuned) is taken

    def test_the_network_learns_of_what_self_training_found(self, skilled, abroad, monkeypatch):
        cells = as_cells(skilled, *abroad)
        cells.codes[~np.isin(np.arange(len(cells.codes)), n_per_class(abroad[1], 3))] = -1
        choice = LabelledChoice(skilled.net_.module_, cells, SHARES)
        tuned = []
        monkeypatch.setattr(_choose, "tune_network", lambda *given: tuned.append(given))
        sure, found = torch.tensor([3, 0, 7]), torch.tensor([1, 1, 2])
        monkeypatch.setattr(_choose, "choose_pseudo_labels", lambda *given: (sure, found))
        train = torch.arange(20)
        choice._fit(("output", "network"), train)
        choice._fit(("output", "self-training", "network"), train)
        (_, _, alone, known, _), (_, cells, rows, codes, weights) = tuned
        assert alone.tolist() == choice.rows[train].tolist()
        assert rows.tolist() == [*alone.tolist(), *cells.unlabelled[sure].tolist()]
        assert codes.tolist() == [*known.tolist(), 1, 1, 2]
        assert weights[:20].sum() == pytest.approx(2 / 3)
        assert weights.sum() == pytest.approx(1)

    def test_the_network_alone_must_clearly_beat_the_old_model(self, choice, monkeypatch):
        self.scored(monkeypatch, unchanged=22 / 24, network=23 / 24)
        monkeypatch.setattr(_choose, "_ENOUGH_TO_TUNE", 3)
        monkeypatch.setattr(_choose, "tune_network", lambda *given: None)
        _, steps, _, scores = choice.choose()
        assert scores["network"] > scores["unchanged"]
        assert steps == ()

    def test_it_is_not_tried_with_fewer(self, choice, monkeypatch):
        self.scored(monkeypatch, unchanged=0.2, output=0.9)
        assert not any("network" in name for name in choice.choose()[3])

    def test_held_out_cells_are_not_trained_on(self, choice, monkeypatch):
        seen = []
        fit = LabelledChoice._fit
        monkeypatch.setattr(
            LabelledChoice,
            "_fit",
            lambda self, steps, train: seen.append(train) or fit(self, steps, train),
        )
        choice._validate(("output",))
        held_out = [set(range(24)) - set(train.tolist()) for train in seen]
        assert len(held_out) == 3
        assert set.union(*held_out) == set(range(24)) and sum(map(len, held_out)) == 24

    def test_the_scores_of_the_old_model_are_its_own(self, choice, skilled, abroad):
        known = n_per_class(abroad[1], 3)
        X, y = abroad[0][known], abroad[1][known]
        alone = as_cells(skilled, X, y)
        object.__setattr__(alone, "augment", None)
        hits = LabelledChoice(skilled.net_.module_, alone, SHARES)._validate(())
        right = skilled.predict(X) == y
        assert abs(float(hits.mean()) - right.mean()) <= 1 / 24  # it predicts in bfloat16


class TestWithoutLabels:
    def test_few_cells_say_too_little(self, skilled, abroad):
        network = skilled.net_.module_
        result, steps, reason, scores = adapt_unlabelled(
            network, as_cells(skilled, abroad[0][:5]), SHARES
        )
        assert result is network and steps == () and scores == {}
        assert "5 cells" in reason

    def test_the_old_network_is_left(self, skilled, abroad):
        network = skilled.net_.module_
        before = copy.deepcopy(network.state_dict())
        with torch.random.fork_rng():
            adapt_unlabelled(network, as_cells(skilled, abroad[0]), SHARES)
        assert same(before, network.state_dict())

    def state(self, agreement, spread, sure=0.9, distance=1.0):
        agreement = torch.full((40,), agreement)
        return State("network", torch.zeros(40, 2, 3), agreement, spread, sure, distance)

    @pytest.mark.parametrize(
        ("agreement", "spread", "why"),
        [
            (0.9, 6.0, ""),
            (0.8, 5.5, ""),
            (0.6, 6.0, "views of a cell would agree in 60.0%, not 80.0%"),
            (0.9, 2.0, "predictions would spread over 2.0 classes, not 6.0"),
        ],
    )
    def test_what_is_refused(self, agreement, spread, why):
        after = self.state(agreement, spread)
        before = self.state(0.8, 6.0)
        assert _unlabelled._why_not("self-training", before, after) == why
        of_statistics = why if "spread" in why else ""
        assert _unlabelled._why_not("statistics", before, after) == of_statistics

    def test_self_training_by_an_unsure_model_is_refused(self):
        before, after = self.state(0.8, 6.0, 0.6), self.state(0.8, 6.0, 0.7)
        why = _unlabelled._why_not("self-training", before, after)
        assert why == "the model would be sure of 70.0% in the mean, less than 80%"
        assert _unlabelled._why_not("statistics", before, after) == ""

    @pytest.mark.parametrize(
        ("distance", "sure", "refused"),
        [(0.05, 0.7, True), (0.05, 0.8, True), (0.05, 0.81, False), (0.2, 0.5, False)],
    )
    def test_statistics_where_the_model_is_no_stranger(self, distance, sure, refused):
        before = self.state(0.8, 6.0, 0.8, distance)
        why = _unlabelled._why_not("statistics", before, self.state(0.8, 6.0, sure))
        assert bool(why) == refused
        if refused:
            assert why.startswith("the cells are no farther than 0.05 variances from the training")
            assert f"sure of {sure:.1%} in the mean, not 80.0%" in why

    def test_abroad_is_farther_than_home(self, skilled, home, abroad, monkeypatch):
        distances = []

        def note(name, before, after):
            distances.append(before.distance)
            return "of a test"

        monkeypatch.setattr(_unlabelled, "_why_not", note)
        for X, _ in (home, abroad):
            with torch.random.fork_rng():
                adapt_unlabelled(skilled.net_.module_, as_cells(skilled, X), SHARES)
        assert distances[0] < _unlabelled._FAR < distances[2]

    def test_refused_steps_are_not_taken(self, skilled, abroad, monkeypatch):
        monkeypatch.setattr(_unlabelled, "_why_not", lambda name, before, after: "of a test")
        network = skilled.net_.module_
        with torch.random.fork_rng():
            result, steps, reason, _ = adapt_unlabelled(
                network, as_cells(skilled, abroad[0][:40]), SHARES
            )
        assert result is network and steps == ()
        assert "statistics refused: of a test" in reason


class TestReport:
    def test_it_reads_well(self):
        adaptation = Adaptation(
            ("statistics", "output"),
            "a clear gain in cross-validation, +0.250 against the model as it was",
            {"unchanged": 0.5, "statistics + output": 0.75},
            {"monocyte": 10, "platelet": 0},
            7,
        )
        assert repr(adaptation).splitlines() == [
            "Adaptation: statistics + output",
            "  why: a clear gain in cross-validation, +0.250 against the model as it was",
            "  labelled cells: monocyte 10; unlabelled: 7",
            "  balanced accuracy in cross-validation:",
            "    0.500  unchanged",
            "    0.750  statistics + output",
        ]

    def test_without_scores(self):
        text = repr(Adaptation((), "nothing to do", {}, {"monocyte": 0}, 3))
        assert text.startswith("Adaptation: unchanged\n")
        assert "labelled cells: none; unlabelled: 3" in text
        assert "cross-validation" not in text


@pytest.mark.parametrize("keep", ["_KEEP", "_KEEP_EVIDENCE"])
def test_the_network_does_not_forget_a_class_without_a_cell(skilled, abroad, monkeypatch, keep):
    X, y = abroad
    rows = np.flatnonzero(y != "platelet")[:40]
    is_platelet = skilled.classes_ == "platelet"
    cells = as_cells(skilled, X[rows], y[rows])

    def kept(model):
        logits = model.decision_function(X)
        if keep == "_KEEP":
            return logits[:, is_platelet]
        return logsumexp(logits[:, ~is_platelet], axis=1)

    def drift(strength):
        monkeypatch.setattr(_tune, keep, strength)
        network = copy.deepcopy(skilled.net_.module_)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            tune_network(network, cells, cells.labelled, cells.codes, balance(cells.codes))
        other = copy.deepcopy(skilled)
        other._adopt(network)
        return np.abs(kept(other) - kept(skilled)).mean()

    assert drift(1.0) < 0.8 * drift(0.0)
