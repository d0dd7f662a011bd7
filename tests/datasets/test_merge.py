from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.utils import Bunch

from skblood.datasets import load_csv, load_image_folder, make_blood_cells, merge_datasets

AB = np.array(["a", "b"] * 20)


def fake_images(n, first=0, size=4):
    """Make n different uint8 images; those with another `first` differ as well."""
    images = np.zeros((n, size, size, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(first, first + n), 256)
    return images


def paths(prefix, n=40):
    return np.array([f"{prefix}/{i}.png" for i in range(n)])


def parts_of(merged):
    return merged.frame["split"].to_numpy()


def test_arrays_and_files_of_two_laboratories(tmp_path):
    """As BloodMNIST in memory and Raabin-WBC on disk."""
    X, y = make_blood_cells(80, image_size=28, random_state=0)
    for i, image in enumerate(make_blood_cells(20, image_size=60, random_state=1)[0]):
        (tmp_path / AB[i]).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / AB[i] / f"{i}.png")
    sources = {
        "array": Bunch(data=X, target=y, DESCR="About it."),
        "files": load_image_folder(tmp_path),
    }
    class_map = {"a": "neutrophil", "b": "lymphocyte"}
    with pytest.raises(ValueError, match=r"sources \['files'\] hold paths, .* Set image_size="):
        merge_datasets(sources, class_map=class_map)
    merged = merge_datasets(sources, class_map=class_map, image_size=28, random_state=0)
    assert merged.images is merged.data
    assert merged.data.shape == (100, 28, 28, 3)
    assert_array_equal(merged.data[:80], X)
    assert merged.data[80:].std() > 10
    assert_array_equal(merged.target, [*y, *["neutrophil"] * 10, *["lymphocyte"] * 10])
    assert merged.target_names.tolist() == np.unique(y).tolist()
    assert merged.frame.columns.tolist() == ["source", "source_label", "label", "split", "index"]
    assert merged.frame.iloc[-1].drop("split").tolist() == ["files", "b", "lymphocyte", 19]
    assert_array_equal(merged.frame["label"], merged.target)
    assert merged.frame["split"].value_counts().to_dict() == {"train": 70, "val": 15, "test": 15}
    for text in (
        "About it.",
        str(tmp_path),
        "train 70, val 15, test 15",
        "100 images (basophil 10",
    ):
        assert text in merged.DESCR


