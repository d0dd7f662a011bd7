"""Control charts over batches."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skblood.evaluation import batch_chart

SHARES = {"basophil": 0.01, "lymphocyte": 0.3, "neutrophil": 0.69}


def draw(n_batches, n=80, *, spread=None, seed=0):
    """Return labels, batches and confidences; `spread`: blood of patients, by Dirichlet."""
    rng = np.random.default_rng(seed)
    labels = []
    for _ in range(n_batches):
        p = list(SHARES.values())
        p = p if spread is None else rng.dirichlet(spread * np.array(p))
        labels += list(rng.choice(list(SHARES), n, p=p))
    return labels, np.repeat(np.arange(n_batches), n), rng.beta(20, 2, n_batches * n)


def alarm_rate(spread, reference=30):
    """Return the share of batches with a false alarm, after some that are in order."""
    found = []
    for seed in range(20):
        labels, batches, confidence = draw(reference + 30, spread=spread, seed=seed)
        signals = batch_chart(labels, batches, confidence=confidence, reference=reference).signals
        found.append(signals.loc[signals["batch"] >= reference, "batch"].nunique() / 30)
    return np.mean(found)


class TestLimits:
    def test_false_alarms_are_rare(self):
        assert alarm_rate(None) < 0.01

    def test_also_if_patients_differ(self):
        assert alarm_rate(12) < 0.02

    @pytest.mark.filterwarnings("ignore:.*can never be out of control")  # with 5
    @pytest.mark.parametrize("reference", [5, 15])
    def test_also_with_a_short_reference(self, reference):
        assert alarm_rate(40, reference) < 0.01

    def test_drifts_are_found(self):
        labels, batches, confidence = draw(40)
        distances = np.random.default_rng(0).normal(0.13, 0.005, 40)
        confidence[batches == 38] -= 0.1
        distances[39] = 0.2
        labels[80 * 36 : 80 * 37] = ["lymphocyte"] * 80
        labels[80 * 37 : 80 * 38] = ["basophil"] * 12 + ["neutrophil"] * 68
        chart = batch_chart(
            labels, batches, confidence=confidence, distances=distances, reference=30
        )
        assert set(zip(chart.signals["chart"], chart.signals["batch"], strict=True)) >= {
            ("share of lymphocyte", 36),
            ("share of basophil", 37),
            ("mean confidence", 38),
            ("distance", 39),
        }
        lines = str(chart).splitlines()
        assert lines[0] == "40 batches, 3,200 cells; limits from the first 30 batches"
        out = lines.index("4 batches are out of control")
        assert [line.split(":")[0] for line in lines[out + 1 :]] == ["  36", "  37", "  38", "  39"]

    @pytest.mark.filterwarnings("ignore:.*can never be out of control")
    def test_values(self):
        chart = batch_chart(list("aabbab"), list("xxxyyy"), confidence=[1, 0.5, 0.6, 1, 1, 0.7])
        frame = chart.frame.set_index(["chart", "batch"])
        assert frame.loc[("share of a", "x"), "value"] == pytest.approx(2 / 3)
        assert frame.loc[("mean confidence", "y"), "value"] == pytest.approx(0.9)
        assert frame["n_cells"].tolist() == [3] * 6

    def test_a_class_that_was_never_seen(self):
        labels = ["a"] * 400 + ["b"] * 20
        chart = batch_chart(labels, np.arange(420) // 20, classes=["a", "b", "c"], reference=20)
        assert chart.signals["chart"].tolist() == ["share of a", "share of b"]

    @pytest.mark.filterwarnings("ignore:.*can never be out of control")
    def test_batches_keep_their_order(self):
        chart = batch_chart(list("abab"), ["10 May", "10 May", "2 May", "2 May"])
        assert chart.frame["batch"].tolist() == ["10 May", "2 May"] * 2


def test_mistakes():
    labels, batches = list("abab"), [0, 0, 1, 1]
    for reference in (1, 3):
        with pytest.raises(ValueError, match="from 2 to the number of batches, 2"):
            batch_chart(labels, batches, reference=reference)
    with pytest.raises(ValueError, match="different lengths"):
        batch_chart(labels, batches, confidence=[1, 1])
    with pytest.raises(ValueError, match="`batches` 2, `distances` 4"):
        batch_chart(labels, batches, distances=[1, 1, 1, 1])


@pytest.mark.parametrize("name", ["confidence", "distances"])
@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_a_value_that_would_switch_off_its_chart(name, value):
    values = [0.9, value, 0.8, 0.9]
    with pytest.raises(ValueError, match=f"`{name}`"):
        batch_chart(list("abab"), [0, 1, 2, 3], reference=2, **{name: values})


def test_confidence_in_percent():
    with pytest.raises(ValueError, match="`confidence` must be finite numbers from 0 to 1"):
        batch_chart(list("abab"), [0, 0, 1, 1], confidence=[90, 80, 70, 90])
    with pytest.raises(ValueError, match="1 entries are not"):
        batch_chart(list("abab"), [0, 0, 1, 1], confidence=[0.9, -0.1, 0.8, 0.9])


def test_plot():
    labels, batches, confidence = draw(40)
    labels[-80:] = ["basophil"] * 80
    figure = batch_chart(labels, batches, confidence=confidence, reference=30).plot()
    assert [ax.get_title("left") for ax in figure.axes] == [
        "mean confidence", *(f"share of {label}" for label in SHARES)
    ]  # fmt: skip
    marks = [line for line in figure.axes[1].lines if line.get_marker() == "X"]
    assert marks[0].get_xdata().tolist() == [39]
    plt.close("all")


def test_batches_of_few_cells():
    """Limits that contain all values are told, and the values and limits are printed."""
    labels, days = ["a", "b", "a", "a", "b", "b"] * 4, np.repeat(np.arange(6), 4)
    confidence = np.tile([0.3, 0.9, 0.99, 0.5], 6)
    with pytest.warns(UserWarning, match="6 of 6 batches, of 4 to 4 cells, can never be out of"):
        chart = batch_chart(labels, days, confidence=confidence, reference=3)
    assert "share of a: 0.25 to 0.75; center" in str(chart)
    with warnings.catch_warnings(action="error"):
        batch_chart(*draw(20)[:2])


def test_each_batch_has_its_name_on_the_axis():
    labels, days, _ = draw(30)
    names = [f"$slide {day}_" for day in days]
    figure = batch_chart(labels, names).plot()
    shown = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    assert shown == list(dict.fromkeys(names))
    figure.canvas.draw()
