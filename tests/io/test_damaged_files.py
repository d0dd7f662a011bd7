"""A file that was damaged is refused; nothing else comes of it."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

import skblood
from skblood import ModelFileError

from .conftest import assert_same_answers, change_metadata


@pytest.fixture(scope="module")
def whole(fitted, tmp_path_factory):
    """The bytes of a file."""
    path = skblood.save(fitted["mlp"], tmp_path_factory.mktemp("whole") / "model.skblood")
    return path.read_bytes()


def refused(path, content, match=None, reads=(skblood.load, skblood.load_info)):
    path.write_bytes(content)
    for read in reads:
        with pytest.raises(ModelFileError, match=match) as error:
            read(path)
        assert repr(str(path)) in str(error.value)
        assert len(str(error.value)) < 1000


class TestDamage:
    def test_a_flip_of_any_byte_of_the_header(self, whole, path):
        size = 8 + int.from_bytes(whole[:8], "little")
        assert 2000 < size < 20000
        content = bytearray(whole)
        for position in range(size):
            # Each bit in its turn, and all of the first bytes, which are the size of the header.
            for bit in range(8) if position < 8 else [position % 8]:
                content[position] ^= 1 << bit
                refused(path, content, reads=[skblood.load])
                content[position] ^= 1 << bit
        assert content == whole

    def test_flips_among_the_weights(self, whole, path, fitted, cells):
        rng = np.random.default_rng(0)
        size = 8 + int.from_bytes(whole[:8], "little")
        for position in rng.integers(size, len(whole), 100):
            content = bytearray(whole)
            content[position] ^= int(rng.integers(1, 256))
            refused(path, content, "checksum does not hold")
        path.write_bytes(whole)
        assert_same_answers(fitted["mlp"], skblood.load(path), cells[0])

    def test_truncations(self, whole, path):
        size = 8 + int.from_bytes(whole[:8], "little")
        for length in {*range(0, 120), *range(120, len(whole), 997), size, len(whole) - 1}:
            refused(path, whole[:length])

    @pytest.mark.parametrize("more", [b"\0", b"garbage", b"PK\x05\x06" + bytes(18)])
    def test_trailing_garbage(self, more, whole, path):
        refused(path, whole + more, "checksum does not hold")

    def test_two_files_in_one(self, whole, path):
        refused(path, whole + whole, "checksum does not hold")

    def test_a_header_without_end(self, whole, path):
        for size in (2**24 + 1, 2**40, 2**64 - 1):
            content = size.to_bytes(8, "little") + whole[8:]
            refused(path, content, "damaged or cut off")


def bytes_of(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


OTHERS = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"a model, or so", "not a file that skblood.save wrote"),
    "zeros": (lambda: bytes(1000), "not a file that skblood.save wrote"),
    "pickle": (lambda: pickle.dumps({"a": 1}), "a pickle.*could run any code"),
    "pth": (lambda: bytes_of(lambda b: torch.save({}, b)), "torch.save.*weights="),
    "npz": (lambda: bytes_of(lambda b: np.savez(b, a=1)), "numpy.savez"),
    "gzip": (lambda: b"\x1f\x8b\x08" + bytes(50), "gzip"),
    "hdf5": (lambda: b"\x89HDF\r\n" + bytes(50), "Keras"),
    "weights": (
        lambda: safetensors.torch.save({"a": torch.zeros(40)}),
        "a safetensors file of weights alone",
    ),
}


class TestOtherThings:
    @pytest.mark.parametrize("kind", OTHERS)
    def test_other_files(self, kind, path):
        make, match = OTHERS[kind]
        refused(path, make(), match)

    def test_a_pickle_is_not_opened(self, path):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(path.with_name("sprung")),)

        refused(path, pickle.dumps(Trap()))
        refused(path, bytes_of(lambda buffer: torch.save(Trap(), buffer)))
        assert not path.with_name("sprung").exists()

    def test_a_zip_of_names_with_paths(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../model.json", "{}")
        refused(path, path.read_bytes(), "zip archive")

    @pytest.mark.parametrize("read", [skblood.load, skblood.load_info])
    def test_a_folder(self, read, tmp_path):
        with pytest.raises(ModelFileError, match="is a folder"):
            read(tmp_path)

    @pytest.mark.parametrize("read", [skblood.load, skblood.load_info])
    def test_no_file(self, read, path):
        with pytest.raises(FileNotFoundError, match="model"):
            read(path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_is_not_waited_for(self, path):
        os.mkfifo(path)
        with pytest.raises(ModelFileError, match="is no file"):
            skblood.load(path)

    def test_a_path_that_is_none(self):
        with pytest.raises(TypeError, match="str, bytes or os"):
            skblood.load(None)


class TestVersions:
    def test_a_later_format_names_the_version_to_install(self, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, format="2", skblood="7.1.0", model=None, new="thing")
        for read in (skblood.load, skblood.load_info):
            with pytest.raises(ModelFileError, match=r"format 2; .* skblood 7\.1\.0: install"):
                read(path)

    @pytest.mark.parametrize("found", ["", "0", "-1", "1.0", "9" * 5000, "eins"])
    def test_an_odd_format(self, found, mlp, path):
        skblood.save(mlp, path)
        change_metadata(path, format=found)
        with pytest.raises(ModelFileError, match="no version of its format"):
            skblood.load(path)

    def test_other_versions_of_packages_are_named_when_it_does_not_load(self, mlp, forge):
        def change(document):
            document["versions"]["timm"] = "0.0.1"
            document["model"]["class"] = "LaterClassifier"

        with pytest.raises(ModelFileError, match=r"It was saved with timm 0\.0\.1 \(here 1\."):
            skblood.load(forge(mlp, change))
