"""Damaged files, files of other kinds and of other versions are refused."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import skblood
from skblood import ModelFileError
from skblood.datasets import make_blood_cells
from skblood.io import _container as container

from .conftest import bounded_memory, rewrite_header


@pytest.fixture(scope="module")
def whole(fitted, tmp_path_factory):
    """The bytes of a file."""
    path = skblood.save(fitted["mlp"], tmp_path_factory.mktemp("whole") / "model.skblood")
    return path.read_bytes()


def refused(path, content=None, match=None):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=match) as error:
        skblood.load(path)
    assert repr(str(path)) in str(error.value)
    assert len(str(error.value)) < 1000


class TestDamage:
    @pytest.mark.parametrize("step", [97, pytest.param(7, marks=pytest.mark.slow)])
    def test_flipped_bits(self, whole, path, step):
        size = 8 + int.from_bytes(whole[:8], "little")
        assert 2000 < size < 20000
        among_weights = np.random.default_rng(0).integers(size, len(whole), 20)
        for position in [*range(8), *range(8, size, step), *among_weights]:
            content = bytearray(whole)
            content[position] ^= 1 << (position % 8)
            refused(path, content)

    def test_cut_off_or_continued(self, whole, path):
        for length in (0, 1, 8, 40, 110, 5000, len(whole) - 1):
            refused(path, whole[:length])
        refused(path, whole + b"\0", "checksum is wrong")
        refused(path, whole + whole, "checksum is wrong")

    def test_a_file_of_another_size_than_its_header_says_is_not_read(
        self, whole, path, monkeypatch
    ):
        monkeypatch.setattr(container, "_digest", None)
        path.write_bytes(whole)
        os.truncate(path, 2**31)  # sparse
        with bounded_memory():
            refused(path, match="its size is not that in its header")

    @pytest.mark.parametrize("size", [2**24 + 1, 2**64 - 1])
    def test_a_header_without_end(self, size, whole, path):
        refused(path, size.to_bytes(8, "little") + whole[8:], "header has no end")


def zip_of(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"a model, or so", "not a file that skblood.save wrote"),
        (pickle.dumps({"a": 1}), r"a pickle.*could run any code"),
        (zip_of({}), r"torch.save.*weights="),
        (b"\x1f\x8b\x08" + bytes(50), "not a file that skblood.save wrote"),
        (safetensors.torch.save({"a": torch.zeros(40)}), r"Weights of a backbone.*weights="),
    ],
)
def test_other_files(content, match, path):
    refused(path, content, match)


def test_a_pickle_is_not_opened(path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(path.with_name("sprung")),)

    refused(path, pickle.dumps(Trap()))
    refused(path, zip_of(Trap()))
    assert not path.with_name("sprung").exists()


@pytest.mark.parametrize("read", [skblood.load, skblood.load_info])
def test_no_file(read, path):
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        read(path)
    close, other = path.with_name("modell.skblood"), path.with_name("z.skblood")
    other.touch()
    with pytest.raises(FileNotFoundError, match=r"model\.skblood'\.$"):
        read(path)
    close.touch()
    with pytest.raises(FileNotFoundError, match=rf"but there is '{close}'\.$"):
        read(path)
    with pytest.raises(ModelFileError, match="is a folder, a pipe or a device"):
        read(path.parent)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("read", [skblood.load, skblood.load_info])
def test_a_pipe_is_not_waited_for(read, path):
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="is a folder, a pipe or a device"):
        read(path)


def test_versions(mlp, path, forge):
    skblood.save(mlp, path)
    later = {"format": "3", "skblood": "7.1.0", "new": "thing"}
    rewrite_header(path, lambda header: header["__metadata__"].update(later))
    refused(path, match=r"format 3; .* skblood 7\.1\.0: install")
    for odd in ("", "-1", "9" * 5000):
        rewrite_header(path, lambda header, odd=odd: header["__metadata__"].update(format=odd))
        refused(path, match="this version of skblood reads 1, 2")

    def change(document):
        document["versions"]["timm"] = "0.0.1"
        document["model"]["class"] = "LaterClassifier"

    refused(forge(mlp, change), match=r"It was saved with .*'timm': '0\.0\.1'.*here is")


WEIGHT = "head.0.weight"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["__metadata__"].update(model="[" * 10**6 + "]" * 10**6),
        lambda header: header["__metadata__"].update(model="null"),
        lambda header: header["__metadata__"].update(model='{"model": ' + "9" * 10**5 + "}"),
        lambda header: header["__metadata__"].update(model="{}"),
        lambda header: header["__metadata__"].update(card={"a": 1}),
        lambda header: header["__metadata__"].pop("card"),
        lambda header: header.update({WEIGHT: None}),
        lambda header: header[WEIGHT].update(shape=[2**40]),
        lambda header: header[WEIGHT].update(data_offsets=[0, 2**62]),
        lambda header: header[WEIGHT].update(dtype="O"),
        lambda header: header.pop(WEIGHT),  # bytes that belong to no tensor
    ],
)
def test_forged_headers(change, mlp, path):
    skblood.save(mlp, path)
    rewrite_header(path, change)
    with bounded_memory():
        refused(path)


def test_a_document_too_long_for_the_header(mlp, path, monkeypatch):
    monkeypatch.setattr(container, "_MAX_HEADER", 1000)
    with pytest.raises(ValueError, match="as JSON; 1,000 fit"):
        skblood.save(mlp, path)
    assert not path.exists()


class TestSummary:
    """What is shown of a file without torch."""

    @pytest.fixture
    def file(self, tmp_path):
        X, y = make_blood_cells(24, image_size=16, random_state=0)
        clf = skblood.MLPCellClassifier((4,), max_epochs=1, random_state=0).fit(X, y)
        return skblood.save(clf.adapt(X, y, random_state=0), tmp_path / "a.skblood")

    def test_as_load_info(self, file):
        summary, info = container.load_summary(file), skblood.load_info(file)
        for name in ("class", "spec", "skblood", "evaluation", "card"):
            assert summary[name] == info[name]
        found, expected = summary["attributes"], info["attributes"]
        for name in ("image_shape_", "training_data_", "n_iter_", "best_epoch_"):
            assert found[name] == expected[name]
        assert found["adaptation_"]["steps"] == expected["adaptation_"]["steps"]

    @pytest.mark.parametrize("change", [{"class": 1}, {"attributes": 3}, {"spec": None}, None])
    def test_other_files(self, file, change):
        """`load_info` says what is wrong; the summary does not fail in another way."""
        contents = container.unpack(file)
        model = None if change is None else contents.document["model"] | change
        document = contents.document | {"model": model}
        packed = container.pack(document, contents.tensors, contents.card, contents.version)
        file.write_bytes(packed)
        assert container.load_summary(file) is None
        with pytest.raises(skblood.ModelFileError):
            skblood.load_info(file)

    def test_damaged(self, file):
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(skblood.ModelFileError, match="checksum"):
            container.load_summary(file)

    def test_other_formats(self):
        file = Path(skblood.__file__).parent / "pretrained" / "pbc8.safetensors"
        assert container.load_summary(file) is None
