"""Bad images, labels, leaks, the report, and the forms of the input."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood import AuditReport, TransferCellClassifier, audit
from skblood.datasets import make_blood_cells
from skblood.images import CellImages


@pytest.fixture(scope="module")
def X():
    X, _ = make_blood_cells(40, image_size=48, random_state=0)
    X.setflags(write=False)
    return X


@pytest.fixture(scope="module")
def leaky(X):
    """A copy in the test set, and a rotated copy with another label in the training set."""
    images = np.concatenate([X, X[:1], np.rot90(X[1:2], axes=(1, 2))])
    y = np.array(["a"] * 20 + ["b"] * 20 + ["a", "b"])
    split = np.array(["train"] * 40 + ["test", "train"])
    return audit(images, y, split=split, groups=[*range(40), 40, 2])


@pytest.fixture(scope="module")
def framed():
    """A model, its training cells, and cells with twice as much around them."""
    cells, y = make_blood_cells(160, image_size=48, random_state=1)
    options = {"image_size": 28, "max_epochs": 1, "random_state": 0}
    model = TransferCellClassifier("cellnet_t", **options).fit(cells, y)
    wide = np.pad(cells[:80], ((0, 0), (24, 24), (24, 24), (0, 0)), mode="edge")
    return model, cells, wide


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def save_all(images, folder):
    paths = [folder / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


class TestBadImages:
    def test_unreadable_files(self, X, tmp_path):
        paths = save_all(X[:3], tmp_path)
        (tmp_path / "bad.png").write_bytes(b"no image")
        report = audit([paths[0], tmp_path / "bad.png", paths[1], tmp_path / "no.png", paths[2]])
        assert [(each.positions, each.detail[:33]) for each in report.unreadable] == [
            ((1,), "not an image that Pillow can read"),
            ((3,), "no such file"),
        ]
        assert report.blank == [] and report.odd_size == []
        assert report.groups_.tolist() == [0, 1, 2, 3, 4]
        assert "bad.png: not an image that Pillow can read" in str(report)
        with pytest.raises(ValueError, match=r"None of the 2 images .* be read.*no such file"):
            audit([tmp_path / "c.png", tmp_path / "d.png"])

    def test_blank_images(self, X):
        faint = np.random.default_rng(0).integers(200, 204, size=(1, 48, 48, 3), dtype=np.uint8)
        rotated = np.rot90(faint, axes=(1, 2))  # blank images are not compared
        report = audit(np.concatenate([X[:5], faint, rotated, np.full_like(faint, 255)]))
        assert [each.positions for each in report.blank] == [(5,), (6,), (7,)]
        assert report.near_identical == []

    def test_odd_sizes(self, X):
        sizes = [(36, 36)] * 30 + [(36, 37), (38, 36), (36, 50), (12, 12)]
        images = [
            np.asarray(Image.fromarray(x).resize(size)) for x, size in zip(X, sizes, strict=False)
        ]
        report = audit(images)  # a few pixels do not count
        assert [each.positions for each in report.odd_size] == [(32,), (33,)]
        assert report.odd_size[0].detail == "50 x 36, not 36 x 36"
        assert audit([x if i % 2 else x[::2, ::2] for i, x in enumerate(X)]).odd_size == []
        assert [e.positions for e in audit([*X[:5], X[5, ::3, ::3]]).odd_size] == [(5,)]


class TestCellSizes:
    def test_a_part_in_another_frame(self, framed):
        _, cells, wide = framed
        split = ["train"] * 80 + ["test"] * 80
        assert audit(cells, split=split).cell_size == []
        images = [*cells[:80], *wide]
        (found,) = audit(images, split=split).cell_size
        assert found.detail.startswith("cells of test fill 0.2")
        assert " of the side, those of train 0." in found.detail and found.positions == ()
        assert audit(images).cell_size == []
        assert audit([*cells[:80], *wide[:10]], split=split[:90]).cell_size == []

    def test_a_model_that_expects_another_size(self, framed):
        model, cells, wide = framed
        assert audit(cells, model=model).cell_size == []
        report = audit(wide, model=model)
        (found,) = report.cell_size
        assert found.detail.startswith("cells fill 0.2") and "the model expects 0." in str(report)
        assert report.to_frame()["names"].tolist()[-1] == ()


class TestLabels:
    def test_rare_classes(self, X):
        report = audit(X, ["a"] * 36 + ["b"] * 4)
        assert [each.detail for each in report.rare_classes] == ["b: 4 images, for 5 folds"]
        assert audit(X, ["a"] * 36 + ["b"] * 4, n_splits=4).rare_classes == []
        one = audit(X, ["a"] * 39 + ["b"])  # its only image is not named
        assert str(one).splitlines()[2] == "  b: 1 image, for 5 folds"
        pair = audit([*X[:10], *X[:1]], ["b"] + ["a"] * 9 + ["b"])
        assert pair.rare_classes[0].detail == "b: 2 images in 1 group, for 5 folds"
        with_copy = audit(np.concatenate([X[:10], X[:1]]), ["b"] + ["a"] * 6 + ["b"] * 4)
        detail = "b: 5 images in 4 groups, for 5 folds"
        assert [each.detail for each in with_copy.rare_classes] == [detail]

    def test_labels_that_differ_by_case_or_spaces(self, X):
        y = ["Band cell"] * 10 + ["band  cell "] * 10 + ["bandit"] * 20
        (finding,) = audit(X, y).similar_labels
        assert finding.positions == tuple(range(20))
        assert finding.detail == "'Band cell' (10), 'band  cell ' (10)"
        assert audit(X, np.arange(40) % 2).findings == []


class TestLeaks:
    def test_pairs_of_copies(self, leaky, X):
        assert [each.positions for each in leaky.crossing_split] == [(0, 40)]
        assert [each.positions for each in leaky.contradictory_labels] == [(1, 41)]
        assert leaky.crossing_groups == []
        with pytest.raises(ValueError, match=r"leaks: 1 pairs.*\n  X\[0\] = X\[40\] \(a; train, t"):
            leaky.raise_if_leaky()
        assert audit(X, split=["train"] * 20 + ["test"] * 20).raise_if_leaky() is None

    def test_groups(self, X):
        report = audit(X, split=["train"] * 39 + ["test"], groups=[*range(39), 7])
        (finding,) = report.crossing_groups
        assert finding.positions == (7, 39)
        assert finding.detail == "7: 1 in train, 1 in test"
        with pytest.raises(ValueError, match=r"0 pairs of copies and 1 groups.*\n.*1 in train"):
            report.raise_if_leaky()

    def test_many_leaks_are_cut_short(self, X):
        with pytest.raises(ValueError, match="without a split"):
            audit(X[:3]).raise_if_leaky()
        report = audit(np.concatenate([X[:12], X[:12]]), split=["train"] * 12 + ["test"] * 12)
        with pytest.raises(ValueError, match=r"(?s)Split again.*X\[9\] = X\[21\] \(train, test\)$"):
            report.raise_if_leaky()


class TestReport:
    def test_the_most_serious_comes_first(self, leaky):
        assert str(leaky).splitlines()[:5] == [
            "42 images: 41 train, 1 test",
            "1 pair of copies crosses the split",
            "  X[0] = X[40] (a; train, test)",
            "1 pair of copies has two labels",
            "  X[1] ~ X[41] (a / b; train, train)",
        ]
        assert repr(leaky).startswith("AuditReport(crossing_split=1, contradictory_labels=1, ident")

    def test_it_fits_on_a_screen(self, X, tmp_path):
        images = [*X, *X, *(x[:8] for x in X[:1]), *np.zeros((30, 48, 48, 3), np.uint8)]
        paths = [*save_all(images, tmp_path), tmp_path / "missing.png"]
        n = len(paths)
        split = ["train", "test"] * (n // 2 - 1) + ["train", "a name as long as this one" * 3]
        y = ["A", "a", *map(str, range(n - 2))]
        report = audit(paths, y, split=split, groups=np.arange(n) // 2)
        lines = str(report).splitlines()
        assert repr(report).count("=") >= 9
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        assert ", and " in str(report)

    def test_images_are_named_with_their_folder(self, X, tmp_path):
        for name in ("ig", "ne"):
            (tmp_path / name).mkdir()
            Image.fromarray(X[0]).save(tmp_path / name / "1.png")
        (tmp_path / "ne" / "2.png").write_bytes(b"no image")
        report = audit([tmp_path / name for name in ("ig/1.png", "ne/1.png", "ne/2.png")])
        assert "ig/1.png = ne/1.png" in str(report) and "  ne/2.png: not an" in str(report)
        titles = [ax.get_title() for ax in report.plot().axes]
        assert titles == ["ig/1.png\n", "ne/1.png\n"]

    def test_nothing_found(self, X):
        assert str(audit(X)) == "40 images\nNo copies, no bad images found."
        report = audit(X, ["a", "b"] * 20, split=["train"] * 20 + ["test"] * 20)
        last = "No copies, no bad images, no doubtful labels, no leaks found."
        assert str(report).splitlines()[1:] == [last]
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
        shown = leaky.plot("near_identical", figure=plt.figure()).axes[1].images[0].get_array()
        assert np.array_equal(shown, leaky.images[41])

    def test_plot_errors(self, X, leaky):
        with pytest.raises(ValueError, match="no pair to draw with kind=None"):
            audit(X).plot()
        with pytest.raises(ValueError, match="`kind` must be None or one of crossing_split"):
            leaky.plot("blank")
        with pytest.raises(ValueError, match="n_pairs=0"):
            leaky.plot(n_pairs=0)


class TestInput:
    def test_all_forms_give_the_same(self, X, tmp_path):
        images = np.concatenate([X[:8], X[:1], np.rot90(X[1:2], axes=(1, 2))])
        paths = [str(path) for path in save_all(images, tmp_path)]
        forms = [
            images,
            images.reshape(10, -1),
            images / 255,
            list(images),
            CellImages(images),
            paths,
            [Image.fromarray(image) for image in images],
            pd.Series(paths, index=range(5, 15)),
            pd.DataFrame({"path": paths}),
        ]
        for form in forms:
            report = audit(form)
            assert isinstance(report, AuditReport)
            assert report.groups_.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
            assert report.plot(n_pairs=1).axes[0].images

    def test_image_shape(self, X):
        report = audit(np.ascontiguousarray(X[:, :24]).reshape(40, -1), image_shape=(24, 48, 3))
        assert report.images.shape == (40, 24, 48, 3)

    def test_nothing_is_modified(self, X):
        images, y = X.copy(), np.array(["a"] * 40)
        split, groups = ["train"] * 40, list(range(40))
        state = np.random.get_state()[1].copy()
        audit(images, y, split=split, groups=groups)
        assert np.array_equal(images, X) and set(y) == {"a"}
        assert split == ["train"] * 40 and groups == list(range(40))
        assert np.array_equal(state, np.random.get_state()[1])

    def test_errors(self, X):
        for name in ("y", "split", "groups"):
            with pytest.raises(ValueError, match=f"`X` 40, `{name}` 39"):
                audit(X, **{name: ["a"] * 39})
            with pytest.raises(ValueError, match=f"`{name}` has 1 missing .* position 3"):
                audit(X, **{name: np.array(["a"] * 3 + [None] + ["a"] * 36, dtype=object)})
        with pytest.raises(TypeError, match=r"`y` holds bytes instead of text\. Decode them"):
            audit(X, [b"ig"] * 40)
        with pytest.raises(ValueError, match="n_splits"):
            audit(X, n_splits=1)
        with pytest.raises(ValueError, match="X is a single path"):
            audit("cell.png")
