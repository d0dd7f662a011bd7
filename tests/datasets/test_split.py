"""train_val_test_split: stratified, seeded, groups never crossing; over many random cases."""


import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skblood.datasets import train_val_test_split

CASES = range(40)


def draw_labels(rng):
    """Draw unbalanced labels: at least five of each of two to eight classes."""
    n_classes = rng.integers(2, 9)
    counts = 5 + rng.geometric(0.02, n_classes)
    return rng.permutation(np.repeat(np.array(list("abcdefgh"))[:n_classes], counts))


def draw_sizes(rng):
    return rng.uniform(0.1, 0.3, 2)


def split_rows(y, **options):
    """Split the positions of y; return those of each part."""
    *rows, _, _, _ = train_val_test_split(np.arange(len(y)), y, **options)
    return rows


def assert_each_once(rows, n):
    assert_array_equal(np.sort(np.concatenate(rows)), np.arange(n))


def assert_no_crossing(rows, groups):
    parts = [set(groups[each].tolist()) for each in rows]
    assert sum(map(len, parts)) == len(set.union(*parts))


def counts_by_class(rows, y):
    return np.array([[np.sum(y[each] == label) for label in np.unique(y)] for each in rows])


def expected_counts(y, val_size, test_size):
    shares = [1 - val_size - test_size, val_size, test_size]
    return np.outer(shares, np.unique(y, return_counts=True)[1])


