"""Laboratory test: it holds its level and finds differences."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skblood.uncertainty import _laboratory, laboratory_test


def draw(n, seed, shift=0.0, share=0.5, d=4):
    """Return rows of two classes, separated by the first column; the last one may be shifted."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    X = rng.normal(size=(n, d))
    X[:, 0] += 8 * y
    X[:, -1] += shift
    return X, y


@pytest.fixture(scope="module")
def classifier():
    return LogisticRegression().fit(*draw(500, 99))


def test_level(classifier):
    """One in ten of 200 samples of the known laboratory has a p-value of 0.1 or less."""
    pvalues = np.array(
        [
            laboratory_test(
                classifier,
                draw(80, seed)[0],
                draw(60, 1000 + seed)[0],
                n_permutations=99,
                random_state=seed,
            ).pvalue
            for seed in range(200)
        ]
    )
    assert (pvalues <= 0.1).mean() == pytest.approx(0.1, abs=0.06)
    assert (pvalues <= 0.5).mean() == pytest.approx(0.5, abs=0.1)


def test_another_mix_of_cells_makes_no_difference_within_labels(classifier):
    known, new = draw(300, 1, share=0.8)[0], draw(300, 2, share=0.2)[0]
    result = laboratory_test(classifier, known, new, random_state=0)
    assert result.pvalue > 0.05
    assert laboratory_test(None, known, new, random_state=0).pvalue < 0.01
    for wrapped in (FrozenEstimator(classifier), make_pipeline(classifier)):
        assert laboratory_test(wrapped, known, new, random_state=0) == result


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_distance(classifier, shift):
    """The root mean square over four features, of which one is shifted by standard deviations."""
    result = laboratory_test(classifier, draw(1000, 1)[0], draw(1000, 2, shift)[0], random_state=0)
    assert result.distance == pytest.approx(shift / 2, rel=0.15, abs=0.05 * (shift == 0))
    assert (result.pvalue == 0.001) == (shift > 0)
    assert result.harmless_distance is None
    assert result.is_other_laboratory == (shift == 2)


def test_labels_of_one_side_are_left_out(classifier):
    known, new = draw(200, 1, share=0.5)[0], draw(100, 2, share=0.0)[0]
    result = laboratory_test(classifier, known, new, random_state=0)
    n_alike = (classifier.predict(known) == classifier.predict(new)[0]).sum()
    assert (result.n_known, result.n_new) == (n_alike, 100)
    with pytest.raises(ValueError, match="No label occurs among both the 50 known and the 100 new"):
        laboratory_test(classifier, draw(50, 1, share=1)[0], new)


def test_seed_and_smallest_pvalue(classifier):
    known, far = draw(60, 1)[0], draw(50, 2, shift=9)[0]
    copies, state = (known.copy(), far.copy()), np.random.get_state()[1].copy()
    options = {"n_permutations": 9, "random_state": 3}
    results = {laboratory_test(classifier, known, far, **options) for _ in range(2)}
    assert len(results) == 1 and results.pop().pvalue == pytest.approx(0.1)
    laboratory_test(classifier, known, far)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    for each, copy in zip((known, far), copies, strict=True):
        np.testing.assert_array_equal(each, copy)


@pytest.mark.parametrize(("n_known", "n_new"), [(5, 1), (2, 3)])
def test_too_few_cells_for_any_pvalue(n_known, n_new):
    known, far = draw(n_known, 1)[0], draw(n_new, 2, shift=99)[0]
    with pytest.warns(UserWarning, match=f"{n_known} known and {n_new} new cells are too few.*0.1"):
        result = laboratory_test(None, known, far, random_state=0)
    assert result.pvalue > 0.05
    assert laboratory_test(None, *[np.vstack([known, far])] * 2, random_state=0).pvalue > 0.05


def test_memory_is_bounded(monkeypatch):
    """And the result does not depend on the bound."""
    known, new = draw(3000, 1)[0], draw(3000, 2, shift=0.02)[0]
    tracemalloc.start()
    expected = laboratory_test(None, known, new, random_state=0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40e6 < 999 * 6000 * 8
    monkeypatch.setattr(_laboratory, "_MOST_DRAWS", 50_000)
    assert laboratory_test(None, known, new, random_state=0) == expected
    monkeypatch.setattr(_laboratory, "_MOST_DRAWS", 1)
    assert laboratory_test(None, known, new, n_permutations=9, random_state=0).pvalue > 0.05


def test_other_colors_are_another_laboratory(network, some_cells):
    X, _ = some_cells
    same = laboratory_test(network, X[160:320], X[320:], random_state=0)
    bluish = (X[320:] * np.array([0.85, 0.95, 1.0])).astype(np.uint8)
    other = laboratory_test(network, X[160:320], bluish, random_state=0)
    assert same.pvalue > 0.01
    assert other.pvalue == 0.001
    assert other.distance > 2 * same.distance
    assert other.harmless_distance == same.harmless_distance > 0
    assert not same.is_other_laboratory
    assert other.is_other_laboratory


def test_another_codec_is_no_other_laboratory(network, some_cells):
    """Though the difference may be significant."""
    X, _ = some_cells
    files = [io.BytesIO() for _ in X[320:]]
    for image, file in zip(X[320:], files, strict=True):
        Image.fromarray(image).save(file, "WEBP", quality=85)
    compressed = np.stack([np.asarray(Image.open(file)) for file in files])
    known = X[160:320]
    for given in (known, known / 255):
        assert not laboratory_test(network, given, compressed, random_state=0).is_other_laboratory
