"""The benchmark of differential counts: what it simulates, and that it can fail."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import differential
from benchmarks._report import missed_bars

pytestmark = pytest.mark.slow


def test_shares_are_those_of_the_text_on_average():
    rng = np.random.default_rng(0)
    shares = np.array([differential.draw_shares(rng) for _ in range(4000)])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    usual = np.array(list(differential.SHARES.values())) / 100
    np.testing.assert_allclose(shares.mean(axis=0), usual, rtol=0.2)
    assert (shares.std(axis=0) > 0.1 * usual).all()


@pytest.mark.parametrize("error", [0.01, 0.2])
def test_rates_have_the_errors_of_the_row(error):
    rng = np.random.default_rng(0)
    rates = np.array([differential.draw_rates(error, rng) for _ in range(500)])
    np.testing.assert_allclose(rates.sum(axis=2), 1)
    assert (rates >= 0).all()
    assert 1 - rates.diagonal(axis1=1, axis2=2).mean() == pytest.approx(error, rel=0.1)
    i, j, k = (differential.CLASSES.index(name) for name in ("neutrophil", "ig", "lymphocyte"))
    assert rates[:, i, j].mean() > 3 * rates[:, i, k].mean()


def test_bars_are_reached_with_the_correction_and_missed_without(monkeypatch):
    monkeypatch.setattr(differential, "N_LABS", 25)
    options = SimpleNamespace(quick=False)
    rates, cells = partial(differential.draw_rates, 0.2), differential.validate_images(1539)
    corrected, counted = (
        differential.measure(rates, cells, correct, options) for correct in (True, False)
    )
    assert missed_bars(corrected, differential.QUICK_BARS) == []
    assert missed_bars(counted, differential.QUICK_BARS) == ["lowest"]
    assert corrected["error_counted"] == counted["error"] > 1.5 * corrected["error"]
    columns = set(differential.COLUMNS)
    assert columns == set(corrected)


def test_quick_is_a_tenth():
    drawn = []

    def make_rates(rng):
        drawn.append(1)
        return differential.draw_rates(0.01, rng)

    cells = differential.validate_images(300)
    differential.measure(make_rates, cells, False, SimpleNamespace(quick=True))
    assert len(drawn) == differential.N_LABS // 10


def test_rates_of_one_pair():
    (pair,) = differential.PAIRS["neutrophil as ig, 2 %"]
    rates = differential.confuse_pairs([pair], None)
    np.testing.assert_allclose(rates.sum(axis=1), 1)
    assert np.count_nonzero(rates) == len(rates) + 1
    assert rates[0, differential.CLASSES.index("ig")] == 0.02