@pytest.mark.parametrize("seed", CASES)
class TestProperties:
    def test_without_groups(self, seed):
        rng = np.random.default_rng(seed)
        y, (val_size, test_size) = draw_labels(rng), draw_sizes(rng)
        rows = split_rows(y, val_size=val_size, test_size=test_size, random_state=seed)
        assert_each_once(rows, len(y))
        counts, expected = counts_by_class(rows, y), expected_counts(y, val_size, test_size)
        assert counts.min() > 0
        assert np.abs(counts - expected).max() < 2
        assert np.abs((counts - expected).sum(1)).max() < 2

    def test_few_copies(self, seed):
        """Nearly all groups are single images: the sizes are nearly exact."""
        rng = np.random.default_rng(seed)
        y, (val_size, test_size) = draw_labels(rng), draw_sizes(rng)
        groups = rng.choice(20 * len(y), len(y))
        rows = split_rows(
            y, val_size=val_size, test_size=test_size, groups=groups, random_state=seed
        )
        assert_each_once(rows, len(y))
        assert_no_crossing(rows, groups)
        counts, expected = counts_by_class(rows, y), expected_counts(y, val_size, test_size)
        assert counts.min() > 0
        assert np.abs(counts - expected).max() < 3
        assert np.abs((counts - expected).sum(1)).max() < 3

    def test_all_pairs(self, seed):
        rng = np.random.default_rng(seed)
        y = np.repeat(draw_labels(rng), 2)
        groups = np.arange(len(y)) // 2
        rows = split_rows(y, groups=groups, random_state=seed)
        assert_each_once(rows, len(y))
        assert_no_crossing(rows, groups)
        assert np.abs(counts_by_class(rows, y) - expected_counts(y, 0.15, 0.15)).max() < 4

    def test_slides(self, seed):
        """Large groups of unequal size: every class is in every part, and sizes are near."""
        rng = np.random.default_rng(seed)
        y = rng.choice(list("aabbbc"), 2000)
        n_slides = rng.integers(20, 40)
        groups = rng.choice(n_slides, len(y), p=rng.dirichlet(np.full(n_slides, 3.0)))
        rows = split_rows(y, groups=groups, random_state=seed)
        assert_each_once(rows, len(y))
        assert_no_crossing(rows, groups)
        counts = counts_by_class(rows, y)
        assert counts.min() > 0
        assert_allclose_share(counts.sum(1) / len(y), [0.7, 0.15, 0.15], 0.02)
        assert_allclose_share(counts / counts.sum(0), np.c_[[0.7, 0.15, 0.15]], 0.06)

    def test_same_seed_same_split(self, seed):
        rng = np.random.default_rng(seed)
        y = draw_labels(rng)
        groups = rng.choice(len(y), len(y))
        for options in ({}, {"groups": groups}):
            first, again, other = (
                split_rows(y, random_state=state, **options) for state in (seed, seed, seed + 1000)
            )
            assert list(map(list, first)) == list(map(list, again))
            assert set(first[0]) != set(other[0])

    def test_names_of_groups_have_no_say(self, seed):
        rng = np.random.default_rng(seed)
        y = draw_labels(rng)
        groups = rng.choice(len(y) // 2, len(y))
        names = rng.permutation([f"slide {i}" for i in range(len(y))])[groups]
        first = split_rows(y, groups=groups, random_state=seed)
        renamed = split_rows(y, groups=names, random_state=seed)
        assert list(map(list, first)) == list(map(list, renamed))


def assert_allclose_share(actual, expected, tolerance):
    np.testing.assert_allclose(actual, np.broadcast_to(expected, actual.shape), atol=tolerance)


class TestRareClasses:
    @pytest.mark.parametrize("n", [3, 4, 5])
    def test_a_rare_class_is_in_every_part(self, n):
        y = np.repeat(["common", "rare"], [200, n])
        for seed in range(10):
            rows = split_rows(y, random_state=seed)
            counts = counts_by_class(rows, y)
            assert counts[:, 1].min() == 1
            assert np.abs(counts.sum(1) - 0.01 * len(y) * np.array([70, 15, 15])).max() <= 2

    def test_a_rare_class_in_three_slides(self):
        """Only a partition that takes the three apart will do."""
        rng = np.random.default_rng(0)
        y, groups = rng.choice(list("ab"), 600), np.arange(600) // 20
        y[groups < 27] = np.where(y[groups < 27] == "a", "b", y[groups < 27])
        for seed in range(10):
            rows = split_rows(y, groups=groups, random_state=seed)
            assert counts_by_class(rows, y).min() > 0
            assert_no_crossing(rows, groups)

    def test_single_images_make_up_for_slides(self):
        y = np.array(["a"] * 40 + ["b"] * 40)
        groups = np.append(np.zeros(40, int), np.arange(1, 41))
        y[-2:] = "a"
        rows = split_rows(y, groups=groups, random_state=0)
        assert counts_by_class(rows, y)[:, 0].tolist() == [40, 1, 1]
        assert_no_crossing(rows, groups)

    def test_too_few_images(self):
        y = list("a" * 20 + "bb" + "ccc" + "d")
        with pytest.raises(
            ValueError,
            match=r"needs 3 images or more, .*train, val, test; 2 of 4 .* fewer: b \(2\), d \(1\)",
        ):
            train_val_test_split(y, y)

    def test_too_few_groups(self):
        y, groups = ["a", "b"] * 30, [1, 2] * 30
        with pytest.raises(ValueError, match=r"needs 3 groups .* fewer: a \(1\), b \(1\)\."):
            train_val_test_split(y, y, groups=groups)

    def test_many_classes_are_not_all_named(self):
        y = np.arange(50)
        with pytest.raises(ValueError, match=r"50 of 50 .* 9 \(1\), \.\.\.\. Add"):
            train_val_test_split(y, y)

    def test_groups_that_cannot_be_split(self):
        """Class a needs slides 0, 1 and 2 apart, and the other pairs leave 3 no part."""
        pairs = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 3)]
        pairs += [("c", 0), ("c", 2), ("c", 3), ("d", 1), ("d", 2), ("d", 3)]
        y, groups = (np.repeat(each, 5) for each in zip(*pairs, strict=True))
        with pytest.raises(ValueError, match=r"missing are at least \w from \w+.*random_state"):
            train_val_test_split(y, y, groups=groups, random_state=0)


