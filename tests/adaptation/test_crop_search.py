"""The crop of the target laboratory."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from skblood import TransferCellClassifier, adapt, measured_crop, reconfigure
from skblood.adaptation import _crop_search
from skblood.adaptation._crop_search import choose_crop, measure_crops
from skblood.datasets import make_blood_cells

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


class Cells(SimpleNamespace):
    """Images of 40 cells at a crop."""

    def __getitem__(self, rows):
        return Cells(crop=self.crop, rows=rows)


def choose(probabilities, codes):
    """Choose between crops at which a predictor gives the right class these probabilities."""

    def logits(images):
        p = np.broadcast_to(probabilities[images.crop], 40)[images.rows]
        return np.log(np.stack([p, 0.95 - p, np.full_like(p, 0.05)], 1))

    images = {crop: Cells(crop=crop) for crop in probabilities}
    return choose_crop(SimpleNamespace(logits=logits), images, torch.as_tensor(codes))


LABELLED, UNLABELLED = [0] * 40, [-1] * 40
SPREAD = np.linspace(0.3, 0.5, 40)


@pytest.mark.parametrize(
    ("probabilities", "codes", "expected"),
    [
        ({1.0: 0.9}, LABELLED, 1.0),
        ({1.0: 0.9, 0.6: 0.1}, UNLABELLED, 0.6),  # nothing speaks against the measurement
        ({1.0: 0.4, 0.6: 0.9}, LABELLED, 0.6),
        ({1.0: 0.9, 0.6: SPREAD}, LABELLED, 1.0),  # the labels do
        ({1.0: 0.4, 0.6: SPREAD - 0.001}, LABELLED, 0.6),  # but not clearly
        ({1.0: 0.9, 0.6: 0.1}, [0] + [-1] * 39, 0.6),  # nor can a single one
    ],
)
def test_labels_can_refuse_the_measured_crop(probabilities, codes, expected):
    assert choose(probabilities, codes) == expected


@pytest.mark.parametrize(("n", "margin"), [(1, np.inf), (4, 3.8), (20, 2.19), (300, 2.01)])
def test_few_cells_must_agree_more(n, margin):
    assert _crop_search._margin(n) == pytest.approx(margin, abs=0.01)


@pytest.mark.parametrize("with_labels", [True, False])
def test_adapt_takes_the_measured_crop(sized, far_away, with_labels):
    X, y = far_away
    before = sized.score(X, y)
    adapted = adapt(sized, X[:32], y[:32] if with_labels else None, random_state=0)
    adaptation = adapted.adaptation_
    assert adaptation.steps[0] == "crop"
    assert adaptation.reason.startswith("cells fill 0.")
    assert adapted.spec_.crop == measured_crop(sized, X[:32]) == pytest.approx(0.5, abs=0.06)
    assert adapted.get_params() == sized.get_params()
    assert adapted.score(X[32:], y[32:]) > sized.score(X[32:], y[32:])
    assert (sized.spec_.crop, sized.score(X, y)) == (1.0, before)
    # The first two scores are those of the model as it was given, and of it at the new crop.
    assert list(adaptation.scores)[:2] == (["unchanged", "crop"] if with_labels else [])


def test_cells_of_the_right_size_and_unknown_sizes(sized, home):
    X, _ = home
    assert measure_crops(sized, X)[0] == [1.0]
    old = reconfigure(sized)
    del old.training_data_["cell_size"]  # as in files of earlier versions
    assert measure_crops(old, X) == ([1.0], "")


def test_a_model_that_works_at_the_images_own_size(skilled, home, monkeypatch):
    X, expected = home[0][:40], reconfigure(skilled, crop=0.6).decision_function(home[0][:40])

    def choose(predictor, images, codes):
        np.testing.assert_allclose(predictor.logits(images[0.6]), expected, atol=1e-6)
        return 0.6

    monkeypatch.setattr("skblood.adaptation._adapt.choose_crop", choose)
    monkeypatch.setattr("skblood.adaptation._adapt.measure_crops", lambda *_: ([1.0, 0.6], "small"))
    adapted = adapt(skilled, X, random_state=0)
    assert adapted.adaptation_.steps[0] == "crop"
    assert (adapted.spec_.crop, adapted.spec_.image_size) == (0.6, (28, 28))
    assert (skilled.spec_.crop, skilled.spec_.image_size) == (1.0, None)
    assert adapted.predict_proba(X).shape == (40, 8)


def test_images_read_before_keep_their_crop(sized, far_away):
    X, y = far_away
    adaptation = adapt(sized, sized.read_images(X[:24]), y[:24], random_state=0).adaptation_
    assert not any("crop" in name for name in adaptation.scores)


@pytest.mark.parametrize("name", ["sized", "skilled"])
def test_files_are_decoded_to_be_measured_and_to_be_read(
    request, name, far_away, tmp_path, monkeypatch
):
    model, X, y = request.getfixturevalue(name), far_away[0][:24, ::2, ::2], far_away[1][:24]
    paths = [tmp_path / f"{i}.png" for i in range(24)]
    for path, x in zip(paths, X, strict=True):
        Image.fromarray(x).save(path)
    decoded, decode = [], Image.open

    def count(path, *args, **options):
        decoded.append(str(path))
        return decode(path, *args, **options)

    monkeypatch.setattr(Image, "open", count)
    one = adapt(model, paths, y, random_state=0)
    assert sorted(decoded) == sorted(2 * [str(path) for path in paths])
    assert one.adaptation_ == adapt(model, X, y, random_state=0).adaptation_
