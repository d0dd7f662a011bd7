"""train_val_test_split: stratified, reproducible, groups in one part; on random cases."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skblood.datasets import _split, train_val_test_split

SHARES = np.array([0.7, 0.15, 0.15])
y = np.array(["a", "b"] * 20)


def draw_labels(rng):
    """Draw unbalanced labels: at least five of each of two to eight classes."""
    n_classes = rng.integers(2, 9)
    counts = 5 + rng.geometric(0.02, n_classes)
    return rng.permutation(np.repeat(np.array(list("abcdefgh"))[:n_classes], counts))


def split_rows(y, groups=None, **options):
    """Split the positions of y; check that each is in one part, and each group."""
    *rows, _, _, _ = train_val_test_split(np.arange(len(y)), y, groups=groups, **options)
    assert_array_equal(np.sort(np.concatenate(rows)), np.arange(len(y)))
    if groups is not None:
        parts = [set(groups[each].tolist()) for each in rows]
        assert sum(map(len, parts)) == len(set.union(*parts))
    return rows


def counts_by_class(rows, y):
    """Count the images of each part (rows) and class (columns)."""
    return np.array([[np.sum(y[each] == label) for label in np.unique(y)] for each in rows])


def deviations(rows, y, shares=SHARES):
    """Return the counts minus those that the shares give; every class must be in every part."""
    counts = counts_by_class(rows, y)
    assert counts.min() > 0
    return counts - np.outer(shares, counts.sum(axis=0))


@pytest.mark.parametrize("seed", range(4))
class TestRandomCases:
    def test_without_groups(self, seed):
        rng = np.random.default_rng(seed)
        y, (val, test) = draw_labels(rng), rng.uniform(0.1, 0.3, 2)
        rows = split_rows(y, val_size=val, test_size=test, random_state=seed)
        off = deviations(rows, y, [1 - val - test, val, test])
        assert np.abs(off).max() < 2
        assert np.abs(off.sum(axis=1)).max() < 2

    def test_few_copies(self, seed):
        """Nearly all groups are single images: the sizes are nearly exact."""
        rng = np.random.default_rng(seed)
        y = draw_labels(rng)
        off = deviations(split_rows(y, rng.choice(20 * len(y), len(y)), random_state=seed), y)
        assert np.abs(off).max() < 3
        assert np.abs(off.sum(axis=1)).max() < 3

    def test_pairs(self, seed):
        y = np.repeat(draw_labels(np.random.default_rng(seed)), 2)
        rows = split_rows(y, np.arange(len(y)) // 2, random_state=seed)
        assert np.abs(deviations(rows, y)).max() < 6

    def test_many_groups(self, seed):
        """More groups than the search can improve: the first assignment must be good."""
        y = np.repeat(np.random.default_rng(seed).choice(list("aaab"), 1000), 3)
        off = deviations(split_rows(y, np.arange(3000) // 3, random_state=seed), y)
        assert np.abs(off).max() < 4

    @pytest.mark.parametrize("n_slides", [25, 150])
    def test_slides(self, seed, n_slides):
        """Large groups of unequal size: every class is in every part, and the sizes are close."""
        rng = np.random.default_rng(seed)
        y = rng.choice(list("aabbbc"), 2000)
        groups = rng.choice(n_slides, len(y), p=rng.dirichlet(np.full(n_slides, 3.0)))
        off = deviations(split_rows(y, groups, random_state=seed), y)
        assert_allclose(off.sum(axis=1) / len(y), 0, atol=0.02)
        assert_allclose(off / np.unique(y, return_counts=True)[1], 0, atol=0.06)

    def test_reproducible(self, seed):
        """The same seed gives the same split, also with other names of the groups."""
        rng = np.random.default_rng(seed)
        y = draw_labels(rng)
        groups = rng.choice(len(y) // 2, len(y))
        first = split_rows(y, groups, random_state=seed)
        names = rng.permutation([f"slide {i}" for i in range(len(y))])[groups]
        for again in (split_rows(y, given, random_state=seed) for given in (groups, names)):
            assert list(map(list, first)) == list(map(list, again))
        assert set(first[0]) != set(split_rows(y, groups, random_state=seed + 100)[0])

    def test_search_is_close_to_the_best(self, seed):
        """Compare with all splits of up to eight groups."""
        rng = np.random.default_rng(seed)
        counts = 1 + rng.poisson(rng.gamma(1, 20, size=(rng.integers(4, 9), rng.integers(1, 4))))
        sized = np.column_stack([counts, counts.sum(axis=1)])
        wanted = np.outer(SHARES, sized.sum(axis=0))

        def cost(part):
            placed = np.array([sized[part == i].sum(axis=0) for i in range(3)])
            deviation = ((placed - wanted) ** 2 / np.maximum(wanted, 1)).sum()
            return ((placed == 0).sum(), deviation)

        found = _split._assign_groups(counts, SHARES, rng)
        best = min(cost(np.array(part)) for part in product(range(3), repeat=len(counts)))
        assert cost(found)[0] == best[0]
        assert cost(found)[1] <= 1.02 * best[1] + 1e-9


class TestRareClasses:
    @pytest.mark.parametrize("n", [3, 4, 5])
    def test_rare_class_without_groups(self, n):
        y = np.repeat(["common", "rare"], [200, n])
        off = deviations(split_rows(y, random_state=0), y)
        assert np.abs(off.sum(axis=1)).max() <= 2

    def test_classes_in_three_slides_each(self):
        """Three of 30 slides hold the class a, and three others the class c."""
        y, groups = np.array(["b", "b", "c"] * 200), np.arange(600) // 20
        y[groups < 27] = "b"
        y[groups < 3] = "a"
        for seed in range(3):
            deviations(split_rows(y, groups, random_state=seed), y)

    def test_many_classes_of_few_patients(self):
        """Each of 12 classes is in 5 of 20 patients."""
        rng = np.random.default_rng(0)
        pairs = [(c, p) for c in range(12) for p in rng.choice(20, 5, replace=False)]
        y, groups = (np.repeat(each, 7) for each in zip(*pairs, strict=True))
        assert counts_by_class(split_rows(y, groups, random_state=0), y).min() > 0

    def test_single_images_fill_parts(self):
        y, groups = np.array(["a"] * 40 + ["b"] * 40), np.maximum(np.arange(80) - 39, 0)
        y[-2:] = "a"
        rows = split_rows(y, groups, random_state=0)
        assert counts_by_class(rows, y)[:, 0].tolist() == [40, 1, 1]

    def test_too_few(self):
        y = list("a" * 20 + "bb" + "ccc" + "d")
        message = r"least 3 images; 2 of 4 .* fewer: b \(2\), d \(1\)\."
        with pytest.raises(ValueError, match=message):
            train_val_test_split(y, y)
        y, groups = ["a", "b"] * 30, [1, 2] * 30
        with pytest.raises(ValueError, match=r"3 groups.* fewer: a \(1\), b \(1\)\."):
            train_val_test_split(y, y, groups=groups)
        with pytest.raises(ValueError, match=r"50 of 50 .* 19 \(1\), and 30 more\. Add"):
            train_val_test_split(range(50), range(50))

    def test_groups_that_cannot_be_split(self):
        """Class a needs the slides 0, 1 and 2 in different parts; then 3 fits into none."""
        pairs = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 3)]
        pairs += [("c", 0), ("c", 2), ("c", 3), ("d", 1), ("d", 2), ("d", 3)]
        y, groups = (np.repeat(each, 5) for each in zip(*pairs, strict=True))
        with pytest.raises(ValueError, match=r"Missing in the best: \w from \w+.*random_state"):
            train_val_test_split(y, y, groups=groups, random_state=0)


class TestContainers:
    """Each type of X and y is returned as it was given."""

    @pytest.mark.parametrize(
        ("X", "read"),
        [
            (np.arange(160).reshape(40, 2, 2), lambda part: [x[0, 0] // 4 for x in part]),
            (list(range(40)), list),
            (pd.Series(range(40), index=range(100, 140)), list),
            (pd.DataFrame({"x": range(40)}, index=range(100, 140)), lambda part: list(part["x"])),
        ],
    )
    def test_X(self, X, read):
        expected = split_rows(y, random_state=0)
        *parts, _, _, _ = train_val_test_split(X, y, random_state=0)
        for part, rows in zip(parts, expected, strict=True):
            assert type(part) is type(X)
            assert read(part) == list(rows)
            assert not np.array_equal(rows, np.sort(rows))  # in random order
            if hasattr(X, "index") and not isinstance(X, list):
                assert_array_equal(part.index, np.array(rows) + 100)

    @pytest.mark.parametrize(
        "labels",
        [y.tolist(), pd.Series(y, index=range(100, 140)), y[:, np.newaxis], (y == "b").astype(int)],
    )
    def test_y(self, labels):
        parts = train_val_test_split(np.arange(40), labels, random_state=0)
        for rows, part in zip(parts[:3], parts[3:], strict=True):
            assert type(part) is type(labels)
            assert_array_equal(np.asarray(part), np.asarray(labels)[rows])


def test_random_state():
    before = np.random.get_state()[1].copy()
    state = np.random.RandomState(0)
    given = [None, None, state, state, np.random.RandomState(0)]
    first, second, third, fourth, again = (
        set(split_rows(y, random_state=each)[0]) for each in given
    )
    assert first != second
    assert third != fourth
    assert third == again
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shares_of_numpy(dtype):
    rows = split_rows(y, val_size=dtype(0.2), test_size=dtype(0.3), random_state=0)
    expected = split_rows(y, val_size=0.2, test_size=0.3, random_state=0)
    assert [len(each) for each in rows] == [len(each) for each in expected]


def test_every_group_can_be_in_every_part():
    seen = np.zeros((3, 40), bool)
    for seed in range(40):
        for part, rows in enumerate(split_rows(y, np.arange(40) // 2, random_state=seed)):
            seen[part, rows] = True
    assert seen.all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"val_size": 0}, ValueError, "val_size == 0, must be > 0"),
        ({"test_size": -0.1}, ValueError, "test_size == -0.1, must be > 0"),
        ({"val_size": 0.5, "test_size": 0.5}, ValueError, "must sum to less than 1"),
        ({"test_size": "0.2"}, TypeError, "test_size must be an instance of"),
        ({"val_size": True}, ValueError, "val_size == True, must be < 1"),
        ({"groups": ["s"] * 39}, ValueError, "inconsistent numbers of samples"),
        ({"groups": [*range(38), None, None]}, ValueError, "2 missing .* position 38"),
        ({"groups": [*map(str, range(38)), np.nan, "s"]}, ValueError, "1 missing .* position 38"),
        ({"y": np.array([*y[:-1], None])}, ValueError, "`y` has 1 missing .* position 39"),
        ({"X": y[1:]}, ValueError, "inconsistent numbers of samples"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        train_val_test_split(**({"X": y, "y": y} | options))


def test_nothing_to_split():
    for X in ([], np.zeros((0, 16, 16, 3))):
        with pytest.raises(ValueError, match="X and y are empty: there are no images to split"):
            train_val_test_split(X, [])


@pytest.mark.parametrize("labels", [y, y.astype("S"), (y == "b").astype(int)])
def test_h5py(tmp_path, labels):
    h5py = pytest.importorskip("h5py")
    labels = labels.astype("S") if labels.dtype.kind == "U" else labels
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["X"], file["y"] = np.arange(80).reshape(40, 2), labels
        parts = train_val_test_split(file["X"], file["y"], random_state=0)
    expected = train_val_test_split(np.arange(80).reshape(40, 2), labels, random_state=0)
    for part, array in zip(parts, expected, strict=True):
        assert_array_equal(part, array)


class OrderedRows:
    """A data set of a file that is read in increasing order only, as those of h5py."""

    __module__ = "h5py._hl.dataset"

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __getitem__(self, rows):
        assert (np.diff(rows) > 0).all()
        return self.values[rows]


def test_rows_that_must_be_read_in_order():
    X = np.arange(80).reshape(40, 2)
    parts = train_val_test_split(OrderedRows(X), OrderedRows(y), random_state=0)
    for part, array in zip(parts, train_val_test_split(X, y, random_state=0), strict=True):
        assert_array_equal(part, array)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_other_libraries(library):
    module = pytest.importorskip(library)
    make = module.DataFrame if library == "polars" else module.table
    frame = make({"path": list(map(str, range(40))), "label": y.tolist()})
    parts = train_val_test_split(frame, frame["label"], random_state=0)
    assert [
        part["path"].to_pylist() if library == "pyarrow" else part["path"].to_list()
        for part in parts[:3]
    ] == [list(map(str, r)) for r in split_rows(y, random_state=0)]