class TestContainers:
    """Each kind of X and y comes out as it came in."""

    X = np.arange(40)
    y = np.array(["a", "b"] * 20)

    @pytest.mark.parametrize(
        ("X", "read"),
        [
            (np.arange(40), list),
            (np.arange(160).reshape(40, 2, 2), lambda part: [x[0, 0] // 4 for x in part]),
            (list(range(40)), list),
            (pd.Series(range(40), index=range(100, 140)), list),
            (pd.DataFrame({"x": range(40)}, index=range(100, 140)), lambda part: list(part["x"])),
        ],
    )
    def test_X(self, X, read):
        *parts, _, _, _ = train_val_test_split(X, self.y, random_state=0)
        expected = train_val_test_split(self.X, self.y, random_state=0)[:3]
        for part, rows in zip(parts, expected, strict=True):
            assert type(part) is type(X)
            assert read(part) == list(rows)

    @pytest.mark.parametrize(
        "y",
        [y.tolist(), pd.Series(y, index=range(100, 140)), y[:, np.newaxis], (y == "b").astype(int)],
    )
    def test_y(self, y):
        parts = train_val_test_split(self.X, y, random_state=0)
        for rows, labels in zip(parts[:3], parts[3:], strict=True):
            assert type(labels) is type(y)
            assert_array_equal(np.asarray(labels), np.asarray(y)[rows])

    def test_index_of_pandas_is_kept(self):
        frame = pd.DataFrame({"x": range(40)}, index=range(100, 140))
        train, *_ = train_val_test_split(frame, self.y, random_state=0)
        assert_array_equal(train.index, train["x"] + 100)

    def test_parts_are_in_random_order(self):
        train, val, test, *_ = train_val_test_split(self.X, self.y, random_state=0)
        assert not any(np.array_equal(part, np.sort(part)) for part in (train, val, test))

    def test_nothing_is_changed(self):
        X, y, groups = np.arange(40), self.y.copy(), np.arange(40) // 2
        train_val_test_split(X, y, groups=groups, random_state=0)
        assert_array_equal(X, np.arange(40))
        assert_array_equal(y, self.y)
        assert_array_equal(groups, np.arange(40) // 2)


class TestRandomState:
    y = np.array(["a", "b"] * 50)

    def test_global_generator_is_left_alone(self):
        before = np.random.get_state()[1].copy()
        first, second = (set(split_rows(self.y)[0]) for _ in range(2))
        assert first != second
        assert_array_equal(np.random.get_state()[1], before)

    def test_instance_goes_on(self):
        state = np.random.RandomState(0)
        first, second = (set(split_rows(self.y, random_state=state)[0]) for _ in range(2))
        assert first != second
        assert first == set(split_rows(self.y, random_state=np.random.RandomState(0))[0])

    def test_every_image_can_be_in_every_part(self):
        groups = np.arange(100) // 2
        seen = np.zeros((3, 100), bool)
        for seed in range(60):
            for part, rows in enumerate(split_rows(self.y, groups=groups, random_state=seed)):
                seen[part, rows] = True
        assert seen.all()


class TestErrors:
    y = ["a", "b"] * 20

    @pytest.mark.parametrize(
        ("val_size", "test_size"), [(0, 0.2), (0.2, 0), (-0.1, 0.2), (0.5, 0.5), (10, 10)]
    )
    def test_sizes(self, val_size, test_size):
        with pytest.raises(ValueError, match=rf"val_size={val_size} and test_size={test_size} le"):
            train_val_test_split(self.y, self.y, val_size=val_size, test_size=test_size)

    @pytest.mark.parametrize("size", ["0.2", None, True])
    def test_size_that_is_no_number(self, size):
        with pytest.raises(TypeError, match=r"test_size=.*pass a share"):
            train_val_test_split(self.y, self.y, test_size=size)

    @pytest.mark.parametrize("groups", [None, ["s"] * 39])
    def test_lengths(self, groups):
        X = self.y if groups else self.y[1:]
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            train_val_test_split(X, self.y, groups=groups)

    @pytest.mark.parametrize("missing", [None, np.nan])
    def test_missing_groups(self, missing):
        groups = [*map(str, range(38)), missing, missing]
        with pytest.raises(ValueError, match=r"2 of 40 groups are missing .* at position 38"):
            train_val_test_split(self.y, self.y, groups=groups)
