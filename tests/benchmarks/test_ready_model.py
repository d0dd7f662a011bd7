"""The benchmark of the ready model, and the script that makes its fingerprints."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from benchmarks import ready_model
from skblood.datasets import make_blood_cells
from skblood.images import resize_images
from skblood.pretrained._fingerprints import (
    LENGTH,
    compute_fingerprints,
    match_fingerprints,
)

pytestmark = pytest.mark.slow

OPTIONS = {"quick": True, "repeats": 1, "device": "cpu"}


@pytest.fixture
def pbc(tmp_path):
    """Drawn cells in the folders of PBC: 30 in each part, two of them in train and test."""
    X, _ = make_blood_cells(88, image_size=64, random_state=2)
    X = np.concatenate([X, X[:2]])
    for i, image in enumerate(X):
        part = ("train", "val", "test")[i // 30]
        file = tmp_path / "128px" / part / "ab"[i % 2] / f"{i:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    small, codes = resize_images(X, (28, 28)), np.zeros((90, 1), int)
    splits = {"train": slice(0, 30), "val": slice(30, 60), "test": slice(60, 90)}
    arrays = {f"{k}_images": small[rows] for k, rows in splits.items()}
    labels = {f"{k}_labels": codes[rows] for k, rows in splits.items()}
    np.savez(tmp_path / "pbc_28.npz", **arrays, **labels)
    return X, tmp_path / "128px"


def test_written_fingerprints_know_the_folder(pbc, tmp_path):
    X, folder = pbc
    ready_model.write_fingerprints(folder / "train", tmp_path / "fingerprints.npy")
    codes = np.load(tmp_path / "fingerprints.npy", allow_pickle=False)
    assert codes.shape == (30, LENGTH) and codes.dtype == np.int8
    assert np.array_equal(codes, np.unique(codes, axis=0))  # the order tells nothing
    found = match_fingerprints(compute_fingerprints(X), cKDTree(codes))
    assert found[:30].all() and found[88:].all()
    assert found[30:88].sum() <= 2


def test_a_file_that_cannot_be_read_is_an_error(pbc, tmp_path):
    (pbc[1] / "train" / "a" / "bad.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 images of .*train cannot be read"):
        ready_model.write_fingerprints(pbc[1] / "train", tmp_path / "fingerprints.npy")
    assert not (tmp_path / "fingerprints.npy").exists()


def test_known_again(pbc, tmp_path, monkeypatch):
    _, folder = pbc
    ready_model.write_fingerprints(folder / "train", tmp_path / "fingerprints.npy")
    codes = np.load(tmp_path / "fingerprints.npy")
    monkeypatch.setattr(ready_model, "FINGERPRINTS_FILE", tmp_path / "fingerprints.npy")
    monkeypatch.setattr(
        "skblood.pretrained._training_overlap._training_tree", lambda names: cKDTree(codes)
    )
    figures = ready_model.again(SimpleNamespace(data=folder, **OPTIONS))
    lines = figures["lines"]
    assert lines["train, 128 px"] == {"n_images": 30, "known": 1.0}
    assert 2 / 30 <= lines["test, 128 px"]["false_alarms"] < 0.2
    assert "known" not in lines["test, 128 px"]  # which has a bar
    assert figures["known"] == lines["train, 28 px brought to 28"]["known"] >= 0.95
    assert figures["seconds"] > 0
    labels = [label for label, _ in ready_model.lines_of("again", figures)]
    assert labels[0] == "again, train, 128 px" and len(labels) == 6


def test_bytes_are_those_of_the_files():
    figures = ready_model.size(None)
    assert 2_000_000 < figures["bytes"] < 5_000_000
    assert [note.partition(":")[0] for note in figures["notes"]] == [
        "blood8-2.md",
        "blood8-2.safetensors",
        "chula_fingerprints.npy",
        "pbc8.md",
        "pbc8.safetensors",
        "pbc8_fingerprints.npy",
    ]


def test_a_cold_start_is_timed(monkeypatch):
    monkeypatch.setattr(ready_model, "_START", {"ours": "0", "timm": "import time; time.sleep(1)"})
    figures = ready_model.cold(SimpleNamespace(**OPTIONS))
    assert figures["seconds"]["median"] < 1
    assert figures["times_faster"]["median"] > 1


def test_speed_is_measured_on_one_thread(monkeypatch):
    seen, few = [], make_blood_cells(16, image_size=32, random_state=0)
    monkeypatch.setattr(ready_model, "make_blood_cells", lambda n, **options: few)
    measured = ready_model._predict

    def predict(*args):
        seen.append(ready_model.torch.get_num_threads())
        return measured(*args)

    monkeypatch.setattr(ready_model, "_predict", predict)
    figures = ready_model.speed(SimpleNamespace(**OPTIONS))
    assert set(seen) == {1}
    assert figures["images_per_second"]["median"] > 0
    assert figures["times_faster_224"]["median"] > 0
