"""Everything else that the audit finds, and the report."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood import AuditReport, audit
from skblood.datasets import make_blood_cells


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    X, _ = make_blood_cells(40, image_size=48, random_state=0)
    X.setflags(write=False)
    return X


@pytest.fixture(scope="module")
def leaky(X):
    """A copy in the test set and a turned one, which has another label, in the training set."""
    images = np.concatenate([X, X[:1], np.rot90(X[1:2], axes=(1, 2))])
    y = np.array(["a"] * 20 + ["b"] * 20 + ["a", "b"])
    split = np.array(["train"] * 40 + ["test", "train"])
    return audit(images, y, split=split, groups=[*range(40), 40, 2])


class TestBadImages:
    def test_unreadable_files_are_noted(self, X, tmp_path):
        for i in range(3):
            Image.fromarray(X[i]).save(tmp_path / f"{i}.png")
        (tmp_path / "bad.png").write_bytes(b"no image")
        paths = [tmp_path / name for name in ("0.png", "bad.png", "1.png", "none.png", "2.png")]
        report = audit(paths)
        assert [(each.positions, each.detail) for each in report.unreadable] == [
            ((1,), "not an image that Pillow can read"),
            ((3,), "no such file"),
        ]
        assert report.blank == [] and report.odd_size == []
        assert len(set(report.groups_.tolist())) == 5
        assert "bad.png: not an image that Pillow can read" in str(report)

    def test_nothing_can_be_read(self, tmp_path):
        with pytest.raises(ValueError, match="None of the 2 images of X can be read"):
            audit([tmp_path / "a.png", tmp_path / "b.png"])

    def test_blank_images(self, X):
        faint = np.random.default_rng(0).integers(200, 204, size=(1, 48, 48, 3), dtype=np.uint8)
        report = audit(np.concatenate([X[:5], faint, np.full_like(faint, 255)]))
        assert [each.positions for each in report.blank] == [(5,), (6,)]

    def test_odd_sizes_but_not_those_of_a_few_pixels(self, X):
        sizes = [(36, 36)] * 30 + [(36, 37), (38, 36), (36, 50), (12, 12)]
        images = [
            np.asarray(Image.fromarray(x).resize(size)) for x, size in zip(X, sizes, strict=False)
        ]
        report = audit(images)
        assert [each.positions for each in report.odd_size] == [(32,), (33,)]
        assert report.odd_size[0].detail == "50 x 36, not 36 x 36"

    def test_two_usual_sizes(self, X):
        images = [x if i % 2 else x[::2, ::2] for i, x in enumerate(X)]
        assert audit(images).odd_size == []


class TestLabels:
    def test_rare_classes(self, X):
        report = audit(X, ["a"] * 36 + ["b"] * 4)
        assert [each.detail for each in report.rare_classes] == ["b: 4 images, for 5 folds"]
        assert audit(X, ["a"] * 36 + ["b"] * 4, n_splits=4).rare_classes == []

    def test_copies_count_once(self, X):
        images = np.concatenate([X[:10], X[:1]])
        report = audit(images, ["b"] + ["a"] * 6 + ["b"] * 4)
        detail = "b: 5 images, 4 that can be apart, for 5 folds"
        assert [each.detail for each in report.rare_classes] == [detail]

    def test_labels_that_differ_by_case_or_blanks(self, X):
        y = ["Band cell"] * 10 + ["band  cell "] * 10 + ["bandit"] * 20
        (finding,) = audit(X, y).similar_labels
        assert finding.positions == tuple(range(20))
        assert finding.detail == "'Band cell' (10), 'band  cell ' (10)"

    def test_numbers_as_labels(self, X):
        assert audit(X, np.arange(40) % 2).findings == []


class TestLeaks:
    def test_pairs(self, leaky):
        assert [each.positions for each in leaky.crossing_split] == [(0, 40)]
        assert [each.positions for each in leaky.contradictory_labels] == [(1, 41)]
        assert leaky.crossing_groups == []

    def test_groups_that_cross(self, X):
        report = audit(X, split=["train"] * 39 + ["test"], groups=[*range(39), 7])
        (finding,) = report.crossing_groups
        assert finding.positions == (7, 39)
        assert finding.detail == "7: 1 in train, 1 in test"
        with pytest.raises(ValueError, match=r"0 pairs of copies and 1 groups.*\n.*1 in train"):
            report.raise_if_leaky()

    def test_raise_if_leaky(self, leaky, X):
        with pytest.raises(ValueError, match=r"leaks: 1 pairs.*\n  X\[0\] = X\[40\] \(a; train, t"):
            leaky.raise_if_leaky()
        assert audit(X, split=["train"] * 20 + ["test"] * 20).raise_if_leaky() is None

    def test_without_a_split(self, X):
        with pytest.raises(ValueError, match="knows no split"):
            audit(X[:3]).raise_if_leaky()


class TestReport:
    def test_the_most_serious_comes_first(self, leaky):
        lines = str(leaky).splitlines()
        assert lines[0] == "42 images: 41 train, 1 test"
        assert lines[1:3] == [
            "1 pair of copies crosses the split",
            "  X[0] = X[40] (a; train, test)",
        ]
        assert lines[3:5] == [
            "1 pair of copies has two labels",
            "  X[1] ~ X[41] (a / b; train, train)",
        ]

    def test_a_screen(self, X, tmp_path):
        """However much there is."""
        images = [*X, *X, *(x[:8] for x in X[:1]), *np.zeros((30, 48, 48, 3), np.uint8)]
        images += [np.rot90(x) for x in X]
        paths = [tmp_path / f"{i}.png" for i in range(152)]
        for path, image in zip(paths, images, strict=False):  # there is no file of the last
            Image.fromarray(image).save(path)
        split = ["train", "test"] * 75 + ["train", "a name as long as this one" * 3]
        y = ["A", "a", *map(str, range(150))]
        report = audit(paths, y, split=split, groups=[i // 2 for i in range(152)])
        lines = str(report).splitlines()
        assert len(report._found()) == 10
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        assert ", and " in str(report)

    def test_nothing_found(self, X):
        assert str(audit(X)) == "40 images\nNothing found."
        assert repr(audit(X)) == "AuditReport(nothing found)"

    def test_to_frame(self, leaky, X):
        frame = leaky.to_frame()
        assert frame["kind"].tolist() == ["identical_pixels", "near_identical"]
        assert frame["names"][0] == ("X[0]", "X[40]")
        assert frame["labels"][1] == ("a", "b")
        assert frame["splits"][0] == ("train", "test")
        assert frame["similarity"][0] == 1.0
        assert audit(X).to_frame().columns.tolist() == frame.columns.tolist()

    def test_plot(self, leaky):
        figure = leaky.plot()
        titles = [ax.get_title() for ax in figure.axes if ax.images]
        assert titles == ["X[0]\na, train", "X[40]\na, test", "X[1]\na, train", "X[41]\nb, train"]
        assert len(leaky.plot(n_pairs=1).axes) == 2
        shown = leaky.plot("near_identical").axes[1].images[0].get_array()
        assert np.array_equal(shown, leaky.images[41])

    def test_plot_of_nothing(self, X, leaky):
        with pytest.raises(ValueError, match="found no copies"):
            audit(X).plot()
        with pytest.raises(ValueError, match="`kind` must be None or one of crossing_split"):
            leaky.plot("blank")
        with pytest.raises(ValueError, match="`n_pairs` must be at least 1"):
            leaky.plot(n_pairs=0)


class TestInput:
    def test_all_forms_are_the_same(self, X, tmp_path):
        images = np.concatenate([X[:8], X[:1], np.rot90(X[1:2], axes=(1, 2))])
        paths = [str(tmp_path / f"{i}.png") for i in range(10)]
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        forms = [images, images.reshape(10, -1), images / 255, list(images), paths]
        forms += [
            [Image.fromarray(image) for image in images],
            pd.Series(paths, index=range(5, 15)),
        ]
        forms += [pd.DataFrame({"path": paths}), np.array(paths)]
        for form in forms:
            report = audit(form)
            assert isinstance(report, AuditReport)
            assert report.groups_.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
            assert report.plot(n_pairs=1).axes[0].images

    def test_image_shape(self, X):
        report = audit(np.ascontiguousarray(X[:, :24]).reshape(40, -1), image_shape=(24, 48, 3))
        assert report.images.shape == (40, 24, 48, 3)

    def test_nothing_is_changed(self, X):
        images, y = X.copy(), np.array(["a"] * 40)
        split, groups = ["train"] * 40, list(range(40))
        state = np.random.get_state()[1].copy()
        audit(images, y, split=split, groups=groups)
        assert np.array_equal(images, X) and set(y) == {"a"}
        assert split == ["train"] * 40 and groups == list(range(40))
        assert np.array_equal(state, np.random.get_state()[1])

    @pytest.mark.parametrize("name", ["y", "split", "groups"])
    def test_columns(self, X, name):
        with pytest.raises(ValueError, match=f"X holds 40 images and `{name}` 39"):
            audit(X, **{name: ["a"] * 39})
        with pytest.raises(ValueError, match=f"`{name}` lacks 1 entries .* position 3"):
            audit(X, **{name: np.array(["a"] * 3 + [None] + ["a"] * 36, dtype=object)})

    def test_n_splits(self, X):
        with pytest.raises(ValueError, match="n_splits"):
            audit(X, n_splits=1)

    def test_a_single_path(self):
        with pytest.raises(ValueError, match="X is a single path"):
            audit("cell.png")
