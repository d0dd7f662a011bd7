"""The judge of all these tests: it must tell an answer, a refusal and each kind of defect."""

import time
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.utils import check_array

from skblood.images import as_uint8
from tests.robustness import _outcome
from tests.robustness._bad_input import Tally, tally
from tests.robustness._odd_files import OddFile, outcome_of_file
from tests.robustness._odd_images import Case, judge_array, odd_images
from tests.robustness._outcome import (
    ANSWER,
    CHANGED,
    CRASH,
    HANG,
    INNER,
    OVERDONE,
    REFUSED,
    SILENCE,
    WRONG,
    Outcome,
    check_features,
    check_probabilities,
    contents,
    judge,
)

pytestmark = pytest.mark.slow


def fail(error):
    def call():
        raise error

    return call


class TestJudge:
    def test_answer(self):
        outcome = judge(lambda: 3, "three", "good")
        assert (outcome.kind, outcome.value, outcome.is_allowed) == (ANSWER, 3, True)

    @pytest.mark.parametrize("verdict", ["bad", "any"])
    @pytest.mark.parametrize("check", [as_uint8, partial(check_array, input_name="X")])
    def test_refusal_of_our_checks_and_of_scikit_learns(self, verdict, check):
        outcome = judge(lambda: check(np.full((2, 2), np.nan)), "NaN", verdict)
        assert outcome == Outcome(REFUSED)

    def test_refusal_of_what_is_right(self):
        outcome = judge(lambda: as_uint8(np.full((2, 2), np.nan)), "NaN", "good")
        assert outcome.kind == OVERDONE
        assert not outcome.is_allowed

    def test_silence(self):
        assert judge(lambda: 3, "what is wrong", "bad") == Outcome(SILENCE, "what is wrong")

    @pytest.mark.parametrize(
        "error", [RuntimeError, IndexError, KeyError, AttributeError, ZeroDivisionError]
    )
    def test_other_exceptions(self, error):
        assert judge(fail(error("something of some length")), "x", "bad").kind == CRASH

    def test_an_error_from_elsewhere_is_no_refusal(self):
        """It has the right type and a long message, but nobody checked the input."""
        assert judge(fail(ValueError("a message of some length")), "x", "bad").kind == INNER
        assert judge(lambda: np.zeros((2, 3)) @ np.zeros((2, 3)), "x", "bad").kind == INNER
        assert judge(lambda: torch.zeros(2).reshape(3), "x").kind == CRASH

    @pytest.mark.parametrize(
        ("message", "kind"),
        [
            ("bad", INNER),
            ("The array has an inhomogeneous shape after 1 dimensions.", INNER),
            ("inhomogeneous shape after 1 dimensions. Pass a list of arrays.", REFUSED),
        ],
    )
    def test_messages(self, message, kind, monkeypatch):
        monkeypatch.setattr(_outcome, "_CHECKS", _outcome.re.compile("test_outcome"))
        assert judge(fail(ValueError(message)), "x", "bad").kind == kind

    def test_wrong_answer(self):
        outcome = judge(lambda: np.ones((2, 2)), "ones", "good", check_probabilities(2, 2))
        assert outcome == Outcome(WRONG, "ones: rows that do not sum to 1")

    def test_changed_input(self):
        X = np.zeros(3)
        assert judge(lambda: X.fill(1), "zeros", given=(X,)).kind == CHANGED
        assert judge(lambda: X.setflags(write=False), "flags", given=(X,)).kind == CHANGED

    def test_hang(self, monkeypatch):
        monkeypatch.setattr(_outcome, "_SECONDS", 1)
        monkeypatch.setattr(_outcome.time_limit.__wrapped__, "__defaults__", (1,))
        assert judge(lambda: time.sleep(20), "sleep").kind == HANG


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (np.full((2, 2), 0.5), None),
        (np.full((3, 2), 0.5), "shape (3, 2), not (2, 2)"),
        (np.full((2, 2), np.nan), "probabilities that are not finite"),
    ],
)
def test_check_of_probabilities(answer, problem):
    assert check_probabilities(2, 2)(answer) == problem


