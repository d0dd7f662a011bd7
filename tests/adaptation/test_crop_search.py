"""Search for the crop of the target laboratory."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from skblood import TransferCellClassifier, adapt, reconfigure
from skblood.adaptation import _crop_search
from skblood.adaptation._crop_search import candidate_crops, choose_crop
from skblood.datasets import make_blood_cells

from .conftest import QUICK


@pytest.fixture(scope="module")
def far_away():
    """(X, y): cells that a laboratory photographs half as large."""
    X, y = make_blood_cells(48, image_size=28, random_state=1)
    return np.pad(X, ((0, 0), (14, 14), (14, 14), (0, 0)), mode="symmetric"), y


@pytest.fixture(scope="module")
def sized():
    """A classifier that resizes images. Shared: do not fit it again."""
    X, y = make_blood_cells(320, image_size=28, random_state=0)
    return TransferCellClassifier("cellnet_t", image_size=28, **{**QUICK, "max_epochs": 8}).fit(
        X, y
    )


def stub(best, confidence=0.9, other=0.3):
    """Return a predictor that is confident and right at one crop, and images to it."""

    def logits(crop):
        p = confidence if crop == best else other
        return np.log([[p, 1 - p - 0.05, 0.05]] * 40)

    images = {crop: crop for crop in candidate_crops(1.0)}
    return SimpleNamespace(logits=logits), images


@pytest.mark.parametrize("labelled", [True, False])
def test_the_crop_that_is_clearly_better(labelled):
    codes = torch.full((40,), 0 if labelled else -1)
    crop, note = choose_crop(*stub(0.7), codes)
    assert crop == 0.7
    kind = "right" if labelled else "predicted"
    other = 0.3 if labelled else 0.65
    assert note == f"crop 0.7: mean probability of the {kind} classes 0.900, not {other:.3f}"


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        (stub(1.0), torch.zeros(40, dtype=torch.int64)),  # its own crop is the best
        (stub(0.7, confidence=0.79), torch.full((40,), -1)),  # not confident, and no labels
        (stub(0.7), torch.tensor([0] + [-1] * 39)),  # a single labelled cell
    ],
)
def test_otherwise_the_crop_stays(given, codes):
    assert choose_crop(*given, codes) == (1.0, "")


@pytest.mark.parametrize(("n", "margin"), [(1, np.inf), (4, 3.8), (20, 2.19), (300, 2.01)])
def test_few_cells_must_agree_more(n, margin):
    assert _crop_search._margin(n) == pytest.approx(margin, abs=0.01)


def test_crops_are_multiples_of_the_own_within_the_range():
    assert candidate_crops(0.8) == [0.8, 0.4, 0.48, 0.56, 0.64, 0.72, 0.92, 1.08, 1.28]
    assert max(candidate_crops(3.0)) <= 4 and min(candidate_crops(0.01)) >= 0.01


def test_adapt_takes_the_new_crop(sized, far_away):
    X, y = far_away
    before = sized.score(X, y)
    adapted = adapt(sized, X[:32], y[:32], random_state=0)
    adaptation = adapted.adaptation_
    assert adaptation.steps[0] == "crop"
    assert adaptation.reason.startswith("crop 0.")
    assert adapted.spec_.crop in (0.5, 0.6, 0.7)
    assert adapted.get_params() == sized.get_params()
    assert adapted.score(X[32:], y[32:]) > sized.score(X[32:], y[32:])
    assert (sized.spec_.crop, sized.score(X, y)) == (1.0, before)
    # The first two scores are those of the model as it was given, and of it at the new crop.
    assert list(adaptation.scores)[:2] == ["unchanged", "crop"]
    assert adaptation.scores["crop"] > adaptation.scores["unchanged"]


def test_a_model_that_works_at_the_images_own_size(skilled, home, monkeypatch):
    X, expected = home[0][:40], reconfigure(skilled, crop=0.6).decision_function(home[0][:40])

    def choose(predictor, images, codes):
        np.testing.assert_allclose(predictor.logits(images[0.6]), expected, atol=1e-6)
        return 0.6, "crop 0.6 in a test"

    monkeypatch.setattr("skblood.adaptation._adapt.choose_crop", choose)
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
def test_each_file_is_decoded_once(request, name, far_away, tmp_path, monkeypatch):
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
    assert sorted(decoded) == sorted(map(str, paths))
    assert one.adaptation_ == adapt(model, X, y, random_state=0).adaptation_