class TestClassMap:
    sources = {"one": (paths("one"), AB), "two": (paths("two"), AB)}

    def labels(self, class_map, sources=None):
        frame = merge_datasets(sources or self.sources, class_map=class_map, random_state=0).frame
        return {
            name: part.groupby("source_label")["label"].unique().map(list).to_dict()
            for name, part in frame.groupby("source")
        }

    def test_for_all_or_one_of_the_sources(self):
        same = {"a": ["a"], "b": ["b"]}
        assert self.labels(None) == {"one": same, "two": same}
        assert self.labels({"a": "c"}) == {name: {"a": ["c"], "b": ["b"]} for name in self.sources}
        assert self.labels({"two": {"a": "b", "b": "c"}})["one"] == same
        assert self.labels({"two": {"a": "b", "b": "c"}})["two"] == {"a": ["b"], "b": ["c"]}

    def test_none_drops(self):
        merged = merge_datasets(self.sources, class_map={"two": {"a": None}}, random_state=0)
        assert len(merged.data) == len(merged.frame) == len(merged.groups) == 60
        assert merged.frame["index"][40:].tolist() == list(range(1, 40, 2))
        assert merged.data[40:].tolist() == paths("two")[1::2].tolist()
        merged = merge_datasets(self.sources, class_map={"two": {"a": None, "b": None}})
        assert len(merged.data) == 40
        assert "two: 0 images" in merged.DESCR
        with pytest.raises(ValueError, match="class_map drops all images"):
            merge_datasets(self.sources, class_map={"a": None, "b": None})

    def test_integers(self):
        codes = {"one": (paths("one"), (AB == "b").astype(int)[:, np.newaxis])}
        assert self.labels({0: 5}, codes) == {"one": {0: [5], 1: [1]}}
        assert merge_datasets(codes).target.dtype.kind == "i"
        mixed = codes | {"two": self.sources["two"]}
        assert self.labels({"one": {0: "a", 1: "c"}}, mixed)["one"] == {0: ["a"], 1: ["c"]}
        floats = {"one": (paths("one", 4), [0.5, 1.0, 0.5, 1.0])}
        for sources, found in ((mixed, "'int': 1, 'str': 'b'"), (floats, "'float'")):
            with pytest.raises(TypeError, match=f"all strings or all integers, .*{found}"):
                merge_datasets(sources)

    @pytest.mark.parametrize("other", ["Large Cell", "large-cell", "large cells"])
    def test_spellings(self, other):
        sources = {
            name: (paths(name), np.where(AB == "a", spelling, "b"))
            for name, spelling in (("one", "large cell"), ("two", other))
        }
        with pytest.raises(ValueError, match=rf"class_map={{'{other}': 'large cell'}}"):
            merge_datasets(sources)
        assert len(self.labels({other: "large cell"}, sources)) == 2

    @pytest.mark.parametrize(
        ("class_map", "error", "message"),
        [
            ({"aa": "b"}, ValueError, r"\['aa'\], but the sources hold \['a', 'b'\]"),
            ({"three": {"a": "b"}}, ValueError, r"\[\('three', 'a'\)\], but .*'one', 'a'"),
            ({"two": {"aa": "b"}}, ValueError, r"\[\('two', 'aa'\)\], but"),
            (["a"], TypeError, "class_map must be a dict"),
            ({"one": {"a": "b"}, "b": "c"}, ValueError, r"\['one'\], but the sources hold"),
        ],
    )
    def test_wrong_maps(self, class_map, error, message):
        with pytest.raises(error, match=message):
            merge_datasets(self.sources, class_map=class_map)


class TestImages:
    def test_paths_are_not_read(self):
        sources = {"one": (paths("one"), AB), "two": ([Path(x) for x in paths("two")], AB)}
        merged = merge_datasets(sources, random_state=0)
        assert merged.paths is merged.data
        assert merged.data.dtype.kind == "U"
        assert merged.data.tolist() == [*paths("one"), *paths("two")]

    def test_gray_and_color(self):
        gray, color = fake_images(40, size=5)[..., 0], fake_images(40, first=100, size=5)
        X, y = merge_datasets({"gray": (gray, AB), "color": (color, AB)}, return_X_y=True)
        assert_array_equal(X[:40], np.repeat(gray[..., np.newaxis], 3, axis=-1))
        assert_array_equal(X[40:], color)
        assert_array_equal(y, [*AB, *AB])

    def test_different_sizes(self):
        sources = {"one": (fake_images(40), AB), "two": (fake_images(40, size=6), AB)}
        with pytest.raises(ValueError, match=r"'one': \(4, 4\), 'two': \(6, 6\)}\. Set"):
            merge_datasets(sources)
        assert merge_datasets(sources, image_size=(5, 3)).data.shape == (80, 5, 3, 3)


