"""merge_datasets: labels, images, frame, and a split that no copy crosses."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.utils import Bunch

from skblood.datasets import (
    load_csv,
    load_image_folder,
    make_blood_cells,
    merge_datasets,
    train_val_test_split,
)

# As published: PBC, which is BloodMNIST, and Raabin-WBC, which is White Blood Cells.
BLOODMNIST = {
    "basophil": 1218,
    "eosinophil": 3117,
    "erythroblast": 1551,
    "ig": 2895,
    "lymphocyte": 1214,
    "monocyte": 1420,
    "neutrophil": 3329,
    "platelet": 2348,
}
WBC = {
    "Basophil": 301,
    "Eosinophil": 1066,
    "Lymphocyte": 3609,
    "Monocyte": 795,
    "Neutrophil": 10862,
}


def fake_images(n, first=0, size=4):
    """Make n different uint8 images; those with another `first` differ as well."""
    images = np.zeros((n, size, size, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(first, first + n), 256)
    return images


def fake_labels(counts):
    return np.repeat(list(counts), list(counts.values()))


def paths(prefix, n):
    return np.array([f"{prefix}/{i}.png" for i in range(n)])


AB = np.array(["a", "b"] * 20)


@pytest.fixture(scope="module")
def merged():
    lower = {label: label.lower() for label in WBC}
    return merge_datasets(
        {
            "bloodmnist": (fake_images(17_092), fake_labels(BLOODMNIST)),
            "wbc": (fake_images(16_633, first=20_000), fake_labels(WBC)),
        },
        class_map={"wbc": lower},
        random_state=0,
    )


class TestPinedaAndMunoz:
    """The 33,725 images from one call, on a fake of the right size."""

    def test_counts(self, merged):
        assert merged.data.shape == (33_725, 4, 4, 3)
        assert merged.target_names.tolist() == list(BLOODMNIST)
        expected = {name: n + WBC.get(name.title(), 0) for name, n in BLOODMNIST.items()}
        assert merged.frame["label"].value_counts().to_dict() == expected
        assert merged.frame["source"].value_counts().to_dict() == {
            "bloodmnist": 17_092,
            "wbc": 16_633,
        }

    def test_split(self, merged):
        counts = merged.frame["split"].value_counts()
        assert counts.to_dict() == {"train": 23_607, "val": 5_059, "test": 5_059}
        shares = merged.frame.groupby("label")["split"].value_counts(normalize=True).unstack()
        np.testing.assert_allclose(shares["train"], 0.7, atol=0.001)
        np.testing.assert_allclose(shares["val"], 0.15, atol=0.001)

    def test_frame(self, merged):
        assert merged.frame.columns.tolist() == [
            "source",
            "source_label",
            "label",
            "split",
            "index",
        ]
        last = merged.frame.iloc[-1]
        assert last.drop("split").tolist() == ["wbc", "Neutrophil", "neutrophil", 16_632]
        assert_array_equal(merged.target, merged.frame["label"])

    def test_without_the_map(self):
        """The error says which map is meant."""
        sources = {
            "bloodmnist": (paths("b", 8), list(BLOODMNIST)),
            "wbc": (paths("w", 5), list(WBC)),
        }
        with pytest.raises(ValueError, match="differ only by case or spelling") as caught:
            merge_datasets(sources)
        wanted = str({label: label.lower() for label in WBC})
        assert f"class_map={wanted}" in str(caught.value)
        assert "'basophil' in 'bloodmnist' and 'Basophil' in 'wbc'" in str(caught.value)

    def test_paths_and_arrays(self, tmp_path):
        """As they come: BloodMNIST as arrays, Raabin-WBC as files."""
        X, y = make_blood_cells(80, image_size=28, random_state=0)
        for i, image in enumerate(make_blood_cells(20, image_size=60, random_state=1)[0]):
            file = tmp_path / AB[i] / f"{i}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(file)
        sources = {
            "bloodmnist": Bunch(data=X, target=y, DESCR="About BloodMNIST."),
            "wbc": load_image_folder(tmp_path),
        }
        class_map = {"a": "neutrophil", "b": "lymphocyte"}
        with pytest.raises(
            ValueError, match=r"^'wbc' holds paths and the other .* Set image_size="
        ):
            merge_datasets(sources, class_map=class_map)
        merged = merge_datasets(sources, class_map=class_map, image_size=28, random_state=0)
        assert merged.images is merged.data
        assert merged.data.shape == (100, 28, 28, 3)
        assert_array_equal(merged.data[:80], X)
        assert merged.data[80:].std() > 10
        assert "About BloodMNIST." in merged.DESCR
        assert str(tmp_path) in merged.DESCR


class TestClassMap:
    sources = {
        "one": (paths("one", 40), AB),
        "two": (paths("two", 40), AB),
    }

    def labels(self, class_map, sources=None):
        frame = merge_datasets(sources or self.sources, class_map=class_map, random_state=0).frame
        return {
            name: part.groupby("source_label")["label"].unique().map(list).to_dict()
            for name, part in frame.groupby("source")
        }

    def test_none(self):
        assert self.labels(None) == {name: {"a": ["a"], "b": ["b"]} for name in self.sources}

    def test_for_all_sources(self):
        assert self.labels({"a": "c"}) == {name: {"a": ["c"], "b": ["b"]} for name in self.sources}

    def test_for_one_source(self):
        assert self.labels({"two": {"a": "b", "b": "c"}}) == {
            "one": {"a": ["a"], "b": ["b"]},
            "two": {"a": ["b"], "b": ["c"]},
        }

    def test_none_drops(self):
        merged = merge_datasets(self.sources, class_map={"two": {"a": None}}, random_state=0)
        assert len(merged.data) == len(merged.frame) == 60
        two = merged.frame[merged.frame["source"] == "two"]
        assert two["index"].tolist() == list(range(1, 40, 2))
        assert merged.data[40:].tolist() == self.sources["two"][0][1::2].tolist()

    def test_a_source_may_be_dropped(self):
        merged = merge_datasets(self.sources, class_map={"two": {"a": None, "b": None}})
        assert len(merged.data) == 40
        assert "two: 0 images" in merged.DESCR

    def test_all_dropped(self):
        with pytest.raises(ValueError, match="class_map drops all images"):
            merge_datasets(self.sources, class_map={"a": None, "b": None})

    def test_integers(self):
        codes = {"one": (paths("one", 40), (AB == "b").astype(int)[:, np.newaxis])}
        assert self.labels({0: 5}, codes) == {"one": {0: [5], 1: [1]}}
        assert merge_datasets(codes).target.dtype.kind == "i"
        mixed = codes | {"two": self.sources["two"]}
        with pytest.raises(
            ValueError, match=r"strings, such as 'a' in 'two', and integers, such as 0 in 'one'"
        ) as caught:
            merge_datasets(mixed)
        assert "class_map={'one': {0: 'a', ...}}" in str(caught.value)
        assert self.labels({"one": {0: "a", 1: "c"}}, mixed)["one"] == {0: ["a"], 1: ["c"]}

    def test_other_labels(self):
        with pytest.raises(TypeError, match=r"label 0\.5 in 'one' is a float"):
            merge_datasets({"one": (paths("one", 4), [0.5, 1.0, 0.5, 1.0])})

    @pytest.mark.parametrize("other", ["Large Cell", "large-cell", "LARGE_CELL", "large cells"])
    def test_spellings(self, other):
        sources = {
            "one": (paths("one", 40), np.where(AB == "a", "large cell", "b")),
            "two": (paths("two", 40), np.where(AB == "a", other, "b")),
        }
        with pytest.raises(ValueError, match=rf"class_map={{'{other}': 'large cell'}}"):
            merge_datasets(sources)
        assert len(self.labels({other: "large cell"}, sources)) == 2
        assert len(self.labels({other: "another"}, sources)) == 2

    @pytest.mark.parametrize(
        ("class_map", "message"),
        [
            ({"aa": "b"}, r"class_map names \['aa'\], but the sources hold \['a', 'b'\]"),
            ({"three": {"a": "b"}}, r"names \['three'\], but the sources are \['one', 'two'\]"),
            ({"two": {"aa": "b"}}, r"names \['aa'\], but 'two' holds \['a', 'b'\]"),
        ],
    )
    def test_names_that_are_not_there(self, class_map, message):
        with pytest.raises(ValueError, match=message):
            merge_datasets(self.sources, class_map=class_map)

    @pytest.mark.parametrize("class_map", [["a"], {"one": {"a": "b"}, "b": "c"}])
    def test_of_another_form(self, class_map):
        with pytest.raises(TypeError, match="class_map"):
            merge_datasets(self.sources, class_map=class_map)


class TestImages:
    def test_paths_stay_paths_and_are_not_read(self):
        sources = {"one": (paths("one", 40), AB), "two": ([Path(x) for x in paths("two", 40)], AB)}
        merged = merge_datasets(sources, random_state=0)
        assert merged.paths is merged.data
        assert merged.data.dtype.kind == "U"
        assert merged.data.tolist() == [*paths("one", 40), *paths("two", 40)]

    def test_arrays_of_one_size(self):
        gray, colour = fake_images(40, size=5)[..., 0], fake_images(40, first=100, size=5)
        merged = merge_datasets({"gray": (gray, AB), "colour": (colour, AB)})
        assert merged.data.shape == (80, 5, 5, 3)
        assert_array_equal(merged.data[:40], np.repeat(gray[..., np.newaxis], 3, axis=-1))
        assert_array_equal(merged.data[40:], colour)

    def test_different_sizes(self):
        sources = {"one": (fake_images(40), AB), "two": (fake_images(40, size=6), AB)}
        with pytest.raises(ValueError, match=r"'one' 4 x 4, 'two' 6 x 6\. Set image_size="):
            merge_datasets(sources)
        assert merge_datasets(sources, image_size=(5, 3)).data.shape == (80, 5, 3, 3)

    def test_image_size_reads_paths(self, tmp_path):
        for i, image in enumerate(make_blood_cells(40, image_size=20, random_state=0)[0]):
            Image.fromarray(image).save(tmp_path / f"{i}.png")
        X = [tmp_path / f"{i}.png" for i in range(40)]
        assert merge_datasets({"one": (X, AB)}, image_size=16).data.shape == (40, 16, 16, 3)

    def test_return_X_y(self):
        X, y = merge_datasets({"one": (fake_images(40), AB)}, return_X_y=True)
        assert_array_equal(X, fake_images(40))
        assert_array_equal(y, AB)


class TestSplit:
    def test_copies_do_not_cross(self):
        """Each image of one source is in the other as well."""
        images = fake_images(40)
        sources = {"one": (images, AB), "two": (images[::-1], AB[::-1])}
        for seed in range(5):
            merged = merge_datasets(sources, random_state=seed)
            parts = merged.frame["split"].to_numpy()
            assert_array_equal(parts[:40], parts[:39:-1])
            assert_array_equal(merged.groups[:40], merged.groups[:39:-1])
            assert len(set(merged.groups)) == 40

    def test_equal_paths_do_not_cross(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        sources = {"one": (paths("x", 40), AB), "two": (paths(tmp_path / "x", 40), AB)}
        parts = merge_datasets(sources, random_state=0).frame["split"].to_numpy()
        assert_array_equal(parts[:40], parts[40:])

    def test_groups_of_sources_do_not_cross(self, tmp_path):
        """Slides hold together what they hold, copies tie slides, and names are each source's."""
        rows = "".join(f"{i}.png,{AB[i]},{i // 4}\n" for i in range(40))
        (tmp_path / "cells.csv").write_text("path,label,slide\n" + rows)
        for i in range(40):
            (tmp_path / f"{i}.png").touch()
        slides = load_csv(tmp_path / "cells.csv", group_column="slide")
        copies = np.array([slides.data[0], slides.data[39], *paths("z", 38)])
        for seed in range(5):
            merged = merge_datasets({"slides": slides, "plain": (copies, AB)}, random_state=seed)
            parts = merged.frame["split"].to_numpy()
            assert all(len(set(parts[i : i + 4])) == 1 for i in range(0, 40, 4))
            assert (parts[0], parts[39]) == (parts[40], parts[41])
            assert len(set(merged.groups)) == 10 + 38
        two = merge_datasets(
            {"slides": slides, "other": Bunch(**slides | {"data": paths("o", 40)})}
        )
        assert len(set(two.groups)) == 20

    def test_groups_are_for_further_splits(self):
        images = np.repeat(fake_images(20), 2, axis=0)
        merged = merge_datasets({"one": (images, np.repeat(["a", "b"], 20))}, random_state=0)
        train, val, test, *_ = train_val_test_split(
            np.arange(40), merged.target, groups=merged.groups, random_state=1
        )
        assert not set(train // 2) & set(val // 2)
        assert not set(train // 2) & set(test // 2)

    def test_shares(self):
        merged = merge_datasets({"one": (fake_images(40), AB)}, split=(0.5, 0.2, 0.3))
        assert merged.frame["split"].value_counts().to_dict() == {"train": 20, "test": 12, "val": 8}
        assert "train 20, val 8, test 12" in merged.DESCR

    def test_seed(self):
        sources = {"one": (fake_images(40), AB)}
        first, again, other = (
            merge_datasets(sources, random_state=seed).frame["split"].tolist() for seed in (3, 3, 4)
        )
        assert first == again != other

    @pytest.mark.parametrize("split", [(0.7, 0.3), (0.7, 0.2, 0.2), 0.7, (70, 15, 15)])
    def test_not_three_shares(self, split):
        with pytest.raises(ValueError, match=r"not three shares, of train, val, test, that sum to"):
            merge_datasets({"one": (fake_images(40), AB)}, split=split)

    def test_too_rare(self):
        with pytest.raises(ValueError, match=r"fewer: rare \(2\)"):
            merge_datasets({"one": (fake_images(42), [*AB, "rare", "rare"])})


class TestErrors:
    @pytest.mark.parametrize("sources", [{}, [(fake_images(4), list("aabb"))], None])
    def test_sources(self, sources):
        with pytest.raises(TypeError, match="pass a dict from names to what loaders return"):
            merge_datasets(sources)

    @pytest.mark.parametrize("source", [fake_images(4), (1, 2, 3), Bunch(data=[]), "cells"])
    def test_a_source(self, source):
        with pytest.raises(TypeError, match=r"The source 'one' is a \w+; pass what a loader"):
            merge_datasets({"one": source})

    def test_lengths(self):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            merge_datasets({"one": (fake_images(4), ["a"] * 5)})

    def test_sources_are_left_as_they_were(self):
        source = Bunch(data=fake_images(40), target=AB.copy())
        merged = merge_datasets({"one": source}, class_map={"a": "c"})
        merged.data[:], merged.target[:] = 7, "x"
        assert_array_equal(source.data, fake_images(40))
        assert_array_equal(source.target, AB)


@pytest.mark.real
def test_real_cells_of_two_laboratories(real_data):
    """PBC's validation images and those of another laboratory, by its five classes."""
    if not (real_data / "wbc_tecom").is_dir():
        pytest.skip("no wbc_tecom beside pbc")
    sources = {
        "pbc": load_image_folder(real_data / "pbc" / "originals_val"),
        "tecom": load_image_folder(real_data / "wbc_tecom"),
    }
    merged = merge_datasets(sources, image_size=64, random_state=0)
    assert merged.data.shape == (500, 64, 64, 3)
    assert len(merged.target_names) == 8
    neutrophils = merged.frame[merged.frame["label"] == "neutrophil"]
    assert neutrophils["source"].value_counts().to_dict() == {"tecom": 176, "pbc": 25}
    assert merged.frame["split"].value_counts().to_dict() == {"train": 350, "val": 75, "test": 75}


@pytest.mark.real
def test_real_copies_do_not_cross_the_new_split(real_data):
    """PBC's split, as random ones do, takes five of its pairs of copies apart."""
    with np.load(real_data / "pbc" / "pbc_28.npz") as file:
        sources = {
            name: (file[f"{name}_images"], file[f"{name}_labels"])
            for name in ("train", "val", "test")
        }
    merged = merge_datasets(sources, random_state=0)
    frame = merged.frame.assign(group=merged.groups)
    pairs = frame[frame["group"].duplicated(keep=False)]
    by_pair = pairs.groupby("group")
    assert len(by_pair) == 15
    assert (by_pair["source"].nunique() == 2).sum() == 5
    assert by_pair["split"].nunique().max() == 1