def test_check_of_features():
    assert check_features(2)(np.zeros((2, 48))) is None
    assert check_features(3)(np.zeros((2, 48))) == "shape (2, 48) for 3 images"
    assert check_features(1)(np.array([[np.inf]])) == "features that are not finite"


@pytest.mark.parametrize(
    "make",
    [
        lambda i: np.array([1, i]),
        lambda i: np.ma.masked_array([1, 2], mask=[0, i]),
        lambda i: torch.tensor([1, i]),
        lambda i: [np.array([i])],
        lambda i: Image.new("L", (2, 2), i),
    ],
)
def test_contents_tell_a_change(make):
    assert contents(make(0)) == contents(make(0))
    assert contents(make(0)) != contents(make(1))


class TestRules:
    """What is right is judged from the documentation, not by the package."""

    @pytest.mark.parametrize(
        ("array", "verdict"),
        [
            (np.zeros((6, 16, 16, 3), np.uint8), "good"),
            (np.zeros((6, 16, 17), np.float32), "good"),
            (np.full((6, 16, 16, 3), 1.01), "bad"),
            (np.full((6, 16, 16, 3), np.nan), "bad"),
            (np.zeros((6, 16, 16, 3), int), "bad"),
            (np.zeros((6, 16, 16, 5), np.uint8), "bad"),
            (np.zeros((6, 16, 3), np.uint8), "bad"),
            (np.zeros((6, 192), np.uint8), "good"),
            (np.zeros((6, 193), np.uint8), "bad"),
            (np.zeros(6, np.uint8), "bad"),
            (np.zeros((0, 192), np.uint8), "bad"),
        ],
    )
    def test_arrays(self, array, verdict):
        assert judge_array(array)[0] == verdict

    def test_what_a_model_needs(self):
        case = Case("rows", None, "bad", 6, "good", (193,))
        assert case.verdict_of(features=True, n_least=2) == "good"
        assert case.verdict_of(features=False, n_least=2) == "bad"
        assert case.verdict_of(features=True, n_least=7) == "bad"

    def test_what_a_fitted_model_takes(self):
        X = np.zeros((6, 16, 16, 3), np.uint8)
        case = Case("images", X, "good", 6, None, (16, 16, 3))
        assert case.verdict_to_predict((16, 16, 3)) == "good"
        assert case.verdict_to_predict((16, 17, 3)) == "bad"
        rows = Case("rows", X.reshape(6, -1), "good", 6, None, (768,))
        assert rows.verdict_to_predict((16, 16, 3)) == "good"


def test_tally_is_repeatable_and_counts():
    def outcomes(case):
        seen.append(case.what)
        return [Outcome(ANSWER), Outcome(WRONG, "why")]

    runs = []
    for _ in range(2):
        seen = []
        counted = tally(outcomes, odd_images(), 30, 1)
        runs.append(seen)
    assert runs[0] == runs[1]
    assert len(set(seen)) > 15
    assert counted.counts[ANSWER] == counted.counts[WRONG] == len(seen)
    assert counted.defects[0] == "wrong answers: why"
    counted.add_all(Tally(defects=["another"]))
    assert counted.defects[-1] == "another"


class TestFiles:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 3)).astype(np.uint8)

    @pytest.fixture
    def path(self, tmp_path):
        Image.fromarray(self.pixels).save(tmp_path / "cell.png")
        return tmp_path / "cell.png"

    def test_right(self, path):
        assert outcome_of_file(OddFile(path, "png", self.pixels, 0)).kind == ANSWER

    def test_other_pixels(self, path):
        outcome = outcome_of_file(OddFile(path, "png", 255 - self.pixels, 5))
        assert outcome.kind == WRONG
        assert "gray levels" in outcome.detail

    def test_another_size(self, path):
        assert outcome_of_file(OddFile(path, "png", self.pixels[1:], 0)).kind == WRONG

    def test_read_though_it_is_none(self, path):
        assert outcome_of_file(OddFile(path, "bomb")).kind == SILENCE

    def test_named_though_it_is_right(self, path):
        path.write_bytes(b"")
        assert outcome_of_file(OddFile(path, "png", self.pixels, 0)).kind == OVERDONE
