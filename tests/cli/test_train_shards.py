"""`skblood train` and `skblood evaluate` on tar shards."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

import skblood

from .conftest import TINY, draw

BROKEN = b"no image"


def write_shards(folder, name, images, labels, size=12, patients=None):
    """Write images (arrays, or files in memory), labels and patients into shards."""
    for start in range(0, len(images), size):
        with tarfile.open(folder / f"{name}-{start // size:04}.tar", "w") as shard:
            for i in range(start, min(start + size, len(images))):
                files = {"png": encode(images[i]), "cls": str(labels[i]).encode()}
                if patients is not None:
                    files["json"] = json.dumps({"patient": str(patients[i])}).encode()
                for end, data in files.items():
                    member = tarfile.TarInfo(f"{i:04}.{end}")
                    member.size = len(data)
                    shard.addfile(member, io.BytesIO(data))


def encode(image):
    if isinstance(image, bytes):
        return image
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def shards(tmp_path):
    """Folder with train shards that are sorted by class, and val shards."""
    for seed, (name, n) in enumerate({"train": 72, "val": 18}.items()):
        X, y = draw(n, seed)
        order = np.argsort(y, kind="stable")
        write_shards(tmp_path, name, X[order], y[order], patients=np.arange(n) % 9)
    return tmp_path


def train(shell, data, *more, code=0):
    """Train on the shards of a folder; return the result and what is known of the data."""
    out = data.parent / "cells.skblood"
    result = shell("train", data, "--out", out, *TINY, *more, code=code)
    return result, None if code else skblood.load_info(out)


def test_train_validate_and_evaluate(shell, shards):
    parts = ("--val", f"{shards}/val-{{0000..0001}}.tar", "--test", f"{shards}/val-*.tar")
    _, info = train(shell, shards / "train-*.tar", *parts)
    data = info["attributes"]["training_data_"]
    assert (data["n_images"], data["n_validation_images"]) == (72, 18)
    assert info["evaluation"]["test"]["n_images"] == 18
    command = ("evaluate", shards / "cells.skblood", f"{shards}/val-*.tar", "--json")
    report = json.loads(shell(*command).stdout)
    assert report["n_images"] == 18


def test_patients_are_set_aside_whole(shell, shards):
    _, info = train(shell, shards / "train-*.tar", "--group-column", "patient")
    data = info["attributes"]["training_data_"]
    assert data["n_images"] + data["n_validation_images"] == 72
    assert data["n_validation_images"] == 8  # each patient has eight images


class TestErrors:
    def test_no_such_file(self, shell, shards):
        result, _ = train(shell, shards / "trian-*.tar", code=1)
        assert "trian-*.tar" in result.stderr

    def test_no_such_column(self, shell, shards):
        result, _ = train(shell, shards / "train-*.tar", "--group-column", "slide", code=1)
        assert "no slide" in result.stderr or "no label or no slide" in result.stderr

    @pytest.mark.filterwarnings("always:.*cannot be trained on")
    @pytest.mark.parametrize("kind", ["image", "label", "shard"])
    def test_what_cannot_be_read(self, shell, shards, kind):
        file = shards / "train-0006.tar"
        X, y = draw(4, 7)
        images = [encode(x) for x in X]
        if kind == "image":
            images[3] = BROKEN
        write_shards(shards, "more", images, [*y[:3], "" if kind == "label" else y[3]])
        (shards / "more-0000.tar").rename(file)
        if kind == "shard":
            file.write_bytes(file.read_bytes()[:2500])
        result, _ = train(shell, shards / "train-*.tar", code=1)
        assert "train-0006.tar" in result.stderr
        result, info = train(shell, shards / "train-*.tar", "--on-error", "skip")
        assert "train-0006.tar" in result.stderr and "are left out" in result.stderr
        data = info["attributes"]["training_data_"]
        n_images = data["n_images"] + data["n_validation_images"]
        assert n_images == {"image": 76, "label": 75, "shard": 72}[kind]
