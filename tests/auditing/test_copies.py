"""Copies: which are found, which are not, and which images belong together."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from skblood import audit
from skblood.datasets import load_image_folder, make_blood_cells


@pytest.fixture(scope="module")
def X():
    """240 unrelated cells."""
    return make_blood_cells(240, image_size=64, random_state=0)[0]


def compress(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def resize(image):
    return np.asarray(Image.fromarray(image).resize((38, 38), 3).resize((64, 64), 3))


def crop(image, top, left, cut=9):
    """Cut off 9 of 64 rows and columns."""
    return image[top : top + 64 - cut, left : left + 64 - cut]


def rotate(image, angle, fill):
    return np.asarray(Image.fromarray(image).rotate(angle, 3, fillcolor=fill))


def blur(image, radius):
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def shift(image):
    return np.pad(image, ((2, 0), (0, 2), (0, 0)), mode="edge")[:-2, 2:]


def brighten(image):
    return np.clip(image * 1.08, 0, 255).astype(np.uint8)


CHANGES = {
    "rotated": np.rot90,
    "rotated and mirrored": lambda image: np.rot90(image, 3)[::-1],
    "jpeg": compress,
    "resized": resize,
    "shifted": shift,
    "brighter": brighten,
    "gray": lambda image: np.asarray(Image.fromarray(image).convert("L")),
    "cropped": lambda image: crop(image, 4, 5),
    "cropped in a corner": lambda image: crop(image, 0, 0),
    "cropped and resized": lambda image: resize(crop(image, 9, 3)),
    "rotated by 5 degrees": lambda image: rotate(image, 5, "black"),
    "rotated by 45 degrees": lambda image: rotate(image, 45, "white"),
    "rotated by 200 degrees": lambda image: rotate(image, 200, "black"),
    "blurred": lambda image: blur(image, 2),
    "several": lambda image: compress(brighten(shift(np.rot90(image)))),
    "all": lambda image: compress(blur(crop(rotate(image[::-1], 70, "gray"), 2, 5, 6), 1)),
}


def positions(findings):
    return [each.positions for each in findings]


def test_unrelated_cells_are_no_copies(X):
    report = audit(X)
    assert report.findings == []
    assert report.groups_.tolist() == list(range(240))


def test_changed_copies_are_found(X):
    """Eight cells for each change; images of several sizes, color and gray."""
    originals = X[: 8 * len(CHANGES)]
    copies = [f(x) for x, f in zip(originals, np.repeat([*CHANGES.values()], 8), strict=True)]
    n = len(originals)
    report = audit([*originals, *copies])
    assert positions(report.near_identical) == [(i, n + i) for i in range(n)]
    assert all(0.96 <= each.similarity <= 1 for each in report.near_identical)


def test_identical_pixels_are_not_near_identical_as_well(X):
    report = audit(np.concatenate([X[:10], X[:2]]))
    assert positions(report.identical_pixels) == [(0, 10), (1, 11)]
    assert report.near_identical == [] and report.identical_files == []


def test_identical_files_and_identical_pixels(X, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.bmp", "d.png")]
    for path, image in zip(paths, X[[0, 0, 0, 1]], strict=True):
        Image.fromarray(image).save(path)
    report = audit(paths)
    assert positions(report.identical_files) == [(0, 1)]
    assert positions(report.identical_pixels) == [(0, 2)]


def test_images_of_other_sizes_with_the_same_bytes_are_no_copies():
    images = [np.zeros(shape, np.uint8) for shape in [(8, 18, 3), (12, 12, 3), (12, 12, 3)]]
    assert positions(audit(images).identical_pixels) == [(1, 2)]


def test_each_file_is_decoded_once(X, tmp_path, monkeypatch):
    """Including files that are copies, which are hashed as well."""
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, image in zip(paths, X[[0, 1, 2, 0, 1, 3]], strict=True):
        Image.fromarray(image).save(path)
    opened, decode = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path, **kw: opened.append(path) or decode(path, **kw))
    assert len(audit(paths).identical_files) == 2
    assert sorted(opened) == paths


def test_groups_are_transitive(X):
    """A copy, a copy of the copy, and two images of one slide."""
    images = [X[0], X[1], compress(X[0]), np.rot90(compress(X[0])), X[2], X[1]]
    groups = audit(images).groups_
    assert groups.tolist() == [0, 1, 0, 0, 2, 1]
    joined = audit(images, groups=["s", "t", "u", "v", "t", "w"]).groups_
    assert joined.tolist() == [0, 1, 0, 0, 1, 1]


def test_the_order_does_not_matter(X):
    images = np.concatenate([X[:30], np.rot90(X[:5], axes=(1, 2)), X[5:9]])
    order = np.random.default_rng(0).permutation(len(images))
    there, back = audit(images).groups_, audit(images[order]).groups_
    same = there[order][:, None] == there[order]
    assert np.array_equal(same, back[:, None] == back)


def test_many_copies_and_many_blank_images(X):
    images = np.concatenate([X[:3], np.repeat(X[3:4], 200, axis=0), np.zeros((200, 64, 64, 3))])
    report = audit(images.astype(np.uint8))
    assert len(report.identical_pixels) == 199 + 199
    assert len(report.blank) == 200
    assert len(set(report.groups_.tolist())) == 5


def test_a_few_images():
    """Descriptors of equal pictures have no principal components."""
    X, _ = make_blood_cells(2, image_size=64, random_state=0)
    assert set(audit([np.rot90(X[0], k) for k in range(4)]).groups_.tolist()) == {0}
    assert audit(X).findings == audit(X[:1]).findings == []


def test_small_images(X):
    """Of 28 px, among each other and beside larger ones; a blur of radius 1 is all they bear."""
    small = [np.asarray(Image.fromarray(x).resize((28, 28), 3)) for x in X[:120]]
    changes = [np.rot90, lambda x: x[2:26, 3:27], lambda x: rotate(x, 30, "black"), compress]
    changes += [lambda x: blur(x, 1), lambda x: compress(rotate(x[:, ::-1], 110, "white"))]
    copies = [f(x) for x, f in zip(small, np.repeat(np.array(changes), 4), strict=False)]
    found = positions(audit([*small, *copies, *X[100:110]]).near_identical)
    expected = [(i, 120 + i) for i in range(24)] + [(100 + i, 144 + i) for i in range(10)]
    assert set(found) <= set(expected) and len(found) >= 0.95 * len(expected)


def test_settings_of_torch_do_not_matter(X):
    images = [*X[:8], rotate(X[0], 40, "black")]
    expected = audit(images).findings
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            assert audit(images).findings == expected
    finally:
        torch.set_default_dtype(torch.float32)
    assert positions(expected) == [(0, 8)]


@pytest.mark.slow
@pytest.mark.real
def test_real_cells(real_data):
    """The known pairs, and no others but cells that were photographed twice, of one class each."""
    parts = {
        part: load_image_folder(real_data / "pbc" / "128px", split=part, return_X_y=True)
        for part in ("train", "val", "test")
    }
    paths = np.concatenate([X for X, _ in parts.values()])
    y = np.concatenate([y for _, y in parts.values()])
    split = np.repeat(list(parts), [len(y) for _, y in parts.values()])
    content = np.array([hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths])
    _, codes, counts = np.unique(content, return_inverse=True, return_counts=True)
    report = audit(paths, y, split=split)
    stems = {Path(name).stem for names in report.to_frame()["names"] for name in names}
    assert {"EO_225902", "BNE_191112"} <= stems
    assert {Path(path).stem for path in paths[counts[codes] > 1]} <= stems
    assert len(report.contradictory_labels) == 1
    assert len(report.crossing_split) >= 5
    # One cell in two photographs of other colors, turned.
    assert {"EO_558714", "EO_116336", "MO_144254", "MO_914340"} <= stems
    assert len(report.near_identical) <= 30
    assert all(len(set(y[list(pair.positions)])) == 1 for pair in report.near_identical)
    assert not report.odd_size and not report.blank and not report.unreadable
