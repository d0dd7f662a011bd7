"""Reading of the target cells, and their crop."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from skblood import TransferCellClassifier, adapt, measured_crop, reconfigure
from skblood.adaptation._reading import read_cells
from skblood.datasets import make_blood_cells
from skblood.images import resize_images

from .conftest import QUICK


@pytest.fixture(scope="module")
def far_away():
    """(X, y): cells that a laboratory photographs half as large."""
    X, y = make_blood_cells(160, image_size=28, random_state=1)
    return np.pad(X, ((0, 0), (14, 14), (14, 14), (0, 0)), mode="symmetric"), y


@pytest.fixture(scope="module")
def sized():
    """A classifier that resizes images. Shared: do not fit it again."""
    X, y = make_blood_cells(320, image_size=28, random_state=0)
    return TransferCellClassifier("cellnet_t", image_size=28, **{**QUICK, "max_epochs": 8}).fit(
        X, y
    )


@pytest.mark.parametrize(
    ("n", "n_groups", "refused"),
    [(0, 40, False), (1, 40, False), (2, 40, False), (32, 40, True), (32, 2, False), (32, 1, True)],
)
def test_labels_can_refuse_the_measured_crop(sized, home, monkeypatch, n, n_groups, refused):
    X, y = home[0][:40], home[1].astype(object)[:40]
    y[n:] = None

    def read(model, X):  # as if the cells had been measured wrongly
        own, wrong = model.read_images(X, crops=[1.0, 0.4])
        return own, wrong, SimpleNamespace(crop=0.4)

    monkeypatch.setattr("skblood.adaptation._adapt.read_cells", read)
    groups = np.arange(40) * n_groups // 40
    adapted = adapt(sized, X, y, groups=groups, random_state=0)
    assert ("crop" in adapted.adaptation_.steps) != refused
    assert ("crop=0.4 refused: the labels" in adapted.adaptation_.reason) == refused
    assert adapted.spec_.crop == (1.0 if refused else 0.4)


@pytest.mark.parametrize("with_labels", [True, False])
def test_adapt_takes_the_measured_crop(sized, far_away, with_labels):
    X, y = far_away
    before = sized.score(X, y)
    adapted = adapt(sized, X[:32], y[:32] if with_labels else None, random_state=0)
    adaptation = adapted.adaptation_
    assert adaptation.steps[0] == "crop"
    assert adaptation.reason.startswith("crop: cells fill 0.")
    assert adapted.spec_.crop == measured_crop(sized, X[:32]) == pytest.approx(0.5, abs=0.06)
    assert adapted.get_params() == sized.get_params()
    assert adapted.score(X[32:], y[32:]) > sized.score(X[32:], y[32:])
    assert (sized.spec_.crop, sized.score(X, y)) == (1.0, before)
    # The first two scores are those of the model as it was given, and of it at the new crop.
    assert list(adaptation.scores)[:2] == (["unchanged", "crop"] if with_labels else [])


def test_cells_of_the_right_size_and_unknown_sizes(sized, home):
    own, measured, frame = read_cells(sized, home[0])
    assert measured is None and frame.crop == 1.0 and len(own) == 160
    assert "crop kept: cells fill" in adapt(sized, home[0][:20]).adaptation_.reason
    old = reconfigure(sized)
    del old.training_data_["cell_size"]  # as in files of earlier versions
    assert read_cells(old, home[0])[1:] == (None, None)


def test_a_model_that_works_at_the_images_own_size(skilled, far_away):
    X = far_away[0][:40, 14:-14, 14:-14]
    adapted = adapt(skilled, np.pad(X[:, 7:-7, 7:-7], ((0, 0), (7, 7), (7, 7), (0, 0)), "edge"))
    assert adapted.spec_.image_size == (None if adapted.spec_.crop == 1 else (28, 28))
    assert (skilled.spec_.crop, skilled.spec_.image_size) == (1.0, None)
    assert adapted.predict_proba(X).shape == (40, 8)


def test_images_read_before_keep_their_crop(sized, far_away):
    X, y = far_away
    adaptation = adapt(sized, sized.read_images(X[:24]), y[:24], random_state=0).adaptation_
    assert not any("crop" in name for name in adaptation.scores)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that are decoded."""
    names, decode = [], Image.open

    def count(path, *args, **options):
        names.append(str(path))
        return decode(path, *args, **options)

    monkeypatch.setattr(Image, "open", count)
    return names


def write(X, folder):
    paths = [str(folder / f"{i:02}.png") for i in range(len(X))]
    for path, x in zip(paths, X, strict=True):
        Image.fromarray(x).save(path)
    return paths


@pytest.mark.parametrize("most", [512, 10])
def test_each_file_is_decoded_once(sized, far_away, tmp_path, decoded, monkeypatch, most):
    monkeypatch.setattr("skblood.cells._frame._MOST_IMAGES", most)
    X, y = far_away[0][:24], far_away[1][:24]
    paths = write(X, tmp_path)
    one = adapt(sized, paths, y, random_state=0)
    assert sorted(decoded) == paths
    other = adapt(sized, X, y, random_state=0)
    assert one.adaptation_ == other.adaptation_
    assert one.adaptation_.steps[0] == "crop"
    assert measured_crop(sized, paths) == one.spec_.crop


def test_pixels_are_those_of_the_reader(sized, far_away, tmp_path, monkeypatch):
    monkeypatch.setattr("skblood.cells._frame._MOST_IMAGES", 10)
    sizes = [x[: 56 - i % 3, : 56 - i % 3] for i, x in enumerate(far_away[0][:24])]
    sizes[3] = resize_images(sizes[3][None], (330, 330))[0]  # larger than is needed at any crop
    paths = write(sizes, tmp_path)
    *read, frame = read_cells(sized, paths)
    expected = sized.read_images(paths, crops=[1.0, frame.crop])
    for one, other in zip(read, expected, strict=True):
        assert one.preprocessing == other.preprocessing
        same = resize_images(one.pixels, (28, 28)), resize_images(other.pixels, (28, 28))
        rest = np.arange(24) != 3
        np.testing.assert_array_equal(same[0][rest], same[1][rest])
        assert np.abs(same[0][3].astype(int) - same[1][3]).mean() < 2


def test_files_that_cannot_be_read(sized, far_away, tmp_path, monkeypatch):
    monkeypatch.setattr("skblood.cells._frame._MOST_IMAGES", 10)
    paths = write(far_away[0][:24], tmp_path)
    for row in (2, 3, 20, 21):
        (tmp_path / f"{row:02}.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="4 of 24 image files cannot be read"):
        adapt(sized, paths)
