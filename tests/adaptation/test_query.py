"""Choice of the cells to label: coverage, order, known labels, and what is wrong with the input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skblood import MLPCellClassifier, query
from skblood.adaptation import _query


def blobs(sizes, spread=0.03):
    """Return images of one pattern for each blob, with some noise, and the blob of each."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    patterns = rng.uniform(0.1, 0.9, (len(sizes), 8, 8, 3))
    images = patterns[codes] + spread * rng.normal(size=(len(codes), 8, 8, 3))
    return (255 * images.clip(0, 1)).round().astype(np.uint8), codes


@pytest.fixture(scope="module")
def patterns():
    """Images of eight patterns, some rare, and a linear classifier of their pixels."""
    X, codes = blobs([60, 40, 30, 20, 10, 6, 4, 3])
    return MLPCellClassifier((), max_epochs=5, random_state=0).fit(X, codes % 3), X, codes


def test_common_kinds_come_first_and_none_twice(patterns):
    model, X, codes = patterns
    chosen = query(model, X, 4, random_state=0)
    assert set(codes[chosen.indices]) == {0, 1, 2, 3}
    # As many labels drawn at random miss kinds.
    assert chosen.n_random[-1] > 6
    many = query(model, X, len(X), random_state=0)
    assert_array_equal(np.sort(many.indices), np.arange(len(X)))
    assert_array_equal(many.indices[:4], chosen.indices)
    assert_allclose(many.coverage[:4], chosen.coverage)
    assert (np.diff(many.coverage) > -1e-6).all() and many.coverage[-1] > 0.999
    assert (many.n_random >= 1).all() and many.n_random[-1] > len(X) - 1
    assert "4 cells" in repr(chosen)


def test_labelled_cells_count_as_covered(patterns):
    model, X, codes = patterns
    y = np.where((codes <= 3) & (np.arange(len(X)) % 2 == 0), codes % 3, -1)
    chosen = query(model, X, 4, y=y, random_state=0)
    assert set(codes[chosen.indices]) == {4, 5, 6, 7}
    assert chosen.coverage[0] > query(model, X, 1).coverage[0]
    assert (y[chosen.indices] == -1).all()


def test_doubtful_cells_count_more(patterns, monkeypatch):
    """Of two kinds of equal number, that with doubt comes first."""
    model, _, _ = patterns
    X, codes = blobs([20, 20])

    def doubt(kind):
        p = np.where(codes[:, None] == kind, [0.34, 0.33, 0.33], [1.0, 0.0, 0.0])
        monkeypatch.setattr(MLPCellClassifier, "predict_proba", lambda self, images: p)
        return codes[query(model, X, 1, random_state=0).indices[0]]

    assert [doubt(0), doubt(1)] == [0, 1]


def test_many_cells_are_sampled(patterns, monkeypatch):
    model, X, codes = patterns
    monkeypatch.setattr(_query, "_MAX_CELLS", 50)
    y = np.where(np.arange(len(X)) % 2, codes % 3, -1)
    chosen = query(model, X, 10, y=y, random_state=0)
    assert len(set(chosen.indices)) == 10 and (y[chosen.indices] == -1).all()
    assert_array_equal(query(model, X, 10, y=y, random_state=0).indices, chosen.indices)


def test_networks_and_equal_cells(skilled, abroad):
    X, _ = abroad
    state = np.random.get_state()[1].copy()
    first = query(skilled, X, 8)
    assert_array_equal(np.random.get_state()[1], state)
    assert_array_equal(query(skilled, skilled.read_images(list(X)), 8).indices, first.indices)
    equal = query(skilled, np.repeat(X[:1], 5, axis=0), 2)
    assert len(set(equal.indices)) == 2
    assert query(skilled, X[:1], 1).indices.tolist() == [0]


def test_errors(patterns):
    model, X, codes = patterns
    y = codes % 3
    with pytest.raises(ValueError, match="k=174, but only 173 of the cells"):
        query(model, X, 174)
    with pytest.raises(ValueError, match="k=1, but only 0 of the cells"):
        query(model, X, 1, y=y)
    with pytest.raises(ValueError, match="k == 0"):
        query(model, X, 0)
    with pytest.raises(TypeError, match=r"got a str\. Of a Pipeline"):
        query("model", X, 1)
    with pytest.raises(ValueError, match="different lengths"):
        query(model, X, 1, y=y[:-1])
    with pytest.raises(ValueError, match="not among the classes"):
        query(model, X, 1, y=y + 5)
