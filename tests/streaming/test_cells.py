"""Labeled images of shards: labels, groups, sizes of shards, what is left out."""

import json
import pickle
from itertools import chain

import pandas as pd
import pytest

from skblood.images import read_images
from skblood.streaming import ShardedCells

from .conftest import png, write_tar


def sample(key, value=0, **files):
    """Return the members of a sample: an image and text files."""
    members = [(f"{key}.png", png(value))]
    return [*members, *((f"{key}.{end}", text.encode()) for end, text in files.items())]


def of_patient(key, value, label, patient):
    return sample(key, value, json=json.dumps({"kind": label, "patient": patient}))


@pytest.fixture
def shards(here):
    """Two shards of three and two images, whose labels are in .cls, the patients in .json."""
    samples = [
        sample(f"{i}", 10 * i, cls=label, json=json.dumps({"patient": i // 2}))
        for i, label in enumerate(["b", "a", "a", "b", "c"])
    ]
    write_tar(here / "x-0.tar", [*chain(*samples[:3])])
    write_tar(here / "x-1.tar", [*chain(*samples[3:])])
    return "x-{0..1}.tar"


def values(items):
    return read_images(list(items))[:, 0, 0, 0].tolist()


def test_labels_groups_and_images(shards):
    cells = ShardedCells(shards, group_column="patient")
    assert cells.y.tolist() == ["b", "a", "a", "b", "c"]
    assert cells.groups.tolist() == ["0", "0", "1", "1", "2"]
    assert cells.sizes.tolist() == [3, 2]
    assert cells.names == ["x-0.tar", "x-1.tar"]
    assert (len(cells), cells.errors) == (5, {})
    assert repr(cells) == "<ShardedCells: 5 images in 2 shards>"
    assert values(cells) == [0, 10, 20, 30, 40]
    assert [values(items) for items in cells.read_part(0, 2)] == [[0, 10], [20]]
    assert cells.y[1] is cells.y[2]  # a label is held once
    assert ShardedCells(shards).groups is None


def test_another_column(here):
    members = [of_patient(f"{i}", i, "ab"[i % 2], f"p{i}") for i in range(4)]
    write_tar(here / "x.tar", [*chain(*members)])
    cells = ShardedCells("x.tar", label_column="kind", group_column="patient")
    assert cells.y.tolist() == ["a", "b", "a", "b"]
    assert cells.groups.tolist() == ["p0", "p1", "p2", "p3"]


def test_a_table_of_paths(folder, here):
    rows = {"path": ["cells/a.png", "cells/a-b.png", "cells/b.tif"], "label": [1, 2, 1]}
    pd.DataFrame(rows).to_parquet(here / "cells.parquet")
    cells = ShardedCells("cells.parquet")
    assert cells.y.tolist() == ["1", "2", "1"]
    assert values(cells) == [4, 0, 5]


@pytest.mark.parametrize(("old", "new"), [("x-0.tar", "x-1.tar"), ("x-1.tar", "x-0.tar")])
def test_labels_that_change_are_an_error(here, shards, old, new):
    cells = ShardedCells(shards)
    (here / old).write_bytes((here / new).read_bytes())
    with pytest.raises(ValueError, match=f"{old} has other labels than when it was opened"):
        list(cells)


def test_names_that_change_are_taken(here, shards):
    cells = ShardedCells(shards)
    cells.y[:] = "other"  # those of the fit are the user's
    labels = "bc"
    write_tar(here / "x-1.tar", [m for i in range(2) for m in sample(f"n{i}", i, cls=labels[i])])
    assert values(cells) == [0, 10, 20, 0, 1]


def test_memory_of_an_image(here):
    """One byte each, of a label and of a group, if there are few of them."""
    members = [of_patient(f"{i}", 0, "ab"[i % 2], f"p{i}") for i in range(70)]
    write_tar(here / "x.tar", [*chain(*members)])
    assert ShardedCells("x.tar", label_column="kind", group_column="patient")._codes.itemsize == 1


@pytest.mark.parametrize("label", ["null", "NaN", '""'])
def test_no_label_in_json(here, label):
    samples = [sample(f"{i}", json=f'{{"kind": {text}}}') for i, text in enumerate(['"a"', label])]
    write_tar(here / "x.tar", [*chain(*samples)])
    with pytest.raises(ValueError, match=r"x.tar/1.png: no kind"):
        ShardedCells("x.tar", label_column="kind")
    assert ShardedCells("x.tar", label_column="kind", on_error="skip").y.tolist() == ["a"]


def test_pickle(shards):
    cells = pickle.loads(pickle.dumps(ShardedCells(shards)))
    assert values(cells) == [0, 10, 20, 30, 40]


class TestLeftOut:
    @pytest.fixture
    def odd(self, here):
        """A shard with an image without a label, and one whose label is empty, cut off."""
        members = [*sample("0", 0, cls="a"), *sample("1", 1), *sample("2", 2, cls=" ")]
        path = write_tar(here / "odd.tar", [*members, *sample("3", 3, cls="b")])
        content = (here / "odd.tar").read_bytes()
        (here / "odd.tar").write_bytes(content[: content.index(b"3.cls") + 512])
        return path

    def test_raised_with_names(self, odd):
        with pytest.raises(ValueError, match=r"odd\.tar/1\.png: no label\n.*odd\.tar/2\.png"):
            ShardedCells("odd.tar")

    def test_skipped(self, odd):
        cells = ShardedCells("odd.tar", on_error="skip")
        assert cells.y.tolist() == ["a"]
        assert values(cells) == [0]
        names = {"odd.tar", "odd.tar/1.png", "odd.tar/2.png", "odd.tar/3.png", "odd.tar/3.cls"}
        assert set(cells.errors) == names
        assert cells.errors["odd.tar/1.png"] == "no label"

    def test_no_image_is_left(self, shards):
        with pytest.raises(ValueError, match="There is no image with a 'kind'"):
            ShardedCells(shards, label_column="kind", on_error="skip")

    def test_an_empty_shard_among_others(self, shards, here):
        write_tar(here / "y.tar", [])
        cells = ShardedCells([shards, "y.tar"])
        assert cells.sizes.tolist() == [3, 2, 0]
        assert values(cells) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_error": "ignore"}, ValueError),
        ({"buffer_bytes": 0}, ValueError),
        ({"n_open": 0}, ValueError),
        ({"n_open": 1.5}, TypeError),
    ],
)
def test_options(shards, options, error):
    with pytest.raises(error, match=next(iter(options))):
        ShardedCells(shards, **options)


def test_no_such_file(here):
    with pytest.raises(FileNotFoundError, match=r"no-\*\.tar"):
        ShardedCells("no-*.tar")
