"""Choice among the candidates, with labels and without."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skblood.adaptation import Adaptation, _candidates
from skblood.adaptation._candidates import (
    LabelledChoice,
    adapt_without_labels,
    assign_folds,
    is_clearly_better,
    refuse_step,
)
from skblood.augment import CellAugment

from .conftest import n_per_class, same, target_cells

SHARES = torch.full((8,), 1 / 8)


class TestFolds:
    def test_each_cell_is_held_out_once_and_no_class_is_missed(self):
        codes = torch.tensor([0] * 10 + [1] * 7 + [4] * 2 + [6])
        folds = assign_folds(codes)
        assert folds[-1] == -1  # the only one of its class
        assert set(folds[:-1].tolist()) == set(range(4))
        for fold in range(4):
            assert set(codes[folds != fold].tolist()) == {0, 1, 4, 6}

    def test_even_spread_and_few_cells(self):
        codes = torch.arange(32) % 8
        folds = assign_folds(codes)
        assert all(sorted(folds[codes == code].tolist()) == [0, 1, 2, 3] for code in range(8))
        assert assign_folds(torch.tensor([0, 0, 1, 1])).max() == 1
        assert (assign_folds(torch.tensor([0, 3, 5])) == -1).all()


@pytest.mark.parametrize(("n_wrong", "better"), [(0, False), (1, False), (2, True), (10, True)])
def test_one_cell_of_twenty_is_noise_and_two_are_not(n_wrong, better):
    old = torch.ones(20)
    old[:n_wrong] = 0
    weights = torch.full((20,), 1 / 20)
    assert is_clearly_better(torch.ones(20), old, weights) is better
    assert not is_clearly_better(old, torch.ones(20), weights)


class TestWithLabels:
    @pytest.fixture
    def cells(self, skilled, abroad):
        known = n_per_class(abroad[1], 3)
        codes = np.searchsorted(skilled.classes_, abroad[1][known])
        return target_cells(abroad[0][known], codes, CellAugment())

    @pytest.fixture
    def choice(self, network, cells):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return LabelledChoice(network, cells, SHARES, print)

    @pytest.fixture
    def scored(self, monkeypatch):
        """Return what replaces the cross-validation by a share of hits of each candidate."""

        def score(**scores):
            def validate(self, steps):
                share = scores.get("_".join(steps) or "unchanged", 0.0)
                return (torch.arange(len(self.tested)) < round(share * len(self.tested))).float()

            monkeypatch.setattr(LabelledChoice, "_validate", validate)

        return score

    @pytest.mark.parametrize(
        ("scores", "taken", "why"),
        [
            ((0.2, 0.4, 0.9, 0.6), ("output",), "a clear gain in cross-validation, +0.7"),
            ((0.2, 0.9, 0.9, 0.9), ("output",), "a clear gain"),  # of equals that with fewest steps
            ((0.8, 0.8, 0.8, 0.8), (), "no candidate clearly beats the unchanged model"),
            ((23 / 24, 0.5, 1.0, 0.5), (), "no candidate clearly beats"),
        ],
    )
    def test_the_best_is_taken(self, choice, scored, network, scores, taken, why):
        names = ["unchanged", "statistics", "output", "statistics_output"]
        scored(**dict(zip(names, scores, strict=True)))
        new, steps, reason, found = choice.choose()
        assert steps == taken
        assert why in reason
        assert list(found) == ["unchanged", "output", "statistics", "statistics + output"]
        assert same(new.state_dict(), network.state_dict()) == (not taken)

    def test_the_best_of_those_that_are_clearly_better(self, choice, monkeypatch):
        hits = {steps: torch.zeros(24) for steps in choice._candidates()}
        hits[()][:12] = 1
        hits["statistics",][:16] = 1  # four more, and none less
        hits["output",][7:] = 1  # twelve more, and seven less
        monkeypatch.setattr(LabelledChoice, "_validate", lambda self, steps: hits[steps])
        _, steps, _, scores = choice.choose()
        assert scores["output"] > scores["statistics"] > scores["unchanged"]
        assert steps == ("statistics",)

    @pytest.mark.parametrize(
        ("unchanged", "output", "score", "taken"),
        [
            (0.2, 0.9, 1.0, ("output", "network")),
            (0.2, 0.9, 0.875, ("output", "network")),  # not clearly worse
            (0.2, 0.9, 0.8, ("output",)),
            (22 / 24, 0.0, 23 / 24, ()),  # better than the unchanged model, but not clearly
        ],
    )
    def test_the_network(self, choice, scored, monkeypatch, unchanged, output, score, taken):
        scored(unchanged=unchanged, output=output, output_network=score, network=score)
        assert not any("network" in name for name in choice.choose()[3])  # too few cells
        monkeypatch.setattr(_candidates, "_MIN_CELLS_TO_FINE_TUNE", 3)
        calls = []
        monkeypatch.setattr(_candidates, "fine_tune", lambda *given: calls.append(given))
        _, steps, _, scores = choice.choose()
        assert scores["output + network" if output else "network"] == pytest.approx(score, abs=0.03)
        assert steps == taken
        assert bool(calls) == ("network" in taken)

    def test_after_a_new_crop(self, network, cells, scored):
        blank = target_cells(np.zeros_like(cells.images.numpy()), cells.codes)
        choice = LabelledChoice(network, cells, SHARES, print, uncropped=blank)
        scored(crop=0.5, crop_output=0.9)
        _, steps, reason, scores = choice.choose()
        assert list(scores)[:3] == ["unchanged", "crop", "crop + output"]
        assert scores["unchanged"] == pytest.approx(1 / 8)  # all blank cells get one class
        assert scores["crop"] == 0.5
        assert steps == ("crop", "output")
        assert "over the model at its new crop" in reason

    def test_self_training_adds_cells_to_the_fine_tuning(
        self, network, skilled, abroad, monkeypatch
    ):
        codes = np.searchsorted(skilled.classes_, abroad[1])
        codes[~np.isin(np.arange(len(codes)), n_per_class(abroad[1], 3))] = -1
        choice = LabelledChoice(network, target_cells(abroad[0], codes), SHARES, print)
        assert ("statistics", "output", "self-training") in choice._candidates()
        calls, chosen, found = [], torch.tensor([3, 0, 7]), torch.tensor([1, 1, 2])
        monkeypatch.setattr(_candidates, "fine_tune", lambda *given: calls.append(given))
        monkeypatch.setattr(
            _candidates,
            "pseudo_label",
            lambda layer, features, codes: (chosen, torch.cat([codes, found]), torch.ones(23)),
        )
        train = torch.arange(20)
        choice._fit(("output", "network"), train)
        choice._fit(("output", "self-training", "network"), train)
        (_, _, rows, known, _), (_, cells, more_rows, more_codes, weights) = calls
        assert rows.tolist() == choice.rows[train].tolist()
        assert more_rows.tolist() == [*rows.tolist(), *cells.unlabelled[chosen].tolist()]
        assert more_codes.tolist() == [*known.tolist(), 1, 1, 2]
        assert len(weights) == 23

    def test_held_out_cells_are_not_trained_on(self, choice, monkeypatch):
        trained, fit = [], LabelledChoice._fit
        monkeypatch.setattr(
            LabelledChoice,
            "_fit",
            lambda self, steps, train: trained.append(train) or fit(self, steps, train),
        )
        choice._validate(("output",))
        held_out = [set(range(24)) - set(train.tolist()) for train in trained]
        assert len(held_out) == 3
        assert set.union(*held_out) == set(range(24)) and sum(map(len, held_out)) == 24

    def test_the_unchanged_model_is_scored_by_its_predictions(self, network, cells, skilled):
        plain = target_cells(cells.images.numpy(), cells.codes)  # one view
        hits = LabelledChoice(network, plain, SHARES, print)._validate(())
        right = skilled.predict(cells.images.numpy()) == skilled.classes_[cells.codes]
        assert abs(float(hits.mean()) - right.mean()) <= 1 / 24  # it predicts in bfloat16


class TestWithoutLabels:
    def test_few_cells_change_nothing(self, network, abroad):
        found = adapt_without_labels(network, target_cells(abroad[0][:5]), SHARES, print)
        assert found[0] is network and found[1] == () and found[3] == {}
        assert "5 cells" in found[2]

    @pytest.mark.parametrize("why", ["", "of a test"])
    def test_steps_are_taken_or_refused(self, network, abroad, monkeypatch, why):
        before, distances = copy.deepcopy(network.state_dict()), []

        def refuse(step, state, moved):
            distances.append(moved.distance)
            return why

        monkeypatch.setattr(_candidates, "refuse_step", refuse)
        cells = target_cells(abroad[0], augment=CellAugment())
        with torch.random.fork_rng():
            new, steps, reason, _ = adapt_without_labels(network, cells, SHARES, print)
        assert same(before, network.state_dict())
        assert same(before, new.state_dict()) == bool(why)
        assert bool(steps) == (not why)
        assert ("statistics refused: of a test" if why else "statistics taken: views") in reason
        assert distances[0] > _candidates._FAR

    def test_home_is_near(self, network, home, monkeypatch):
        distances = []
        monkeypatch.setattr(
            _candidates, "refuse_step", lambda s, b, after: distances.append(after.distance) or s
        )
        adapt_without_labels(network, target_cells(home[0]), SHARES, print)
        assert 0 < distances[0] < _candidates._FAR

    @pytest.mark.parametrize(
        ("step", "changed", "why"),
        [
            ("statistics", {}, ""),
            ("statistics", {"agreement": 0.6, "confidence": 0.7}, ""),
            ("statistics", {"n_predicted": 2.0}, "would spread over 2.0 classes, not 6.0"),
            ("statistics", {"distance": 0.05}, "only 0.05 variances away.*90.0%, not 90.0%"),
            ("statistics", {"distance": 0.05, "confidence": 0.91}, ""),
            ("self-training", {"agreement": 0.9, "n_predicted": 5.5}, ""),
            ("self-training", {"agreement": 0.6}, "agree less often, in 60.0%"),
            ("self-training", {"n_predicted": 2.0}, "would spread over 2.0 classes"),
            ("self-training", {"confidence": 0.7}, "confidence would be 70.0%, below 80%"),
        ],
    )
    def test_what_is_refused(self, step, changed, why):
        values = {"n_predicted": 6.0, "confidence": 0.9, "distance": 1.0}
        before, after = (
            SimpleNamespace(**{**values, **each, "agreement": torch.full((40,), agreement)})
            for each, agreement in (({}, 0.8), (changed, changed.get("agreement", 0.8)))
        )
        found = refuse_step(step, before, after)
        assert bool(found) == bool(why)
        assert re.search(why, found)


def test_repr():
    scores, n_labelled = {"unchanged": 0.5, "statistics + output": 0.75}, {"ig": 10, "platelet": 0}
    adaptation = Adaptation(("statistics", "output"), "a gain", scores, n_labelled, 7)
    assert repr(adaptation).splitlines() == [
        "Adaptation: statistics + output",
        "  reason: a gain",
        "  labelled cells: ig 10; unlabelled: 7",
        "  balanced accuracy in cross-validation:",
        "    0.500  unchanged",
        "    0.750  statistics + output",
    ]
    text = repr(Adaptation((), "nothing to do", {}, {"ig": 0}, 3))
    assert text.startswith("Adaptation: unchanged\n") and "labelled cells: none" in text
    assert "cross-validation" not in text
