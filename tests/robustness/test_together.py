"""Threads with one model, processes with one cache: what one alone gives."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import skblood
from skblood.inference import seeded
from tests.robustness._bad_input import cells, fitted
from tests.robustness._together import (
    SHARED,
    joblib_threads,
    processes_with_one_cache,
    threads_with_one_model,
)

pytestmark = pytest.mark.slow


def check(outcomes, n):
    assert not [outcome.detail for outcome in outcomes if not outcome.is_allowed]
    assert len(outcomes) == n


@pytest.mark.parametrize("name", SHARED)
def test_threads_predict(name, tmp_path):
    check(threads_with_one_model(name, tmp_path, 8, 24), 24)


@pytest.mark.parametrize("name", ["mlp", "transfer", "frozen", "embedder"])
def test_threads_predict_while_others_save(name, tmp_path):
    def save(model):
        pickle.dumps(model)
        skblood.save(model, tmp_path / "model.skblood")

    check(threads_with_one_model(name, tmp_path, 2, 12, save), 16)
    assert skblood.load(tmp_path / "model.skblood", device="cpu")


@pytest.mark.parametrize("name", ["mlp", "transfer", "hybrid", "frozen", "embedder"])
def test_threads_fit(name, tmp_path):
    """All draw from torch's one generator: unless in turn, no fit is what its seed says."""
    check(joblib_threads(name, tmp_path), 4)


def test_seeded_blocks_do_not_overlap():
    cpu, drawn, inside = torch.device("cpu"), {}, threading.Event()

    def draw():
        inside.set()
        with seeded(1, cpu):
            drawn["other"] = torch.rand(2)

    thread = threading.Thread(target=draw)
    with seeded(0, cpu):
        thread.start()
        assert inside.wait(10)
        thread.join(0.2)
        assert thread.is_alive()  # it waits
        drawn["own"] = torch.rand(2)
        with seeded(1, cpu):  # the same thread does not
            again = torch.rand(2)
    thread.join(10)
    torch.manual_seed(0)
    assert torch.equal(drawn["own"], torch.rand(2))
    assert torch.equal(drawn["other"], again)


def test_threads_save_to_one_path(tmp_path):
    """One may sweep away as litter what the other has just begun."""
    path, models = tmp_path / "model.skblood", [fitted("mlp") for _ in range(4)]
    errors = []

    def save(model):
        try:
            for _ in range(15):
                skblood.save(model, path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [each.name for each in Path(tmp_path).iterdir()] == [path.name]
    X, _ = cells()
    given = skblood.load(path, device="cpu").predict_proba(X)
    assert np.array_equal(given, models[0].predict_proba(X))


def test_a_process_is_killed_and_the_other_goes_on(tmp_path):
    check(processes_with_one_cache(tmp_path, 1, kill=True, n=40), 2)