class TestSplit:
    def test_copies_are_in_one_part(self):
        """Each image of one source is in the other as well."""
        sources = {"one": (fake_images(40), AB), "two": (fake_images(40)[::-1], AB[::-1])}
        for seed in range(3):
            merged = merge_datasets(sources, random_state=seed)
            assert_array_equal(parts_of(merged)[:40], parts_of(merged)[:39:-1])
            assert_array_equal(merged.groups[:40], merged.groups[:39:-1])
            assert len(set(merged.groups)) == 40

    def test_equal_paths_are_in_one_part(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        sources = {"one": (paths("x"), AB), "two": (paths(tmp_path / "x"), AB)}
        parts = parts_of(merge_datasets(sources, random_state=0))
        assert_array_equal(parts[:40], parts[40:])

    def test_groups_of_a_source_are_in_one_part(self, tmp_path):
        """A copy in another source connects groups; names of groups are those of a source."""
        rows = "".join(f"{i}.png,{AB[i]},{i // 4}\n" for i in range(40))
        (tmp_path / "cells.csv").write_text("path,label,slide\n" + rows)
        for i in range(40):
            (tmp_path / f"{i}.png").touch()
        slides = load_csv(tmp_path / "cells.csv", group_column="slide")
        copies = np.array([slides.data[0], slides.data[39], *paths("z", 38)])
        merged = merge_datasets({"slides": slides, "plain": (copies, AB)}, random_state=0)
        parts = parts_of(merged)
        assert all(len(set(parts[i : i + 4])) == 1 for i in range(0, 40, 4))
        assert (parts[0], parts[39]) == (parts[40], parts[41])
        assert len(set(merged.groups)) == 10 + 38
        other = Bunch(**slides | {"data": paths("o")})
        assert len(set(merge_datasets({"slides": slides, "other": other}).groups)) == 20

    def test_shares_and_seed(self):
        sources = {"one": (fake_images(40), AB)}
        merged = merge_datasets(sources, split=(0.5, 0.2, 0.3))
        assert merged.frame["split"].value_counts().to_dict() == {"train": 20, "test": 12, "val": 8}
        first, again, other = (
            parts_of(merge_datasets(sources, random_state=seed)).tolist() for seed in (3, 3, 4)
        )
        assert first == again != other

    @pytest.mark.parametrize("split", [(0.7, 0.3), (0.7, 0.2, 0.2), 0.7])
    def test_wrong_shares(self, split):
        with pytest.raises(ValueError, match="three shares that sum to 1, of"):
            merge_datasets({"one": (fake_images(40), AB)}, split=split)


class TestErrors:
    @pytest.mark.parametrize("sources", [{}, None])
    def test_sources(self, sources):
        with pytest.raises(TypeError, match="pass a dict from names to loaders"):
            merge_datasets(sources)

    @pytest.mark.parametrize("source", [fake_images(4), (1, 2, 3), Bunch(data=[])])
    def test_one_source(self, source):
        with pytest.raises(TypeError, match=r"Source 'one' is a \w+; pass the result of a"):
            merge_datasets({"one": source})

    def test_labels(self):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            merge_datasets({"one": (fake_images(4), ["a"] * 5)})
        with pytest.raises(ValueError, match=r"fewer: rare \(2\)"):
            merge_datasets({"one": (fake_images(42), [*AB, "rare", "rare"])})
        cells = Bunch(data=fake_images(40), target=AB, groups=[*range(39), np.nan])
        with pytest.raises(ValueError, match="`groups of one` has 1 missing"):
            merge_datasets({"one": cells})

    def test_sources_are_not_changed(self):
        source = Bunch(data=fake_images(40), target=AB.copy())
        merged = merge_datasets({"one": source}, class_map={"a": "c"})
        merged.data[:], merged.target[:] = 7, "x"
        assert_array_equal(source.data, fake_images(40))
        assert_array_equal(source.target, AB)


@pytest.mark.real
def test_real_copies_are_in_one_part(real_data):
    """The split of PBC, as random ones do, separates five of its 15 pairs of copies."""
    with np.load(real_data / "pbc" / "pbc_28.npz") as file:
        sources = {
            name: (file[f"{name}_images"], file[f"{name}_labels"])
            for name in ("train", "val", "test")
        }
    merged = merge_datasets(sources, random_state=0)
    frame = merged.frame.assign(group=merged.groups)
    by_pair = frame[frame["group"].duplicated(keep=False)].groupby("group")
    assert len(by_pair) == 15
    assert (by_pair["source"].nunique() == 2).sum() == 5
    assert by_pair["split"].nunique().max() == 1
